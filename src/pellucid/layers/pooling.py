"""Pooling layers: pictures made smaller, each channel by itself; there is nothing to learn.

A window moves over the picture (:mod:`pellucid.layers.window`: kernel, stride, padding) and leaves one number where it
stops. Here padding is no pixels at all: it is never the maximum and does not count in an average (as in TensorFlow and
Keras; PyTorch's averages count it as zeros unless told otherwise).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ShapeError
from pellucid.kernels.window import Window
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.window import Padding, Pair, picture, place


@dataclass(frozen=True)
class MaxPool2D(Layer):
    """The largest number of each window, y = max over the taps: (n, h, w, c) -> (n, h', w', c). ``stride`` is the kernel
    unless given: windows side by side.

    >>> import numpy as np
    >>> from pellucid import MaxPool2D
    >>> from pellucid.testing import run_layer
    >>> x = np.array([[1.0, 2.0, 5.0, 0.0], [3.0, 0.0, 5.0, 4.0]]).reshape(1, 2, 4, 1)
    >>> out = run_layer(MaxPool2D(2), x, dy=np.array([10.0, 20.0]).reshape(1, 1, 2, 1))
    >>> out.y.ravel().tolist()
    [3.0, 5.0]
    >>> out.dx.reshape(2, 4).tolist()
    [[0.0, 0.0, 20.0, 0.0], [10.0, 0.0, 0.0, 0.0]]

    The maximum changes with one of its pixels alone, ∂y/∂x = 1 there: backward hands each dy to the pixel that was chosen,
    the first of equals, and adds up where windows overlap. A NaN in the window is its maximum, so that NaN is not hidden.
    """

    kernel_size: Pair = 2
    stride: Pair | None = None
    padding: Padding = "valid"

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(_placed(self, shape)[1])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        window, shape = _placed(self, x.shape[1:])
        taps = np.min_scalar_type(window.kh * window.kw)  # one byte for up to 255 taps
        chosen = ctx.buffer("chosen", (len(x), *shape), taps)
        ctx.keep(x.shape, window, chosen)
        return ctx.kernels.max_pool(x, window, ctx.buffer("y", (len(x), *shape)), chosen)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        shape, window, chosen = ctx.kept
        return ctx.kernels.max_pool_backward(dy, chosen, window, out=ctx.gradient(shape)) if ctx.needs_dx else None


@dataclass(frozen=True)
class AveragePool2D(Layer):
    """The mean of each window, y = Σ x / m over its m pixels inside the picture: (n, h, w, c) -> (n, h', w', c).
    ``stride`` is the kernel unless given: windows side by side.

    >>> import numpy as np
    >>> from pellucid import AveragePool2D
    >>> from pellucid.testing import run_layer
    >>> x = np.array([[1.0, 2.0, 5.0], [3.0, 0.0, 7.0]]).reshape(1, 2, 3, 1)
    >>> out = run_layer(AveragePool2D(2, padding="same"), x, dy=np.array([4.0, 4.0]).reshape(1, 1, 2, 1))
    >>> out.y.ravel().tolist()  # the second window has two pixels, and padding
    [1.5, 6.0]
    >>> out.dx.reshape(2, 3).tolist()
    [[1.0, 1.0, 2.0], [1.0, 1.0, 2.0]]

    ∂y/∂x = 1/m: backward shares each dy out evenly, and adds up where windows overlap.
    """

    kernel_size: Pair = 2
    stride: Pair | None = None
    padding: Padding = "valid"

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(_placed(self, shape)[1])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        window, shape = _placed(self, x.shape[1:])
        ctx.keep(x.shape, window)
        return ctx.kernels.average_pool(x, window, out=ctx.buffer("y", (len(x), *shape)))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        shape, window = ctx.kept
        return ctx.kernels.average_pool_backward(dy, window, out=ctx.gradient(shape)) if ctx.needs_dx else None


@dataclass(frozen=True)
class GlobalAveragePool2D(Layer):
    """The mean of each channel over the whole picture, (n, h, w, c) -> (n, c): in place of Flatten before the last Dense
    it needs no weight for each pixel (Lin, Chen and Yan, 2014). dX = dY/(h·w) at every pixel."""

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(picture(self, shape)[2:])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        return ctx.kernels.global_average_pool(x, out=ctx.buffer("y", (len(x), x.shape[-1])))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (shape,) = ctx.kept
        return ctx.kernels.global_average_pool_backward(dy, out=ctx.gradient(shape)) if ctx.needs_dx else None


def _placed(layer: MaxPool2D | AveragePool2D, shape: Shape) -> tuple[Window, Shape]:
    """The window and the shape of what comes out, for pictures of ``shape``. Raises ShapeError where a window would meet
    no pixel."""
    window, (rows, columns) = place(layer, shape, layer.kernel_size, layer.stride or layer.kernel_size, layer.padding)
    height, width, channels = shape
    before = window.top >= window.kh or window.left >= window.kw
    behind = (rows - 1) * window.sh - window.top >= height or (columns - 1) * window.sw - window.left >= width
    if before or behind:
        raise ShapeError(
            f"{layer}: on pictures {shape} a window lies entirely in the padding, where there is nothing to pool; "
            "take less padding than the kernel is wide"
        )
    return window, (rows, columns, channels)
