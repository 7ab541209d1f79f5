"""The convolution of sequences: one small dense layer, applied at every step (Waibel et al., 1989, who called it a
time-delay network).

A kernel of k taps moves over the time axis. With the weights W_i (c, o) of tap i, and the steps X_i (n, ot, c) under this tap,
for output p the step x[p·s − before + i·d], or zero outside the sequence:

    Y    = b + Σ_i X_i W_i          X (n, t, c)   W (k, c, o)   b (o)   Y (n, ot, o)
    dW_i = X_iᵀ dY                  db = Σ dY
    dX   = Σ_i dY W_iᵀ              each term is added at the steps of X_i

as for images (:mod:`~pellucid.layers.convolution`). The kernels are those of images: a sequence is an image of one row.

An example: the sum of each step and the one before it, with causal padding, and the gradient of C = Σ Y.

    >>> import numpy as np
    >>> from pellucid import Conv1D, Ones
    >>> from pellucid.testing import run_layer
    >>> x = np.array([1.0, 4.0, 9.0, 16.0]).reshape(1, 4, 1)
    >>> out = run_layer(Conv1D(1, 2, padding="causal", init=Ones(), bias=False), x, dy=np.ones((1, 4, 1)))
    >>> out.y.ravel().tolist()  # the step before the first one is padding, 0
    [1.0, 5.0, 13.0, 25.0]
    >>> out.dx.ravel().tolist()  # all steps but the last are in two sums
    [2.0, 2.0, 2.0, 1.0]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.initializers import Blockwise, He, Initializer, Zeros
from pellucid.kernels.window import Window
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.convolution import check_groups
from pellucid.layers.dense import no_bias
from pellucid.layers.window import Padding1D, place_window_1d


@dataclass(frozen=True)
class Conv1D(Layer):
    """A convolution of sequences: Y = b + Σ_i X_i W_i over the taps of a kernel. Input (n, time, c), output
    (n, steps, filters).

    - ``padding`` is "valid", "same", "causal", a number for both ends, or (before, after). "causal" puts all padding before
      the sequence: with stride 1, step p of the output depends on the steps 0 … p of the input and on no later one.
    - ``dilation`` is the distance between neighbouring taps. An output of a stack of
      causal layers with dilations 1, 2, 4, … depends on 1 + (k − 1)·(1 + 2 + 4 + …) steps (van den Oord et al., 2016).
    - ``stride``, ``groups`` and ``bias`` are those of :class:`~pellucid.layers.convolution.Conv2D`. A sequence of i steps
      gives o = ⌊(i + padding − (k − 1)·dilation − 1) / stride⌋ + 1 steps, where padding is the sum of both ends.

    Slots: ``W`` (kernel_size, c/groups, filters), filled by ``init`` with n_in = kernel_size·c/groups and
    n_out = kernel_size·filters/groups; ``b`` (filters), initially zero and exempt from weight decay.
    """

    records: ClassVar[bool] = True

    filters: Count
    kernel_size: Count
    stride: Count = 1
    padding: Padding1D = "valid"
    dilation: Count = 1
    groups: Count = 1
    init: Initializer = He()
    bias: bool = True

    def build(self, shape: Shape) -> LayerSpec:
        _, steps = self.place_window(shape)
        check_groups(self, shape[1], self.filters, self.groups)
        W = (self.kernel_size, shape[1] // self.groups, self.filters)
        slots = {"W": Slot(W, Blockwise(self.init, self.groups))}
        if self.bias:
            slots["b"] = Slot((self.filters,), Zeros(), decay=False)
        return LayerSpec((steps, self.filters), slots, multiply_adds=steps * math.prod(W))

    @property
    def continues(self) -> bool:
        sees_no_later_step = self.padding == "causal" or (self.kernel_size == 1 and self.padding in ("valid", "same"))
        return sees_no_later_step and self.stride == 1

    def place_window(self, shape: Shape) -> tuple[Window, int]:
        """Return the window for sequences of ``shape``, seen as images of one row, and the length of the output."""
        return place_window_1d(self, shape, self.kernel_size, self.stride, self.padding, self.dilation)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        x, window, steps = self.with_past(x, ctx)
        b = p.b if self.bias else no_bias(ctx, self.filters)
        y = ctx.buffer("y", (len(x), steps, self.filters))
        ctx.keep(x)
        ctx.kernels.conv2d(x[:, None], p.W[None], b, window, self.groups, out=y[:, None])
        return y

    def with_past(self, x: Array, ctx: Context) -> tuple[Array, Window, int]:
        """Return the steps under the kernel, where to place its window, and the length of the output.

        In generation the steps that the pass before left under the kernel come first, in place of the padding.
        """
        past = ctx.past
        before = (self.kernel_size - 1) * self.dilation
        if past is None or not before:
            return x, *self.place_window(x.shape[1:])
        n, time, channels = x.shape
        steps = past.array("steps", (before, channels)).reshape(n, before * channels)
        if not past.read.all():
            steps[past.read == 0] = 0  # of sequences that begin
        joined = ctx.buffer("joined", (n, before + time, channels))
        rows = joined.reshape(n, -1)
        ctx.kernels.copy_columns(steps, rows[:, : before * channels])
        ctx.kernels.copy_columns(x.reshape(n, -1), rows[:, before * channels :])
        ctx.kernels.copy_columns(rows[:, time * channels :], steps)
        return joined, Window(1, self.kernel_size, 1, 1, 0, 0, 1, self.dilation), time

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        window, _ = self.place_window(x.shape[1:])
        db = g.b if self.bias else no_bias(ctx, 0)
        ctx.kernels.conv2d_backward(x[:, None], dy[:, None], window, self.groups, g.W[None], db)
        return self.input_gradient(p, dy, x.shape, window, ctx)

    def input_gradient(self, p: Views, dy: Array, shape: Shape, window: Window, ctx: Context) -> Array | None:
        """Return dX of ``shape``, or None if it is not needed."""
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(shape)
        ctx.kernels.conv2d_input_gradient(dy[:, None], p.W[None], window, self.groups, out=dx[:, None])
        return dx

    def absorb(self, following: Layer) -> Layer | None:
        return _Conv1DReLU(self) if isinstance(following, ReLU) else None

    def with_bias(self) -> Layer:
        return self if self.bias else replace(self, bias=True)


@dataclass(frozen=True)
class _Conv1DReLU(Layer):
    """Conv1D and the ReLU after it: bias and ReLU in one pass over Y, ReLU gradient and bias gradient in one over dY."""

    records: ClassVar[bool] = True

    conv: Conv1D

    def build(self, shape: Shape) -> LayerSpec:
        return self.conv.build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        conv = self.conv
        x, window, steps = conv.with_past(x, ctx)
        b = p.b if conv.bias else no_bias(ctx, conv.filters)
        y = ctx.buffer("y", (len(x), steps, conv.filters))
        ctx.kernels.conv2d_relu(x[:, None], p.W[None], b, window, conv.groups, out=y[:, None])
        ctx.keep(x, y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        conv = self.conv
        x, y = ctx.kept
        window, _ = conv.place_window(x.shape[1:])
        db = g.b if conv.bias else no_bias(ctx, 0)
        ctx.kernels.conv2d_relu_backward(x[:, None], y[:, None], dy[:, None], window, conv.groups, g.W[None], db)
        return conv.input_gradient(p, dy, x.shape, window, ctx)
