"""Normalization."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array


def batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_variance: Array,
    epsilon: float,
) -> Array:
    """Normalize each channel with the mean and the variance of the training data."""
    spread = np.sqrt(running_variance + np.float32(epsilon))
    return (x - running_mean) / spread * gamma + beta


def layer_norm(
    x: Array,
    gamma: Array,
    beta: Array | float = 0,
    *,
    epsilon: float,
) -> Array:
    """Normalize the last axis of each sample to mean 0 and variance 1."""
    x = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(x).mean(axis=-1, keepdims=True)
    return x / np.sqrt(variance + np.float32(epsilon)) * gamma + beta


def rms_norm(x: Array, gamma: Array, epsilon: float) -> Array:
    """Divide the last axis of each sample by its root mean square."""
    mean_square = np.square(x).mean(axis=-1, keepdims=True)
    return x / np.sqrt(mean_square + np.float32(epsilon)) * gamma


def group_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    groups: int,
    epsilon: float,
) -> Array:
    """Normalize each group of channels of a sample to mean 0 and variance 1."""
    n, positions, channels = len(x), math.prod(x.shape[1:-1]), x.shape[-1]
    y = x.reshape(n, positions, groups, channels // groups)
    y = y - y.mean(axis=(1, 3), keepdims=True)
    variance = np.square(y).mean(axis=(1, 3), keepdims=True)
    y = y / np.sqrt(variance + np.float32(epsilon))
    return y.reshape(x.shape) * gamma + beta
