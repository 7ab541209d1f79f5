"""Layers for tables."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def learned_scale(x: Array, scale: Array) -> Array:
    """Return each sample times the factors of its values."""
    return x * scale


def take(x: Array, features: tuple[int, ...]) -> Array:
    """Return the features with these numbers, in this order."""
    return x[:, list(features)]


def periodic(x: Array, frequencies: Array, phases: Array) -> Array:
    """Return waves of each feature: (n, k) becomes (n, k, waves)."""
    turns = x[:, :, None] * frequencies + phases
    return np.cos(2 * np.pi * (turns - np.round(turns)))


def piecewise_linear(x: Array, edges: tuple[tuple[float, ...], ...]) -> Array:
    """Return the fraction of each bin that is below the number of its feature."""
    bins = []
    for column, points in zip(x.T, edges, strict=True):
        starts, stops = np.array([points[:-1], points[1:]], np.float32)
        y = (column[:, None] - starts) / (stops - starts)
        y[:, 1:] = np.maximum(y[:, 1:], 0)  # below the first bin the line goes on
        y[:, :-1] = np.minimum(y[:, :-1], 1)
        bins.append(y)
    return np.concatenate(bins, axis=1)


def dense_per_position(x: Array, W: Array, b: Array) -> Array:
    """Return x @ W + b with a W and a b for each position of x (n, positions, inputs)."""
    return (x[:, :, None] @ W)[:, :, 0] + b


def mix(x: Array, a: Array, weight: Array) -> Array:
    """Return x + weight * (a - x), with a weight for each channel."""
    return x + weight * (a - x)
