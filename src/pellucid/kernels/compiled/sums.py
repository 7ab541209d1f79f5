"""Sums over all pictures of a batch: gradients of weights and biases.

Groups of pictures, whose number depends on the sizes alone, sum into rows of their own; the rows are then added in their order.
"""

from __future__ import annotations

import numba
import numpy as np

from pellucid.kernels.compiled.far import far
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.vectors import address

U = numba.uint64
GROUPS = 16  # of pictures, or fewer where these
NUMBERS = 600_000  # would not hold their sums (but four at least, for as many cores)
WIDE = 256  # numbers of a row, or of several
ROWS = 512  # of numbers that are added one after the other
STRETCH = 16_384  # numbers of a sum in one piece


@jit
def rows_for(n, size, like):  # type: ignore[no-untyped-def]
    """Memory for the sums of n pictures' groups, (groups, size), in the type of ``like``; not cleared."""
    return np.empty((max(1, min(n, GROUPS, max(4, NUMBERS // max(1, size)))), size), like.dtype)


@jit
def _added_piece(sums, out, piece):  # type: ignore[no-untyped-def]
    S, size = sums.reshape(sums.size), U(out.size)
    first = U(piece) * U(STRETCH)
    last = min(first + U(STRETCH), size)
    for i in range(first, last):
        out[i] = S[i]
    for group in range(U(1), U(sums.shape[0])):
        for i in range(first, last):
            out[i] += S[group * size + i]


@jit
def added(sums, out):  # type: ignore[no-untyped-def]
    """out = Σ over the rows of ``sums``, (groups, numbers); out is flat."""
    share(_added_piece, (sums, out), (out.size + STRETCH - 1) // STRETCH)


@jit
def _mask_piece(y, dy, masked, sums, piece):  # type: ignore[no-untyped-def]
    """Σ dY of one group of rows, and dY masked by a ReLU's output y."""
    groups, o, zero = sums.shape[0], U(sums.shape[1]), dy.dtype.type(0)
    rows = dy.size // max(1, sums.shape[1])
    Y, D, S = y.reshape(y.size), dy.reshape(dy.size), sums.reshape(sums.size)
    total = U(piece) * o
    for j in range(o):
        S[total + j] = zero
    beside = max(1, WIDE // max(1, sums.shape[1]))  # rows that are treated as one: loops over a few filters are slow
    part = np.empty(beside * sums.shape[1], dy.dtype)  # of some rows: a long sum loses more digits than many short ones
    end = (piece + 1) * rows // groups
    for first in range(piece * rows // groups, end, ROWS * beside):
        part[:] = zero
        last = min(first + ROWS * beside, end)
        for i in range(first, last, beside):
            start = U(i) * o
            if masked:
                for j in range(U(min(beside, last - i)) * o):
                    d = zero if Y[start + j] <= zero else D[start + j]
                    D[start + j] = d
                    part[j] += d
            else:
                for j in range(U(min(beside, last - i)) * o):
                    part[j] += D[start + j]
        for i in range(U(beside)):
            for j in range(o):
                S[total + j] += part[i * o + j]


@jit
def biases(y, dy, db):  # type: ignore[no-untyped-def]
    """db = Σ dY over the rows of dY (rows, filters), which a ReLU's output y masks first, unless y is dY. An empty db takes
    none."""
    sums = np.empty((max(1, min(GROUPS, dy.size // STRETCH)), dy.shape[-1]), dy.dtype)
    masked = address(y, 0) != address(dy, 0)
    share(_mask_piece, (y, dy, masked, sums), len(sums))
    if len(db):
        far(added, (sums, db))
