"""Putting a batch together: chosen rows of the data, in the dtype of the network, in one pass."""

from __future__ import annotations

import math

import numba
import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share

U = numba.uint64
PIECE = 16_384  # numbers: some microseconds
CHECKED = 65_536  # numbers, which are only read


@jit
def _gather_scaled_piece(x, rows, factor, out, count, piece):  # type: ignore[no-untyped-def]
    c, X, O = U(out.shape[1]), x.reshape(x.size), out.reshape(out.size)
    for i in range(U(piece) * U(count), min(U(piece + 1) * U(count), U(out.shape[0]))):
        start = U(rows[i]) * c
        for j in range(c):
            O[i * c + j] = factor * X[start + j]


@jit
def _gather_piece(x, rows, out, count, piece):  # type: ignore[no-untyped-def]
    c, X, O = U(out.shape[1]), x.reshape(x.size), out.reshape(out.size)
    for i in range(U(piece) * U(count), min(U(piece + 1) * U(count), U(out.shape[0]))):
        start = U(rows[i]) * c
        for j in range(c):
            O[i * c + j] = X[start + j]


@jit
def _count(out):  # type: ignore[no-untyped-def]
    """Rows of a piece."""
    return max(1, PIECE // max(1, out.shape[1]))


@jit
def _gather_scaled(x, rows, factor, out):  # type: ignore[no-untyped-def]
    count = _count(out)
    share(_gather_scaled_piece, (x, rows, factor, out, count), (out.shape[0] + count - 1) // count)


@jit
def _gather(x, rows, out):  # type: ignore[no-untyped-def]
    count = _count(out)
    share(_gather_piece, (x, rows, out, count), (out.shape[0] + count - 1) // count)


@jit
def _all_finite_piece(x, sums, piece):  # type: ignore[no-untyped-def]
    zero = total = x.dtype.type(0)
    first = U(piece) * U(CHECKED)
    for i in range(first, min(first + U(CHECKED), U(x.size))):
        total += x[i] * zero  # NaN and infinity times 0 are NaN, and a sum with NaN is NaN
    sums[piece] = total


@jit
def _all_finite(x):  # type: ignore[no-untyped-def]
    sums = np.empty((x.size + CHECKED - 1) // CHECKED, x.dtype)
    share(_all_finite_piece, (x, sums), len(sums))
    zero = total = x.dtype.type(0)
    for i in range(len(sums)):
        total += sums[i]
    return total == zero


def _flat(out: Array) -> Array:
    return out.reshape(len(out), math.prod(out.shape[1:]))  # not −1: there may be no rows


def gather(x: Array, rows: Array, out: Array) -> Array:
    _gather(x, rows, _flat(out))
    return out


def gather_scaled(x: Array, rows: Array, factor: float, out: Array) -> Array:
    _gather_scaled(x, rows, out.dtype.type(factor), _flat(out))
    return out


def all_finite(x: Array) -> bool:
    return bool(_all_finite(x.reshape(-1)))
