"""Activation layers: a function applied to each number (ReLU, sigmoid, tanh) or to each whole vector (softmax).

Without them a stack of dense layers is one linear map. Each class states its function f and its derivative; the layer
computes Y = f(X) and dX = dY ⊙ f'(X). Where f' can be written with y = f(x), only Y has to be kept, and the layer before need
not keep its output as well; where it cannot, X is. Softer ones are in ``curves.py``.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ShapeError
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


class Activation(Layer, ABC):
    """An activation whose kernels are called ``kernel`` and ``kernel_gradient``; input and output of any one shape. The
    ``settings`` follow x in the kernels' arguments; ``of_x``: the gradient is computed from x, not from y."""

    kernel: ClassVar[str]
    of_x: ClassVar[bool] = False

    @property
    def settings(self) -> tuple[Any, ...]:
        """What the function depends on besides x."""
        return tuple(vars(self).values())

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y: Array = getattr(ctx.kernels, self.kernel)(x, *self.settings, out=ctx.buffer("y", x.shape))
        ctx.keep(x if self.of_x else y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (kept,) = ctx.kept
        return getattr(ctx.kernels, self.kernel + "_gradient")(kept, *self.settings, dy, out=dy) if ctx.needs_dx else None


@dataclass(frozen=True)
class Identity(Layer):
    """f(x) = x, f' = 1: says that an output is meant to be a plain number (regression)."""

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return x

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return dy


@dataclass(frozen=True)
class ReLU(Activation):
    """f(x) = max(x, 0), f' = 1 where x > 0, else 0 (Nair and Hinton, 2010)."""

    kernel: ClassVar[str] = "relu"


@dataclass(frozen=True)
class Sigmoid(Activation):
    """f(x) = 1/(1 + e⁻ˣ), f' = y (1 − y): squeezes a number into (0, 1); a probability of yes."""

    kernel: ClassVar[str] = "sigmoid"


@dataclass(frozen=True)
class Tanh(Activation):
    """f(x) = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ), f' = 1 − y²: squeezes a number into (−1, 1), centred on zero."""

    kernel: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class Softmax(Activation):
    """yᵢ = eˣⁱ / Σⱼ eˣʲ over the last axis: k numbers become the probabilities of k classes.

    A whole-vector activation: ∂yᵢ/∂xⱼ = yᵢ (δᵢⱼ − yⱼ), so dxᵢ = yᵢ (dyᵢ − Σⱼ dyⱼ yⱼ).
    """

    kernel: ClassVar[str] = "softmax"

    def build(self, shape: Shape) -> LayerSpec:
        if not shape or shape[-1] < 2:
            raise ShapeError(f"Softmax() over {shape} is always 1: it needs two or more classes; for yes or no use Sigmoid()")
        return LayerSpec(shape)


@dataclass(frozen=True)
class LogSoftmax(Activation):
    """yᵢ = xᵢ − log Σⱼ eˣʲ over the last axis: the logarithm of :class:`Softmax`, without its underflow.

    ∂yᵢ/∂xⱼ = δᵢⱼ − eʸʲ, so dxᵢ = dyᵢ − eʸⁱ Σⱼ dyⱼ. For a classifier take Softmax and CrossEntropy, which are computed together
    as safely, and whose outputs are probabilities.
    """

    kernel: ClassVar[str] = "log_softmax"

    def build(self, shape: Shape) -> LayerSpec:
        if not shape or shape[-1] < 2:
            raise ShapeError(f"LogSoftmax() over {shape} is always 0: it needs two or more classes")
        return LayerSpec(shape)
