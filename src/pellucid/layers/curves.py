"""More activation layers: leaky rectifiers, which let a little through, and soft ones, which bend where ReLU has a kink.

As in ``activations.py``: Y = f(X), dX = dY ⊙ f'(X), and each class states f and f'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.config import NonNegative
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import Constant, Initializer
from pellucid.layers.activations import Activation
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """f(x) = x where x > 0, else slope·x; f' = 1 where y > 0, else slope (Maas, Hannun and Ng, 2013). A unit that is off still
    gets a gradient, and can come back."""

    slope: NonNegative = 0.01
    kernel: ClassVar[str] = "leaky_relu"


@dataclass(frozen=True)
class PReLU(Layer):
    """f(x) = x where x > 0, else s x, with a learned slope s for each channel (the last axis): the parametric ReLU (He et al.,
    2015). f' = 1 where x > 0, else s; ds = Σ dy x over all x ≤ 0 of the channel.

    Slots: ``slope`` (c), 0.25 at first as in the paper, and left alone by weight decay, which would make a ReLU of it.
    """

    init: Initializer = Constant(0.25)

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} wants features or channels as the last axis, got single numbers")
        return LayerSpec(shape, {"slope": Slot(shape[-1:], self.init, decay=False)})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x)
        return ctx.kernels.prelu(x, p.slope, out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        return ctx.kernels.prelu_backward(x, p.slope, dy, g.slope, out=dy)


@dataclass(frozen=True)
class ELU(Activation):
    """f(x) = x where x > 0, else α (eˣ − 1); f' = 1 where y > 0, else y + α = α eˣ (Clevert, Unterthiner and Hochreiter, 2016).
    Its outputs are centred nearer to zero than ReLU's; with α = 1 it has no kink."""

    alpha: NonNegative = 1.0
    kernel: ClassVar[str] = "elu"


@dataclass(frozen=True)
class Softplus(Activation):
    """f(x) = log(1 + eˣ), f' = 1/(1 + e⁻ˣ) = 1 − e⁻ʸ: a smooth ReLU that is always positive (Dugas et al., 2001), for outputs
    that have to be, such as a rate or a variance. Safe for large |x|."""

    kernel: ClassVar[str] = "softplus"


@dataclass(frozen=True)
class SiLU(Activation):
    """f(x) = x σ(x), f' = σ(x) (1 + x (1 − σ(x))) with σ the sigmoid; also called Swish (Elfwing, Uchibe and Doya, 2018;
    Ramachandran, Zoph and Le, 2017). Smooth, and below zero it dips to −0.28 before it vanishes."""

    kernel: ClassVar[str] = "silu"
    of_x: ClassVar[bool] = True  # two x have the same y


@dataclass(frozen=True)
class GELU(Activation):
    """f(x) = x Φ(x), f' = Φ(x) + x φ(x), with the standard normal distribution Φ(x) = (1 + erf(x/√2))/2 and its density
    φ(x) = e^(−x²/2)/√(2π) (Hendrycks and Gimpel, 2016): exact, not the approximation by tanh. Smooth, as SiLU; transformers
    have it."""

    kernel: ClassVar[str] = "gelu"
    of_x: ClassVar[bool] = True  # two x have the same y


@dataclass(frozen=True)
class HardSigmoid(Activation):
    """f(x) = x/6 + 1/2 cut off at 0 and 1, f' = 1/6 where 0 < y < 1, else 0: a sigmoid of three straight lines (Howard et
    al., 2019). The slope of 1/6 is PyTorch's, and Keras' since its version 3; older Keras and ONNX have 1/5."""

    kernel: ClassVar[str] = "hard_sigmoid"
