"""Activation layers: functions applied to each value (ReLU, sigmoid, tanh, …) or to each vector (softmax).

Without them, a stack of dense layers is one linear map. Each class states its function f and its derivative; the layer
computes Y = f(X) and dX = dY ⊙ f'(X). Where f' can be expressed with y = f(x), the layer keeps only Y, so that the layer
before does not have to keep its output as well; otherwise it keeps X.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.core.config import NonNegative
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import Constant, Initializer, Ones
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context

# The constants of SELU, to all digits of float64: the solution of the fixed-point equations for mean 0 and variance 1.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


class Activation(Layer, ABC):
    """An activation without parameters, computed by the kernels ``kernel_name`` and ``kernel_name`` + "_gradient".

    Input and output have the same shape, which may be any. The layer's settings are arguments of both kernels, after x.
    ``gradient_of_x`` is true if the gradient kernel takes x, and false if it takes y.
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    kernel_name: ClassVar[str]
    gradient_of_x: ClassVar[bool] = False

    @property
    def settings(self) -> tuple[Any, ...]:
        """The values of the layer's fields, in order."""
        return tuple(vars(self).values())

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y: Array = getattr(ctx.kernels, self.kernel_name)(x, *self.settings, out=ctx.buffer("y", x.shape))
        ctx.keep(x if self.gradient_of_x else y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.needs_dx:
            return None
        (kept,) = ctx.kept
        dx: Array = getattr(ctx.kernels, f"{self.kernel_name}_gradient")(kept, *self.settings, dy, out=dy)
        return dx


@dataclass(frozen=True)
class Identity(Layer):
    """f(x) = x, f' = 1: states that the outputs are unbounded values, as in regression."""

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return x

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return dy


@dataclass(frozen=True)
class ReLU(Activation):
    """f(x) = max(x, 0), f' = 1 where x > 0, else 0 (Nair and Hinton, 2010)."""

    kernel_name: ClassVar[str] = "relu"


@dataclass(frozen=True)
class ReLU6(Activation):
    """f(x) = min(max(x, 0), 6), f' = 1 where 0 < y < 6, else 0 (Krizhevsky, 2010; Howard et al., 2017).

    The bounded outputs can be stored in few bits, which is why networks for phones use it.
    """

    kernel_name: ClassVar[str] = "relu6"


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """f(x) = x where x > 0, else slope·x; f' = 1 where y > 0, else slope (Maas, Hannun and Ng, 2013).

    A unit with a negative sum still has a gradient, so it can become active again.
    """

    slope: NonNegative = 0.01
    kernel_name: ClassVar[str] = "leaky_relu"


@dataclass(frozen=True)
class PReLU(Layer):
    """The parametric ReLU (He et al., 2015): f(x) = x where x > 0, else s x, with a trained slope s for each channel (the
    last axis).

    f' = 1 where x > 0, else s; ds = Σ dy x over all x ≤ 0 of the channel.

    Slots: ``slope`` (c), filled by ``init``, by default with 0.25 as in the paper. It is exempt from weight decay, which would
    turn the layer into a ReLU.
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    init: Initializer = Constant(0.25)

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} expects features or channels as the last axis, got single values")
        return LayerSpec(shape, {"slope": Slot(shape[-1:], self.init, decay=False)})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x)
        return ctx.kernels.prelu(x, p.slope, out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        return ctx.kernels.prelu_backward(x, p.slope, dy, g.slope, out=dy)


@dataclass(frozen=True)
class Parametric(Layer):
    """f(x) = x + w (a(x) − x): an activation a and the identity, mixed with a learned weight w for each channel (last axis).

        f' = 1 − w + w a'(x)          dw = Σ dy (a(x) − x) over all x of the channel

    With w = 1, its initial value, it is the activation, with w = 0 a linear unit: the network chooses for each unit how curved
    it is (Holzmüller, Grinsztajn and Steinwart, 2024). Example: ``Dense(256), Parametric(Mish())``. With ReLU it is a PReLU.

    Slots: ``weight`` (c), filled by ``init``, initially ones, and exempt from weight decay.
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    activation: Activation
    init: Initializer = Ones()

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} expects features or channels as the last axis, got single values")
        return LayerSpec(self.activation.build(shape).shape, {"weight": Slot(shape[-1:], self.init, decay=False)})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        inner, kernels = self.activation, ctx.kernels
        a = getattr(kernels, inner.kernel_name)(x, *inner.settings, out=ctx.buffer("a", x.shape))
        ctx.keep(x, a)
        return kernels.mix(x, a, p.weight, out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, a = ctx.kept
        inner, kernels, da = self.activation, ctx.kernels, ctx.scratch("da", x.shape)
        kernels.mix_backward(x, a, p.weight, dy, g.weight, da, out=dy)
        if not ctx.needs_dx:
            return None
        gradient = getattr(kernels, f"{inner.kernel_name}_gradient")
        gradient(x if inner.gradient_of_x else a, *inner.settings, da, out=da)
        return kernels.sum_arrays(dy, da, out=dy)


@dataclass(frozen=True)
class ELU(Activation):
    """The exponential linear unit (Clevert, Unterthiner and Hochreiter, 2016): f(x) = x where x > 0, else α (eˣ − 1);
    f' = 1 where x > 0, else α eˣ.

    The mean of its outputs is closer to zero than that of ReLU. With α = 1 the derivative is continuous.
    """

    alpha: NonNegative = 1.0
    kernel_name: ClassVar[str] = "elu"
    gradient_of_x: ClassVar[bool] = True  # y + α is rounded to 0 where eˣ is small


@dataclass(frozen=True)
class SELU(Activation):
    """The scaled exponential linear unit (Klambauer et al., 2017): f(x) = λx where x > 0, else λα (eˣ − 1); f' = λ where
    x > 0, else λα eˣ.

    With α = 1.6733 and λ = 1.0507, the only constants for which this holds, a layer turns inputs of mean 0 and variance 1 into
    outputs of mean 0 and variance 1, and values near them come closer with every layer. So deep dense networks need no
    normalization. The proof requires weights from :class:`~pellucid.initializers.LeCun`, as in ``Dense(64, LeCun())``, and
    standardized inputs; the dropout that preserves mean and variance is :class:`~pellucid.layers.dropout.AlphaDropout`.
    """

    kernel_name: ClassVar[str] = "selu"
    gradient_of_x: ClassVar[bool] = True  # for large negative x, y + λα = λα eˣ has lost all digits

    @property
    def settings(self) -> tuple[float, float]:
        """The constants α and λ."""
        return SELU_ALPHA, SELU_SCALE


@dataclass(frozen=True)
class Softplus(Activation):
    """f(x) = log(1 + eˣ), f' = 1/(1 + e⁻ˣ) = 1 − e⁻ʸ: a smooth ReLU that is always positive (Dugas et al., 2001).

    Use it for outputs that must be positive, such as a rate or a variance. It is computed without overflow for large |x|.
    """

    kernel_name: ClassVar[str] = "softplus"


@dataclass(frozen=True)
class SiLU(Activation):
    """f(x) = x σ(x), f' = σ(x) (1 + x (1 − σ(x))), where σ is the sigmoid; also called Swish (Elfwing, Uchibe and Doya, 2018;
    Ramachandran, Zoph and Le, 2017).

    A smooth function; for negative x it falls to −0.28 and then tends to zero.
    """

    kernel_name: ClassVar[str] = "silu"
    gradient_of_x: ClassVar[bool] = True  # y does not determine x


@dataclass(frozen=True)
class HardSwish(Activation):
    """f(x) = x·h(x) with h(x) = (x + 3)/6 clipped to [0, 1]; f' = x/3 + 1/2 where −3 < x < 3, else h(x): a piecewise quadratic
    SiLU (Howard et al., 2019).
    """

    kernel_name: ClassVar[str] = "hard_swish"
    gradient_of_x: ClassVar[bool] = True  # y does not determine x


@dataclass(frozen=True)
class Mish(Activation):
    """f(x) = x t, f' = t + x (1 − t²) σ(x), with t = tanh(log(1 + eˣ)) and the sigmoid σ (Misra, 2019).

    A smooth function, like SiLU; for negative x it falls to −0.31 and then tends to zero. With n = eˣ, t is
    (n² + 2n)/(n² + 2n + 2): computed from e^−|x|, it neither overflows nor loses digits for any x.
    """

    kernel_name: ClassVar[str] = "mish"
    gradient_of_x: ClassVar[bool] = True  # y does not determine x


@dataclass(frozen=True)
class GELU(Activation):
    """f(x) = x Φ(x), f' = Φ(x) + x φ(x) (Hendrycks and Gimpel, 2016), the activation of most transformers.

    Φ(x) = (1 + erf(x/√2))/2 is the standard normal distribution and φ(x) = e^(−x²/2)/√(2π) its density. It is smooth, like
    SiLU.

    With ``approximate=True`` it is the approximation by tanh from the same paper, the activation of GPT-2: Φ(x) is replaced by
    s = (1 + tanh u)/2 = σ(2u) with u = √(2/π) (x + 0.044715 x³), so f' = s + 2 x s (1 − s) u' with
    u' = √(2/π) (1 + 0.134145 x²). The two functions differ by at most 5e-4.
    """

    approximate: bool = False
    kernel_name: ClassVar[str] = "gelu"
    gradient_of_x: ClassVar[bool] = True  # y does not determine x


@dataclass(frozen=True)
class Sigmoid(Activation):
    """f(x) = 1/(1 + e⁻ˣ), f' = y (1 − y): maps every value into (0, 1), for example to the probability of "yes"."""

    kernel_name: ClassVar[str] = "sigmoid"


@dataclass(frozen=True)
class HardSigmoid(Activation):
    """f(x) = (x + 3)/6 clipped to [0, 1], f' = 1/6 where 0 < y < 1, else 0: a piecewise linear sigmoid (Howard et al., 2019).

    The slope 1/6 is that of PyTorch and of Keras 3; older versions of Keras and ONNX have 1/5.
    """

    kernel_name: ClassVar[str] = "hard_sigmoid"


@dataclass(frozen=True)
class Tanh(Activation):
    """f(x) = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ), f' = 1 − y²: maps every value into (−1, 1), symmetric about zero."""

    kernel_name: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class Softmax(Activation):
    """yᵢ = eˣⁱ / Σⱼ eˣʲ over the last axis: turns the logits of k classes into their probabilities.

    Every output depends on all inputs of its vector: ∂yᵢ/∂xⱼ = yᵢ (δᵢⱼ − yⱼ), so dxᵢ = yᵢ (dyᵢ − Σⱼ dyⱼ yⱼ).
    """

    kernel_name: ClassVar[str] = "softmax"

    def build(self, shape: Shape) -> LayerSpec:
        if not shape or shape[-1] < 2:
            raise ShapeError(f"Softmax() over {shape} is always 1: it needs two or more classes; for yes or no use Sigmoid()")
        return LayerSpec(shape)


@dataclass(frozen=True)
class LogSoftmax(Activation):
    """yᵢ = xᵢ − log Σⱼ eˣʲ over the last axis: the logarithm of :class:`Softmax`, without its underflow.

    ∂yᵢ/∂xⱼ = δᵢⱼ − eʸʲ, so dxᵢ = dyᵢ − eʸⁱ Σⱼ dyⱼ. For a classifier, prefer Softmax with CrossEntropy: the two are computed
    together, which is equally safe, and the outputs are probabilities.
    """

    kernel_name: ClassVar[str] = "log_softmax"

    def build(self, shape: Shape) -> LayerSpec:
        if not shape or shape[-1] < 2:
            raise ShapeError(f"LogSoftmax() over {shape} is always 0: it needs two or more classes")
        return LayerSpec(shape)
