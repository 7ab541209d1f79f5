"""Gated linear units: dense layers of which one half decides how much of the other half passes.

    Z = X W + b = [A, V]        A are the gates, V the values
    Y = s(A) ⊙ V                with s(a) = a σ(a), the SiLU, and the sigmoid σ

    ∂C/∂a = dy v s'(a)          s'(a) = σ(a) (1 + a (1 − σ(a)))
    ∂C/∂v = dy s(a)
    dW = Xᵀ dZ,  db = Σ dZ,  dX = dZ Wᵀ     as for a dense layer, with dZ = [dA, dV]

The product of two linear functions of x is what a layer like Dense(…), ReLU() has not: a unit that multiplies its inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import Blockwise, Initializer, LeCun, Zeros
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.dense import no_bias


@dataclass(frozen=True)
class SwiGLU(Layer):
    """y = s(x W₁) ⊙ (x W₂) with s(a) = a σ(a): the gated linear unit SwiGLU (Shazeer, 2020). Input (n, …, i), output
    (n, …, units), the same function at every position.

    It takes the place of a Dense and its activation: ``SwiGLU(342), Dense(128)`` is the feed-forward part of a Transformer
    block (FFN_SwiGLU in the paper), with as many weights as ``Dense(512), GELU(), Dense(128)`` (two thirds of the units,
    because of the third matrix). The output product is a layer of its own, as it is there.

    Slots: ``W`` (i, 2·units), the weights of the gates W₁, then those of the values W₂, each filled by ``init``. Like the
    layers of the paper it has no bias; with ``bias=True`` there is ``b`` (2·units), initially zero and exempt from weight
    decay.
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    units: Count
    init: Initializer = LeCun()
    bias: bool = False

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} expects features as the last axis, got single values; use x[:, None]")
        slots = {"W": Slot((shape[-1], 2 * self.units), Blockwise(self.init, 2))}
        if self.bias:
            slots["b"] = Slot((2 * self.units,), Zeros(), decay=False)
        return LayerSpec((*shape[:-1], self.units), slots, multiply_adds=math.prod(shape) * 2 * self.units)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        b = p.b if self.bias else no_bias(ctx, 2 * self.units)
        rows = math.prod(x.shape[:-1])
        z, y = ctx.buffer("z", (rows, 2 * self.units)), ctx.buffer("y", (*x.shape[:-1], self.units))
        ctx.kernels.affine(x.reshape(rows, x.shape[-1]), p.W, b, out=z)
        ctx.kernels.swiglu(z, out=y.reshape(rows, self.units))
        ctx.keep(x, z)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, z = ctx.kept
        dz = ctx.scratch("dz", z.shape)
        ctx.kernels.swiglu_gradient(z, dy.reshape(len(z), self.units), out=dz)
        ctx.kernels.affine_backward(x.reshape(len(z), x.shape[-1]), dz, g.W, g.b if self.bias else no_bias(ctx, 0))
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(x.shape)
        ctx.kernels.affine_input_gradient(dz, p.W, out=dx.reshape(len(z), x.shape[-1]))
        return dx
