"""The kernels of upsampling: images (n, h, w, c) become images (n, h·fh, w·fw, c), and back for the gradients.

Nearest: each pixel becomes a block of fh × fw equal pixels. Linear: along each axis, output p is at the position
(p + ½)/f − ½ of the input, limited to 0 … size − 1, and is interpolated between the two pixels next to it. Both axes together
are the bilinear interpolation. Each kernel is a linear map, and its backward kernel is the transposed map.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def upsample_nearest(x: Array, out: Array) -> Array:
    """out[p, q] = x[p // fh, q // fw]."""
    _blocks(out, x)[...] = x[:, :, None, :, None]
    return out


def upsample_nearest_backward(dy: Array, out: Array) -> Array:
    """out = dx: the sum of dy over the block of each pixel."""
    return np.sum(_blocks(dy, out), axis=(2, 4), out=out)


def upsample_linear(x: Array, out: Array) -> Array:
    """out = x interpolated between rows, and the result between columns."""
    rows = _interpolate(x, out.shape[1] // x.shape[1], 1)
    out[...] = _interpolate(rows, out.shape[2] // x.shape[2], 2)
    return out


def upsample_linear_backward(dy: Array, out: Array) -> Array:
    """out = dx: each dy is added to the pixels between which it was interpolated, times their shares."""
    rows = _interpolate_backward(dy, dy.shape[2] // out.shape[2], 2)
    out[...] = _interpolate_backward(rows, dy.shape[1] // out.shape[1], 1)
    return out


def _blocks(large: Array, small: Array) -> Array:
    """Return the large images as one block for each pixel of the small ones: a view (n, h, fh, w, fw, c)."""
    n, h, w, c = small.shape
    return large.reshape(n, h, large.shape[1] // h, w, large.shape[2] // w, c)


def _neighbours(size: int, factor: int) -> tuple[Array, Array, Array]:
    """Return, for each of size·factor outputs, the two pixels between which it is, and the share of the second one.

    The position is a fraction with the denominator 2·factor, computed with integers. An output that is exactly at a pixel has
    that pixel twice.
    """
    numerator = np.clip(2 * np.arange(size * factor) + 1 - factor, 0, 2 * factor * (size - 1))
    low, rest = numerator // (2 * factor), numerator % (2 * factor)
    return low, low + (rest > 0), rest / (2 * factor)


def _interpolate(x: Array, factor: int, axis: int) -> Array:
    if factor == 1:
        return x
    low, high, share = _neighbours(x.shape[axis], factor)
    share = share.astype(x.dtype).reshape(-1, *[1] * (x.ndim - axis - 1))
    return (1 - share) * x.take(low, axis) + share * x.take(high, axis)


def _interpolate_backward(dy: Array, factor: int, axis: int) -> Array:
    if factor == 1:
        return dy
    size = dy.shape[axis] // factor
    low, high, share = _neighbours(size, factor)
    share = share.astype(dy.dtype).reshape(-1, *[1] * (dy.ndim - axis - 1))
    dx = np.zeros((*dy.shape[:axis], size, *dy.shape[axis + 1 :]), dy.dtype)
    for pixels, part in ((low, 1 - share), (high, share)):
        np.add.at(np.moveaxis(dx, axis, 0), pixels, np.moveaxis(part * dy, axis, 0))
    return dx
