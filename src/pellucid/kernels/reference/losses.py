"""Losses of one shard, each with its gradient in one pass.

All return Σ wᵢ lᵢ over the samples and write wᵢ·scale·∂lᵢ/∂(what they were computed from) into ``dz``; scale is one
over the sum of weights of the *whole* batch. ``a`` receives the head's output, for the metrics.
"""

from __future__ import annotations

import numpy as np

from pellucid.kernels.reference.activations import sigmoid, softmax
from pellucid.memory import Array


def softmax_cross_entropy_labels(z: Array, labels: Array, weights: Array, scale: float, a: Array, dz: Array) -> float:
    """l = −log softmax(z)[label], from the logits z (n, k) and labels (n): δ = a − y."""
    rows = np.arange(len(z))
    softmax(z, a)
    dz[...] = a
    dz[rows, labels] -= 1
    dz *= (weights * scale)[:, None]
    shifted = z.astype(np.float64) - z.max(axis=1, keepdims=True)
    return float(weights @ (np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]))


def softmax_cross_entropy(z: Array, targets: Array, weights: Array, scale: float, a: Array, dz: Array) -> float:
    """l = −Σ y log softmax(z), for targets (n, k) that are distributions: δ = a − y."""
    softmax(z, a)
    dz[...] = (a - targets) * (weights * scale)[:, None]
    shifted = z.astype(np.float64) - z.max(axis=1, keepdims=True)
    losses = targets.sum(axis=1, dtype=np.float64) * np.log(np.exp(shifted).sum(axis=1)) - (targets * shifted).sum(axis=1)
    return float(weights @ losses)


def sigmoid_cross_entropy(z: Array, targets: Array, weights: Array, scale: float, a: Array, dz: Array) -> float:
    """l = −mean(y log σ(z) + (1 − y) log(1 − σ(z))) over the outputs, from the logits: δ = (a − y)/k."""
    sigmoid(z, a)
    dz[...] = (a - targets) * (weights * (scale / z.shape[1]))[:, None]
    wide = z.astype(np.float64)
    losses = np.maximum(wide, 0) - wide * targets + np.log1p(np.exp(-np.abs(wide)))
    return float(weights @ losses.mean(axis=1))


def squared_error(y: Array, targets: Array, weights: Array, scale: float, dy: Array) -> float:
    """l = mean((y − t)²) over the outputs: dy = 2 (y − t)/k."""
    dy[...] = y - targets
    losses = np.square(dy, dtype=np.float64).mean(axis=1)
    dy *= (weights * (scale * 2 / y.shape[1]))[:, None]
    return float(weights @ losses)
