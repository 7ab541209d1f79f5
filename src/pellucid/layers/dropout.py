"""Dropout: during training, random units are switched off, so that no unit can rely on another.

:class:`Dropout` sets them to zero. This is inverted dropout: the remaining units are multiplied by 1/(1 − rate) during
training, which keeps the expected sum unchanged, so prediction needs no correction. (Srivastava et al., 2014, multiply the
weights by 1 − rate in prediction instead; the expectations are the same.) :class:`AlphaDropout` sets them to the value that
keeps the variance unchanged, too, in networks of SELU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import FractionBelowOne
from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.activations import SELU_ALPHA, SELU_SCALE
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.window import image_shape

SATURATED_SELU = -SELU_SCALE * SELU_ALPHA  # α', the limit of SELU for x → −∞


@dataclass(frozen=True)
class Dropout(Layer):
    """y = x·m/(1 − rate) with m = 0 with probability ``rate``, else 1; dx = dy·m/(1 − rate). In prediction y = x.

    The mask m is not stored: it is a function of (seed, path, step, position in the whole batch), and backward computes it
    again.
    """

    positionwise: ClassVar[bool] = True
    only_in_training: ClassVar[bool] = True

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
class AlphaDropout(Layer):
    """Dropout for SELU networks, which preserves the mean 0 and the variance 1 of its inputs (Klambauer et al., 2017):
    y = a (x m + α'(1 − m)) + b with m = 0 with probability ``rate``, else 1; dx = a m dy. In prediction y = x.

    Instead of zero, the units that are switched off have the value α' = −λα that SELU has for large negative x. With
    q = 1 − rate, x m + α'(1 − m) has the mean α'(1 − q) and the variance q + α'² q (1 − q), so

        a = (q + α'² q (1 − q))^(−1/2)        b = −a α'(1 − q)

    m is the mask that :class:`Dropout` would draw; it is not stored either.
    """

    positionwise: ClassVar[bool] = True
    only_in_training: ClassVar[bool] = True

    rate: FractionBelowOne = 0.5

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        if not ctx.training or self.rate == 0:
            return x
        # y = a q ((x − α') m/q + α'): the dropout of x − α', moved back and scaled
        y = np.subtract(x, SATURATED_SELU, out=ctx.buffer("y", x.shape))
        ctx.kernels.dropout(y, ctx.random, ctx.offset, self.rate, out=y)
        y += SATURATED_SELU
        y *= self.scale()
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.training or self.rate == 0 or not ctx.needs_dx:
            return dy
        ctx.kernels.dropout(dy, ctx.random, ctx.offset, self.rate, out=dy)
        dy *= self.scale()
        return dy

    def scale(self) -> float:
        """Return a q."""
        q = 1 - self.rate
        return math.sqrt(q / (1 + SATURATED_SELU**2 * (1 - q)))


@dataclass(frozen=True)
class SpatialDropout2D(Layer):
    """Dropout of whole channels: y = x·m/(1 − rate) with one m for each image and channel (Tompson et al., 2015).

    Neighbouring pixels have similar values, so the network can replace a missing pixel by its neighbours, but not a missing
    channel. m is the mask that :class:`Dropout` would draw for vectors (n, c); it is not stored either.
    """

    only_in_training: ClassVar[bool] = True

    rate: FractionBelowOne = 0.5

    def build(self, shape: Shape) -> LayerSpec:
        image_shape(self, shape)
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
        """Return m/(1 − rate), an array (n, 1, 1, c)."""
        m = ctx.scratch("mask", (shape[0], 1, 1, shape[3]))
        m.fill(1)
        return ctx.kernels.dropout(m, ctx.random, ctx.offset, self.rate, out=m)
