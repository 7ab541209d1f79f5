"""The micro-kernel, the innermost loops of all matrix products: they hold a tile of the result in registers.

    C[m, n] = max(S[m, n] + Σ_r Σ_k A[m, r, k] B[r, k, n], floor)

The sums start from ``S``: the bias (the same row for every m), C itself (to continue a sum), or zeros. ``floor`` is zero for a
ReLU and -inf for none; NaN stays NaN. All operands are given by addresses and by strides in elements, so the same loop
multiplies matrices, transposed matrices, and the patches of an image in place, without a copy; only the columns n of B, S and C
must be contiguous. The sum runs over two indices (r, k) because a patch of an image is a few rows of pixels, each of them
contiguous.

Numba's own vectorizer does not keep such a tile in registers, so the loop is written in LLVM's intermediate language, in
vectors as wide as the machine has. With 12 rows and 2 vectors of 16 elements it reaches 139 GFLOP/s on a core whose peak is
150 (AVX-512, data in the first-level cache; OpenBLAS reaches 110 there).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from pellucid.kernels.compiled.indirect_calls import emit_indirect_call
from pellucid.kernels.compiled.jit import inner_jit
from pellucid.kernels.compiled.simd import VECTOR_BYTES, VectorBuilder, emit_cases, vector_width
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, types

_i64 = ir.IntType(64)
TILE_ROWS = 12 if VECTOR_BYTES == 64 else 6  # of the largest tile, which is two vectors wide
FEW_ROWS, WIDE = TILE_ROWS // 3, 4  # of so few rows a tile is WIDE vectors wide: with two it would wait for its own sums
PREFETCHED = 16  # elements of the sum: the processor does not foresee all addresses of a transposed A and of a large B


def _emit_tile(v: VectorBuilder, rows: int, vectors: int, args: Any, panel: Any = None) -> None:
    """Emit the loops for a tile of this many rows and vectors; of one or two, the last has ``last_columns`` columns.

    What is read of B is copied to the address ``panel``, one row of two vectors after the other.
    """
    builder = v.builder
    A, B, S, C, counts, last_columns, floor = args
    a, am, ar, ak = cgutils.unpack_tuple(builder, A)
    b, br, bk = cgutils.unpack_tuple(builder, B)
    s, sm = cgutils.unpack_tuple(builder, S)
    c, cm = cgutils.unpack_tuple(builder, C)
    R, K = cgutils.unpack_tuple(builder, counts)
    mask = v.mask(last_columns) if vectors < WIDE else None
    places = [(m, j, mask if j == vectors - 1 else None) for m in range(rows) for j in range(vectors)]
    sums = []
    for m, j, masked in places:
        start = v.load(v.address(s, builder.mul(sm, _i64(m)), _i64(j * v.width)), masked)
        sums.append(cgutils.alloca_once_value(builder, start))  # LLVM turns these into registers
    # Every third row has its own address. The two rows after it are one and two strides away, which the processor adds in its
    # address computation. If LLVM knew how the addresses are related, it would add a stride for each row instead.
    starts = [v.address(a, builder.mul(am, _i64(m))) for m in range(0, rows, 3)]
    strides = [_i64(0), v.opaque(am), v.opaque(builder.mul(am, _i64(2)))]
    with cgutils.for_range(builder, R) as outer:
        offset = builder.mul(outer.index, ar)
        a_current = [cgutils.alloca_once_value(builder, v.address(start, offset)) for start in starts]
        b_current = cgutils.alloca_once_value(builder, v.address(b, builder.mul(outer.index, br)))
        panel_current = None if panel is None else cgutils.alloca_once_value(builder, panel)
        with cgutils.for_range(builder, K):
            b_k = v.opaque(builder.load(b_current))
            a_k = [v.opaque(builder.load(current)) for current in a_current]
            v.prefetch(v.address(a_k[0], builder.mul(ak, _i64(PREFETCHED))))
            if 2 * rows > TILE_ROWS:  # a smaller tile has no time to spare
                for j in range(vectors):
                    v.prefetch(v.address(b_k, builder.mul(bk, _i64(PREFETCHED)), _i64(j * v.width)))
            row = [v.load(v.address(b_k, _i64(j * v.width)), places[j][2]) for j in range(vectors)]
            if panel is not None:
                panel_k = v.opaque(builder.load(panel_current))
                for j in range(vectors):
                    v.store(row[j], v.address(panel_k, _i64(j * v.width)))
                builder.store(v.address(panel_k, _i64(2 * v.width)), panel_current)
            for m in range(rows):
                factor = v.load_broadcast(v.address(a_k[m // 3], strides[m % 3]))
                for j in range(vectors):
                    total = sums[m * vectors + j]
                    builder.store(v.fma(factor, row[j], builder.load(total)), total)
            for at, current in zip(a_k, a_current, strict=True):
                builder.store(v.address(at, ak), current)
            builder.store(v.address(b_k, bk), b_current)
    for total, (m, j, masked) in zip(sums, places, strict=True):
        value = v.maximum(builder.load(total), floor)
        v.store(value, v.address(c, builder.mul(cm, _i64(m)), _i64(j * v.width)), masked)


def _tuple(count: int) -> Any:
    return types.UniTuple(types.int64, count)


_OPERANDS = [_tuple(4), _tuple(3), _tuple(2), _tuple(2), _tuple(2)]  # A, B, S, C and (R, K)


@intrinsic
def _tile(typing, rows, vectors, A, B, S, C, counts, last_columns, floor):
    """Compute one tile of 1 to TILE_ROWS rows and 1 or 2 vectors, or of 1 to FEW_ROWS rows and WIDE vectors."""

    def emit(context, builder, signature, args):
        v = VectorBuilder(context, builder, signature.args[-1])
        sizes = [(m, j) for m in range(1, TILE_ROWS + 1) for j in (1, 2)]
        sizes += [(m, WIDE) for m in range(1, FEW_ROWS + 1)]
        number = builder.add(builder.mul(args[0], _i64(WIDE + 1)), args[1])
        emit_cases(builder, number, {(WIDE + 1) * m + j: partial(_emit_tile, v, m, j, args[2:]) for m, j in sizes})
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, *_OPERANDS, types.int64, floor), emit


@intrinsic
def packing_tile(typing, columns, A, B, S, C, K, floor):
    """Compute TILE_ROWS rows of at most two vectors of ``columns``, and pack the panel of B, for the micro-kernel: B is a tuple
    of the address of its first element, its stride, and the address of the panel."""

    def emit(context, builder, signature, args):
        v = VectorBuilder(context, builder, signature.args[-1])
        columns, A, B, S, C, K, floor = args
        b, bk, panel = cgutils.unpack_tuple(builder, B)
        B = context.make_tuple(builder, _tuple(3), [b, _i64(0), bk])
        counts = context.make_tuple(builder, _tuple(2), [_i64(1), K])
        with builder.if_else(builder.icmp_signed(">", columns, _i64(v.width))) as (wide, narrow):
            for branch, vectors in ((wide, 2), (narrow, 1)):
                with branch:
                    last_columns = builder.sub(columns, _i64((vectors - 1) * v.width))
                    _emit_tile(v, TILE_ROWS, vectors, (A, B, S, C, counts, last_columns, floor), panel)
        return context.get_dummy_value()

    return types.void(types.int64, _tuple(4), _tuple(3), _tuple(2), _tuple(2), types.int64, floor), emit


@inner_jit
def _all_rows(rows, columns, A, B, S, C, counts, floor):
    (a, am, ar, ak), (s, sm), (c, cm) = A, S, C
    width = vector_width(floor)
    itemsize = VECTOR_BYTES // width
    vectors = 1 if columns <= width else 2 if columns <= 2 * width else WIDE
    last_columns = columns - (vectors - 1) * width
    while rows > 0:  # the last two tiles share their rows evenly: a tile of two takes as long as one of eight
        m = TILE_ROWS if rows > 2 * TILE_ROWS else (rows + 1) >> 1 if rows > TILE_ROWS else rows
        _tile(m, vectors, (a, am, ar, ak), B, (s, sm), (c, cm), counts, last_columns, floor)
        a, s, c = a + m * am * itemsize, s + m * sm * itemsize, c + m * cm * itemsize
        rows -= m


@intrinsic
def micro_kernel(typing, rows, columns, A, B, S, C, counts, floor):
    """Compute all ``rows`` of at most two vectors of ``columns``, by the formula above; at most FEW_ROWS also of WIDE vectors.

    Each operand is a tuple of the address of its first element and its strides: A of (m, r, k), B of (r, k), S and C of (m);
    ``counts`` is (R, K), the lengths of the two sums.
    """

    def emit(context, builder, signature, args):
        emit_indirect_call(context, builder, _all_rows, signature.args, args)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, *_OPERANDS, floor), emit
