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

from functools import partial
from typing import Any

from pellucid.kernels.compiled.jit import inner_jit, ordered_jit, u64
from pellucid.kernels.compiled.simd import VECTOR_BYTES, VectorBuilder, address_of, emit_cases, vector_width
from pellucid.kernels.compiled.thread_pool import parallel_for
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
# A single row of C is computed in tasks of ROW_TILES[0] vectors. Where one such task would be the only one and B has HALVED
# elements or more (some five microseconds), a task has half as many vectors. Where B has more than LARGE elements and N is at
# least 2·LARGE_COLUMNS, a task has LARGE_COLUMNS columns.
HALVED, LARGE, LARGE_COLUMNS = 1 << 17, 1 << 18, 512


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
        emit_cases(builder, args[0], {count: partial(_emit_row, v, count, args[1:]) for count in ROW_TILES})
        return context.get_dummy_value()

    return types.void(*[types.int64] * 9, floor), emit


@ordered_jit
def _large_row_task(A, ak, B, bk, S, C, N, K, floor, task):
    """Compute LARGE_COLUMNS elements of a product of one row. Each element of B is used once: as fast as memory is read."""
    n1 = task * LARGE_COLUMNS
    n = u64(min(LARGE_COLUMNS, N - n1))
    start = u64(n1)
    for j in range(n):
        C[start + j] = S[start + j]
    whole = K // 4 * 4
    for k in range(0, whole, 4):
        a0, a1, a2, a3 = A[u64(k * ak)], A[u64((k + 1) * ak)], A[u64((k + 2) * ak)], A[u64((k + 3) * ak)]
        b0, b1, b2, b3 = u64(k * bk + n1), u64((k + 1) * bk + n1), u64((k + 2) * bk + n1), u64((k + 3) * bk + n1)
        for j in range(n):
            C[start + j] = C[start + j] + a0 * B[b0 + j] + a1 * B[b1 + j] + a2 * B[b2 + j] + a3 * B[b3 + j]
    for k in range(whole, K):
        a0, b0 = A[u64(k * ak)], u64(k * bk + n1)
        for j in range(n):
            C[start + j] += a0 * B[b0 + j]
    for j in range(n):
        C[start + j] = floor if C[start + j] < floor else C[start + j]


@inner_jit
def _row_task(A, ak, B, bk, S, C, N, K, floor, columns, task):
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


@inner_jit
def one_row(A, ak, B, bk, S, C, N, K, floor):
    """C[n] = max(S[n] + Σ_k A[k] B[k, n], floor); A[k] is at k·ak, B[k, n] at k·bk + n."""
    if K * N > LARGE and N >= 2 * LARGE_COLUMNS:
        parallel_for(_large_row_task, (A, ak, B, bk, S, C, N, K, floor), (N + LARGE_COLUMNS - 1) // LARGE_COLUMNS)
    else:
        columns = ROW_TILES[0] * vector_width(floor)
        if columns >= N and K * N >= HALVED:
            columns //= 2
        parallel_for(_row_task, (A, ak, B, bk, S, C, N, K, floor, columns), (N + columns - 1) // columns)


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
        element = signature.args[-1]
        emit_cases(builder, args[0], {count: partial(_emit_dots, v, context, element, count, args[1:]) for count in (1, 2, 4)})
        return context.get_dummy_value()

    return types.void(*[types.int64] * 10, floor), emit


@inner_jit
def _dots_task(A, am, B, bn, S, sm, C, cm, M, N, K, floor, columns, task):
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


@inner_jit
def dots(A, am, B, bn, S, sm, C, M, N, K, floor):
    """C[m, n] = max(S[m, n] + Σ_k A[m, k] B[k, n], floor), where A[m, k] is at m·am + k and B[k, n] at k + n·bn."""
    columns = max(1, TASK_ELEMENTS // (K * DOTS)) * DOTS
    parallel_for(_dots_task, (A, am, B, bn, S, sm, C, N, M, N, K, floor, columns), (N + columns - 1) // columns)


def _most_vectors(terms: int) -> int:
    """Return the number of vectors of each row of B that are held in registers, in a sum of this many terms."""
    return HELD // SHORT if terms > SHORT // 2 else 2 * HELD // SHORT


_vectors_held = inner_jit(_most_vectors)


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
    """Compute ``rows`` rows of C, of one vector or as many as :func:`_most_vectors` says, given by addresses and strides."""

    def emit(context, builder, signature, args):
        v = VectorBuilder(context, builder, signature.args[-1])
        sizes = [(count, width) for count in range(1, SHORT + 1) for width in (1, _most_vectors(count))]
        number = builder.add(builder.mul(args[0], _i64(HELD)), args[1])
        emit_cases(
            builder,
            number,
            {count * HELD + width: partial(_emit_short_sums, v, count, width, args[2:]) for count, width in sizes},
        )
        return context.get_dummy_value()

    return types.void(*[types.int64] * 13, floor), emit


@inner_jit
def _short_sums_task(A, A_strides, B, bk, S, sm, C, cm, M, N, K, floor, rows, task):
    """Compute ``rows`` rows of C[m, n] = max(S[m, n] + Σ_k A[m, k] B[k, n], floor), where B[k, n] is at k·bk + n."""
    am, ak = A_strides
    width = vector_width(floor)
    widest = _vectors_held(K)
    for m in range(task * rows, min((task + 1) * rows, M), ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, min((task + 1) * rows, M) - m)
        n = 0
        while n < N:
            vectors = widest if N - n >= widest * width else 1
            a, b, s, c = address_of(A, m * am), address_of(B, n), address_of(S, m * sm + n), address_of(C, m * cm + n)
            _short_sums(K, vectors, a, am, ak, b, bk, s, sm, c, cm, count, min(width, N - n), floor)
            n += vectors * width


@inner_jit
def short_sums(A, A_strides, B, bk, S, sm, C, M, N, K, floor):
    """C[m, n] = max(S[m, n] + Σ_k A[m, k] B[k, n], floor) for 1 to SHORT terms, where B[k, n] is at k·bk + n."""
    rows = max(1, min(M, TASK_ELEMENTS // N))
    parallel_for(_short_sums_task, (A, A_strides, B, bk, S, sm, C, N, M, N, K, floor, rows), (M + rows - 1) // rows)
