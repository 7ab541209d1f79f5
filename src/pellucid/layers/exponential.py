"""The exponential function as the last layer of networks that learn logarithms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class Exp(Layer):
    """f(x) = eˣ, f' = eˣ: the inverse of the logarithm.

    As the last layer of a regression network, with :class:`~pellucid.LogSquaredError`, it converts the logarithms that the
    layers before it compute to the unit of the targets: prices that are never negative.
    """

    positionwise: ClassVar[bool] = True

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y = ctx.buffer("y", x.shape)
        with np.errstate(over="ignore"):  # the loss reports infinite outputs
            np.exp(x, out=y)
        ctx.keep(y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.needs_dx:
            return None
        (y,) = ctx.kept
        dy *= y
        return dy
