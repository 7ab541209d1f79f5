"""Putting a batch together: chosen rows of the data, in the dtype of the network, in one pass."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def gather(x: Array, rows: Array, out: Array) -> Array:
    """out[i] = x[rows[i]]."""
    out[...] = x[rows]
    return out


def gather_scaled(x: Array, rows: Array, factor: float, out: Array) -> Array:
    """out[i] = factor · x[rows[i]], for pictures of bytes."""
    np.multiply(x[rows], out.dtype.type(factor), out=out)
    return out


def all_finite(x: Array) -> bool:
    """Whether no element is NaN or infinite."""
    return bool(np.isfinite(x).all())
