"""A layer that rescales values by constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Positive
from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class Rescale(Layer):
    """y = scale · x + offset, y' = scale, with constants that are not trained.

    As the last layer of a regression network it converts the outputs to the unit of the targets (euros, degrees), while the
    layers before it work with values of mean 0 and standard deviation 1.
    """

    positionwise: ClassVar[bool] = True

    scale: Positive = 1.0
    offset: float = 0.0

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y = ctx.buffer("y", x.shape)
        np.multiply(x, x.dtype.type(self.scale), out=y)
        y += x.dtype.type(self.offset)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        dy *= dy.dtype.type(self.scale)
        return dy
