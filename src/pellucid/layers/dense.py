"""The dense layer, in which every input is connected to every output.

    Y = X W + b          X (n, i)   W (i, o)   b (o)   Y (n, o)

Samples with more axes, such as sequences (time, i) and images (height, width, i), have a vector of i features at each position.
The layer computes the same function at every position: each position of each sample is one row l.

With the cost C and the upstream gradient dY = ∂C/∂Y, the chain rule gives

    y_lj = Σ_k x_lk w_kj + b_j
    ∂C/∂w_kj = Σ_l x_lk dy_lj     dW = Xᵀ dY      each weight is used for every sample l
    ∂C/∂b_j  = Σ_l dy_lj          db = Σ dY
    ∂C/∂x_lk = Σ_j dy_lj w_kj     dX = dY Wᵀ      each input is used for every output j

Of sparse rows, which the first layer of a network may read, only the entries count: y_l = Σ_k x_lk W_k + b reads the rows of W
in whose columns sample l has a value, and dW is zero in all rows that no sample reads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.core.sparse_rows import SparseRows
from pellucid.errors import ShapeError
from pellucid.initializers import He, Initializer, Zeros
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class Dense(Layer):
    """A dense (fully connected) layer: Y = X W + b. Input (n, i), output (n, units).

    On inputs with positions it acts on the last axis, with the same W and b at every position: (n, time, i) becomes
    (n, time, units), and likewise (n, …, i). To connect all positions with each other, put Flatten() before it.

    ``bias=False`` omits b. Use it before a normalization over the batch, which subtracts the mean and so cancels any bias.

    As the first layer of a network, it reads the rows of a sparse matrix as they are, without making them dense.

    Slots: ``W`` (i, units), filled by ``init``; ``b`` (units), initially zero and exempt from weight decay.
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    units: Count
    init: Initializer = He()
    bias: bool = True

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} expects features as the last axis, got single values; use x[:, None]")
        features = shape[-1]
        slots = {"W": Slot((features, self.units), self.init)}
        if self.bias:
            slots["b"] = Slot((self.units,), Zeros(), decay=False)
        return LayerSpec((*shape[:-1], self.units), slots, multiply_adds=math.prod(shape) * self.units)

    @property
    def reads_sparse(self) -> bool:
        return True

    def forward(self, p: Views, x: Array | SparseRows, ctx: Context) -> Array:
        b = p.b if self.bias else no_bias(ctx, self.units)
        ctx.keep(x)
        y = ctx.buffer("y", (*x.shape[:-1], self.units))
        if isinstance(x, SparseRows):
            return ctx.kernels.sparse_affine(x.values, x.columns, x.starts, p.W, b, out=y)
        ctx.kernels.affine(_rows(x), p.W, b, out=_rows(y))
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        db = g.b if self.bias else no_bias(ctx, 0)
        if isinstance(x, SparseRows):
            ctx.kernels.sparse_affine_backward(x.values, x.columns, x.starts, dy, g.W, db)
            return None
        rows = _rows(dy)
        ctx.kernels.affine_backward(_rows(x), rows, g.W, db)
        return _input_gradient(x, rows, p, ctx)

    def absorb(self, following: Layer) -> Layer | None:
        return _DenseReLU(self) if isinstance(following, ReLU) else None

    def with_bias(self) -> Layer:
        return self if self.bias else replace(self, bias=True)


@dataclass(frozen=True)
class _DenseReLU(Layer):
    """Dense and the ReLU after it: bias and ReLU in one pass over Y, ReLU gradient and bias gradient in one over dY."""

    records: ClassVar[bool] = True

    dense: Dense

    def build(self, shape: Shape) -> LayerSpec:
        return self.dense.build(shape)

    @property
    def reads_sparse(self) -> bool:
        return True

    def forward(self, p: Views, x: Array | SparseRows, ctx: Context) -> Array:
        b = p.b if self.dense.bias else no_bias(ctx, self.dense.units)
        y = ctx.buffer("y", (*x.shape[:-1], self.dense.units))
        ctx.keep(x, y)
        if isinstance(x, SparseRows):
            ctx.kernels.sparse_affine(x.values, x.columns, x.starts, p.W, b, out=y)
            return ctx.kernels.relu(y, out=y)
        ctx.kernels.affine_relu(_rows(x), p.W, b, out=_rows(y))
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, y = ctx.kept
        db = g.b if self.dense.bias else no_bias(ctx, 0)
        if isinstance(x, SparseRows):
            ctx.kernels.relu_gradient(y, dy, out=dy)
            ctx.kernels.sparse_affine_backward(x.values, x.columns, x.starts, dy, g.W, db)
            return None
        rows = _rows(dy)
        ctx.kernels.affine_relu_backward(_rows(x), _rows(y), rows, g.W, db)
        return _input_gradient(x, rows, p, ctx)


def _rows(a: Array) -> Array:
    """Return the vectors along the last axis as the rows of a matrix: (n, …, i) as (m, i)."""
    return a if a.ndim == 2 else a.reshape(-1, a.shape[-1])


def _input_gradient(x: Array, dy: Array, p: Views, ctx: Context) -> Array | None:
    """Return dX = dY Wᵀ in the shape of x, for the rows dy, if it is needed."""
    if not ctx.needs_dx:
        return None
    dx = ctx.gradient(x.shape)
    ctx.kernels.affine_input_gradient(dy, p.W, out=_rows(dx))
    return dx


def no_bias(ctx: Context, size: int) -> Array:
    """Return ``size`` zeros, for a kernel that requires a bias or, with size 0, an array for its gradient."""
    b = ctx.scratch("no_bias", (size,))
    b.fill(0)
    return b
