"""Layers that change only the shape of a sample: no computation and no parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pellucid.core.config import Range
from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ConfigError, ShapeError
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class Flatten(Layer):
    """Turns each sample into a vector: (n, a, b, …) -> (n, a·b·…)."""

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
