"""Rows of a table, added to by number, in pieces for the team: each takes some columns, so that rows may repeat."""

from __future__ import annotations

import numba

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share

U = numba.uint64
COLUMNS = 64  # of a piece: cache lines are whole


@jit
def _scatter_add_piece(values, rows, out, piece):  # type: ignore[no-untyped-def]
    c, V, O = U(out.shape[1]), values.reshape(values.size), out.reshape(out.size)
    first = U(piece) * U(COLUMNS)
    last = min(first + U(COLUMNS), c)
    for i in range(U(rows.size)):
        start = U(rows[i]) * c
        for j in range(first, last):
            O[start + j] += V[i * c + j]


@jit
def _scatter_add(values, rows, out):  # type: ignore[no-untyped-def]
    share(_scatter_add_piece, (values, rows, out), (out.shape[1] + COLUMNS - 1) // COLUMNS)


def scatter_add(values: Array, rows: Array, out: Array) -> Array:
    _scatter_add(values, rows, out)
    return out
