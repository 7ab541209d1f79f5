"""Merges: where the branches of a network come together. A merge is a layer in all but the number of its inputs, so it
stands in a node of a Graph; Sequential, which has one input to give, does not take it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ShapeError
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


class Merge(Config, ABC):
    """The base of all merges: what takes two or more inputs."""

    @abstractmethod
    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        """For inputs of ``shapes`` (one sample each). Raises ShapeError when they do not go together."""

    @abstractmethod
    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        """Y of the inputs, which are not written to. Called before backward with the same ctx."""

    @abstractmethod
    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array] | None:
        """Writes the gradients of all slots into ``g`` and returns the dX of each input, in order, or None unless
        ``ctx.needs_dx``. The array dy is the merge's own to overwrite; it, or views of it, may stand for several inputs."""

    def absorb(self, following: Layer) -> Merge | None:
        """A merge that does this one's and the following layer's work in one pass, or None. Never shown to users."""
        return None


@dataclass(frozen=True)
class Add(Merge):
    """The sum of inputs of one shape: Y = X₁ + X₂ + …, so dXᵢ = dY for each of them."""

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"Add() wants inputs of one shape, got {_and(shapes)}; a Dense, or for pictures a 1×1 convolution with the "
                "same stride as the other branch, gives one the shape of the other (in a Residual as its shortcut=…)"
            )
        return LayerSpec(shapes[0])

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        ctx.keep(len(xs))
        return _sum(xs, ctx.buffer("y", xs[0].shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array]:
        (inputs,) = ctx.kept
        return [dy] * inputs

    def absorb(self, following: Layer) -> Merge | None:
        return _AddReLU() if isinstance(following, ReLU) else None


@dataclass(frozen=True)
class _AddReLU(Merge):
    """Add and the ReLU behind it, the end of a residual block: the last addition and the ReLU in one pass over Y."""

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        return Add().build(shapes)

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        y = ctx.buffer("y", xs[0].shape)
        before = xs[0] if len(xs) == 2 else _sum(xs[:-1], y)
        ctx.keep(y, len(xs))
        return ctx.kernels.add_relu(before, xs[-1], out=y)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array]:
        y, inputs = ctx.kept
        return [ctx.kernels.relu_gradient(y, dy, out=dy) if ctx.needs_dx else dy] * inputs


@dataclass(frozen=True)
class Concatenate(Merge):
    """The inputs one behind the other along ``axis``: Y = [X₁, X₂, …], and dY is cut where they meet.

    Axes are those of a sample: −1, the last, joins features and the channels of pictures; 0 is the first behind the batch.
    All other axes have to agree.
    """

    axis: int = -1

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        rank = len(shapes[0])
        if not -rank <= self.axis < rank:
            raise ShapeError(f"{self} wants samples that have this axis, got {_and(shapes)}")
        axis = self.axis % rank
        if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1 or any(len(shape) != rank for shape in shapes):
            raise ShapeError(
                f"{self} wants inputs that differ in axis {self.axis} alone, got {_and(shapes)}; "
                "Flatten() before each of them makes vectors, which always go together"
            )
        return LayerSpec((*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :]))

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        axis = self.axis % (xs[0].ndim - 1) + 1  # of the array, which has the batch before the sample
        widths = [x.shape[axis] for x in xs]
        ctx.keep(axis, widths)
        shape = (*xs[0].shape[:axis], sum(widths), *xs[0].shape[axis + 1 :])
        return np.concatenate(xs, axis, out=ctx.buffer("y", shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array]:
        axis, widths = ctx.kept
        return np.split(dy, np.cumsum(widths[:-1]), axis)


def _sum(xs: Sequence[Array], out: Array) -> Array:
    np.add(xs[0], xs[1], out=out)
    for x in xs[2:]:
        out += x
    return out


def _and(shapes: Sequence[Shape]) -> str:
    return " and ".join(str(shape) for shape in shapes)
