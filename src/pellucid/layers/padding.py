"""Zero padding as a separate layer, for images."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.window import Border, image_shape, resolve_border


@dataclass(frozen=True)
class ZeroPad2D(Layer):
    """Adds a border of zeros: (n, h, w, c) -> (n, top + h + bottom, left + w + right, c). dX is dY without the border.

    ``padding`` is one number for all sides, (height, width), or ((top, bottom), (left, right)).
    """

    padding: Border = 1

    def build(self, shape: Shape) -> LayerSpec:
        height, width, channels = image_shape(self, shape)
        (top, bottom), (left, right) = resolve_border(self.padding)
        return LayerSpec((top + height + bottom, left + width + right, channels))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        y = ctx.buffer("y", (len(x), *self.build(x.shape[1:]).shape))
        y.fill(0)
        self.interior(y, x.shape)[...] = x
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (shape,) = ctx.kept
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(shape)
        dx[...] = self.interior(dy, shape)
        return dx

    def interior(self, y: Array, shape: Shape) -> Array:
        """Return the part of y inside the border, as a view of ``shape`` (n, h, w, c)."""
        (top, _), (left, _) = resolve_border(self.padding)
        return y[:, top : top + shape[1], left : left + shape[2]]
