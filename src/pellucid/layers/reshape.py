"""Layers that only change the shape: they cost nothing and learn nothing."""

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
    """Unfolds each sample into a vector: (n, a, b, …) -> (n, a·b·…)."""

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
    """Each sample in another shape, (n, …) -> (n, *shape), its numbers in the order they have. One axis may be −1: as long as
    it takes. ``Reshape((28, 28, 1))`` makes pictures of vectors, ``Reshape((28, 28))`` sequences of rows."""

    shape: tuple[Annotated[int, Range(-1)], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.shape or 0 in self.shape or self.shape.count(-1) > 1:
            raise ConfigError(f"{self}: the shape of one sample has axes of 1 or more, and one of them at most may be -1")

    def build(self, shape: Shape) -> LayerSpec:
        given, known = math.prod(shape), math.prod(axis for axis in self.shape if axis > 0)
        if given % known or (given != known and -1 not in self.shape):
            numbers = f"a multiple of {known}" if -1 in self.shape else f"{known}"
            raise ShapeError(f"{self} wants samples of {numbers} numbers, got {shape}, which has {given}")
        return LayerSpec(tuple(given // known if axis < 0 else axis for axis in self.shape))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        return x.reshape(len(x), *self.build(x.shape[1:]).shape)  # not −1: a shard may be empty

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (shape,) = ctx.kept
        return dy.reshape(shape)
