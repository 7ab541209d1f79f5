"""Activations."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array


def relu(x: Array) -> Array:
    """Return max(x, 0)."""
    return np.maximum(x, 0)


def relu6(x: Array) -> Array:
    """Return x, limited to 0 ... 6."""
    return np.clip(x, 0, 6)


def leaky_relu(x: Array, slope: float) -> Array:
    """Return x where it is positive, else slope * x."""
    return np.where(x > 0, x, x * np.float32(slope))


def prelu(x: Array, slope: Array) -> Array:
    """Return x where it is positive, else slope * x, with one slope per channel."""
    return np.where(x > 0, x, x * slope)


def elu(x: Array, alpha: float) -> Array:
    """Return x where it is positive, else alpha * (exp(x) - 1)."""
    return np.where(x > 0, x, np.float32(alpha) * np.expm1(np.minimum(x, 0)))


def selu(x: Array) -> Array:
    """Return scale * x where x is positive, else scale * alpha * (exp(x) - 1)."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    negative = np.float32(alpha) * np.expm1(np.minimum(x, 0))
    return np.float32(scale) * np.where(x > 0, x, negative)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), in a form that cannot overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, np.float32(1), e) / (1 + e)


def hard_sigmoid(x: Array) -> Array:
    """Return (x + 3) / 6, limited to 0 ... 1."""
    return np.clip((x + 3) / 6, 0, 1)


def tanh(x: Array) -> Array:
    """Return (exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    return np.tanh(x)


def exponential(x: Array) -> Array:
    """Return exp(x)."""
    return np.exp(x)


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)), in a form that cannot overflow."""
    return np.logaddexp(x, np.float32(0))


def silu(x: Array) -> Array:
    """Return x * sigmoid(x)."""
    return x * sigmoid(x)


def swiglu(x: Array, W: Array, b: Array | float = 0) -> Array:
    """Return silu(a) * v, where a is the first half of x W + b, and v the second half."""
    gate, value = np.split(x @ W + b, 2, axis=-1)
    return silu(gate) * value


def hard_swish(x: Array) -> Array:
    """Return x * (x + 3) / 6, with the factor (x + 3) / 6 limited to 0 ... 1."""
    return x * hard_sigmoid(x)


def mish(x: Array) -> Array:
    """Return x * tanh(log(1 + exp(x)))."""
    return x * np.tanh(softplus(x))


def gelu(x: Array, approximate: bool = False) -> Array:
    """Return x * P(Z <= x) for Z from the standard normal distribution.

    The approximation replaces the probability by a function of tanh.
    """
    if approximate:
        u = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
        return x * sigmoid(2 * u)
    erfc = np.vectorize(math.erfc, otypes=[np.float32])
    return x * erfc(-x * np.float32(math.sqrt(0.5))) / 2


def softmax(x: Array) -> Array:
    """Return exp(x) / sum of exp(x) over the last axis.

    The maximum of x is subtracted first, so that nothing overflows.
    """
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_softmax(x: Array) -> Array:
    """Return x - log(sum of exp(x)) over the last axis."""
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
