"""The functions of layers that work on pictures (n, height, width, channels)."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pellucid.core.memory import Array

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]  # (above, below), (left, right)


def pad(x: Array, padding: Sides, value: float = 0.0) -> Array:
    """A border around pictures."""
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)


def windows(x: Array, kernel: Pair, stride: Pair) -> Array:
    """What a window meets wherever it stops: (n, rows, columns, channels, *kernel).

    A view, nothing is copied: the memory of neighbouring windows overlaps.
    """
    return sliding_window_view(x, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]


def conv2d(
    x: Array,
    W: Array,
    b: Array | float = 0.0,
    stride: Pair = (1, 1),
    padding: Sides = ((0, 0), (0, 0)),
) -> Array:
    """A small dense layer, applied at every place: W (kh, kw, channels, filters).

    Every window becomes one row of a matrix, and the convolution a matrix product.
    """
    kh, kw, channels, filters = W.shape
    met = windows(pad(x, padding), (kh, kw), stride)
    n, h, w = met.shape[:3]
    rows = met.transpose(0, 1, 2, 4, 5, 3).reshape(n * h * w, kh * kw * channels)
    return (rows @ W.reshape(-1, filters)).reshape(n, h, w, filters) + b


def grouped_conv2d(
    x: Array,
    W: Array,
    groups: int,
    b: Array | float = 0.0,
    stride: Pair = (1, 1),
    padding: Sides = ((0, 0), (0, 0)),
) -> Array:
    """Convolutions side by side, each with its own part of channels and filters."""
    xs, Ws = np.split(x, groups, axis=-1), np.split(W, groups, axis=-1)
    parts = []
    for g in range(groups):
        parts.append(conv2d(xs[g], Ws[g], 0.0, stride, padding))
    return np.concatenate(parts, axis=-1) + b


def dilated(W: Array, dilation: Pair) -> Array:
    """The kernel W (kh, kw, ...) with its taps so far apart, and zeros in between."""
    (kh, kw), (dh, dw) = W.shape[:2], dilation
    apart = np.zeros(((kh - 1) * dh + 1, (kw - 1) * dw + 1, *W.shape[2:]), W.dtype)
    apart[::dh, ::dw] = W
    return apart


def conv_transpose2d(
    x: Array,
    W: Array,
    size: Pair,
    b: Array | float = 0.0,
    stride: Pair = (1, 1),
    corner: Pair = (0, 0),
) -> Array:
    """Every pixel paints the kernel, W (kh, kw, filters, channels), onto a canvas.

    The output is what lies on the canvas from ``corner`` on, (n, *size, filters).
    """
    (kh, kw, filters, _), (n, h, w, _) = W.shape, x.shape
    (sh, sw), (top, left) = stride, corner
    high = max((h - 1) * sh + kh, top + size[0])
    wide = max((w - 1) * sw + kw, left + size[1])
    canvas = np.zeros((n, high, wide, filters), x.dtype)
    for i in range(kh):
        for j in range(kw):
            painted = canvas[:, i : i + h * sh : sh, j : j + w * sw : sw]
            painted += x @ W[i, j].T
    return canvas[:, top : top + size[0], left : left + size[1]] + b


def grouped_conv_transpose2d(
    x: Array,
    W: Array,
    size: Pair,
    groups: int,
    b: Array | float = 0.0,
    stride: Pair = (1, 1),
    corner: Pair = (0, 0),
) -> Array:
    """Transposed convolutions side by side, each with its own part of the channels."""
    xs, Ws = np.split(x, groups, axis=-1), np.split(W, groups, axis=-1)
    parts = []
    for g in range(groups):
        parts.append(conv_transpose2d(xs[g], Ws[g], size, 0.0, stride, corner))
    return np.concatenate(parts, axis=-1) + b


def max_pool(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Sides = ((0, 0), (0, 0)),
) -> Array:
    """The largest number of each window; padding is never the largest."""
    return windows(pad(x, padding, -np.inf), kernel, stride).max(axis=(-2, -1))


def average_pool(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Sides = ((0, 0), (0, 0)),
) -> Array:
    """The mean of each window; padding does not count."""
    inside = pad(np.ones_like(x[:1, :, :, :1]), padding)
    pixels = windows(inside, kernel, stride).sum(axis=(-2, -1))
    return windows(pad(x, padding), kernel, stride).sum(axis=(-2, -1)) / pixels


def global_average_pool(x: Array) -> Array:
    """The mean of each channel over the whole picture."""
    return x.mean(axis=(1, 2))
