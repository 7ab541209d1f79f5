"""Layers that rearrange the values of a sample, select some of them, or repeat them: no parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from pellucid.core.config import Count, Range
from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ConfigError, ShapeError
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class Flatten(Layer):
    """Turns each sample into a vector: (n, a, b, …) -> (n, a·b·…)."""

    records: ClassVar[bool] = True

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec((math.prod(shape),))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (shape,) = ctx.kept
        return dy.reshape(shape)


@dataclass(frozen=True)
class Reshape(Layer):
    """Gives each sample another shape: (n, …) -> (n, *shape), with the values in the same order.

    One axis may be −1; its length is computed from the others. ``Reshape((28, 28, 1))`` turns vectors into images,
    ``Reshape((28, 28))`` turns them into sequences of rows.
    """

    records: ClassVar[bool] = True

    shape: tuple[Annotated[int, Range(-1)], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.shape or 0 in self.shape or self.shape.count(-1) > 1:
            raise ConfigError(f"{self}: the shape of one sample has axes of 1 or more, and at most one of them may be -1")

    def build(self, shape: Shape) -> LayerSpec:
        size, known = math.prod(shape), math.prod(axis for axis in self.shape if axis > 0)
        if size % known or (size != known and -1 not in self.shape):
            expected = f"a multiple of {known}" if -1 in self.shape else f"{known}"
            raise ShapeError(f"{self} expects samples of {expected} values, got {shape}, which has {size}")
        return LayerSpec(tuple(size // known if axis < 0 else axis for axis in self.shape))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        return x.reshape(len(x), *self.build(x.shape[1:]).shape)  # not −1: the shard may be empty

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (shape,) = ctx.kept
        return dy.reshape(shape)


@dataclass(frozen=True)
class Slice(Layer):
    """The positions from ``start`` to ``stop`` of one axis: Y = X[start:stop] along ``axis``; dX is dY there, 0 elsewhere.

    It takes apart what :class:`~pellucid.layers.merge.Concatenate` joins: the columns of a table that different branches of a
    Graph read, the steps of a sequence. As in Python, ``stop`` is not included, negative positions count from the end, and
    without ``stop`` the rest is selected. ``axis`` counts the axes of one sample: −1, the last axis, selects features or
    channels; 0 selects time steps. ``Slice(2, 4)`` turns (n, 6) into (n, 2), ``Slice(-3, axis=0)`` (n, 10, 6) into (n, 3, 6).
    """

    start: int = 0
    stop: int | None = None
    axis: int = -1

    def build(self, shape: Shape) -> LayerSpec:
        if not -len(shape) <= self.axis < len(shape):
            raise ShapeError(f"{self} expects samples that have this axis, got {shape}")
        size, axis = shape[self.axis], self.axis % len(shape)
        selected = len(range(size)[self.start : self.stop])
        outside = [at for at in (self.start, self.stop) if at is not None and not -size <= at <= size]
        if outside or not selected:
            problem = f"position {outside[0]} is outside" if outside else "this selects nothing"
            raise ShapeError(f"{self}: axis {self.axis} of the samples {shape} has {size} positions; {problem}")
        return LayerSpec((*shape[:axis], selected, *shape[axis + 1 :]))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        part = x[self._index(x.ndim)]
        y = ctx.buffer("y", part.shape)
        y[...] = part
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.needs_dx:
            return None
        (shape,) = ctx.kept
        dx = ctx.gradient(shape)
        dx.fill(0)
        dx[self._index(len(shape))] = dy
        return dx

    def _index(self, rank: int) -> tuple[slice, ...]:
        """Return the index of the selected part of an array with ``rank`` axes, the first of which is the batch."""
        axis = self.axis % (rank - 1) + 1
        return (slice(None),) * axis + (slice(self.start, self.stop),)


@dataclass(frozen=True)
class Permute(Layer):
    """Reorders the axes of a sample: axis k of the output is axis ``axes[k]`` of the input, as for ``np.transpose``.

    ``axes`` lists the axes of one sample, from 0, each once; the batch axis is not among them and remains the first.
    ``Permute((1, 0))`` turns sequences (n, time, channels) into (n, channels, time), ``Permute((1, 2, 0))`` images with the
    channels first, (n, c, h, w), into (n, h, w, c). dX is dY with its axes in the old order.
    """

    axes: tuple[Annotated[int, Range(0)], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.axes or sorted(self.axes) != list(range(len(self.axes))):
            every = ", ".join(map(str, range(max(len(self.axes), 1))))
            raise ConfigError(
                f"{self}: axes must be an order of {every}, the axes of one sample, each once; the batch axis is not counted"
            )

    def build(self, shape: Shape) -> LayerSpec:
        if len(shape) != len(self.axes):
            raise ShapeError(f"{self} expects samples with {len(self.axes)} axes, got {shape}; list each of their axes once")
        return LayerSpec(tuple(shape[axis] for axis in self.axes))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        moved = x.transpose(0, *(axis + 1 for axis in self.axes))
        y = ctx.buffer("y", moved.shape)
        y[...] = moved
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.needs_dx:
            return None
        moved = dy.transpose(0, *(self.axes.index(axis) + 1 for axis in range(len(self.axes))))
        dx = ctx.gradient(moved.shape)
        dx[...] = moved
        return dx


@dataclass(frozen=True)
class Repeat(Layer):
    """Repeats a vector at each of ``times`` steps: (n, k) -> (n, times, k). dX = Σ dY over the steps.

    It gives a summary of the whole sample to every step of a sequence, such as the state of an encoder to the recurrent layer
    that writes the output.
    """

    times: Count

    def build(self, shape: Shape) -> LayerSpec:
        hint = (
            "it makes sequences of vectors: a layer with return_sequences=False, a global pooling layer, or Flatten() before it"
        )
        return LayerSpec((self.times, *self.expect(shape, 1, hint)))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y = ctx.buffer("y", (len(x), self.times, x.shape[1]))
        y[...] = x[:, None]
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return np.sum(dy, axis=1, out=ctx.gradient((len(dy), dy.shape[2]))) if ctx.needs_dx else None


@dataclass(frozen=True)
class Take(Layer):
    """Selects features by their numbers: (n, k) -> (n, number of ``features``), y_j = x_f with the j-th of the features f.

    dx_f = Σ dy_j over all j that select f: 0 for features that are not selected. They may be in any order, and repeat. Slice
    selects neighbouring ones.
    """

    records: ClassVar[bool] = True

    features: tuple[Annotated[int, Range(0)], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.features:
            raise ConfigError("Take() needs the numbers of the features that it selects, counted from 0: Take((0, 2))")

    def build(self, shape: Shape) -> LayerSpec:
        (k,) = self.expect(shape, 1, "Slice selects from other axes")
        if max(self.features) >= k:
            raise ShapeError(f"{self}: the samples have {k} features, 0 … {k - 1}; there is no feature {max(self.features)}")
        return LayerSpec((len(self.features),))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        return ctx.kernels.gather_columns(x, np.array(self.features), out=ctx.buffer("y", (len(x), len(self.features))))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.needs_dx:
            return None
        (shape,) = ctx.kept
        return ctx.kernels.scatter_columns(dy, np.array(self.features), out=ctx.gradient(shape))
