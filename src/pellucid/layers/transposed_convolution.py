"""The transposed convolution: the input gradient of a convolution, used as a forward pass. It makes images larger.

A convolution is a linear map X ↦ A X (plus a bias), so its input gradient is Aᵀ dY. This layer computes Y = Aᵀ X + b, where A
is the convolution *from the layer's output to its input*, with weights W (kh, kw, o, c). Every input pixel adds a copy of the
kernel, multiplied by the pixel, to the output. The copies of neighbouring input pixels are s output pixels apart, and where
they overlap they are summed (Zeiler et al., 2010, who called the operation deconvolution). Let Y_ij be the output pixels under
tap (i, j) of A, and dY_ij the same pixels of dY:

    Y_ij += X W_ijᵀ                 for all taps, then Y += b
    dW_ij = dY_ijᵀ X                as for A, with X and dY exchanged
    db    = Σ dY
    dX    = Σ_ij dY_ij W_ij         the convolution A itself

The sizes are those of A with input and output exchanged. An axis of i pixels gives

    "valid"            (i − 1)·s + (k − 1)·d + 1 outputs
    "same"             i·s
    b before, a after  (i − 1)·s + (k − 1)·d + 1 − b − a: here, padding removes pixels

With a stride above 1, A maps several sizes to the same i, because it rounds down. One pixel less after than before, such as
((1, 0), (1, 0)), selects the larger size (other libraries have ``output_padding`` for this).

An example: two pixels and a kernel of 2 × 2 taps, with stride 1 and with stride 2.

    >>> import numpy as np
    >>> from pellucid.kernels import reference
    >>> from pellucid.kernels.window import Window
    >>> x, W = np.array([1.0, 10.0]).reshape(1, 1, 2, 1), np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 2, 1, 1)
    >>> reference.conv2d_input_gradient(x, W, Window(2, 2), 1, out=np.empty((1, 2, 3, 1)))[0, :, :, 0]
    array([[ 1., 12., 20.],
           [ 3., 34., 40.]])
    >>> reference.conv2d_input_gradient(x, W, Window(2, 2, 2, 2), 1, out=np.empty((1, 2, 4, 1)))[0, :, :, 0]
    array([[ 1.,  2., 10., 20.],
           [ 3.,  4., 30., 40.]])
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import He, Initializer, Zeros
from pellucid.kernels.window import Window
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.convolution import check_groups
from pellucid.layers.dense import no_bias
from pellucid.layers.window import Padding, Pair, as_pair, image_shape, place_window, resolve_padding


@dataclass(frozen=True)
class ConvTranspose2D(Layer):
    """The transposed convolution Y = Aᵀ X + b, where A is the convolution with the same settings from Y's shape to X's.
    Input (n, h, w, c), output (n, oh, ow, filters); ``padding="same"`` with ``stride=2`` doubles height and width.

    The settings are those of :class:`~pellucid.layers.convolution.Conv2D`; for the sizes see the documentation of the module.

    Slots: ``W`` (kh, kw, filters/groups, c), the weights of A; ``b`` (filters), initially zero and exempt from weight decay.
    ``init`` uses the n_in of this layer, not of A: with stride s, only every s-th tap of each axis contributes to an output
    pixel, so n_in is the number of contributing taps times c/groups (and n_out the same number times filters/groups). All
    output pixels then have the same initial variance.
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
        size = self.size(shape)
        check_groups(self, shape[2], self.filters, self.groups)
        W = (*as_pair(self.kernel_size), self.filters // self.groups, shape[2])
        init = _StrideAware(self.init, self.groups, as_pair(self.stride), as_pair(self.dilation))
        slots = {"W": Slot(W, init)}
        if self.bias:
            slots["b"] = Slot((self.filters,), Zeros(), decay=False)
        return LayerSpec((*size, self.filters), slots, multiply_adds=shape[0] * shape[1] * math.prod(W))

    def size(self, shape: Shape) -> tuple[int, int]:
        """Return the (height, width) of the output for images of ``shape``."""
        height, width, _ = image_shape(self, shape)
        kernel, stride, dilation = as_pair(self.kernel_size), as_pair(self.stride), as_pair(self.dilation)
        if self.padding == "same":
            return height * stride[0], width * stride[1]
        padding = resolve_padding(self.padding, (height, width), kernel, stride, dilation)
        high, wide = (
            (i - 1) * s + (k - 1) * d + 1 - sum(removed)
            for i, s, k, d, removed in zip((height, width), stride, kernel, dilation, padding, strict=True)
        )
        if high < 1 or wide < 1:
            raise ShapeError(
                f"{self}: its padding removes all pixels: {high} × {wide} remain (input {shape}); use less padding"
            )
        return high, wide

    def window(self, size: Shape) -> Window:
        """Return the window of A for this layer's output (n, oh, ow, filters)."""
        return place_window(self, size[1:], self.kernel_size, self.stride, self.padding, self.dilation)[0]

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y = ctx.buffer("y", (len(x), *self.size(x.shape[1:]), self.filters))
        ctx.keep(x)
        ctx.kernels.conv2d_input_gradient(x, p.W, self.window(y.shape), self.groups, out=y)
        if self.bias:
            y += p.b
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        window = self.window(dy.shape)
        ctx.kernels.conv2d_backward(dy, x, window, self.groups, g.W, no_bias(ctx, 0))
        if self.bias:
            g.b = dy.sum(axis=(0, 1, 2), dtype=np.float64)
        if not ctx.needs_dx:
            return None
        return ctx.kernels.conv2d(dy, p.W, no_bias(ctx, x.shape[3]), window, self.groups, out=ctx.gradient(x.shape))


@dataclass(frozen=True)
class _StrideAware:
    """Fills W (kh, kw, o/g, c) for the direction of this layer, from c to o.

    With stride s and dilation d, the taps that contribute to one output pixel are those with equal i·d modulo s: every
    s/gcd(s, d)-th tap. Each such set of taps acts as one ordinary convolution and is drawn as such, one group after the other.
    """

    init: Initializer
    groups: int
    stride: tuple[int, int]
    dilation: tuple[int, int]

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        W = np.empty(shape)
        a, b = (s // math.gcd(s, d) for s, d in zip(self.stride, self.dilation, strict=True))
        for i in range(min(a, shape[0])):
            for j in range(min(b, shape[1])):
                taps = W[i::a, j::b]
                group = (*taps.shape[:2], shape[3] // self.groups, shape[2])
                drawn = [self.init.fill(group, generator).swapaxes(2, 3) for _ in range(self.groups)]
                taps[...] = np.concatenate(drawn, axis=-1)
        return W
