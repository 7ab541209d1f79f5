"""3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3): a quarter of the multiplications.

A tile of 4×4 outputs reads a tile of 6×6 inputs. With d such an input tile of one channel, g the taps of one channel and
filter, and Y the output tile (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015),

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A            the sum over channels goes inside the brackets

so that 36 multiplications take the place of 144. The sums over channels are 36 products of matrices, (tiles × channels)
times (channels × filters). The transforms are linear, and the gradient of the weights goes through their adjoints:

    D = A dY Aᵀ      dU = Vᵀ D  with  V = Bᵀ d B      dW = Gᵀ dU G

dX is again such a convolution, of dY with the weights turned by half a circle. The points 0, ±1, ±2, ∞ make G, A and B what
they are below; numbers up to 8 in them cost a few bits: a test holds the error against float64.

The tiles of a few rows are done together, as many as fit into the second-level cache with all that is made of them.
"""

from __future__ import annotations

import numba
import numpy as np

from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.tiles import address, copy, numbers_in_a_vector, tiles

U = numba.uint64
BLOCK = 600_000  # bytes of transformed tiles at a time: more than half of the second-level cache
inline = numba.njit(inline="always")


@inline
def _numbers(kind):  # type: ignore[no-untyped-def]
    """2, 4, 5 and 8 in the arrays' type."""
    return kind(2), kind(4), kind(5), kind(8)


@inline
def _four(x, s, step):  # type: ignore[no-untyped-def]
    return x[s], x[s + step], x[s + U(2) * step], x[s + U(3) * step]


@inline
def _six(x, s, step):  # type: ignore[no-untyped-def]
    return x[s], x[s + step], x[s + U(2) * step], x[s + U(3) * step], x[s + U(4) * step], x[s + U(5) * step]


@inline
def _put(out, d, step, six):  # type: ignore[no-untyped-def]
    out[d], out[d + step], out[d + U(2) * step] = six[0], six[1], six[2]
    out[d + U(3) * step], out[d + U(4) * step], out[d + U(5) * step] = six[3], six[4], six[5]


@inline
def _b(six, k):  # type: ignore[no-untyped-def]
    """Bᵀ: 6 → 6."""
    a, b, c, d, e, f = six
    two, four, five, _ = k
    return (
        four * a - five * c + e, d + e - four * (b + c), four * (b - c) - d + e,
        two * (d - b) - c + e, two * (b - d) - c + e, four * b - five * d + f,
    )  # fmt: skip


@inline
def _a_back(six, k):  # type: ignore[no-untyped-def]
    """Aᵀ: 6 → 4."""
    a, b, c, d, e, f = six
    two, four, _, eight = k
    p, q, r, s = b + c, b - c, d + e, d - e
    return a + p + r, q + two * s, p + four * r, q + eight * s + f


@inline
def _a(four_, k):  # type: ignore[no-untyped-def]
    """A: 4 → 6, the adjoint of the above."""
    a, b, c, d = four_
    two, four, _, eight = k
    p, q, r, s = a + c, b + d, a + four * c, two * b + eight * d
    return a, p + q, p - q, r + s, r - s, d


@jit
def _patch(x, image, row, column, size, out):  # type: ignore[no-untyped-def]
    """A square of the picture of size × size pixels, zero where it is outside."""
    h, w, c = x.shape[1], x.shape[2], x.shape[3]
    flat = out.reshape(out.size)
    flat[: size * size * c] = 0
    first, last = min(max(0, -column), size), min(size, w - column)
    for i in range(max(0, -row), min(size, h - row)):
        if last > first:
            here = ((image * h + row + i) * w + column + first) * c
            copy(address(x, here), 0, address(flat, (i * size + first) * c), 0, 1, (last - first) * c, x.dtype.type(0))


@jit
def _inputs(x, image, p, across, top, left, V, tile, of, patch, half):  # type: ignore[no-untyped-def]
    """V[:, tile …] = Bᵀ d B for the ``across`` tiles of row p; V (36, of, c)."""
    h, w, c = x.shape[1], x.shape[2], U(x.shape[3])
    k = _numbers(x.dtype.type)
    O, T, step = V.reshape(V.size), half.reshape(half.size), U(of) * c
    for q in range(across):
        row, column = 4 * p - top, 4 * q - left
        if row >= 0 and column >= 0 and row + 6 <= h and column + 6 <= w:
            X, start, line = x.reshape(x.size), U((image * h + row) * w + column) * c, U(w) * c
        else:
            _patch(x, image, row, column, 6, patch)
            X, start, line = patch.reshape(patch.size), U(0), U(6) * c
        for j in range(U(6)):
            for i in range(c):
                _put(T, j * c + i, U(6) * c, _b(_six(X, start + j * c + i, line), k))
        for j in range(U(6)):
            to = j * U(6) * step + U(tile + q) * c
            for i in range(c):
                _put(O, to + i, step, _b(_six(T, j * U(6) * c + i, c), k))


@jit
def _outputs(M, tile, of, b, floor, out, image, p, across, patch, half):  # type: ignore[no-untyped-def]
    """Y = max(Aᵀ M A + b, floor) for the tiles of row p; M (36, of, o)."""
    oh, ow, o = out.shape[1], out.shape[2], U(out.shape[3])
    k = _numbers(out.dtype.type)
    X, T, step = M.reshape(M.size), half.reshape(half.size), U(of) * o
    for q in range(across):
        whole = 4 * p + 4 <= oh and 4 * q + 4 <= ow
        if whole:
            Y, start, line = out.reshape(out.size), U((image * oh + 4 * p) * ow + 4 * q) * o, U(ow) * o
        else:
            Y, start, line = patch.reshape(patch.size), U(0), U(4) * o
        for j in range(U(6)):
            s = j * step + U(tile + q) * o
            for i in range(o):
                r, d = _a_back(_six(X, s + i, U(6) * step), k), j * o + i
                T[d], T[d + U(6) * o], T[d + U(12) * o], T[d + U(18) * o] = r[0], r[1], r[2], r[3]
        for j in range(U(4)):
            for i in range(o):
                r, d = _a_back(_six(T, j * U(6) * o + i, o), k), start + j * line + i
                y0, y1, y2, y3 = r[0] + b[i], r[1] + b[i], r[2] + b[i], r[3] + b[i]
                Y[d] = floor if y0 < floor else y0
                Y[d + o] = floor if y1 < floor else y1
                Y[d + U(2) * o] = floor if y2 < floor else y2
                Y[d + U(3) * o] = floor if y3 < floor else y3
        if not whole:
            for i in range(4 * p, min(4 * p + 4, oh)):
                here, there = U((i - 4 * p) * 4) * o, U((image * oh + i) * ow + 4 * q) * o
                copy(address(Y, here), 0, address(out, there), 0, 1, U(min(4, ow - 4 * q)) * o, out.dtype.type(0))


@jit
def _gradients(dy, image, p, across, D, tile, of, patch, half):  # type: ignore[no-untyped-def]
    """D[:, tile …] = A dY Aᵀ for the tiles of row p; D (36, of, o)."""
    oh, ow, o = dy.shape[1], dy.shape[2], U(dy.shape[3])
    k = _numbers(dy.dtype.type)
    O, T, step = D.reshape(D.size), half.reshape(half.size), U(of) * o
    for q in range(across):
        if 4 * p + 4 <= oh and 4 * q + 4 <= ow:
            X, start, line = dy.reshape(dy.size), U((image * oh + 4 * p) * ow + 4 * q) * o, U(ow) * o
        else:
            _patch(dy, image, 4 * p, 4 * q, 4, patch)
            X, start, line = patch.reshape(patch.size), U(0), U(4) * o
        for j in range(U(4)):
            for i in range(o):
                _put(T, j * o + i, U(4) * o, _a(_four(X, start + j * o + i, line), k))
        for j in range(U(6)):
            to = j * U(6) * step + U(tile + q) * o
            for i in range(o):
                _put(O, to + i, step, _a(_four(T, j * U(4) * o + i, o), k))


@inline
def _g(a, b, c, kind):  # type: ignore[no-untyped-def]
    """G: 3 → 6."""
    p, q, r = (a + c) / kind(6), b / kind(6), a / kind(24) + c / kind(6)
    return a / kind(4), -p - q, q - p, r + b / kind(12), r - b / kind(12), c


@inline
def _g_back(a, b, c, d, e, f, kind):  # type: ignore[no-untyped-def]
    """Gᵀ: 6 → 3."""
    p, q = (b + c) / kind(6), (d + e) / kind(24)
    return a / kind(4) - p + q, (c - b) / kind(6) + (d - e) / kind(12), kind(4) * q - p + f


@jit
def _weights_piece(W, out, turned, piece):  # type: ignore[no-untyped-def]
    """out[:, k, f] = G g Gᵀ for one channel k that comes in. ``turned``: of W turned by half a circle, filters for channels."""
    kind = W.dtype.type
    T = np.empty((6, 3), W.dtype)
    for f in range(out.shape[2]):
        for j in range(3):
            if turned:
                r = _g(W[2, 2 - j, f, piece], W[1, 2 - j, f, piece], W[0, 2 - j, f, piece], kind)
            else:
                r = _g(W[0, j, piece, f], W[1, j, piece, f], W[2, j, piece, f], kind)
            T[0, j], T[1, j], T[2, j], T[3, j], T[4, j], T[5, j] = r
        for i in range(6):
            r = _g(T[i, 0], T[i, 1], T[i, 2], kind)
            for j in range(6):
                out[6 * i + j, piece, f] = r[j]


@jit
def _weights_back_piece(dU, dW, piece):  # type: ignore[no-untyped-def]
    """dW = Gᵀ dU G for one channel."""
    kind = dW.dtype.type
    T = np.empty((3, 6), dW.dtype)
    for f in range(dW.shape[3]):
        for j in range(6):
            r = _g_back(
                dU[j, piece, f], dU[6 + j, piece, f], dU[12 + j, piece, f],
                dU[18 + j, piece, f], dU[24 + j, piece, f], dU[30 + j, piece, f], kind,
            )  # fmt: skip
            T[0, j], T[1, j], T[2, j] = r
        for i in range(3):
            r = _g_back(T[i, 0], T[i, 1], T[i, 2], T[i, 3], T[i, 4], T[i, 5], kind)
            dW[i, 0, piece, f], dW[i, 1, piece, f], dW[i, 2, piece, f] = r


@jit
def _rows(across, c, o, size):  # type: ignore[no-untyped-def]
    """Rows of tiles in a block."""
    return max(1, BLOCK // (36 * across * (c + o) * size))


@jit
def _forward_piece(x, transformed, b, top, left, floor, out, rows, piece):  # type: ignore[no-untyped-def]
    """One block: ``rows`` rows of tiles, counted through all pictures."""
    n, c, o = x.shape[0], x.shape[3], out.shape[3]
    down, across = (out.shape[1] + 3) // 4, (out.shape[2] + 3) // 4
    first = piece * rows
    rows = min(rows, n * down - first)
    of, width, none = rows * across, 2 * numbers_in_a_vector(floor), x.dtype.type(-np.inf)
    V, M = np.empty((36, of, c), x.dtype), np.empty((36, of, o), x.dtype)
    patch, half = np.empty(36 * max(c, o), x.dtype), np.empty(36 * max(c, o), x.dtype)
    zeros = np.zeros(o, x.dtype)
    for row in range(rows):
        image, p = (first + row) // down, (first + row) % down
        _inputs(x, image, p, across, top, left, V, row * across, of, patch, half)
    for k in range(36):
        for n0 in range(0, o, width):
            tiles(
                of, min(width, o - n0), address(V, k * of * c), c, 0, 1, address(transformed, k * c * o + n0), 0, o,
                address(zeros, 0), 0, address(M, k * of * o + n0), o, 1, c, none,
            )  # fmt: skip
    for row in range(rows):
        image, p = (first + row) // down, (first + row) % down
        _outputs(M, row * across, of, b, floor, out, image, p, across, patch, half)


@jit
def forward(x, W, b, top, left, turned, floor, out):  # type: ignore[no-untyped-def]
    """out = max(the convolution of x with W + b, floor)."""
    n, c, o = x.shape[0], x.shape[3], out.shape[3]
    transformed = np.empty((36, c, o), W.dtype)
    share(_weights_piece, (W, transformed, turned), c)
    down, across = (out.shape[1] + 3) // 4, (out.shape[2] + 3) // 4
    rows = _rows(across, c, o, x.itemsize)
    share(_forward_piece, (x, transformed, b, top, left, floor, out, rows), (n * down + rows - 1) // rows)


@jit
def _sums_piece(x, dy, top, left, sums, rows, piece):  # type: ignore[no-untyped-def]
    """dU of one group of pictures."""
    n, c, o = x.shape[0], x.shape[3], dy.shape[3]
    down, across = (dy.shape[1] + 3) // 4, (dy.shape[2] + 3) // 4
    zero = dy.dtype.type(0)
    width, none = 2 * numbers_in_a_vector(zero), dy.dtype.type(-np.inf)
    V, D = np.empty((36, rows * across, c), x.dtype), np.empty((36, rows * across, o), x.dtype)
    patch, half = np.empty(36 * max(c, o), x.dtype), np.empty(36 * max(c, o), x.dtype)
    sums[piece] = zero
    start, end = piece * n // len(sums) * down, (piece + 1) * n // len(sums) * down
    for first in range(start, end, rows):
        count = min(rows, end - first)
        of = count * across
        for row in range(count):
            image, p = (first + row) // down, (first + row) % down
            _inputs(x, image, p, across, top, left, V, row * across, of, patch, half)
            _gradients(dy, image, p, across, D, row * across, of, patch, half)
        for k in range(36):
            for n0 in range(0, o, width):
                place = address(sums, (piece * 36 + k) * c * o + n0)
                tiles(
                    c, min(width, o - n0), address(V, k * of * c), 1, 0, c, address(D, k * of * o + n0), 0, o,
                    place, o, place, o, 1, of, none,
                )  # fmt: skip


@jit
def sums_of_groups(x, dy, top, left, sums):  # type: ignore[no-untyped-def]
    """dU of each group of pictures, (groups, 36·c·o)."""
    rows = _rows((dy.shape[2] + 3) // 4, x.shape[3], dy.shape[3], x.itemsize)
    share(_sums_piece, (x, dy, top, left, sums, rows), len(sums))


@jit
def weights_from(dU, dW):  # type: ignore[no-untyped-def]
    """dW of dU (36, c, o)."""
    share(_weights_back_piece, (dU, dW), dW.shape[2])
