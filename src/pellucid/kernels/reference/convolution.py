"""Convolution's arithmetic: patches of the pictures times the weights, and back.

    x (n, h, w, c)   W (kh, kw, c/g, o)   b (o)   y (n, oh, ow, o)

A patch is what the window sees at one place: kh·kw·c numbers. The patches as rows of a matrix turn the whole layer into
one product, which BLAS does fast (Chellapilla, Puri and Simard, 2006; often called im2col). That matrix is kh·kw times as
large as the pictures, so it is made for a few pictures at a time. With g groups, output channels fall into g equal parts,
each fed by its own part of the input channels: g products instead of one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.window import Window

BLOCK = 2**17  # numbers in the patches made at a time: half a megabyte of float32, which a core's own cache holds


def conv2d(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
    """out = b + Σ over taps (i, j) of x at the tap times W[i, j]."""
    weights = _by_group(W, groups)
    for few in _a_few_at_a_time(x, out, window):
        np.matmul(_patches(x[few], out[few], window, groups), weights, out=_by_group(out[few], groups))
    out += b
    return out


def conv2d_relu(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
    """out = max(what conv2d gives, 0)."""
    conv2d(x, W, b, window, groups, out)
    return np.maximum(out, 0, out=out)


def conv2d_backward(x: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
    """dW[i, j] = Σ over pictures and places of (x at the tap)ᵀ dy,  db = Σ dy (an empty db: there is no bias)."""
    dW.fill(0)
    weights = _by_group(dW, groups)
    for few in _a_few_at_a_time(x, dy, window):
        weights += _patches(x[few], dy[few], window, groups).swapaxes(1, 2) @ _by_group(dy[few], groups)
    if len(db):
        dy.sum(axis=(1, 2)).sum(axis=0, out=db)  # picture by picture: a long sum loses more digits than many short ones


def conv2d_relu_backward(x: Array, y: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
    """The same behind a ReLU with output y: dY is masked in place first."""
    dy[y <= 0] = 0
    conv2d_backward(x, dy, window, groups, dW, db)


def conv2d_input_gradient(dy: Array, W: Array, window: Window, groups: int, out: Array) -> Array:
    """out = dX: for each tap (i, j), dy W[i, j]ᵀ is added to the input pixel which that tap had read.

    By itself this is the forward pass of a transposed convolution.
    """
    out.fill(0)
    for few in _a_few_at_a_time(out, dy, window):
        canvas = _canvas(out[few], dy[few], window, groups)
        rows = _by_group(dy[few], groups)
        for i, j, pixels in _taps(canvas, dy, window):
            back = rows @ _by_group(W[i, j], groups).swapaxes(1, 2)
            pixels += back.swapaxes(0, 1).reshape(pixels.shape)
        reached, drawn = _overlap(out[few], canvas, window)
        reached[...] = drawn
    return out


def _a_few_at_a_time(x: Array, y: Array, window: Window) -> Iterator[slice]:
    """The batch in slices whose patches number about BLOCK."""
    of_one = y.shape[1] * y.shape[2] * window.kh * window.kw * x.shape[3]
    few = max(BLOCK // max(of_one, 1), 1)
    return (slice(start, start + few) for start in range(0, len(x), few))


def _by_group(a: Array, groups: int) -> Array:
    """(…, channels) as one matrix for each group, (g, rows, channels/g); a view."""
    channels = a.shape[-1]
    return a.reshape(a.size // channels, groups, channels // groups).swapaxes(0, 1)


def _patches(x: Array, y: Array, window: Window, groups: int) -> Array:
    """What the window sees at each place of y, by group: (g, n·oh·ow, kh·kw·c/g)."""
    canvas = _canvas(x, y, window, groups)
    reached, drawn = _overlap(x, canvas, window)
    drawn[...] = reached
    patches = np.empty((groups, *y.shape[:3], window.kh, window.kw, x.shape[3] // groups), x.dtype)
    for i, j, pixels in _taps(canvas, y, window):
        patches[..., i, j, :] = np.moveaxis(pixels, 3, 0)
    return patches.reshape(groups, math.prod(y.shape[:3]), math.prod(patches.shape[4:]))


def _canvas(x: Array, y: Array, window: Window, groups: int) -> Array:
    """Zeros of the size that the window walks over, padding and all: (n, rows, columns, g, c/g)."""
    rows = (y.shape[1] - 1) * window.sh + (window.kh - 1) * window.dh + 1
    columns = (y.shape[2] - 1) * window.sw + (window.kw - 1) * window.dw + 1
    return np.zeros((len(x), rows, columns, groups, x.shape[3] // groups), x.dtype)


def _overlap(x: Array, canvas: Array, window: Window) -> tuple[Array, Array]:
    """The pixels which are both in the picture and within the window's walk: views onto x and onto the canvas."""
    rows, columns = max(canvas.shape[1] - window.top, 0), max(canvas.shape[2] - window.left, 0)
    x = x.reshape(*x.shape[:3], *canvas.shape[3:])[:, :rows, :columns]
    return x, canvas[:, window.top : window.top + x.shape[1], window.left : window.left + x.shape[2]]


def _taps(canvas: Array, y: Array, window: Window) -> Iterator[tuple[int, int, Array]]:
    """(i, j, the pixels (n, oh, ow, g, c/g) that this tap meets): a view onto the canvas."""
    for i in range(window.kh):
        for j in range(window.kw):
            rows = slice(i * window.dh, i * window.dh + (y.shape[1] - 1) * window.sh + 1, window.sh)
            columns = slice(j * window.dw, j * window.dw + (y.shape[2] - 1) * window.sw + 1, window.sw)
            yield i, j, canvas[:, rows, columns]
