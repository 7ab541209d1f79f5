"""The kernels that add a vector for each position to sequences x (n, t, c): a row of W (T, c)."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def add_positions(x: Array, W: Array, first: Array, out: Array) -> Array:
    """out[i, s] = x[i, s] + W[first[i] + s]."""
    return np.add(x, W[first[:, None] + np.arange(x.shape[1])], out=out)


def positions_gradient(dy: Array, dW: Array) -> None:
    """dW[s] = Σᵢ dy[i, s], and 0 for the positions that the sequences do not have."""
    t = dy.shape[1]
    dW[:t] = dy.sum(axis=0, dtype=np.float64)  # a long sum would lose digits in float32
    dW[t:] = 0
