"""Additive noise during training, a regularizer: the network never sees the same inputs twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.config import NonNegative
from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class GaussianNoise(Layer):
    """y = x + σ z with z from the standard normal distribution, so dx = dy. In prediction y = x.

    As the first layer it acts like a penalty on the derivative of the output with respect to the input (Bishop, 1995).
    The noise is not stored: it is a function of (seed, path, step, position in the whole batch).
    """

    positionwise: ClassVar[bool] = True
    only_in_training: ClassVar[bool] = True

    sigma: NonNegative

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        if not ctx.training or self.sigma == 0:
            return x
        return ctx.kernels.add_normal(x, ctx.random, ctx.offset, self.sigma, out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return dy
