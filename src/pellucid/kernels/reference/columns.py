"""The kernels that read chosen columns of a matrix, or add to them."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def gather_columns(x: Array, columns: Array, out: Array) -> Array:
    """out[:, j] = x[:, columns[j]]."""
    out[...] = x[:, columns]
    return out


def scatter_columns(dy: Array, columns: Array, out: Array) -> Array:
    """out[:, k] = Σ dy[:, j] over all j with columns[j] = k: the gradient of :func:`gather_columns`."""
    out[...] = 0
    np.add.at(out.T, columns, dy.T)
    return out
