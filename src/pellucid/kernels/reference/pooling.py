"""Pooling's arithmetic: pictures (n, h, w, c), a window of kh × kw taps that moves over each channel by itself.

Taps outside the picture do not take part: they never are the maximum, and do not count in an average. Every window must
meet the picture. Each kernel goes through the taps, and for each through all the windows at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.window import Window

Cut = tuple[slice, slice, slice]  # of (n, h, w)


def _along(size: int, outputs: int, first: int, stride: int) -> tuple[slice, slice]:
    """The outputs whose tap, at first + p·stride for output p, lies inside 0 … size − 1, and these pixels."""
    start = max(0, -(first // stride))
    stop = max(start, min(outputs, (size - 1 - first) // stride + 1))
    pixel = first + start * stride
    return slice(start, stop), slice(pixel, pixel + (stop - start) * stride, stride)


def _taps(window: Window, picture: tuple[int, ...], outputs: tuple[int, ...]) -> Iterator[tuple[int, Cut, Cut]]:
    """(number, the outputs whose tap lies inside the picture, the pixels they meet there) for each tap."""
    every = slice(None)
    for i in range(window.kh):
        p, rows = _along(picture[1], outputs[1], i * window.dh - window.top, window.sh)
        for j in range(window.kw):
            q, columns = _along(picture[2], outputs[2], j * window.dw - window.left, window.sw)
            yield i * window.kw + j, (every, p, q), (every, rows, columns)


def max_pool(x: Array, window: Window, out: Array, chosen: Array) -> Array:
    """out = the maximum of each window, and the number i·kw + j of the first tap that has it into ``chosen`` (unsigned
    integers). A NaN in the window is its maximum."""
    found = np.zeros(out.shape, np.bool_)
    for tap, outputs, pixels in _taps(window, x.shape, out.shape):
        value, best = x[pixels], out[outputs]
        better = ~found[outputs] | ((best == best) & ~(value <= best))  # NaN is no less than anything
        best[better] = value[better]
        chosen[outputs][better] = tap
        found[outputs] = True
    return out


def max_pool_backward(dy: Array, chosen: Array, window: Window, out: Array) -> Array:
    """out = dx: each dy goes to the pixel that was chosen; a pixel chosen by several windows gets the sum."""
    out[...] = 0
    for tap, outputs, pixels in _taps(window, out.shape, dy.shape):
        out[pixels] += np.where(chosen[outputs] == tap, dy[outputs], 0)
    return out


def _counts(window: Window, picture: tuple[int, ...], outputs: tuple[int, ...]) -> Array:
    """(1, outputs, outputs, 1): the number of taps inside the picture."""
    counts = np.zeros((1, outputs[1], outputs[2], 1), np.int64)
    for _, where, _ in _taps(window, picture, outputs):
        counts[where] += 1
    return counts


def average_pool(x: Array, window: Window, out: Array) -> Array:
    """out = the mean of the pixels of each window."""
    out[...] = 0
    for _, outputs, pixels in _taps(window, x.shape, out.shape):
        out[outputs] += x[pixels]
    out /= _counts(window, x.shape, out.shape).astype(out.dtype)
    return out


def average_pool_backward(dy: Array, window: Window, out: Array) -> Array:
    """out = dx: each dy is shared out evenly between the pixels of its window."""
    share = dy / _counts(window, out.shape, dy.shape).astype(dy.dtype)
    out[...] = 0
    for _, outputs, pixels in _taps(window, out.shape, dy.shape):
        out[pixels] += share[outputs]
    return out


def global_average_pool(x: Array, out: Array) -> Array:
    """out (n, c) = the mean of each channel of each picture."""
    return x.mean(axis=(1, 2), out=out)


def global_average_pool_backward(dy: Array, out: Array) -> Array:
    """out = dx (n, h, w, c): each dy is shared out evenly between all pixels."""
    out[...] = (dy / out.dtype.type(out.shape[1] * out.shape[2]))[:, None, None]
    return out
