"""The convolution: one small dense layer, applied at every place of a picture (Fukushima, 1980; LeCun et al., 1989).

A kernel of kh × kw taps moves over the picture. With W_ij the (c, o) weights of tap (i, j), and X_ij (n, oh, ow, c) the
pixels that this tap meets, x[p·sh − top + i·dh, q·sw − left + j·dw] at the output's place (p, q) and zero outside the
picture, the forward pass is a sum of dense layers, one for each tap:

    Y    = b + Σ_ij X_ij W_ij       X (n, h, w, c)   W (kh, kw, c, o)   b (o)   Y (n, oh, ow, o)

With dY = ∂C/∂Y given from behind, the chain rule gives for each tap what it gives for a dense layer

    dW_ij = X_ijᵀ dY                summed over pictures and places: one weight serves all of them
    db    = Σ dY
    dX    = Σ_ij dY W_ijᵀ           each summand put where X_ij was read; a pixel serves every window that covers it

(Strictly a cross-correlation: the kernel is not flipped, which for learned weights makes no difference.) How far the
window moves and what the padding adds is :mod:`~pellucid.layers.window`'s arithmetic.

A kernel that adds each pixel to the one below and to the right of it, on a picture of nine pixels:

    >>> import numpy as np
    >>> from pellucid.kernels import reference
    >>> from pellucid.kernels.window import Window
    >>> x = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    >>> W = np.array([[1.0, 0.0], [0.0, 1.0]]).reshape(2, 2, 1, 1)
    >>> y = reference.conv2d(x, W, np.zeros(1), Window(2, 2), groups=1, out=np.empty((1, 2, 2, 1)))
    >>> x[0, :, :, 0]
    array([[1., 2., 3.],
           [4., 5., 6.],
           [7., 8., 9.]])
    >>> y[0, :, :, 0]                                   # 1 + 5, 2 + 6; 4 + 8, 5 + 9
    array([[ 6.,  8.],
           [12., 14.]])

and back, if the cost is the sum of Y, so that dY = 1: dW says how much each tap saw, dX how often each pixel was read.

    >>> dy, dW, db = np.ones_like(y), np.empty_like(W), np.empty(1)
    >>> reference.conv2d_backward(x, dy, Window(2, 2), 1, dW, db)
    >>> dW[:, :, 0, 0]                                  # 1 + 2 + 4 + 5, 2 + 3 + 5 + 6; …
    array([[12., 16.],
           [24., 28.]])
    >>> reference.conv2d_input_gradient(dy, W, Window(2, 2), 1, out=np.empty_like(x))[0, :, :, 0]
    array([[1., 1., 0.],
           [1., 2., 1.],
           [0., 1., 1.]])
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ConfigError, ShapeError
from pellucid.initializers import He, Initializer, Zeros
from pellucid.kernels.window import Window
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.window import Padding, Pair, pair, place


@dataclass(frozen=True)
class Conv2D(Layer):
    """Y = b + Σ_ij X_ij W_ij over the taps of a kernel. Input (n, h, w, c), output (n, oh, ow, filters).

    - ``kernel_size``, ``stride``, ``dilation``: one number, or (height, width). ``padding``: "valid", "same", a number,
      (height, width) or ((top, bottom), (left, right)); o = ⌊(i + padding − (k − 1)·dilation − 1) / stride⌋ + 1.
    - ``groups`` cuts the channels and the filters into as many equal parts, each filter seeing its own part of the
      channels only. With one group for each channel it is a depthwise convolution: behind 32 channels,
      ``Conv2D(32, 3, padding="same", groups=32)``, then ``Conv2D(64, 1)`` to mix them, costs 32·(9 + 64) multiply-adds
      a pixel instead of the 32·9·64 of ``Conv2D(64, 3, padding="same")`` (Howard et al., 2017).
    - ``bias=False`` leaves b out: right where a normalization follows, which takes any constant away again.

    Slots: ``W`` (kh, kw, c/groups, filters), filled by ``init`` with n_in = kh·kw·c/groups and
    n_out = kh·kw·filters/groups; ``b`` (filters), zero at first and left alone by weight decay.
    """

    filters: Count
    kernel_size: Pair
    stride: Pair = 1
    padding: Padding = "valid"
    dilation: Pair = 1
    groups: Count = 1
    init: Initializer = He()
    bias: bool = True

    def build(self, shape: Shape) -> LayerSpec:
        size = self.place(shape)[1]
        check_groups(self, shape[2], self.filters, self.groups)
        W = (*pair(self.kernel_size), shape[2] // self.groups, self.filters)
        slots = {"W": Slot(W, _GroupByGroup(self.init, self.groups))}
        if self.bias:
            slots["b"] = Slot((self.filters,), Zeros(), decay=False)
        return LayerSpec((*size, self.filters), slots, multiply_adds=math.prod(size) * math.prod(W))

    def place(self, shape: Shape) -> tuple[Window, tuple[int, int]]:
        """The window over pictures of ``shape``, and the (height, width) of the output."""
        return place(self, shape, self.kernel_size, self.stride, self.padding, self.dilation)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        window, size = self.place(x.shape[1:])
        b = p.b if self.bias else no_bias(ctx, self.filters)
        ctx.keep(x)
        return ctx.kernels.conv2d(x, p.W, b, window, self.groups, out=ctx.buffer("y", (len(x), *size, self.filters)))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        window, _ = self.place(x.shape[1:])
        ctx.kernels.conv2d_backward(x, dy, window, self.groups, g.W, g.b if self.bias else no_bias(ctx, 0))
        return self.input_gradient(p, dy, x.shape, window, ctx)

    def input_gradient(self, p: Views, dy: Array, shape: Shape, window: Window, ctx: Context) -> Array | None:
        """dX of that shape, where it is wanted."""
        if not ctx.needs_dx:
            return None
        return ctx.kernels.conv2d_input_gradient(dy, p.W, window, self.groups, out=ctx.gradient(shape))

    def absorb(self, following: Layer) -> Layer | None:
        return _Conv2DReLU(self) if isinstance(following, ReLU) else None


@dataclass(frozen=True)
class _Conv2DReLU(Layer):
    """Conv2D and the ReLU behind it: bias and ReLU in one pass over Y, mask and bias gradient in one over dY."""

    conv: Conv2D

    def build(self, shape: Shape) -> LayerSpec:
        return self.conv.build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        conv, (window, size) = self.conv, self.conv.place(x.shape[1:])
        b, out = p.b if conv.bias else no_bias(ctx, conv.filters), ctx.buffer("y", (len(x), *size, conv.filters))
        y: Array = ctx.kernels.conv2d_relu(x, p.W, b, window, conv.groups, out=out)
        ctx.keep(x, y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x, y), conv = ctx.kept, self.conv
        window, _ = conv.place(x.shape[1:])
        db = g.b if conv.bias else no_bias(ctx, 0)
        ctx.kernels.conv2d_relu_backward(x, y, dy, window, conv.groups, g.W, db)
        return conv.input_gradient(p, dy, x.shape, window, ctx)


@dataclass(frozen=True)
class _GroupByGroup:
    """Fills W (…, c/g, o) one group's (…, c/g, o/g) at a time: initializers read n_in and n_out off the shape, and a
    channel feeds the filters of its own group only."""

    init: Initializer
    groups: int

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        part = (*shape[:-1], shape[-1] // self.groups)
        return np.concatenate([self.init.fill(part, generator) for _ in range(self.groups)], axis=-1)


def no_bias(ctx: Context, size: int) -> Array:
    """Zeros for a kernel that wants a bias; none of them for a bias' gradient that nobody wants."""
    b = ctx.scratch("no_bias", (size,))
    b.fill(0)
    return b


def check_groups(layer: Layer, channels: int, filters: int, groups: int) -> None:
    """Refuses channels or filters that do not fall into equal groups, and names numbers that do."""
    if channels % groups:
        fits = [g for g in range(1, channels + 1) if channels % g == 0]
        raise ShapeError(f"{layer}: {channels} channels do not fall into {groups} equal groups; groups may be one of {fits}")
    if filters % groups:
        below = filters - filters % groups
        near = " or ".join(str(f) for f in (below, below + groups) if f)
        raise ConfigError(f"{layer}: {filters} filters do not fall into {groups} equal groups; take {near} filters")
