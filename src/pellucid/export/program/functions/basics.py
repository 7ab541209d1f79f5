"""What layers compute in prediction, as plain functions of NumPy arrays.

These are the functions that exported programs are made of: the text of those that a network needs is copied into its program.
So they stand by themselves, read well without this library, and run from Python 3.9 on. Arrays have the batch in front and
channels or features last, as everywhere in Pellucid. The kernels in ``kernels/reference`` say the same for training.
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array

# -- every number by itself -------------------------------------------------------------


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), written so that nothing overflows."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def tanh(x: Array) -> Array:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    return np.tanh(x)


def rescale(x: Array, scale: float, offset: float) -> Array:
    """Another unit."""
    return x * np.float32(scale) + np.float32(offset)


# -- vectors ----------------------------------------------------------------------------


def softmax(x: Array) -> Array:
    """exp(x) / sum of exp(x) over the last axis; the largest x is taken off first."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_softmax(x: Array) -> Array:
    """x - log(sum of exp(x)) over the last axis."""
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def dense(x: Array, W: Array, b: Array) -> Array:
    """Every input feeds every output: x (n, inputs), W (inputs, outputs), b (outputs)."""
    return x @ W + b


def flatten(x: Array) -> Array:
    """Each sample as one vector."""
    return x.reshape(len(x), math.prod(x.shape[1:]))


def reshape(x: Array, shape: tuple[int, ...]) -> Array:
    """Each sample in another shape."""
    return x.reshape(len(x), *shape)


def embedding(x: Array, W: Array, padding: int | None = None) -> Array:
    """The rows of W (entries, width) that the whole numbers x choose.

    Where x is ``padding`` there are zeros.
    """
    rows = x.astype(np.int64)
    if (rows != x).any() or (rows < 0).any() or (rows >= len(W)).any():
        raise ValueError(f"x must be whole numbers from 0 to {len(W) - 1}")
    y = W[rows]
    if padding is not None:
        y[rows == padding] = 0
    return y


def batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_variance: Array,
    epsilon: float,
) -> Array:
    """Each channel with the mean and the variance that training has seen."""
    spread = np.sqrt(running_variance + np.float32(epsilon))
    return (x - running_mean) / spread * gamma + beta


def layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    """The last axis of each sample, to mean 0 and variance 1."""
    x = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(x).mean(axis=-1, keepdims=True)
    return x / np.sqrt(variance + np.float32(epsilon)) * gamma + beta


def group_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    groups: int,
    epsilon: float,
) -> Array:
    """Each group of channels of a sample, at all its places, to mean 0 and variance 1."""
    n, places, channels = len(x), math.prod(x.shape[1:-1]), x.shape[-1]
    y = x.reshape(n, places, groups, channels // groups)
    y = y - y.mean(axis=(1, 3), keepdims=True)
    variance = np.square(y).mean(axis=(1, 3), keepdims=True)
    y = y / np.sqrt(variance + np.float32(epsilon))
    return y.reshape(x.shape) * gamma + beta


# -- several inputs ---------------------------------------------------------------------


def add(*xs: Array) -> Array:
    """The sum of the inputs, number by number."""
    return sum(xs[1:], xs[0])


def concatenate(*xs: Array, axis: int) -> Array:
    """The inputs one behind the other."""
    return np.concatenate(xs, axis=axis)
