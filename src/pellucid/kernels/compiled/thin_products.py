"""Products of thin matrices, in which each element of the large matrix is used for a few multiply-adds: memory sets the time.

Three forms have loops of their own, because the tiles of :mod:`pellucid.kernels.compiled.micro_kernel` would read B in short
pieces, would have to pack it, or would hold a sum for less time than it takes to begin and to end one:

- one row of A by B: a tile is many vectors wide, so that long parts of the rows of B are read;
- few rows of A by a transposed B, such as dX = dY Wᵀ of a small batch: an element of C is the dot product of a row of A and a
  row of B as it is stored;
- sums over few k, such as dW = Xᵀ dY of a small batch: rows of B stay in registers, while one row of C after the other is
  written.
"""

from __future__ import annotations

from typing import Any

from pellucid.kernels.compiled.jit import inner_jit
from pellucid.kernels.compiled.simd import VECTOR_BYTES, VectorBuilder, address_of, vector_width
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, types

_i64 = ir.IntType(64)
REGISTERS = 32 if VECTOR_BYTES == 64 else 16
DOTS = REGISTERS // 2  # dot products that are computed at a time, each in a register
DOT_ROWS = 4  # of A, at most, for which they are computed at a time: DOTS // 4 rows of B are read once for four rows of A
SHORT = 8  # the longest sum for which the rows of B are held in registers, HELD vectors of them at most
HELD = REGISTERS // 2
ROWS_AT_ONCE = 16  # of C: they are written in full before the next ones, so that memory is written in long contiguous ranges
TASK_ELEMENTS = 16_384  # of the large matrix: about half a microsecond
ROW_TILES = 8, 4, 2, 1  # vectors of a single row of C that are computed at a time
HALVED = 1 << 17  # elements of B, from where on a row of at most ROW_TILES[0] vectors has two tasks: some five microseconds


def _rows_of_three(v: VectorBuilder, start: Any, stride: Any, count: int) -> tuple[list[Any], list[Any]]:
    """Return addresses of every third of ``count`` rows, and the distances to it and to the next two, in elements. (See the
    micro-kernel.)"""
    starts = [v.address(start, v.builder.mul(stride, _i64(row))) for row in range(0, count, 3)]
    return starts, [_i64(0), v.opaque(stride), v.opaque(v.builder.mul(stride, _i64(2)))]


def _emit_row(v: VectorBuilder, vectors: int, args: Any) -> None:
    """Emit the loop over K rows of this many vectors of B; of one, ``last_columns`` columns are read."""
    builder = v.builder
    a, ak, b, bk, s, c, K, last_columns, floor = args
    mask = v.mask(last_columns) if vectors == 1 else None
    sums = [cgutils.alloca_once_value(builder, v.load(v.address(s, _i64(j * v.width)), mask)) for j in range(vectors)]
    a_current, b_current = cgutils.alloca_once_value(builder, a), cgutils.alloca_once_value(builder, b)
    with cgutils.for_range(builder, K):
        a_k, b_k = v.opaque(builder.load(a_current)), v.opaque(builder.load(b_current))
        factor = v.load_broadcast(a_k)
        for j, total in enumerate(sums):
            builder.store(v.fma(factor, v.load(v.address(b_k, _i64(j * v.width)), mask), builder.load(total)), total)
        builder.store(v.address(a_k, ak), a_current)
        builder.store(v.address(b_k, bk), b_current)
    for j, total in enumerate(sums):
        v.store(v.maximum(builder.load(total), floor), v.address(c, _i64(j * v.width)), mask)


@intrinsic
def _row(typing, vectors, a, ak, b, bk, s, c, K, last_columns, floor):
    """Compute a number of ``vectors`` in ROW_TILES of a row of C, given by addresses and strides."""

    def emit(context, builder, signature, args):
        v = VectorBuilder(context, builder, signature.args[-1])
        end = builder.append_basic_block("end")
        choice = builder.switch(args[0], end)
        for vectors in ROW_TILES:
            block = builder.append_basic_block(f"row{vectors}")
            choice.add_case(_i64(vectors), block)
            builder.position_at_end(block)
            _emit_row(v, vectors, args[1:])
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 9, floor), emit


@inner_jit
def row_columns(N, K, floor):
    """Return the number of columns of a task of a product with a single row."""
    columns = ROW_TILES[0] * vector_width(floor)
    return columns // 2 if columns >= N and K * N >= HALVED else columns


@inner_jit
def row_task(A, ak, B, bk, S, C, N, K, floor, columns, task):
    """Compute ``columns`` elements of C[n] = max(S[n] + Σ_k A[k] B[k, n], floor); A[k] is at k·ak, B[k, n] at k·bk + n.

    The terms are added in the same order as in a product of more rows, so that a row has the same bits alone and among others.
    """
    width = vector_width(floor)
    n = task * columns
    end = min(n + columns, N)
    while n < end:
        left = end - n
        vectors = ROW_TILES[0]
        while vectors > 1 and left < vectors * width:
            vectors //= 2
        b, s, c = address_of(B, n), address_of(S, n), address_of(C, n)
        _row(vectors, address_of(A, 0), ak, b, bk, s, c, K, min(width, left), floor)
        n += vectors * width


def _emit_dots(v: VectorBuilder, context: Any, element: Any, rows: int, args: Any) -> None:
    """Emit the loop for this many rows of A and DOTS // rows rows of B."""
    builder = v.builder
    a, am, b, bn, s, sm, c, cm, K, floor = args
    columns = DOTS // rows
    sums = [cgutils.alloca_once_value(builder, v.zeros) for _ in range(DOTS)]
    starts, strides = _rows_of_three(v, b, bn, columns)
    a_current = [cgutils.alloca_once_value(builder, v.address(a, builder.mul(am, _i64(m)))) for m in range(rows)]
    b_current = [cgutils.alloca_once_value(builder, start) for start in starts]

    def step(mask: Any) -> None:
        """Emit the multiply-adds of one vector of each row."""
        a_k = [v.opaque(builder.load(current)) for current in a_current]
        b_k = [v.opaque(builder.load(current)) for current in b_current]
        left = [v.load(at, mask) for at in a_k]
        for j in range(columns):
            right = v.load(v.address(b_k[j // 3], strides[j % 3]), mask)
            for m in range(rows):
                total = sums[m * columns + j]
                builder.store(v.fma(left[m], right, builder.load(total)), total)
        for at, current in zip([*a_k, *b_k], [*a_current, *b_current], strict=True):
            builder.store(v.address(at, _i64(v.width)), current)

    with cgutils.for_range(builder, builder.sdiv(K, _i64(v.width))):
        step(None)
    rest = builder.srem(K, _i64(v.width))
    with builder.if_then(builder.icmp_signed(">", rest, _i64(0))):
        step(v.mask(rest))
    totals = v.sum_vectors([builder.load(total) for total in sums])
    part = VectorBuilder(context, builder, element, columns * v.itemsize)  # of the results for one row of A
    for m in range(rows):
        for n in range(0, columns, part.width):
            place = m * columns + n
            lanes = ir.Constant(
                ir.VectorType(ir.IntType(32), part.width), [place % v.width + lane for lane in range(part.width)]
            )
            vector = totals[place // v.width]
            value = builder.shuffle_vector(vector, vector, lanes)
            start = part.load(part.address(s, builder.mul(sm, _i64(m)), _i64(n)))
            value = part.maximum(builder.fadd(start, value), floor)
            part.store(value, part.address(c, builder.mul(cm, _i64(m)), _i64(n)))


@intrinsic
def _dots(typing, rows, a, am, b, bn, s, sm, c, cm, K, floor):
    """Compute DOTS // rows columns of C for 1, 2 or 4 rows, all given by addresses and strides from row to row."""

    def emit(context, builder, signature, args):
        v = VectorBuilder(context, builder, signature.args[-1])
        end = builder.append_basic_block("end")
        choice = builder.switch(args[0], end)
        for rows in (1, 2, 4):
            block = builder.append_basic_block(f"dots{rows}")
            choice.add_case(_i64(rows), block)
            builder.position_at_end(block)
            _emit_dots(v, context, signature.args[-1], rows, args[1:])
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 10, floor), emit


@inner_jit
def dots_task(A, am, B, bn, S, sm, C, cm, M, N, K, floor, columns, task):
    """Compute ``columns`` columns of C[m, n] = max(S[m, n] + Σ_k A[m, k] B[k, n], floor), where A[m, k] is at m·am + k and
    B[k, n] at k + n·bn."""
    n1 = task * columns
    n2 = min(n1 + columns, N)
    whole = n1 + (n2 - n1) // DOTS * DOTS
    for first in range(n1, whole, DOTS):
        m = 0
        while m < M:
            rows = DOT_ROWS if M - m >= DOT_ROWS else min(2, M - m)
            for n in range(first, first + DOTS, DOTS // rows):
                a, b = address_of(A, m * am), address_of(B, n * bn)
                s, c = address_of(S, m * sm + n), address_of(C, m * cm + n)
                _dots(rows, a, am, b, bn, s, sm, c, cm, K, floor)
            m += rows
    for m in range(M):
        for n in range(whole, n2):
            total = A.dtype.type(0)
            for k in range(K):
                total += A[m * am + k] * B[n * bn + k]
            total += S[m * sm + n]
            C[m * cm + n] = floor if total < floor else total


def _vectors(terms: int) -> int:
    """Return the number of vectors of each row of B that are held in registers."""
    return HELD // SHORT if terms > SHORT // 2 else 2 * HELD // SHORT


def _emit_short_sums(v: VectorBuilder, terms: int, vectors: int, args: Any) -> None:
    """Emit the loop over the rows of C for sums of this many terms; of one vector, ``last_columns`` columns are computed."""
    builder = v.builder
    a, am, ak, b, bk, s, sm, c, cm, rows, last_columns, floor = args
    mask = v.mask(last_columns) if vectors == 1 else None
    B = [
        [v.load(v.address(b, builder.mul(bk, _i64(k)), _i64(j * v.width)), mask) for j in range(vectors)] for k in range(terms)
    ]
    starts, strides = _rows_of_three(v, a, ak, terms)
    a_current = [cgutils.alloca_once_value(builder, start) for start in starts]
    s_current, c_current = cgutils.alloca_once_value(builder, s), cgutils.alloca_once_value(builder, c)
    with cgutils.for_range(builder, rows):
        a_m = [v.opaque(builder.load(current)) for current in a_current]
        s_m, c_m = v.opaque(builder.load(s_current)), v.opaque(builder.load(c_current))
        sums = [v.load(v.address(s_m, _i64(j * v.width)), mask) for j in range(vectors)]
        for k in range(terms):
            factor = v.load_broadcast(v.address(a_m[k // 3], strides[k % 3]))
            sums = [v.fma(factor, B[k][j], sums[j]) for j in range(vectors)]
        for j in range(vectors):
            v.store(v.maximum(sums[j], floor), v.address(c_m, _i64(j * v.width)), mask)
        for at, current in zip(a_m, a_current, strict=True):
            builder.store(v.address(at, am), current)
        builder.store(v.address(s_m, sm), s_current)
        builder.store(v.address(c_m, cm), c_current)


@intrinsic
def _short_sums(typing, terms, vectors, a, am, ak, b, bk, s, sm, c, cm, rows, last_columns, floor):
    """Compute ``rows`` rows of C, of one vector or as many as :func:`_vectors` says, given by addresses and strides."""

    def emit(context, builder, signature, args):
        v = VectorBuilder(context, builder, signature.args[-1])
        end = builder.append_basic_block("end")
        choice = builder.switch(builder.add(builder.mul(args[0], _i64(HELD)), args[1]), end)
        for terms in range(1, SHORT + 1):
            for vectors in {1, _vectors(terms)}:
                block = builder.append_basic_block(f"short{terms}x{vectors}")
                choice.add_case(_i64(terms * HELD + vectors), block)
                builder.position_at_end(block)
                _emit_short_sums(v, terms, vectors, args[2:])
                builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 13, floor), emit


@inner_jit
def short_sums_task(A, A_strides, B, bk, S, sm, C, cm, M, N, K, floor, rows, task):
    """Compute ``rows`` rows of C[m, n] = max(S[m, n] + Σ_k A[m, k] B[k, n], floor), where B[k, n] is at k·bk + n."""
    am, ak = A_strides
    width = vector_width(floor)
    widest = HELD // SHORT if K > SHORT // 2 else 2 * HELD // SHORT
    for m in range(task * rows, min((task + 1) * rows, M), ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, min((task + 1) * rows, M) - m)
        n = 0
        while n < N:
            vectors = widest if N - n >= widest * width else 1
            a, b, s, c = address_of(A, m * am), address_of(B, n), address_of(S, m * sm + n), address_of(C, m * cm + n)
            _short_sums(K, vectors, a, am, ak, b, bk, s, sm, c, cm, count, min(width, N - n), floor)
            n += vectors * width
