"""Dropout: units that are absent at random while training, so that none can rely on another.

Inverted dropout: what is kept is scaled by 1/(1 − rate) during training, so that the expected sum does not change and
prediction needs no correction. (Srivastava et al., 2014, scale by the keep probability at test time instead, which
gives the same expectations.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.config import FractionBelowOne
from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.window import picture


@dataclass(frozen=True)
class Dropout(Layer):
    """y = x·m/(1 − rate), m = 0 with probability ``rate``, else 1; dx = dy·m/(1 − rate). In prediction y = x.

    The mask is not stored: it comes from (seed, path, step, position in the whole batch), and backward makes it again.
    """

    rate: FractionBelowOne = 0.5

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        if not ctx.training or self.rate == 0:
            return x
        return ctx.kernels.dropout(x, ctx.random, ctx.offset, self.rate, out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.training or self.rate == 0 or not ctx.needs_dx:
            return dy
        return ctx.kernels.dropout(dy, ctx.random, ctx.offset, self.rate, out=dy)


@dataclass(frozen=True)
class SpatialDropout2D(Layer):
    """Dropout of whole channels: y = x·m/(1 − rate) with one m for each picture and channel (Tompson et al., 2015).

    Neighbouring pixels say nearly the same, so a single pixel that is absent is hardly missed; a channel is. The masks
    are those that :class:`Dropout` would draw for a vector of the channels, and are not stored either.
    """

    rate: FractionBelowOne = 0.5

    def build(self, shape: Shape) -> LayerSpec:
        picture(self, shape)
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        if not ctx.training or self.rate == 0:
            return x
        return np.multiply(x, self.mask(x.shape, ctx), out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.training or self.rate == 0 or not ctx.needs_dx:
            return dy
        return np.multiply(dy, self.mask(dy.shape, ctx), out=dy)

    def mask(self, shape: Shape, ctx: Context) -> Array:
        """m/(1 − rate), (n, 1, 1, c)."""
        m = ctx.scratch("mask", (shape[0], 1, 1, shape[3]))
        m.fill(1)
        return ctx.kernels.dropout(m, ctx.random, ctx.offset, self.rate, out=m)
