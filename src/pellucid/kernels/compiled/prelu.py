"""The rectifier with a learned slope for each column; ``columns.py`` tells how columns are read."""

from __future__ import annotations

import numba
import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.columns import (
    BLOCK,
    added,
    fold,
    group,
    pieces_of,
    repeated,
    stretch,
    take_over,
    two_sums,
    width_of,
)
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share

U = numba.uint64


@jit
def _prelu_piece(x, s, out, numbers, piece):  # type: ignore[no-untyped-def]
    w, zero = U(s.size), x.dtype.type(0)
    for start in stretch(x, w, numbers, piece):
        for j in range(min(w, U(x.size) - start)):
            out[start + j] = x[start + j] if x[start + j] > zero else s[j] * x[start + j]


@jit
def _prelu(x, slope, out):  # type: ignore[no-untyped-def]
    s = repeated(slope, width_of(x.size, slope.size), x)
    numbers, pieces = pieces_of(x.size, s.size)
    share(_prelu_piece, (x, s, out, numbers), pieces)


@jit
def _backward_piece(x, s, d, sums, piece):  # type: ignore[no-untyped-def]
    """One group's Σ dy x where x is not positive; and dx, where dy was."""
    w, zero = U(s.size), x.dtype.type(0)
    part, total = np.zeros(w, x.dtype), np.zeros(w)
    blocks, last = group(x, w, len(sums), piece)
    for block in blocks:
        for start in range(block, min(block + w * BLOCK, last), w):
            for j in range(min(w, last - start)):
                on = x[start + j] > zero
                part[j] += zero if on else x[start + j] * d[start + j]
                d[start + j] = d[start + j] if on else s[j] * d[start + j]
        take_over(part, total)
    fold(total, sums[piece, 0])


@jit
def _prelu_backward(x, slope, d, dslope):  # type: ignore[no-untyped-def]
    s, sums = repeated(slope, width_of(x.size, slope.size), x), two_sums(x.size, slope.size)
    share(_backward_piece, (x, s, d, sums), len(sums))
    dslope[:] = added(sums)[0]


def prelu(x: Array, slope: Array, out: Array) -> Array:
    _prelu(x.reshape(-1), slope, out.reshape(-1))
    return out


def prelu_backward(x: Array, slope: Array, dy: Array, dslope: Array, out: Array) -> Array:
    if out is not dy:
        np.copyto(out, dy)
    _prelu_backward(x.reshape(-1), slope, out.reshape(-1), dslope)
    return out
