"""The kernels of root mean square normalization: a scaled value x̂ = x·rstd, with rstd = 1/√(mean(x²) + ε) of its row.

Arrays (…, c) are read as rows of c channels. ``rstd`` has the array's dtype, one value for each row. Sums are accumulated in
float64, so that long ones lose no digits.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def _rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def rms_norm(x: Array, gamma: Array, epsilon: float, out: Array, rstd: Array) -> Array:
    """Compute rstd of each row, and out = γ x̂."""
    rstd[...] = 1 / np.sqrt(np.square(_rows(x).astype(np.float64)).mean(axis=1) + epsilon)
    _rows(out)[...] = gamma * (_rows(x) * rstd[:, None])
    return out


def rms_norm_backward(x: Array, gamma: Array, rstd: Array, dy: Array, dgamma: Array, out: Array) -> Array:
    """dγ = Σ dy x̂ over the rows; out = dx = rstd (h − x̂ mean(h x̂)) with h = γ dy and the mean over the row. out may be dy."""
    xhat, wide = _rows(x) * rstd[:, None], _rows(dy).astype(np.float64)
    dgamma[...] = (wide * xhat).sum(axis=0)
    h = wide * gamma
    _rows(out)[...] = rstd[:, None] * (h - xhat * (h * xhat).mean(axis=1, keepdims=True))
    return out
