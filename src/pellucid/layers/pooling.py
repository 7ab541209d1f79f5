"""Pooling layers reduce the size of images, separately for each channel, and have no parameters.

A window moves over the image (see :mod:`pellucid.layers.window` for kernel, stride and padding), and each of its positions
gives one value of the output. Padding is never the maximum and does not count in an average (as in TensorFlow and Keras;
PyTorch counts it as zeros in averages unless ``count_include_pad=False``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ShapeError
from pellucid.kernels.window import Window
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.window import Padding, Pair, image_shape, place_window


@dataclass(frozen=True)
class MaxPool2D(Layer):
    """The maximum of each window: y = max x over its pixels, (n, h, w, c) -> (n, oh, ow, c).

    ``stride`` is ``kernel_size`` by default, so that the windows do not overlap.

    >>> import numpy as np
    >>> from pellucid import MaxPool2D
    >>> from pellucid.testing import run_layer
    >>> x = np.array([[1.0, 2.0, 5.0, 0.0], [3.0, 0.0, 5.0, 4.0]]).reshape(1, 2, 4, 1)
    >>> out = run_layer(MaxPool2D(2), x, dy=np.array([10.0, 20.0]).reshape(1, 1, 2, 1))
    >>> out.y.ravel().tolist()
    [3.0, 5.0]
    >>> out.dx.reshape(2, 4).tolist()
    [[0.0, 0.0, 20.0, 0.0], [10.0, 0.0, 0.0, 0.0]]

    ∂y/∂x is 1 for the pixel that is the maximum (the first one, if several are equal) and 0 for all others: backward adds each
    dy to the dx of that pixel; where windows overlap, the contributions are summed. A window that contains NaN has the
    maximum NaN, so that NaN is not hidden.
    """

    records: ClassVar[bool] = True

    kernel_size: Pair = 2
    stride: Pair | None = None
    padding: Padding = "valid"

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(_place_window(self, shape)[1])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        window, shape = _place_window(self, x.shape[1:])
        index_dtype = np.min_scalar_type(window.kh * window.kw)  # one byte for up to 255 taps
        chosen = ctx.buffer("chosen", (len(x), *shape), index_dtype)  # the index of each window's maximum
        ctx.keep(x.shape, window, chosen)
        return ctx.kernels.max_pool(x, window, ctx.buffer("y", (len(x), *shape)), chosen)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        shape, window, chosen = ctx.kept
        return ctx.kernels.max_pool_backward(dy, chosen, window, out=ctx.gradient(shape)) if ctx.needs_dx else None


@dataclass(frozen=True)
class AveragePool2D(Layer):
    """The mean of each window: y = Σ x / m over its m pixels inside the image, (n, h, w, c) -> (n, oh, ow, c).

    ``stride`` is ``kernel_size`` by default, so that the windows do not overlap.

    >>> import numpy as np
    >>> from pellucid import AveragePool2D
    >>> from pellucid.testing import run_layer
    >>> x = np.array([[1.0, 2.0, 5.0], [3.0, 0.0, 7.0]]).reshape(1, 2, 3, 1)
    >>> out = run_layer(AveragePool2D(2, padding="same"), x, dy=np.array([4.0, 4.0]).reshape(1, 1, 2, 1))
    >>> out.y.ravel().tolist()  # the second window has only two pixels, the rest is padding
    [1.5, 6.0]
    >>> out.dx.reshape(2, 3).tolist()
    [[1.0, 1.0, 2.0], [1.0, 1.0, 2.0]]

    ∂y/∂x = 1/m: backward distributes each dy equally over the pixels of its window; where windows overlap, the contributions
    are summed.
    """

    records: ClassVar[bool] = True

    kernel_size: Pair = 2
    stride: Pair | None = None
    padding: Padding = "valid"

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(_place_window(self, shape)[1])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        window, shape = _place_window(self, x.shape[1:])
        ctx.keep(x.shape, window)
        return ctx.kernels.average_pool(x, window, out=ctx.buffer("y", (len(x), *shape)))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        shape, window = ctx.kept
        return ctx.kernels.average_pool_backward(dy, window, out=ctx.gradient(shape)) if ctx.needs_dx else None


@dataclass(frozen=True)
class GlobalAveragePool2D(Layer):
    """The mean of each channel over the whole image: (n, h, w, c) -> (n, c). dX = dY/(h·w) at every pixel.

    Before the last Dense it replaces Flatten, with far fewer weights: one for each channel instead of one for each pixel and
    channel (Lin, Chen and Yan, 2014).
    """

    records: ClassVar[bool] = True

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(image_shape(self, shape)[2:])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        return ctx.kernels.global_average_pool(x, out=ctx.buffer("y", (len(x), x.shape[-1])))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (shape,) = ctx.kept
        return ctx.kernels.global_average_pool_backward(dy, out=ctx.gradient(shape)) if ctx.needs_dx else None


@dataclass(frozen=True)
class GlobalMaxPool2D(Layer):
    """The maximum of each channel over the whole image: (n, h, w, c) -> (n, c). dX is dY at the pixel that is the maximum (the
    first one, if several are equal) and 0 at all others.

    It shows whether a feature occurs anywhere in the image, and :class:`GlobalAveragePool2D` how much of it there is.
    """

    records: ClassVar[bool] = True

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(image_shape(self, shape)[2:])

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return global_max(x, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return global_max_gradient(dy, ctx)


def global_max(x: Array, ctx: Context) -> Array:
    """Return the maximum (n, c) of each channel of the images x (n, h, w, c), and keep what its gradient needs."""
    n, h, w, c = x.shape
    window = Window(h, w)
    chosen = ctx.buffer("chosen", (n, 1, 1, c), np.min_scalar_type(h * w))  # the index of each maximum
    ctx.keep(x.shape, window, chosen)
    return ctx.kernels.max_pool(x, window, ctx.buffer("y", (n, 1, 1, c)), chosen).reshape(n, c)


def global_max_gradient(dy: Array, ctx: Context) -> Array | None:
    """Return dX (n, h, w, c) of :func:`global_max` for dY (n, c), or None if it is not needed."""
    shape, window, chosen = ctx.kept
    if not ctx.needs_dx:
        return None
    return ctx.kernels.max_pool_backward(dy[:, None, None], chosen, window, out=ctx.gradient(shape))


def _place_window(layer: MaxPool2D | AveragePool2D, shape: Shape) -> tuple[Window, Shape]:
    """Return the window and the output's shape for images of ``shape``.

    Raises ShapeError if some position of the window covers padding only.
    """
    window, (rows, columns) = place_window(layer, shape, layer.kernel_size, layer.stride or layer.kernel_size, layer.padding)
    height, width, channels = shape
    before = window.top >= window.kh or window.left >= window.kw
    after = (rows - 1) * window.sh - window.top >= height or (columns - 1) * window.sw - window.left >= width
    if before or after:
        raise ShapeError(
            f"{layer}: on images of shape {shape}, a window contains no pixel, only padding; use padding that is smaller than "
            "the kernel"
        )
    return window, (rows, columns, channels)
