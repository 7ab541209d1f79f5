"""The convolution: one small dense layer, applied at every position of an image (Fukushima, 1980; LeCun et al., 1989).

A kernel of kh × kw taps moves over the image. Let W_ij be the (c, o) weights of tap (i, j), and X_ij (n, oh, ow, c) the
pixels under this tap: for the output pixel (p, q), the input pixel x[p·sh − top + i·dh, q·sw − left + j·dw], or zero outside
the image. The forward pass is a sum of dense layers, one for each tap:

    Y    = b + Σ_ij X_ij W_ij       X (n, h, w, c)   W (kh, kw, c, o)   b (o)   Y (n, oh, ow, o)

With the upstream gradient dY = ∂C/∂Y, the chain rule gives for each tap the same as for a dense layer:

    dW_ij = X_ijᵀ dY                summed over images and positions, which all use the same weights
    db    = Σ dY
    dX    = Σ_ij dY W_ijᵀ           each term is added at the pixels of X_ij; a pixel is part of every window that covers it

(Strictly speaking this is a cross-correlation: the kernel is not flipped. For trained weights this makes no difference.) For
the effect of stride, padding and dilation see :mod:`~pellucid.layers.window`.

An example: a kernel that adds each pixel to the one below and to the right of it, on an image of nine pixels.

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

The backward pass for the cost C = Σ Y, so that dY = 1: dW is the sum of the pixels under each tap, and dX is the number of
outputs to which each pixel is added.

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
from dataclasses import dataclass, replace
from typing import ClassVar

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ConfigError, ShapeError
from pellucid.initializers import Blockwise, He, Initializer, Zeros
from pellucid.kernels.window import Window
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.dense import no_bias
from pellucid.layers.window import Padding, Pair, as_pair, place_window


@dataclass(frozen=True)
class Conv2D(Layer):
    """A convolution of images: Y = b + Σ_ij X_ij W_ij over the taps of a kernel. Input (n, h, w, c), output
    (n, oh, ow, filters).

    - ``kernel_size``, ``stride`` and ``dilation`` are one number, or (height, width). ``padding`` is "valid", "same", a
      number, (height, width) or ((top, bottom), (left, right)). An axis of i pixels gives
      o = ⌊(i + padding − (k − 1)·dilation − 1) / stride⌋ + 1 outputs, where padding is the sum of both sides.
    - ``groups`` splits the channels and the filters into that many equal groups; each filter reads only the channels of its
      group. With one group for each channel, this is a depthwise convolution: after a layer of 32 channels,
      ``Conv2D(32, 3, padding="same", groups=32)``, followed by ``Conv2D(64, 1)`` to combine the channels, costs
      32·(9 + 64) multiply-adds for each pixel instead of the 32·9·64 of ``Conv2D(64, 3, padding="same")`` (Howard et al.,
      2017).
    - ``bias=False`` omits b. Use it before a batch normalization, which subtracts the mean and so cancels any bias.

    Slots: ``W`` (kh, kw, c/groups, filters), filled by ``init`` with n_in = kh·kw·c/groups and
    n_out = kh·kw·filters/groups; ``b`` (filters), initially zero and exempt from weight decay.
    """

    records: ClassVar[bool] = True

    filters: Count
    kernel_size: Pair
    stride: Pair = 1
    padding: Padding = "valid"
    dilation: Pair = 1
    groups: Count = 1
    init: Initializer = He()
    bias: bool = True

    def build(self, shape: Shape) -> LayerSpec:
        _, size = self.place_window(shape)
        check_groups(self, shape[2], self.filters, self.groups)
        W = (*as_pair(self.kernel_size), shape[2] // self.groups, self.filters)
        slots = {"W": Slot(W, Blockwise(self.init, self.groups))}
        if self.bias:
            slots["b"] = Slot((self.filters,), Zeros(), decay=False)
        return LayerSpec((*size, self.filters), slots, multiply_adds=math.prod(size) * math.prod(W))

    def place_window(self, shape: Shape) -> tuple[Window, tuple[int, int]]:
        """Return the window for images of ``shape``, and the (height, width) of the output."""
        return place_window(self, shape, self.kernel_size, self.stride, self.padding, self.dilation)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        window, size = self.place_window(x.shape[1:])
        b = p.b if self.bias else no_bias(ctx, self.filters)
        ctx.keep(x)
        return ctx.kernels.conv2d(x, p.W, b, window, self.groups, out=ctx.buffer("y", (len(x), *size, self.filters)))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        window, _ = self.place_window(x.shape[1:])
        ctx.kernels.conv2d_backward(x, dy, window, self.groups, g.W, g.b if self.bias else no_bias(ctx, 0))
        return self.input_gradient(p, dy, x.shape, window, ctx)

    def input_gradient(self, p: Views, dy: Array, shape: Shape, window: Window, ctx: Context) -> Array | None:
        """Return dX of ``shape``, or None if it is not needed."""
        if not ctx.needs_dx:
            return None
        return ctx.kernels.conv2d_input_gradient(dy, p.W, window, self.groups, out=ctx.gradient(shape))

    def absorb(self, following: Layer) -> Layer | None:
        return _Conv2DReLU(self) if isinstance(following, ReLU) else None

    def with_bias(self) -> Layer:
        return self if self.bias else replace(self, bias=True)


@dataclass(frozen=True)
class _Conv2DReLU(Layer):
    """Conv2D and the ReLU after it: bias and ReLU in one pass over Y, ReLU gradient and bias gradient in one over dY."""

    records: ClassVar[bool] = True

    conv: Conv2D

    def build(self, shape: Shape) -> LayerSpec:
        return self.conv.build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        conv = self.conv
        window, size = conv.place_window(x.shape[1:])
        b = p.b if conv.bias else no_bias(ctx, conv.filters)
        y = ctx.buffer("y", (len(x), *size, conv.filters))
        ctx.kernels.conv2d_relu(x, p.W, b, window, conv.groups, out=y)
        ctx.keep(x, y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        conv = self.conv
        x, y = ctx.kept
        window, _ = conv.place_window(x.shape[1:])
        db = g.b if conv.bias else no_bias(ctx, 0)
        ctx.kernels.conv2d_relu_backward(x, y, dy, window, conv.groups, g.W, db)
        return conv.input_gradient(p, dy, x.shape, window, ctx)


def check_groups(layer: Layer, channels: int, filters: int, groups: int) -> None:
    """Raise ShapeError or ConfigError unless the channels and the filters can be split into ``groups`` equal groups.

    The message suggests numbers that can be.
    """
    if channels % groups:
        fits = [g for g in range(1, channels + 1) if channels % g == 0]
        raise ShapeError(
            f"{layer}: {channels} channels cannot be split into {groups} equal groups; groups may be one of {fits}"
        )
    if filters % groups:
        below = filters - filters % groups
        near = " or ".join(str(f) for f in (below, below + groups) if f)
        raise ConfigError(f"{layer}: {filters} filters cannot be split into {groups} equal groups; use {near} filters")
