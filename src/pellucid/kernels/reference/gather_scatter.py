"""The kernels that read chosen rows of an array (gather) or add to them (scatter)."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def gather(x: Array, rows: Array, out: Array) -> Array:
    """out[i] = x[rows[i]]."""
    out[...] = x[rows]
    return out


def gather_scaled(x: Array, rows: Array, factor: float, out: Array) -> Array:
    """out[i] = factor · x[rows[i]], for images of uint8."""
    np.multiply(x[rows], out.dtype.type(factor), out=out)
    return out


def scatter_add(values: Array, rows: Array, out: Array) -> Array:
    """out[rows[i]] += values[i] for each i (m), one after the other; rows may repeat; values (m, c), out (k, c)."""
    np.add.at(out, rows, values)
    return out
