"""Pooling layers for sequences (n, time, c): those of :mod:`~pellucid.layers.pooling`, with a window that moves over time.

The kernels are those of images: a sequence is an image of one row. As there, padding is never the maximum and does not count
in an average. Besides "valid" and "same", ``padding`` may be "causal": then the windows end at the step to which they belong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ShapeError
from pellucid.kernels.window import Window
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.pooling import global_max, global_max_gradient
from pellucid.layers.window import Padding1D, place_window_1d, sequence_shape


@dataclass(frozen=True)
class MaxPool1D(Layer):
    """The maximum of each window: y = max x over its steps, (n, time, c) -> (n, steps, c).

    ``stride`` is ``kernel_size`` by default, so that the windows do not overlap.

    >>> import numpy as np
    >>> from pellucid import MaxPool1D
    >>> from pellucid.testing import run_layer
    >>> x = np.array([1.0, 3.0, 2.0, 2.0, 9.0]).reshape(1, 5, 1)
    >>> out = run_layer(MaxPool1D(2), x, dy=np.array([10.0, 20.0]).reshape(1, 2, 1))
    >>> out.y.ravel().tolist()  # the last step is in no window
    [3.0, 2.0]
    >>> out.dx.ravel().tolist()
    [0.0, 10.0, 20.0, 0.0, 0.0]

    ∂y/∂x is 1 for the step that is the maximum (the first one, if several are equal) and 0 for all others, as in
    :class:`~pellucid.layers.pooling.MaxPool2D`.
    """

    records: ClassVar[bool] = True

    kernel_size: Count = 2
    stride: Count | None = None
    padding: Padding1D = "valid"

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(_place_window(self, shape)[1])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        window, shape = _place_window(self, x.shape[1:])
        chosen = ctx.buffer("chosen", (len(x), *shape), np.min_scalar_type(self.kernel_size))
        y = ctx.buffer("y", (len(x), *shape))
        ctx.keep(x.shape, window, chosen)
        ctx.kernels.max_pool(x[:, None], window, y[:, None], chosen[:, None])
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        shape, window, chosen = ctx.kept
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(shape)
        ctx.kernels.max_pool_backward(dy[:, None], chosen[:, None], window, out=dx[:, None])
        return dx


@dataclass(frozen=True)
class AveragePool1D(Layer):
    """The mean of each window: y = Σ x / m over its m steps inside the sequence, (n, time, c) -> (n, steps, c).

    ``stride`` is ``kernel_size`` by default, so that the windows do not overlap. ``AveragePool1D(7, 1, "causal")`` is the
    moving average of the last seven steps.

    >>> import numpy as np
    >>> from pellucid import AveragePool1D
    >>> from pellucid.testing import run_layer
    >>> x = np.array([2.0, 4.0, 9.0]).reshape(1, 3, 1)
    >>> out = run_layer(AveragePool1D(2, 1, "causal"), x, dy=np.array([1.0, 4.0, 8.0]).reshape(1, 3, 1))
    >>> out.y.ravel().tolist()  # the first window has only one step, the rest is padding
    [2.0, 3.0, 6.5]
    >>> out.dx.ravel().tolist()
    [3.0, 6.0, 4.0]

    ∂y/∂x = 1/m: backward distributes each dy equally over the steps of its window.
    """

    records: ClassVar[bool] = True

    kernel_size: Count = 2
    stride: Count | None = None
    padding: Padding1D = "valid"

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(_place_window(self, shape)[1])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        window, shape = _place_window(self, x.shape[1:])
        y = ctx.buffer("y", (len(x), *shape))
        ctx.keep(x.shape, window)
        ctx.kernels.average_pool(x[:, None], window, out=y[:, None])
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        shape, window = ctx.kept
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(shape)
        ctx.kernels.average_pool_backward(dy[:, None], window, out=dx[:, None])
        return dx


@dataclass(frozen=True)
class GlobalAveragePool1D(Layer):
    """The mean of each channel over all steps: (n, time, c) -> (n, c). dX = dY/time at every step."""

    records: ClassVar[bool] = True

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(sequence_shape(self, shape)[1:])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        return ctx.kernels.global_average_pool(x[:, None], out=ctx.buffer("y", (len(x), x.shape[-1])))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (shape,) = ctx.kept
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(shape)
        ctx.kernels.global_average_pool_backward(dy, out=dx[:, None])
        return dx


@dataclass(frozen=True)
class GlobalMaxPool1D(Layer):
    """The maximum of each channel over all steps: (n, time, c) -> (n, c). dX is dY at the step that is the maximum (the first
    one, if several are equal) and 0 at all others.

    After a convolution it shows whether a pattern occurs anywhere in the sequence (Collobert et al., 2011).
    """

    records: ClassVar[bool] = True

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(sequence_shape(self, shape)[1:])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return global_max(x[:, None], ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        dx = global_max_gradient(dy, ctx)
        return None if dx is None else dx[:, 0]


def _place_window(layer: MaxPool1D | AveragePool1D, shape: Shape) -> tuple[Window, Shape]:
    """Return the window and the output's shape for sequences of ``shape``.

    Raises ShapeError if some position of the window covers padding only.
    """
    window, steps = place_window_1d(layer, shape, layer.kernel_size, layer.stride or layer.kernel_size, layer.padding)
    time, channels = shape
    if window.left >= window.kw or (steps - 1) * window.sw - window.left >= time:
        raise ShapeError(
            f"{layer}: on sequences of shape {shape}, a window contains no step, only padding; use padding that is smaller "
            "than the kernel"
        )
    return window, (steps, channels)
