"""The innermost loops of all products: a few rows of the result times a few vectors, held in registers.

    C[m, n] = max(S[m, n] + Σ_r Σ_k A[m, r, k] B[r, k, n], floor)

``S`` is what the sums start from: the bias (the same row again and again), C itself (to go on with a sum), or zeros.
``floor`` is zero for a ReLU and -inf for none; NaN stays NaN. Everything is given by addresses and by strides in elements,
so the same loop multiplies matrices, transposed matrices, and the patches of a picture where they lie, without a copy:
only the n-th column of B and of C must lie next to the one before. The sum runs over two indices (r, k) because a patch of
a picture is a few rows of pixels, each of them in one piece.

Numba's own vectorizer does not keep such a tile in registers, so the loop is written in LLVM's intermediate language, in
vectors as wide as the machine has them. With 12 rows and 2 vectors of 16 numbers it does 139 GFLOP/s where the core can do
150 (AVX-512, data in the first-level cache; OpenBLAS does 110 there).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pellucid.kernels.compiled.far import emit_call
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.vectors import BYTES, Vectors, numbers_in_a_vector

_i64 = ir.IntType(64)
ROWS = 12 if BYTES == 64 else 6  # of the largest tile, which is two vectors wide


def _loop(v: Vectors, rows: int, vectors: int, args: Any) -> None:
    """Emits the loops for so many rows and vectors, of which the last one has ``left`` columns."""
    builder = v.builder
    a, am, ar, ak, b, br, bk, s, sm, c, cm, R, K, left, floor = args
    mask = v.first(left)
    places = [(m, j, mask if j == vectors - 1 else None) for m in range(rows) for j in range(vectors)]
    sums = []
    for m, j, masked in places:
        start = v.load(v.address(s, builder.mul(sm, _i64(m)), _i64(j * v.width)), masked)
        sums.append(cgutils.alloca_once_value(builder, start))  # LLVM turns these into registers
    # Row m + 1 and m + 2 are one and two strides from row m, which the processor adds by itself, so every third row has an
    # address of its own. Were LLVM to know how these belong together, it would go from row to row with an addition for each.
    starts = [v.address(a, builder.mul(am, _i64(m))) for m in range(0, rows, 3)]
    strides = [_i64(0), v.opaque(am), v.opaque(builder.mul(am, _i64(2)))]
    with cgutils.for_range(builder, R) as outer:
        at_r = builder.mul(outer.index, ar)
        here = [cgutils.alloca_once_value(builder, v.address(start, at_r)) for start in starts]
        b_here = cgutils.alloca_once_value(builder, v.address(b, builder.mul(outer.index, br)))
        with cgutils.for_range(builder, K):
            b_k = v.opaque(builder.load(b_here))
            a_k = [v.opaque(builder.load(place)) for place in here]
            row = [v.load(v.address(b_k, _i64(j * v.width)), places[j][2]) for j in range(vectors)]
            for m in range(rows):
                factor = v.read(v.address(a_k[m // 3], strides[m % 3]))
                for j in range(vectors):
                    total = sums[m * vectors + j]
                    builder.store(v.multiply_add(factor, row[j], builder.load(total)), total)
            for at, place in zip(a_k, here, strict=True):
                builder.store(v.address(at, ak), place)
            builder.store(v.address(b_k, bk), b_here)
    for total, (m, j, masked) in zip(sums, places, strict=True):
        value = v.at_least(builder.load(total), floor)
        v.store(value, v.address(c, builder.mul(cm, _i64(m)), _i64(j * v.width)), masked)


@intrinsic
def _tile(typing, rows, vectors, a, am, ar, ak, b, br, bk, s, sm, c, cm, R, K, left, floor):  # type: ignore[no-untyped-def]
    """One tile of 1 to ROWS rows and 1 or 2 vectors."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        v = Vectors(context, builder, signature.args[-1])
        sizes = [(m, j) for m in range(1, ROWS + 1) for j in (1, 2)]
        end = builder.append_basic_block("end")
        choice = builder.switch(builder.add(builder.mul(args[0], _i64(2)), args[1]), end)
        for m, j in sizes:
            block = builder.append_basic_block(f"tile.{m}x{j}")
            choice.add_case(_i64(2 * m + j), block)
            builder.position_at_end(block)
            _loop(v, m, j, args[2:])
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 16, floor), emit


@jit
def _all_rows(M, columns, a, am, ar, ak, b, br, bk, s, sm, c, cm, R, K, floor):  # type: ignore[no-untyped-def]
    width = numbers_in_a_vector(floor)
    size = BYTES // width
    vectors = 2 if columns > width else 1
    left = columns - (vectors - 1) * width
    while M > 0:  # the last two tiles share what is left (two rows take as long as eight); a division would take as long, too
        rows = ROWS if M > 2 * ROWS else (M + 1) >> 1 if M > ROWS else M
        _tile(rows, vectors, a, am, ar, ak, b, br, bk, s, sm, c, cm, R, K, left, floor)
        a, s, c = a + rows * am * size, s + rows * sm * size, c + rows * cm * size
        M -= rows


@intrinsic
def tiles(typing, M, columns, a, am, ar, ak, b, br, bk, s, sm, c, cm, R, K, floor):  # type: ignore[no-untyped-def]
    """All M rows of at most two vectors of columns; the other arguments are those of the formula above."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit_call(context, builder, _all_rows, signature.args, args)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 15, floor), emit
