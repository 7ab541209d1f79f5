"""Dense layers, embeddings, changes of shape, and merges."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array


def dense(x: Array, W: Array, b: Array | float = 0.0) -> Array:
    """Return x @ W + b for x (n, inputs), W (inputs, outputs) and b (outputs)."""
    return x @ W + b


def embedding(x: Array, W: Array, padding: int | None = None) -> Array:
    """Return the rows of W (entries, width) at the integer indices x.

    Where x is ``padding``, the result is zero.
    """
    rows = x.astype(np.int64)
    if (rows != x).any() or (rows < 0).any() or (rows >= len(W)).any():
        raise ValueError(f"x must be integers from 0 to {len(W) - 1}")
    y = W[rows]
    if padding is not None:
        y[rows == padding] = 0
    return y


def unembedding(x: Array, W: Array) -> Array:
    """Return the products of the vectors x (…, width) with each row of W (entries, width)."""
    return x @ W.T


def learned_positions(x: Array, W: Array) -> Array:
    """Return the sequences x (n, time, width) with one row of W added at each position."""
    return x + W[: x.shape[1]]


def sinusoidal_positions(x: Array, longest: float) -> Array:
    """Return the sequences x (n, time, width) with sines and cosines of the position added."""
    _, steps, width = x.shape
    pair = np.arange(width) // 2
    angle = np.arange(steps)[:, None] / longest ** (2 * pair / width)
    y = np.where(np.arange(width) % 2 == 0, np.sin(angle), np.cos(angle))
    return x + y.astype(np.float32)


def rescale(
    x: Array,
    scale: float | tuple[float, ...],
    offset: float | tuple[float, ...],
) -> Array:
    """Return scale * x + offset, with one number for all values or one for each entry of the last axis."""
    return x * np.asarray(scale, np.float32) + np.asarray(offset, np.float32)


def flatten(x: Array) -> Array:
    """Return each sample as one vector."""
    return x.reshape(len(x), math.prod(x.shape[1:]))


def reshape(x: Array, shape: tuple[int, ...]) -> Array:
    """Return each sample in the given shape."""
    return x.reshape(len(x), *shape)


def permute(x: Array, axes: tuple[int, ...]) -> Array:
    """Return the samples with their axes in another order."""
    return x.transpose(axes)


def repeat(x: Array, times: int) -> Array:
    """Return the vectors (n, k) as sequences (n, times, k) of equal steps."""
    return np.repeat(x[:, None], times, axis=1)


def slice_axis(x: Array, start: int, stop: int, axis: int) -> Array:
    """Return the positions from start to stop of one axis."""
    return x[(slice(None),) * axis + (slice(start, stop),)]


def add(*xs: Array) -> Array:
    """Return the sum of the inputs."""
    return sum(xs[1:], xs[0])


def subtract(x: Array, other: Array) -> Array:
    """Return the difference of the inputs."""
    return x - other


def average(*xs: Array) -> Array:
    """Return the mean of the inputs."""
    return sum(xs[1:], xs[0]) / len(xs)


def maximum(*xs: Array) -> Array:
    """Return the largest of the inputs, value by value."""
    return np.stack(xs).max(axis=0)


def multiply(*xs: Array) -> Array:
    """Return the product of the inputs, value by value."""
    return math.prod(xs[1:], start=xs[0])


def concatenate(*xs: Array, axis: int) -> Array:
    """Return the inputs joined along one axis."""
    return np.concatenate(xs, axis=axis)
