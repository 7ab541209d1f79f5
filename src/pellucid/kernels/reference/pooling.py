"""The kernels of pooling: images (n, h, w, c), and a window of kh × kw taps that moves over each channel separately.

Taps outside the image do not count: they are never the maximum and do not enter an average. Every window must overlap the
image. Each kernel loops over the taps, and for each tap computes all windows at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.window import Window

Region = tuple[slice, slice, slice]  # of (n, h, w)


def _along(size: int, outputs: int, first: int, stride: int) -> tuple[slice, slice]:
    """Return the slice of the outputs p whose tap, at first + p·stride, is in 0 … size − 1, and the slice of these pixels."""
    start = max(0, -(first // stride))
    stop = max(start, min(outputs, (size - 1 - first) // stride + 1))
    pixel = first + start * stride
    return slice(start, stop), slice(pixel, pixel + (stop - start) * stride, stride)


def _taps(window: Window, image: tuple[int, ...], outputs: tuple[int, ...]) -> Iterator[tuple[int, Region, Region]]:
    """Yield, for each tap, (its index, the outputs whose tap is inside the image, the pixels that they read there)."""
    every = slice(None)
    for i in range(window.kh):
        p, rows = _along(image[1], outputs[1], i * window.dh - window.top, window.sh)
        for j in range(window.kw):
            q, columns = _along(image[2], outputs[2], j * window.dw - window.left, window.sw)
            yield i * window.kw + j, (every, p, q), (every, rows, columns)


def max_pool(x: Array, window: Window, out: Array, indices: Array) -> Array:
    """out = the maximum of each window; indices = the index i·kw + j of the first tap that has it, as unsigned integers.

    If a window contains NaN, its maximum is NaN.
    """
    found = np.zeros(out.shape, np.bool_)
    for tap, outputs, pixels in _taps(window, x.shape, out.shape):
        value, best = x[pixels], out[outputs]
        better = ~found[outputs] | ((best == best) & ~(value <= best))  # NaN counts as larger
        best[better] = value[better]
        indices[outputs][better] = tap
        found[outputs] = True
    return out


def max_pool_backward(dy: Array, indices: Array, window: Window, out: Array) -> Array:
    """out = dx: each dy is added to the pixel that was the maximum of its window."""
    out[...] = 0
    for tap, outputs, pixels in _taps(window, out.shape, dy.shape):
        out[pixels] += np.where(indices[outputs] == tap, dy[outputs], 0)
    return out


def _counts(window: Window, image: tuple[int, ...], outputs: tuple[int, ...]) -> Array:
    """Return the number of taps of each window inside the image, (1, oh, ow, 1)."""
    counts = np.zeros((1, outputs[1], outputs[2], 1), np.int64)
    for _, region, _ in _taps(window, image, outputs):
        counts[region] += 1
    return counts


def average_pool(x: Array, window: Window, out: Array) -> Array:
    """out = the mean of the pixels of each window."""
    total = np.zeros(out.shape)  # in float64: the window may be large
    for _, outputs, pixels in _taps(window, x.shape, out.shape):
        total[outputs] += x[pixels]
    return np.divide(total, _counts(window, x.shape, out.shape), out=out, casting="same_kind")


def average_pool_backward(dy: Array, window: Window, out: Array) -> Array:
    """out = dx: each dy is divided evenly among the pixels of its window."""
    part = dy / _counts(window, out.shape, dy.shape).astype(dy.dtype)
    out[...] = 0
    for _, outputs, pixels in _taps(window, out.shape, dy.shape):
        out[pixels] += part[outputs]
    return out


def global_average_pool(x: Array, out: Array) -> Array:
    """out (n, c) = the mean of each channel of each image."""
    out[...] = x.mean(axis=(1, 2), dtype=np.float64)
    return out


def global_average_pool_backward(dy: Array, out: Array) -> Array:
    """out = dx (n, h, w, c): each dy is divided evenly among all pixels."""
    out[...] = (dy / out.dtype.type(out.shape[1] * out.shape[2]))[:, None, None]
    return out
