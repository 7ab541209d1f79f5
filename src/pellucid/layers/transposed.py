"""The transposed convolution: a convolution's backward pass taken as a forward pass. It makes pictures larger.

A convolution is a linear map X ↦ A X; what its backward pass applies to dY is Aᵀ. This layer computes Y = Aᵀ X + b for
the convolution A *from its output to its input*, W (kh, kw, o, c). Every input pixel paints the whole kernel, scaled by
the pixel, onto the output, s pixels further for each step of the input; where the prints overlap they add (Zeiler et al.,
2010; called deconvolution at first). With Y_ij the output pixels that tap (i, j) of A meets and dY_ij the same of dY,

    Y_ij += X W_ijᵀ                 over all taps, then Y += b
    dW_ij = dY_ijᵀ X                as for A, with X and dY in each other's places
    db    = Σ dY
    dX    = Σ_ij dY_ij W_ij         the convolution A itself

Sizes are A's read backwards: i inputs along one axis make

    "valid"             (i − 1)·s + (k − 1)·d + 1
    "same"              i·s
    b before, a behind  (i − 1)·s + (k − 1)·d + 1 − b − a: here padding takes pixels away

A's own arithmetic rounds down, so several sizes lead to the same i; one pixel less behind than before, such as
((1, 0), (1, 0)), chooses the larger one (other libraries call that output_padding).

Two pixels and a kernel of two rows by two columns, in steps of one and of two:

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
from pellucid.layers.convolution import check_groups, no_bias
from pellucid.layers.window import Padding, Pair, pair, picture, place, sides


@dataclass(frozen=True)
class ConvTranspose2D(Layer):
    """Y = Aᵀ X + b, A the convolution with the same settings from Y's shape to X's. Input (n, h, w, c), output
    (n, oh, ow, filters); ``padding="same"`` with ``stride=2`` doubles height and width.

    The settings are those of :class:`~pellucid.layers.convolution.Conv2D`; the sizes stand above.

    Slots: ``W`` (kh, kw, filters/groups, c), as A has it; ``b`` (filters). ``init`` sees this layer's own direction: an
    output pixel meets only every s-th tap of each axis, so n_in is the number of taps it meets times c/groups (n_out the
    same times filters/groups), and every output pixel starts with the same variance.
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
        W = (*pair(self.kernel_size), self.filters // self.groups, shape[2])
        fill = _AsItPaints(self.init, self.groups, pair(self.stride), pair(self.dilation))
        slots = {"W": Slot(W, fill)}
        if self.bias:
            slots["b"] = Slot((self.filters,), Zeros(), decay=False)
        return LayerSpec((*size, self.filters), slots, multiply_adds=shape[0] * shape[1] * math.prod(W))

    def size(self, shape: Shape) -> tuple[int, int]:
        """The (height, width) of the output for pictures of ``shape``."""
        height, width, _ = picture(self, shape)
        kernel, stride, dilation = pair(self.kernel_size), pair(self.stride), pair(self.dilation)
        if self.padding == "same":
            return height * stride[0], width * stride[1]
        padding = sides(self.padding, (height, width), kernel, stride, dilation)
        high, wide = (
            (i - 1) * s + (k - 1) * d + 1 - sum(taken)
            for i, s, k, d, taken in zip((height, width), stride, kernel, dilation, padding, strict=True)
        )
        if high < 1 or wide < 1:
            raise ShapeError(f"{self}: its padding takes all pixels away, {high} × {wide} are left (input {shape}); pad less")
        return high, wide

    def window(self, size: Shape) -> Window:
        """The window of A over this layer's output (n, oh, ow, filters)."""
        return place(self, size[1:], self.kernel_size, self.stride, self.padding, self.dilation)[0]

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
            g.b = dy.sum(axis=(1, 2)).sum(axis=0)
        if not ctx.needs_dx:
            return None
        return ctx.kernels.conv2d(dy, p.W, no_bias(ctx, x.shape[3]), window, self.groups, out=ctx.gradient(x.shape))


@dataclass(frozen=True)
class _AsItPaints:
    """Fills W (kh, kw, o/g, c) in the direction this layer works, from c to o.

    With steps of s and taps d apart, the taps that meet one output pixel are those with equal i·d modulo s: every
    s/gcd(s, d)-th. Each such set is an ordinary convolution of its own, and is drawn as one, group by group.
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
                meet = W[i::a, j::b]
                part = (*meet.shape[:2], shape[3] // self.groups, shape[2])
                drawn = [self.init.fill(part, generator).swapaxes(2, 3) for _ in range(self.groups)]
                meet[...] = np.concatenate(drawn, axis=-1)
        return W
