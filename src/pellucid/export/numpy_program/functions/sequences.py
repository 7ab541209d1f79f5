"""Convolution and pooling of sequences (n, time, channels), as images of one row."""

from __future__ import annotations

from pellucid.core.memory import Array
from pellucid.export.numpy_program.functions.images import Pair, average_pool, dilate, grouped_conv2d, max_pool


def conv1d(
    x: Array,
    W: Array,
    b: Array | float = 0.0,
    stride: int = 1,
    padding: Pair = (0, 0),
    dilation: int = 1,
    groups: int = 1,
) -> Array:
    """Convolve the sequences with the kernels W (taps, channels, filters)."""
    kernel = dilate(W[None], (1, dilation))
    border = ((0, 0), padding)
    y = grouped_conv2d(x[:, None], kernel, groups, b, (1, stride), border)
    return y[:, 0]


def max_pool_1d(x: Array, kernel: int, stride: int, padding: Pair = (0, 0)) -> Array:
    """Return the maximum of each window of steps, in which padding is ignored."""
    return max_pool(x[:, None], (1, kernel), (1, stride), ((0, 0), padding))[:, 0]


def average_pool_1d(
    x: Array,
    kernel: int,
    stride: int,
    padding: Pair = (0, 0),
) -> Array:
    """Return the mean of each window of steps, in which padding is not counted."""
    return average_pool(x[:, None], (1, kernel), (1, stride), ((0, 0), padding))[:, 0]
