"""Noise element by element from a counter: the hash of ``reference/noise.py``, bit for bit."""

from __future__ import annotations

import math

import numba
import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.vectors import address

U, U32 = numba.uint64, numba.uint32
PIECE = 8_192  # numbers: some microseconds


@numba.njit(inline="always")
def mix(x):  # type: ignore[no-untyped-def]
    """lowbias32, on a uint32."""
    x = U32((x ^ (x >> U32(16))) * U32(0x7FEB352D))
    x = U32((x ^ (x >> U32(15))) * U32(0x846CA68B))
    return U32(x ^ (x >> U32(16)))


@jit
def _dropout_piece(x, low, high, first, threshold, factor, out, rows, piece):  # type: ignore[no-untyped-def]
    c = U(x.shape[1])
    X, O, zero = x.reshape(x.size), out.reshape(out.size), x.dtype.type(0)
    same = address(x, 0) == address(out, 0)
    for i in range(U(piece) * U(rows), min(U(piece + 1) * U(rows), U(x.shape[0]))):
        row = U32(first + i)
        a, m = mix(U32(row ^ low)), U32(mix(U32(row + high)) | U32(1))
        if same:  # by one name: a loop that may write what it reads is not vectorized
            for j in range(c):
                bits = mix(U32(a + U32(j) * m))
                O[i * c + j] = O[i * c + j] * factor if bits >= threshold else zero * O[i * c + j]
        else:
            for j in range(c):
                bits = mix(U32(a + U32(j) * m))
                O[i * c + j] = X[i * c + j] * factor if bits >= threshold else zero * X[i * c + j]


@jit
def _dropout(x, low, high, first, threshold, factor, out):  # type: ignore[no-untyped-def]
    rows = max(1, PIECE // max(1, x.shape[1]))
    numbers = (low, high, first, threshold, factor)
    share(_dropout_piece, (x, *numbers, out, rows), (x.shape[0] + rows - 1) // rows)


def dropout(x: Array, key: int, first: int, rate: float, out: Array) -> Array:
    flat = (len(x), math.prod(x.shape[1:]))  # not −1: a shard may be empty
    low, high, threshold = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32), np.uint32(rate * 2**32)
    _dropout(x.reshape(flat), low, high, np.uint64(first), threshold, x.dtype.type(1 / (1 - rate)), out.reshape(flat))
    return out


@jit
def _uniform_piece(low, high, numbers, out, rows, piece):  # type: ignore[no-untyped-def]
    c, flat = U(out.shape[1]), out.reshape(out.size)
    for i in range(U(piece) * U(rows), min(U(piece + 1) * U(rows), U(out.shape[0]))):
        number = U32(numbers[i])
        a, m = mix(U32(number ^ low)), U32(mix(U32(number + high)) | U32(1))
        for j in range(c):
            flat[i * c + j] = numba.float32(mix(U32(a + U32(j) * m)) >> U32(8)) * numba.float32(2**-24)


@jit
def _uniform(low, high, numbers, out):  # type: ignore[no-untyped-def]
    rows = max(1, PIECE // max(1, out.shape[1]))
    share(_uniform_piece, (low, high, numbers, out, rows), (out.shape[0] + rows - 1) // rows)


def uniform(key: int, numbers: Array, columns: int) -> Array:
    out = np.empty((len(numbers), columns), np.float32)
    _uniform(np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32), numbers, out)
    return out


@jit
def _add_normal_piece(x, low, high, first, sigma, out, rows, piece):  # type: ignore[no-untyped-def]
    c = U(x.shape[1])
    X, O = x.reshape(x.size), out.reshape(out.size)
    for i in range(U(piece) * U(rows), min(U(piece + 1) * U(rows), U(x.shape[0]))):
        row = U32(first + i)
        a, m = mix(U32(row ^ low)), U32(mix(U32(row + high)) | U32(1))
        for j in range(c):
            u = mix(U32(a + U32(2 * j) * m)) * 2**-32 + 2**-32
            v = mix(U32(a + U32(2 * j + 1) * m)) * 2**-32
            z = math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
            O[i * c + j] = X[i * c + j] + x.dtype.type(sigma * z)


@jit
def _add_normal(x, low, high, first, sigma, out):  # type: ignore[no-untyped-def]
    rows = max(1, PIECE // (8 * max(1, x.shape[1])))  # a number takes longer here
    share(_add_normal_piece, (x, low, high, first, sigma, out, rows), (x.shape[0] + rows - 1) // rows)


def add_normal(x: Array, key: int, first: int, sigma: float, out: Array) -> Array:
    flat = (len(x), math.prod(x.shape[1:]))
    low, high = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)
    _add_normal(x.reshape(flat), low, high, np.uint64(first), float(sigma), out.reshape(flat))
    return out
