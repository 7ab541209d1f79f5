"""Pictures picked out of a data set and changed on the way, a picture at a time while it is in the cache."""

from __future__ import annotations

import numba
import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.noise import mix
from pellucid.kernels.compiled.team import share

U, U32 = numba.uint64, numba.uint32
PIECE = 4_096  # numbers: some ten microseconds


@jit
def _field(lattice, down, across, half, field):  # type: ignore[no-untyped-def]
    """field[p, q] = Σ down[p, k] across[q, l] lattice[k l]; ``half`` (h, l) holds the sums over k."""
    h, w, k, n = U(down.shape[0]), U(across.shape[1]), U(down.shape[1]), U(across.shape[0])
    for p in range(h):
        for j in range(n):
            half[p, j] = 0
        for i in range(k):
            factor = down[p, i]
            for j in range(n):
                half[p, j] += factor * lattice[i * n + j]
        for q in range(w):
            field[p, q] = 0
        for j in range(n):
            factor = half[p, j]
            for q in range(w):
                field[p, q] += factor * across[j, q]


@jit
def _thicker(one, t, before):  # type: ignore[no-untyped-def]
    """Blends each pixel with the largest, or smallest, of the cross around it; ``before`` (h + 2, w + 2, c) a rim of zeros."""
    h, w, c = U(one.shape[0]), U(one.shape[1]), U(one.shape[2])
    before[1:-1, 1:-1] = one
    for p in range(h):
        for q in range(w):
            for k in range(c):
                v = before[p + U(1), q + U(1), k]
                a, b = before[p, q + U(1), k], before[p + U(2), q + U(1), k]
                d, e = before[p + U(1), q, k], before[p + U(1), q + U(2), k]
                if t > 0:
                    one[p, q, k] = v + t * (max(v, a, b, d, e) - v)
                else:
                    one[p, q, k] = v + t * (v - min(v, a, b, d, e))


@jit
def _noisy(one, noise, a, m):  # type: ignore[no-untyped-def]
    flat, F = one.reshape(one.size), one.dtype.type
    for j in range(U(flat.size)):
        bits = mix(U32(a + U32(j) * m))
        bits = U32((bits & U32(0x00FF00FF)) + ((bits >> U32(8)) & U32(0x00FF00FF)))
        flat[j] += noise * (F((bits & U32(0xFFFF)) + (bits >> U32(16))) - F(510))


@jit
def _warp_piece(x, rows, factor, maps, fields, down, across, thickness, boxes, noise, low, high, numbers, out, images, piece):  # type: ignore[no-untyped-def]
    h, w, c, F = x.shape[1], x.shape[2], x.shape[3], out.dtype.type
    width = w + 2
    canvas = np.zeros(((h + 2) * width, c), out.dtype)
    before = np.zeros((h + 2, w + 2, c), out.dtype)
    half, moved = np.empty((h, across.shape[0]), out.dtype), np.zeros((2, h, w), out.dtype)
    top, bottom = F(h), F(w)
    for i in range(piece * images, min((piece + 1) * images, len(rows))):
        source = x[rows[i]]
        for p in range(U(h)):
            for q in range(U(w)):
                for k in range(U(c)):
                    canvas[U(p + U(1)) * U(width) + q + U(1), k] = factor * F(source[p, q, k])
        for axis in range(2 if fields.shape[2] else 0):
            _field(fields[i, axis], down, across, half, moved[axis])
        a, b, d = maps[i, 0], maps[i, 1], maps[i, 3]
        e, at_row, at_column = maps[i, 4], maps[i, 2], maps[i, 5]
        for p in range(U(h)):
            for q in range(U(w)):
                row = min(max(a * F(p) + b * F(q) + at_row + moved[0, p, q], F(-1)), top) + F(1)
                column = min(max(d * F(p) + e * F(q) + at_column + moved[1, p, q], F(-1)), bottom) + F(1)
                r, s = min(U32(row), U32(h)), min(U32(column), U32(w))
                y, z = row - F(r), column - F(s)
                here = U(r) * U(width) + U(s)
                for k in range(U(c)):
                    above = canvas[here, k] * (F(1) - z) + canvas[here + U(1), k] * z
                    below = canvas[here + U(width), k] * (F(1) - z) + canvas[here + U(width) + U(1), k] * z
                    out[i, p, q, k] = above * (F(1) - y) + below * y
        if thickness[i] != 0:
            _thicker(out[i], thickness[i], before)
        out[i, boxes[i, 0] : boxes[i, 1], boxes[i, 2] : boxes[i, 3]] = F(0)
        if noise != 0:
            number = U32(numbers[i])
            _noisy(out[i], noise, mix(U32(number ^ low)), U32(mix(U32(number + high)) | U32(1)))


@jit
def _warp(x, rows, factor, maps, fields, down, across, thickness, boxes, noise, low, high, numbers, out):  # type: ignore[no-untyped-def]
    images = max(1, PIECE // (x.shape[1] * x.shape[2] * x.shape[3]))
    arguments = (x, rows, factor, maps, fields, down, across, thickness, boxes, noise, low, high, numbers, out, images)
    share(_warp_piece, arguments, (len(rows) + images - 1) // images)


def warp(
    x: Array, rows: Array, factor: float, maps: Array, fields: Array, down: Array, across: Array,
    thickness: Array, boxes: Array, noise: float, key: int, numbers: Array, out: Array,
) -> Array:  # fmt: skip
    _warp(
        x, rows, out.dtype.type(factor), maps, fields, down, np.ascontiguousarray(across.T), thickness, boxes,
        out.dtype.type(noise), np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32), numbers, out,
    )  # fmt: skip
    return out
