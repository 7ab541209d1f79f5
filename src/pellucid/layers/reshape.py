"""Layers that only change the shape: they cost nothing and learn nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pellucid.layers.base import Built, Layer
from pellucid.layers.context import Context
from pellucid.memory import Array, Shape, Views


@dataclass(frozen=True)
class Flatten(Layer):
    """Unfolds each sample into a vector: (n, a, b, …) -> (n, a·b·…)."""

    def build(self, shape: Shape) -> Built:
        return Built((math.prod(shape),))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (shape,) = ctx.kept
        return dy.reshape(shape)
