"""The kernels that add one vector for each position to all samples: x (n, t, c), W (T, c) with T ≥ t rows."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def add_positions(x: Array, W: Array, out: Array) -> Array:
    """out[i, s] = x[i, s] + W[s]."""
    return np.add(x, W[: x.shape[1]], out=out)


def positions_gradient(dy: Array, dW: Array) -> None:
    """dW[s] = Σᵢ dy[i, s], and 0 for the positions that the samples do not have."""
    t = dy.shape[1]
    dW[:t] = dy.sum(axis=0, dtype=np.float64)  # a long sum would lose digits in float32
    dW[t:] = 0
