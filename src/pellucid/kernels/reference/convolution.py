"""The kernels of convolutions, by im2col: patches of the images times the weights, and back.

    x (n, h, w, c)   W (kh, kw, c/g, o)   b (o)   y (n, oh, ow, o)

A patch is what the window sees at one position: kh·kw·c values. With the patches as the rows of a matrix, the whole layer is
one matrix product, which BLAS computes fast (Chellapilla, Puri and Simard, 2006). That matrix is kh·kw times as large as the
images, so it is made for one block of a few images at a time. With g groups, the output channels are divided into g equal
parts, each computed from its own part of the input channels: g products instead of one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.reference.normalization import normalize_input_gradient
from pellucid.kernels.window import Window

BLOCK_SIZE = 2**17  # elements in the patches of one block of images: 512 kB in float32, which fits the second-level cache


def conv2d(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
    """out = b + Σ over taps (i, j) of x at the tap times W[i, j]."""
    weights = _by_group(W, groups)
    for block in _blocks(x, out, window):
        np.matmul(_im2col(x[block], out[block], window, groups), weights, out=_by_group(out[block], groups))
    out += b
    return out


def conv2d_relu(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
    """out = max(conv2d, 0)."""
    conv2d(x, W, b, window, groups, out)
    return np.maximum(out, 0, out=out)


def conv2d_backward(x: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
    """dW[i, j] = Σ over images and positions of (x at the tap)ᵀ dy,  db = Σ dy (an empty db means that there is no bias)."""
    dW.fill(0)
    weights = _by_group(dW, groups)
    for block in _blocks(x, dy, window):
        weights += _im2col(x[block], dy[block], window, groups).swapaxes(1, 2) @ _by_group(dy[block], groups)
    if len(db):
        db[...] = dy.sum(axis=(0, 1, 2), dtype=np.float64)  # a long sum would lose digits in float32


def conv2d_relu_backward(x: Array, y: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
    """Compute dW and db of a convolution followed by a ReLU with output y: dY is masked in place first."""
    dy[y <= 0] = 0
    conv2d_backward(x, dy, window, groups, dW, db)


def conv2d_input_gradient(dy: Array, W: Array, window: Window, groups: int, out: Array) -> Array:
    """out = dX: for each tap (i, j), dy W[i, j]ᵀ is added to the input pixel that the tap read.

    This is also the forward pass of a transposed convolution.
    """
    out.fill(0)
    for block in _blocks(out, dy, window):
        canvas = _canvas(out[block], dy[block], window, groups)
        rows = _by_group(dy[block], groups)
        for i, j, pixels in _taps(canvas, dy, window):
            back = rows @ _by_group(W[i, j], groups).swapaxes(1, 2)
            pixels += back.swapaxes(0, 1).reshape(pixels.shape)
        pixels, covered = _overlap(out[block], canvas, window)
        pixels[...] = covered
    return out


def conv2d_normalized_backward(
    x: Array,
    W: Array,
    z: Array,
    mean: Array,
    rstd: Array,
    gamma: Array,
    dy: Array,
    mean_dy: Array,
    mean_dy_xhat: Array,
    window: Window,
    groups: int,
    dW: Array,
    out: Array,
) -> Array:
    """dz = dX of the normalization of z with the upstream gradient dy, then dW and out = dX of the convolution from dz."""
    dz = normalize_input_gradient(z, mean, rstd, gamma, dy, mean_dy, mean_dy_xhat, out=dy)
    conv2d_backward(x, dz, window, groups, dW, dW[:0, 0, 0, 0])
    return conv2d_input_gradient(dz, W, window, groups, out) if out.size else out


def _blocks(x: Array, y: Array, window: Window) -> Iterator[slice]:
    """Return slices of the batch whose patches have about BLOCK_SIZE elements."""
    per_image = y.shape[1] * y.shape[2] * window.kh * window.kw * x.shape[3]
    images = max(BLOCK_SIZE // max(per_image, 1), 1)
    return (slice(start, start + images) for start in range(0, len(x), images))


def _by_group(a: Array, groups: int) -> Array:
    """Return a view of an array (…, channels) as one matrix per group: (g, rows, channels/g)."""
    channels = a.shape[-1]
    return a.reshape(a.size // channels, groups, channels // groups).swapaxes(0, 1)


def _im2col(x: Array, y: Array, window: Window, groups: int) -> Array:
    """Return the patch that the window sees at each position of y, by group: (g, n·oh·ow, kh·kw·c/g)."""
    canvas = _canvas(x, y, window, groups)
    pixels, covered = _overlap(x, canvas, window)
    covered[...] = pixels
    patches = np.empty((groups, *y.shape[:3], window.kh, window.kw, x.shape[3] // groups), x.dtype)
    for i, j, pixels in _taps(canvas, y, window):
        patches[..., i, j, :] = np.moveaxis(pixels, 3, 0)
    return patches.reshape(groups, math.prod(y.shape[:3]), math.prod(patches.shape[4:]))


def _canvas(x: Array, y: Array, window: Window, groups: int) -> Array:
    """Return zeros of the size that the window moves over, padding included: (n, rows, columns, g, c/g)."""
    rows = (y.shape[1] - 1) * window.sh + (window.kh - 1) * window.dh + 1
    columns = (y.shape[2] - 1) * window.sw + (window.kw - 1) * window.dw + 1
    return np.zeros((len(x), rows, columns, groups, x.shape[3] // groups), x.dtype)


def _overlap(x: Array, canvas: Array, window: Window) -> tuple[Array, Array]:
    """Return the pixels that are both in the image and on the canvas: a view of x and a view of the canvas."""
    rows, columns = max(canvas.shape[1] - window.top, 0), max(canvas.shape[2] - window.left, 0)
    x = x.reshape(*x.shape[:3], *canvas.shape[3:])[:, :rows, :columns]
    return x, canvas[:, window.top : window.top + x.shape[1], window.left : window.left + x.shape[2]]


def _taps(canvas: Array, y: Array, window: Window) -> Iterator[tuple[int, int, Array]]:
    """Yield (i, j, the pixels (n, oh, ow, g, c/g) that tap (i, j) reads, a view of the canvas)."""
    for i in range(window.kh):
        for j in range(window.kw):
            rows = slice(i * window.dh, i * window.dh + (y.shape[1] - 1) * window.sh + 1, window.sh)
            columns = slice(j * window.dw, j * window.dw + (y.shape[2] - 1) * window.sw + 1, window.sw)
            yield i, j, canvas[:, rows, columns]
