"""A dense layer with weights of its own at each position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.initializers import Initializer, LeCun, Positionwise, Zeros
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class DensePerPosition(Layer):
    """y_s = x_s W_s + b_s: a dense layer of its own at each position s. Input (n, positions, i), output (n, positions, units).

        dW_s = Σ x_sᵀ dy_s          db_s = Σ dy_s          dx_s = dy_s W_sᵀ

    :class:`~pellucid.layers.dense.Dense` has the same weights at every position, for sequences, where positions are alike. Here
    they are not: after :class:`~pellucid.layers.numbers.Periodic` each position is a feature of a table.

    Slots: ``W`` (positions, i, units), filled by ``init`` for each position separately; ``b`` (positions, units), initially
    zero and exempt from weight decay.
    """

    records: ClassVar[bool] = True

    units: Count
    init: Initializer = LeCun()

    def build(self, shape: Shape) -> LayerSpec:
        positions, features = self.expect(shape, 2, "a vector at each position, such as the waves of each number")
        slots = {
            "W": Slot((positions, features, self.units), Positionwise(self.init)),
            "b": Slot((positions, self.units), Zeros(), decay=False),
        }
        return LayerSpec((positions, self.units), slots, multiply_adds=math.prod(shape) * self.units)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x)
        return ctx.kernels.affine_per_position(x, p.W, p.b, out=ctx.buffer("y", (*x.shape[:2], self.units)))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        ctx.kernels.affine_per_position_backward(x, dy, g.W, g.b)
        return ctx.kernels.affine_per_position_input_gradient(dy, p.W, out=ctx.gradient(x.shape)) if ctx.needs_dx else None
