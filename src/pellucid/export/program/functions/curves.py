"""The functions of the softer activations."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.export.program.functions.basics import sigmoid


def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, else slope x."""
    return np.where(x > 0, x, x * np.float32(slope))


def prelu(x: Array, slope: Array) -> Array:
    """x where it is positive, else slope x, with a slope for each channel."""
    return np.where(x > 0, x, x * slope)


def elu(x: Array, alpha: float) -> Array:
    """x where it is positive, else alpha (exp(x) - 1)."""
    return np.where(x > 0, x, np.float32(alpha) * np.expm1(np.minimum(x, 0)))


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), written so that nothing overflows."""
    return np.logaddexp(x, np.float32(0))


def silu(x: Array) -> Array:
    """x sigmoid(x)."""
    return x * sigmoid(x)


def gelu(x: Array) -> Array:
    """x times the share of the normal distribution that lies below x."""
    erf = np.vectorize(math.erf, otypes=[np.float32])
    return x * (1 + erf(x * np.float32(math.sqrt(0.5)))) / 2


def hard_sigmoid(x: Array) -> Array:
    """x / 6 + 1 / 2, cut off at 0 and 1."""
    return np.clip(x / 6 + np.float32(0.5), 0, 1)
