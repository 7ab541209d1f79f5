"""The kernels of the dense layer on sparse rows: only the entries of a row count, and only their rows of W are read.

Row i of x has the entries k = starts[i], …, starts[i + 1] − 1, with values[k] in the column columns[k]. Columns may repeat, and
may be in any order.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def sparse_affine(values: Array, columns: Array, starts: Array, W: Array, b: Array, out: Array) -> Array:
    """out = X W + b: out_i = Σ_k x_k W_c(k) + b over the entries k of row i, with their columns c."""
    for i in range(len(out)):
        entries = slice(starts[i], starts[i + 1])
        np.matmul(values[entries], W[columns[entries]], out=out[i])
    out += b
    return out


def sparse_affine_backward(values: Array, columns: Array, starts: Array, dy: Array, dW: Array, db: Array) -> None:
    """dW = Xᵀ dY: dW_c = Σ x_k dy_i over the entries k of column c;  db = Σ dY (an empty db means that there is no bias)."""
    dW.fill(0)
    for i in range(len(dy)):
        entries = slice(starts[i], starts[i + 1])
        np.add.at(dW, columns[entries], np.outer(values[entries], dy[i]))
    if len(db):
        db[...] = dy.sum(axis=0, dtype=np.float64)
