"""Zeros around pictures, as a layer of their own: for what a convolution's own padding cannot say."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.window import Border, border, picture


@dataclass(frozen=True)
class ZeroPad2D(Layer):
    """A border of zeros: (n, h, w, c) -> (n, top + h + bottom, left + w + right, c). Back, dX is the inside of dY.

    ``padding``: one number for all sides, (height, width), or ((top, bottom), (left, right)).
    """

    padding: Border = 1

    def build(self, shape: Shape) -> LayerSpec:
        height, width, channels = picture(self, shape)
        (top, bottom), (left, right) = border(self.padding)
        return LayerSpec((top + height + bottom, left + width + right, channels))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        y = ctx.buffer("y", (len(x), *self.build(x.shape[1:]).shape))
        y.fill(0)
        self.inside(y, x.shape)[...] = x
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (shape,) = ctx.kept
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(shape)
        dx[...] = self.inside(dy, shape)
        return dx

    def inside(self, y: Array, shape: Shape) -> Array:
        """The part of y where the picture of ``shape`` (n, h, w, c) lies."""
        (top, _), (left, _) = border(self.padding)
        return y[:, top : top + shape[1], left : left + shape[2]]
