"""The dense layer, in which every input is connected to every output.

    Y = X W + b          X (n, i)   W (i, o)   b (o)   Y (n, o)

With the cost C and the upstream gradient dY = ∂C/∂Y, the chain rule gives

    y_lj = Σ_k x_lk w_kj + b_j
    ∂C/∂w_kj = Σ_l x_lk dy_lj     dW = Xᵀ dY      each weight is used for every sample l
    ∂C/∂b_j  = Σ_l dy_lj          db = Σ dY
    ∂C/∂x_lk = Σ_j dy_lj w_kj     dX = dY Wᵀ      each input is used for every output j
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.initializers import He, Initializer, Zeros
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class Dense(Layer):
    """A dense (fully connected) layer: Y = X W + b. Input (n, i), output (n, units).

    ``bias=False`` omits b. Use it before a normalization over the batch, which subtracts the mean and so cancels any bias.

    Slots: ``W`` (i, units), filled by ``init``; ``b`` (units), initially zero and exempt from weight decay.
    """

    units: Count
    init: Initializer = He()
    bias: bool = True

    def build(self, shape: Shape) -> LayerSpec:
        (n,) = self.expect(shape, 1, "put Flatten() before it")
        slots = {"W": Slot((n, self.units), self.init)}
        if self.bias:
            slots["b"] = Slot((self.units,), Zeros(), decay=False)
        return LayerSpec((self.units,), slots, multiply_adds=n * self.units)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        b = p.b if self.bias else no_bias(ctx, self.units)
        ctx.keep(x)
        return ctx.kernels.affine(x, p.W, b, out=ctx.buffer("y", (len(x), self.units)))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        ctx.kernels.affine_backward(x, dy, g.W, g.b if self.bias else no_bias(ctx, 0))
        return ctx.kernels.affine_input_gradient(dy, p.W, out=ctx.gradient(x.shape)) if ctx.needs_dx else None

    def absorb(self, following: Layer) -> Layer | None:
        return _DenseReLU(self) if isinstance(following, ReLU) else None


@dataclass(frozen=True)
class _DenseReLU(Layer):
    """Dense and the ReLU after it: bias and ReLU in one pass over Y, ReLU gradient and bias gradient in one over dY."""

    dense: Dense

    def build(self, shape: Shape) -> LayerSpec:
        return self.dense.build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        b = p.b if self.dense.bias else no_bias(ctx, self.dense.units)
        y = ctx.kernels.affine_relu(x, p.W, b, out=ctx.buffer("y", (len(x), self.dense.units)))
        ctx.keep(x, y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, y = ctx.kept
        ctx.kernels.affine_relu_backward(x, y, dy, g.W, g.b if self.dense.bias else no_bias(ctx, 0))
        return ctx.kernels.affine_input_gradient(dy, p.W, out=ctx.gradient(x.shape)) if ctx.needs_dx else None


def no_bias(ctx: Context, size: int) -> Array:
    """Return ``size`` zeros, for a kernel that requires a bias or, with size 0, an array for its gradient."""
    b = ctx.scratch("no_bias", (size,))
    b.fill(0)
    return b
