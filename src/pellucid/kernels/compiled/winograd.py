"""3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3): a quarter of the multiplications.

A tile of 4×4 outputs reads a tile of 6×6 inputs. With d such an input tile of one channel, g the taps of one channel and
filter, and Y the output tile (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015),

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A            the sum over channels goes inside the brackets

so that 36 multiplications take the place of 144. The sums over channels are 36 products of matrices, (tiles × channels)
times (channels × filters). The transforms are linear, and the gradient of the weights goes through their adjoints:

    D = A dY Aᵀ      dU = Vᵀ D  with  V = Bᵀ d B      dW = Gᵀ dU G

dX is again such a convolution, of dY with the weights turned by half a circle. The points 0, ±1, ±2, ∞ make the matrices what
they are below; numbers up to 8 in them cost a few bits: a test holds the error against float64.

The tiles of a few rows are done together, as many as fit into the second-level cache with all that is made of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pellucid.kernels.compiled.direct import turned
from pellucid.kernels.compiled.far import far
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.sums import added, rows_for
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.tiles import tiles
from pellucid.kernels.compiled.vectors import Vectors, address, copy, numbers_in_a_vector
from pellucid.kernels.window import Window

BLOCK = 600_000  # bytes of transformed tiles at a time: more than half of the second-level cache

# fmt: off
B_T = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
       (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))
A_T = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
G = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
     (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))
# fmt: on
Matrix = tuple[tuple[float, ...], ...]


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _times(v: Vectors, row: tuple[float, ...], vectors: list[Any]) -> Any:
    """Σ row[i]·vectors[i]."""
    total = None
    for factor, vector in zip(row, vectors, strict=True):
        if factor == 0:
            continue
        if total is None:
            total = vector if factor == 1 else v.builder.fmul(vector, v.constant(factor))
        elif abs(factor) == 1:
            total = (v.builder.fadd if factor > 0 else v.builder.fsub)(total, vector)
        else:
            total = v.multiply_add(v.constant(factor), vector, total)
    return total


def _transform(matrix: Matrix, finish: bool = False) -> Any:
    """The loop over channels of target = M source Mᵀ. Tiles are given by the address of their first number and the strides from
    row to row and from column to column; channels lie next to each other. With ``finish``, what comes out is
    max(· + bias, floor)."""
    rows, size = len(matrix), len(matrix[0])

    @intrinsic
    def transform(typing, source, s_row, s_column, target, t_row, t_column, channels, bias, floor):  # type: ignore[no-untyped-def]
        def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
            v = Vectors(context, builder, signature.args[-1])
            source, s_row, s_column, target, t_row, t_column, channels, bias, floor = args
            count = builder.sdiv(builder.add(channels, v.count(v.width - 1)), v.count(v.width))
            with cgutils.for_range(builder, count) as loop:
                first = builder.mul(loop.index, v.count(v.width))
                mask = v.first(builder.sub(channels, first))

                def place(base: Any, i: int, row: Any, j: int, column: Any) -> Any:
                    return v.address(base, first, builder.mul(row, v.count(i)), builder.mul(column, v.count(j)))

                tile = [[v.load(place(source, i, s_row, j, s_column), mask) for j in range(size)] for i in range(size)]
                half = [[_times(v, matrix[i], [tile[k][j] for k in range(size)]) for j in range(size)] for i in range(rows)]
                added = v.load(v.address(bias, first), mask) if finish else None
                for i in range(rows):
                    for j in range(rows):
                        value = _times(v, matrix[j], half[i])
                        if finish:
                            value = v.at_least(builder.fadd(value, added), floor)
                        v.store(value, place(target, i, t_row, j, t_column), mask)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 8, floor), emit

    return transform


_input_tile, _output_tile, _gradient_tile = _transform(B_T), _transform(A_T, finish=True), _transform(_transposed(A_T))
_taps, _taps_back = _transform(G), _transform(_transposed(G))


@jit
def _patch(x, image, row, column, size, out):  # type: ignore[no-untyped-def]
    """A square of the picture of size × size pixels, zero where it is outside."""
    h, w, c = x.shape[1], x.shape[2], x.shape[3]
    out[: size * size * c] = 0
    first, last = min(max(0, -column), size), min(size, w - column)
    for i in range(max(0, -row), min(size, h - row)):
        if last > first:
            here = ((image * h + row + i) * w + column + first) * c
            copy(address(x, here), 0, address(out, (i * size + first) * c), 0, 1, (last - first) * c, x.dtype.type(0))


@jit
def _inputs(x, image, p, across, top, left, V, tile, patch):  # type: ignore[no-untyped-def]
    """V[tile …] = Bᵀ d B for the ``across`` tiles of row p; V (of, 36, c)."""
    h, w, c, zero = x.shape[1], x.shape[2], x.shape[3], x.dtype.type(0)
    for q in range(across):
        row, column = 4 * p - top, 4 * q - left
        if row >= 0 and column >= 0 and row + 6 <= h and column + 6 <= w:
            source, line = address(x, ((image * h + row) * w + column) * c), w * c
        else:
            far(_patch, (x, image, row, column, 6, patch))
            source, line = address(patch, 0), 6 * c
        _input_tile(source, line, c, address(V, (tile + q) * 36 * c), 6 * c, c, c, 0, zero)


@jit
def _gradients(dy, image, p, across, D, tile, patch):  # type: ignore[no-untyped-def]
    """D[tile …] = A dY Aᵀ for the tiles of row p; D (of, 36, o)."""
    oh, ow, o, zero = dy.shape[1], dy.shape[2], dy.shape[3], dy.dtype.type(0)
    for q in range(across):
        if 4 * p + 4 <= oh and 4 * q + 4 <= ow:
            source, line = address(dy, ((image * oh + 4 * p) * ow + 4 * q) * o), ow * o
        else:
            far(_patch, (dy, image, 4 * p, 4 * q, 4, patch))
            source, line = address(patch, 0), 4 * o
        _gradient_tile(source, line, o, address(D, (tile + q) * 36 * o), 6 * o, o, o, 0, zero)


@jit
def _outputs(M, tile, b, floor, out, image, p, across, patch):  # type: ignore[no-untyped-def]
    """Y = max(Aᵀ M A + b, floor) for the tiles of row p; M (of, 36, o)."""
    oh, ow, o = out.shape[1], out.shape[2], out.shape[3]
    for q in range(across):
        whole = 4 * p + 4 <= oh and 4 * q + 4 <= ow
        if whole:
            target, line = address(out, ((image * oh + 4 * p) * ow + 4 * q) * o), ow * o
        else:
            target, line = address(patch, 0), 4 * o
        _output_tile(address(M, (tile + q) * 36 * o), 6 * o, o, target, line, o, o, address(b, 0), floor)
        if not whole:
            there = address(out, ((image * oh + 4 * p) * ow + 4 * q) * o)
            copy(target, line, there, ow * o, min(4, oh - 4 * p), min(4, ow - 4 * q) * o, floor)


@jit
def _taps_piece(W, out, piece):  # type: ignore[no-untyped-def]
    """out[:, piece] = G g Gᵀ for all filters of one channel; out (36, c, o)."""
    c, o = W.shape[2], W.shape[3]
    place = address(out, piece * o)
    _taps(address(W, piece * o), 3 * c * o, c * o, place, 6 * c * o, c * o, o, 0, W.dtype.type(0))


@jit
def _taps_back_piece(dU, dW, piece):  # type: ignore[no-untyped-def]
    """dW = Gᵀ dU G for all filters of one channel."""
    c, o = dW.shape[2], dW.shape[3]
    place = address(dW, piece * o)
    _taps_back(address(dU, piece * o), 6 * c * o, c * o, place, 3 * c * o, c * o, o, 0, dW.dtype.type(0))


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
    V, M = np.empty((of, 36, c), x.dtype), np.empty((of, 36, o), x.dtype)
    patch = np.empty(36 * max(c, o), x.dtype)
    zeros = np.zeros(o, x.dtype)
    for row in range(rows):
        image, p = (first + row) // down, (first + row) % down
        far(_inputs, (x, image, p, across, top, left, V, row * across, patch))
    for k in range(36):
        for n0 in range(0, o, width):
            tiles(
                of, min(width, o - n0), address(V, k * c), 36 * c, 0, 1, address(transformed, k * c * o + n0), 0, o,
                address(zeros, 0), 0, address(M, k * o + n0), 36 * o, 1, c, none,
            )  # fmt: skip
    for row in range(rows):
        image, p = (first + row) // down, (first + row) % down
        far(_outputs, (M, row * across, b, floor, out, image, p, across, patch))


@jit
def forward(x, W, b, window, floor, out):  # type: ignore[no-untyped-def]
    n, c, o = x.shape[0], x.shape[3], out.shape[3]
    transformed = np.empty((36, c, o), W.dtype)
    share(_taps_piece, (W, transformed), c)
    down, across = (out.shape[1] + 3) // 4, (out.shape[2] + 3) // 4
    rows = _rows(across, c, o, x.itemsize)
    share(_forward_piece, (x, transformed, b, window.top, window.left, floor, out, rows), (n * down + rows - 1) // rows)


@jit
def _sums_piece(x, dy, top, left, sums, rows, piece):  # type: ignore[no-untyped-def]
    """dU of one group of pictures."""
    n, c, o = x.shape[0], x.shape[3], dy.shape[3]
    down, across = (dy.shape[1] + 3) // 4, (dy.shape[2] + 3) // 4
    zero = dy.dtype.type(0)
    width, none = 2 * numbers_in_a_vector(zero), dy.dtype.type(-np.inf)
    V, D = np.empty((rows * across, 36, c), x.dtype), np.empty((rows * across, 36, o), x.dtype)
    patch = np.empty(36 * max(c, o), x.dtype)
    sums[piece] = zero
    start, end = piece * n // len(sums) * down, (piece + 1) * n // len(sums) * down
    for first in range(start, end, rows):
        count = min(rows, end - first)
        of = count * across
        for row in range(count):
            image, p = (first + row) // down, (first + row) % down
            far(_inputs, (x, image, p, across, top, left, V, row * across, patch))
            far(_gradients, (dy, image, p, across, D, row * across, patch))
        for k in range(36):
            for n0 in range(0, o, width):
                place = address(sums, (piece * 36 + k) * c * o + n0)
                tiles(
                    c, min(width, o - n0), address(V, k * c), 1, 0, 36 * c, address(D, k * o + n0), 0, 36 * o,
                    place, o, place, o, 1, of, none,
                )  # fmt: skip


@jit
def weights(x, dy, window, dW):  # type: ignore[no-untyped-def]
    c, o = dW.shape[2], dW.shape[3]
    sums = rows_for(dy.shape[0], 36 * c * o, dy)
    rows = _rows((dy.shape[2] + 3) // 4, c, o, x.itemsize)
    share(_sums_piece, (x, dy, window.top, window.left, sums, rows), len(sums))
    dU = np.empty((36, c, o), dy.dtype)
    far(added, (sums, dU.reshape(dU.size)))
    share(_taps_back_piece, (dU, dW), c)


@jit
def input_gradient(dy, W, window, out):  # type: ignore[no-untyped-def]
    kh, kw, c, _ = W.shape
    back = Window(kh, kw, 1, 1, 2 - window.top, 2 - window.left, 1, 1)
    far(forward, (dy, turned(W), np.zeros(c, W.dtype), back, W.dtype.type(-np.inf), out))
