"""Merges: layers with several inputs, where the branches of a network meet.

A merge is used in a node of a Graph. Sequential, which has one input for each layer, does not accept merges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ShapeError
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec, Merge
from pellucid.layers.context import Context


@dataclass(frozen=True)
class Add(Merge):
    """The sum of inputs of one shape: Y = X₁ + X₂ + …, so dXᵢ = dY for each of them."""

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        return LayerSpec(_one_shape(self, shapes, " (in a Residual as its shortcut=…)"))

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        ctx.keep(len(xs))
        return _sum(xs, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array]:
        (inputs,) = ctx.kept
        return [dy] * inputs

    def absorb(self, following: Layer) -> Merge | None:
        return _AddReLU() if isinstance(following, ReLU) else None


@dataclass(frozen=True)
class _AddReLU(Merge):
    """Add and the ReLU after it, the end of a residual block: the last addition and the ReLU in one pass over Y."""

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        return Add().build(shapes)

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        y = ctx.buffer("y", xs[0].shape)
        first = xs[0]
        if len(xs) > 2:
            first = y
            ctx.kernels.copy(xs[0].reshape(-1), y.reshape(-1))
            for x in xs[1:-1]:
                ctx.kernels.add(y.reshape(-1), x.reshape(-1))
        ctx.keep(y, len(xs))
        return ctx.kernels.add_relu(first, xs[-1], out=y)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array]:
        y, inputs = ctx.kept
        return [ctx.kernels.relu_gradient(y, dy, out=dy) if ctx.needs_dx else dy] * inputs


@dataclass(frozen=True)
class Subtract(Merge):
    """The difference of two inputs of one shape: Y = X₁ − X₂, so dX₁ = dY and dX₂ = −dY."""

    positionwise: ClassVar[bool] = True

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        if len(shapes) != 2:
            raise ShapeError(f"{self} expects two inputs, got {len(shapes)}: {_listed(shapes)}")
        return LayerSpec(_one_shape(self, shapes))

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        return np.subtract(xs[0], xs[1], out=ctx.buffer("y", xs[0].shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array] | None:
        return [dy, np.negative(dy, out=ctx.buffer("dx", dy.shape))] if ctx.needs_dx else None


@dataclass(frozen=True)
class Average(Merge):
    """The mean of k inputs of one shape: Y = (X₁ + … + Xₖ)/k, so dXᵢ = dY/k for each of them."""

    positionwise: ClassVar[bool] = True

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        return LayerSpec(_one_shape(self, shapes))

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        ctx.keep(len(xs))
        y = _sum(xs, ctx)
        y /= len(xs)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array]:
        (inputs,) = ctx.kept
        dy /= inputs
        return [dy] * inputs


@dataclass(frozen=True)
class Multiply(Merge):
    """The element-wise product of inputs of one shape: Y = X₁ ⊙ X₂ ⊙ …, a gate if one of them is between 0 and 1.

    dXᵢ = dY ⊙ Π_{j≠i} Xⱼ. The product of the other inputs is computed without a division by Xᵢ, which may be zero.
    """

    positionwise: ClassVar[bool] = True

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        return LayerSpec(_one_shape(self, shapes))

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        ctx.keep(xs)
        y = np.multiply(xs[0], xs[1], out=ctx.buffer("y", xs[0].shape))
        for x in xs[2:]:
            y *= x
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array] | None:
        if not ctx.needs_dx:
            return None
        (xs,) = ctx.kept
        gradients = []
        for i, x in enumerate(xs[:-1]):
            dx = np.multiply(dy, xs[i + 1], out=ctx.buffer(f"dx{i}", dy.shape))
            for later in xs[i + 2 :]:
                dx *= later
            gradients.append(dx)
            dy *= x  # now dY times the product of all inputs up to this one
        return [*gradients, dy]


@dataclass(frozen=True)
class Maximum(Merge):
    """The element-wise maximum of inputs of one shape: Y = max(X₁, X₂, …); NaN stays NaN.

    dXᵢ = dY where Xᵢ is the maximum, else 0. Where several inputs are equal to the maximum, the first of them receives all of
    dY, as in :class:`~pellucid.layers.pooling.MaxPool2D`. The maximum of several Dense layers is a maxout layer (Goodfellow et
    al., 2013).
    """

    positionwise: ClassVar[bool] = True

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        return LayerSpec(_one_shape(self, shapes))

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        y = np.maximum(xs[0], xs[1], out=ctx.buffer("y", xs[0].shape))
        for x in xs[2:]:
            np.maximum(y, x, out=y)
        ctx.keep(xs, y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array] | None:
        if not ctx.needs_dx:
            return None
        xs, y = ctx.kept
        smaller = ctx.buffer("smaller", dy.shape, bool)
        gradients = []
        for i, x in enumerate(xs[:-1]):
            dx = ctx.buffer(f"dx{i}", dy.shape)
            np.copyto(dx, dy)
            np.less(x, y, out=smaller)  # false where y is NaN: then the first input receives dY
            np.copyto(dx, 0, where=smaller)
            np.copyto(dy, 0, where=np.logical_not(smaller, out=smaller))  # what the inputs after this one receive
            gradients.append(dx)
        return [*gradients, dy]


@dataclass(frozen=True)
class Concatenate(Merge):
    """The inputs joined along ``axis``: Y = [X₁, X₂, …]; backward splits dY at the same places.

    ``axis`` counts the axes of one sample: −1, the last axis, joins features and the channels of images; 0 is the first axis
    after the batch axis. All other axes must have equal lengths.
    """

    records: ClassVar[bool] = True

    axis: int = -1

    @property
    def continues(self) -> bool:
        return self.axis == -1

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        rank = len(shapes[0])
        if not -rank <= self.axis < rank:
            raise ShapeError(f"{self} expects samples that have this axis, got {_listed(shapes)}")
        axis = self.axis % rank
        if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1 or any(len(shape) != rank for shape in shapes):
            borders = {3: "Crop2D or ZeroPad2D", 2: "Crop1D or ZeroPad1D"}
            croppable = rank in borders and all(len(shape) == rank for shape in shapes)
            equal = f"{borders[rank]} makes them equally large, and " if croppable else ""
            raise ShapeError(
                f"{self} expects inputs that differ in axis {self.axis} only, got {_listed(shapes)}; "
                f"{equal}Flatten() before each of them makes vectors, which can always be joined"
            )
        return LayerSpec((*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :]))

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        axis = self.axis % (xs[0].ndim - 1) + 1  # an axis of the arrays, whose first axis is the batch
        widths = [x.shape[axis] for x in xs]
        ctx.keep(axis, widths)
        y = ctx.buffer("y", (*xs[0].shape[:axis], sum(widths), *xs[0].shape[axis + 1 :]))
        rows = math.prod(y.shape[:axis])
        all_columns, first = y.reshape(rows, math.prod(y.shape[axis:])), 0
        for x in xs:
            columns = x.astype(y.dtype, copy=False).reshape(rows, math.prod(x.shape[axis:]))
            ctx.kernels.copy_columns(columns, all_columns[:, first : first + columns.shape[1]])
            first += columns.shape[1]
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array]:
        axis, widths = ctx.kept
        return np.split(dy, np.cumsum(widths[:-1]), axis)


def _one_shape(merge: Merge, shapes: Sequence[Shape], hint: str = "") -> Shape:
    """Return the shape of all inputs. Raises ShapeError, with ``hint`` at the end, if they differ."""
    if len(set(shapes)) > 1:
        raise ShapeError(
            f"{merge} expects inputs of one shape, got {_listed(shapes)}; a Dense, or for images a 1×1 convolution with the "
            f"same stride as the other branch, gives one the shape of the other{hint}"
        )
    return shapes[0]


def _sum(xs: Sequence[Array], ctx: Context) -> Array:
    """Return the sum of two or more arrays."""
    y = ctx.kernels.sum_arrays(xs[0], xs[1], out=ctx.buffer("y", xs[0].shape))
    for x in xs[2:]:
        ctx.kernels.sum_arrays(y, x, out=y)
    return y


def _listed(shapes: Sequence[Shape]) -> str:
    return " and ".join(str(shape) for shape in shapes)
