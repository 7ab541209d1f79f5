"""Noise while training: a network that learns from inputs that are never twice the same has to learn what is beneath."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.config import NonNegative
from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class GaussianNoise(Layer):
    """y = x + σ z with z from the standard normal distribution, so dx = dy. In prediction y = x. Behind the input it acts
    like a penalty on how fast the output changes (Bishop, 1995).

    The noise is not stored: it comes from (seed, path, step, position in the whole batch).
    """

    sigma: NonNegative

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        if not ctx.training or self.sigma == 0:
            return x
        return ctx.kernels.add_normal(x, ctx.random, ctx.offset, self.sigma, out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return dy
