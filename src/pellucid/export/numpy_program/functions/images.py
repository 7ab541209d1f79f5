"""Layers for images (n, height, width, channels). Some of them are also for sequences (n, time, channels)."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pellucid.core.memory import Array

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]  # (top, bottom), (left, right)


def pad(x: Array, padding: tuple[Pair, ...], value: float = 0.0) -> Array:
    """Return images, or sequences, with a border of constant values."""
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)


def windows(x: Array, kernel: Pair, stride: Pair) -> Array:
    """Return all windows of the images: (n, rows, columns, channels, *kernel).

    The result is a view: nothing is copied.
    """
    return sliding_window_view(x, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]


def conv2d(
    x: Array,
    W: Array,
    b: Array | float = 0.0,
    stride: Pair = (1, 1),
    padding: Sides = ((0, 0), (0, 0)),
) -> Array:
    """Convolve the images with the kernels W (kh, kw, channels, filters).

    Each window becomes one row of a matrix (im2col), so that the convolution is
    a matrix product.
    """
    kh, kw, channels, filters = W.shape
    patches = windows(pad(x, padding), (kh, kw), stride)
    n, h, w = patches.shape[:3]
    rows = patches.transpose(0, 1, 2, 4, 5, 3).reshape(n * h * w, kh * kw * channels)
    return (rows @ W.reshape(-1, filters)).reshape(n, h, w, filters) + b


def grouped_conv2d(
    x: Array,
    W: Array,
    groups: int,
    b: Array | float = 0.0,
    stride: Pair = (1, 1),
    padding: Sides = ((0, 0), (0, 0)),
) -> Array:
    """Convolve each group of channels with its own kernels."""
    xs, Ws = np.split(x, groups, axis=-1), np.split(W, groups, axis=-1)
    outputs = []
    for g in range(groups):
        outputs.append(conv2d(xs[g], Ws[g], 0.0, stride, padding))
    return np.concatenate(outputs, axis=-1) + b


def dilate(W: Array, dilation: Pair) -> Array:
    """Return the kernel W (kh, kw, ...) with zeros between its elements."""
    (kh, kw), (dh, dw) = W.shape[:2], dilation
    dilated = np.zeros(((kh - 1) * dh + 1, (kw - 1) * dw + 1, *W.shape[2:]), W.dtype)
    dilated[::dh, ::dw] = W
    return dilated


def conv_transpose2d(
    x: Array,
    W: Array,
    size: Pair,
    b: Array | float = 0.0,
    stride: Pair = (1, 1),
    corner: Pair = (0, 0),
) -> Array:
    """Add the kernel W (kh, kw, filters, channels), times each pixel, to a canvas.

    The result is the part of the canvas that begins at ``corner``: (n, *size, filters).
    """
    (kh, kw, filters, _), (n, h, w, _) = W.shape, x.shape
    (sh, sw), (top, left) = stride, corner
    height = max((h - 1) * sh + kh, top + size[0])
    width = max((w - 1) * sw + kw, left + size[1])
    canvas = np.zeros((n, height, width, filters), x.dtype)
    for i in range(kh):
        for j in range(kw):
            pixels = canvas[:, i : i + h * sh : sh, j : j + w * sw : sw]
            pixels += x @ W[i, j].T
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
    """Apply a transposed convolution to each group of channels."""
    xs, Ws = np.split(x, groups, axis=-1), np.split(W, groups, axis=-1)
    outputs = []
    for g in range(groups):
        outputs.append(conv_transpose2d(xs[g], Ws[g], size, 0.0, stride, corner))
    return np.concatenate(outputs, axis=-1) + b


def max_pool(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Sides = ((0, 0), (0, 0)),
) -> Array:
    """Return the maximum of each window, in which padding is ignored."""
    return windows(pad(x, padding, -np.inf), kernel, stride).max(axis=(-2, -1))


def average_pool(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Sides = ((0, 0), (0, 0)),
) -> Array:
    """Return the mean of each window, in which padding is not counted."""
    ones = pad(np.ones_like(x[:1, :, :, :1]), padding)
    counts = windows(ones, kernel, stride).sum(axis=(-2, -1))
    taps = windows(pad(x, padding), kernel, stride).astype(np.float64)
    return (taps.sum(axis=(-2, -1)) / counts).astype(x.dtype)


def global_average_pool(x: Array) -> Array:
    """Return the mean of each channel over all pixels, or steps."""
    return x.mean(axis=tuple(range(1, x.ndim - 1)), dtype=np.float64).astype(x.dtype)


def global_max_pool(x: Array) -> Array:
    """Return the maximum of each channel over all pixels, or steps."""
    return x.max(axis=tuple(range(1, x.ndim - 1)))


def crop(x: Array, border: tuple[Pair, ...]) -> Array:
    """Return images, or sequences, without their border."""
    inside = [slice(a, x.shape[i] - b) for i, (a, b) in enumerate(border, 1)]
    return x[(slice(None), *inside)]


def enlarge(x: Array, factors: tuple[int, ...]) -> Array:
    """Return images, or sequences, in which each pixel is repeated along each axis."""
    for axis, factor in enumerate(factors, 1):
        x = np.repeat(x, factor, axis=axis)
    return x


def interpolate(x: Array, factors: tuple[int, ...]) -> Array:
    """Return images, or sequences, interpolated linearly along each axis.

    Output p is at the position (p + 1/2) / factor - 1/2 of the input.
    """
    for axis, factor in enumerate(factors, 1):
        size = x.shape[axis]
        at = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, size - 1)
        share = (at - low).astype(x.dtype).reshape(-1, *[1] * (x.ndim - axis - 1))
        x = (1 - share) * x.take(low, axis) + share * x.take(high, axis)
    return x
