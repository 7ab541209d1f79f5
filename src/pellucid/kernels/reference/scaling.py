"""The kernels that multiply by a factor for each feature, and that mix two arrays with a weight for each channel."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def scale_features(x: Array, factors: Array, out: Array) -> Array:
    """out = x ⊙ f, the same factors f (k) for each row of x (n, k)."""
    return np.multiply(x, factors, out=out)


def scale_features_backward(x: Array, factors: Array, dy: Array, dfactors: Array, out: Array) -> Array:
    """dfactors = Σ dy ⊙ x over the rows, and out = dy ⊙ f, which may be written over dy."""
    dfactors[...] = (dy * x).sum(axis=0, dtype=np.float64)  # a long sum would lose digits in float32
    return np.multiply(dy, factors, out=out)


def mix(x: Array, other: Array, weights: Array, out: Array) -> Array:
    """out = x + w (a − x), with the weights w (c) of the channels and ``other`` = a."""
    return np.add(x, weights * (other - x), out=out)


def mix_backward(x: Array, other: Array, weights: Array, dy: Array, dweights: Array, dother: Array, out: Array) -> Array:
    """dweights = Σ dy (a − x), dother = w dy, and out = (1 − w) dy, which may be written over dy."""
    dweights[...] = (dy * (other - x)).reshape(-1, weights.size).sum(axis=0, dtype=np.float64)
    np.multiply(dy, weights, out=dother)
    return np.subtract(dy, dother, out=out)
