"""Matrix products in parallel: C = max(S + A B, floor), and the same with A or B transposed.

B is packed so that the micro-kernel reads contiguous memory (Goto and van de Geijn, "Anatomy of high-performance matrix
multiplication", 2008), in panels that are two vectors wide, and low enough that a panel and the rows of A stay in the caches. A
needs no copy, since it is read element by element: along its rows, or if it is transposed, from as many adjacent elements as a
register tile has rows (with a copy in panels of that size, such products took up to a quarter longer). A transposed A is copied
only if the caches would lose its elements before the elements beside them are read: if it is large, or if the distance of its
rows is a multiple of a large power of two. A task is a block of C. If several tasks need the same part of B, it is packed once,
before them. Otherwise the tile of the first rows of A packs what it reads, which costs nothing: its time is that of the
multiply-adds. Where the rows of B are so long that the tile would wait for memory, B is packed before. Thin matrices have loops
of their own (:mod:`pellucid.kernels.compiled.thin_products`).

A large product is computed in slabs of B, one after the other, each small enough to stay in the caches while all rows of A pass
it. Few rows of A read a large B in place: there the memory sets the time, and the order is the one in which memory is fastest.
The order and the number of tasks depend on the sizes alone, so the bits of a product do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.micro_kernel import FEW_ROWS, TILE_ROWS, WIDE, micro_kernel, packing_tile
from pellucid.kernels.compiled.simd import VECTOR_BYTES, address_of, copy_rows, prefetch_rows, transpose_block, vector_width
from pellucid.kernels.compiled.thin_products import SHORT, dots, one_row, short_sums
from pellucid.kernels.compiled.thread_pool import parallel_for

MAX_PANEL_ROWS = 512  # of B: such a panel has 64 kB, which the second-level cache holds together with the rows of A
MAX_BLOCK_ROWS = 240  # of A in a task, about: 480 kB
PANELS_PER_TASK = 8
SLAB = 1 << 18  # elements of B that are packed at a time: 1 MB
TASK_MULTIPLY_ADDS = 400_000  # at least, if there are enough rows: some ten microseconds
ROWS_PER_COPY = 16  # rows that are read at a time, panel by panel, so that memory is read in long contiguous ranges
LONG_ROW = 2_048  # elements of a row of B: from there on, a tile that reads two vectors of each row would wait for memory
FEW_DOT_ROWS = 16  # of A: more rows by a transposed B take less time with a packed B, as do sums shorter than A has rows
FAR = 1 << 23  # elements of B in place, 32 MB: from there on, reading them takes longer than the arithmetic with a few rows
FAR_A = 1 << 19  # elements from the first to the last row of a panel in a transposed A, from where on it is copied: 2 MB
# Rows of a transposed A that are a multiple of SAME_SETS elements apart begin at few places in the sets of the first-level
# cache, which loses them to each other (measured for 512 × 512 by 512 × 512 with AVX2: 67 instead of 91 GFLOP/s). Then A is
# copied, if the sum has LONG_SUM terms or more. A row of the copy is an odd number of cache lines, of LINE elements, long.
SAME_SETS, LONG_SUM, LINE = 256, 16, 16
ROWS_PER_A_COPY = 4  # the lines of so few rows remain in the cache while vector after vector of them is copied


@inner_jit
def panel_rows(K):
    """Return the number of rows of a panel: at most MAX_PANEL_ROWS, and about the same in all panels."""
    blocks = max(1, (K + MAX_PANEL_ROWS - 1) // MAX_PANEL_ROWS)
    return max(1, (K + blocks - 1) // blocks)


@inner_jit
def aligned_empty(size, like):
    """Return uninitialized memory that begins at a cache line: loading a vector across two lines takes twice as long."""
    width = vector_width(like.dtype.type(0))
    memory = np.empty(size + width, like.dtype)
    return memory[-address_of(memory, 0) % VECTOR_BYTES * width // VECTOR_BYTES :]


@inner_jit
def _pack(source, start, stride, rows, columns, wide, panels):
    """Set panels[p, k, j] = M[k, p·wide + j] for the matrix M that begins at ``start``; a panel has ``rows`` rows."""
    zero = source.dtype.type(0)
    for k in range(0, rows, ROWS_PER_COPY):
        count = min(ROWS_PER_COPY, rows - k)
        for n in range(0, columns, wide):
            from_, to = address_of(source, start + k * stride + n), address_of(panels, n * rows + k * wide)
            copy_rows(from_, stride, to, wide, count, min(wide, columns - n), zero)


@inner_jit
def _pack_transposed(source, start, stride, rows, columns, wide, panels):
    """Do the same for a matrix M that is stored transposed: in square blocks, and the rest element by element."""
    zero = source.dtype.type(0)
    width = vector_width(zero)
    whole_columns, whole_rows = columns // width * width, rows // width * width
    for n in range(columns):
        from_, to = start + n * stride, n // wide * wide * rows + n % wide
        if n < whole_columns and n % width == 0:
            for k in range(0, whole_rows, width):
                transpose_block(address_of(source, from_ + k), stride, address_of(panels, to + k * wide), wide, zero)
        for k in range(whole_rows if n < whole_columns else 0, rows):
            panels[u64(to + k * wide)] = source[u64(from_ + k)]


@inner_jit
def _pack_b(B, B_strides, k0, k, n1, n2, panels):
    """Pack ``k`` rows of B from ``k0`` on, columns ``n1`` to ``n2``."""
    bk, bn = B_strides
    width = 2 * vector_width(B.dtype.type(0))
    if bn != 1:
        indirect_call(_pack_transposed, (B, n1 * bn + k0, bn, k, n2 - n1, width, panels))
    else:
        indirect_call(_pack, (B, k0 * bk + n1, bk, k, n2 - n1, width, panels))


@inner_jit
def _pack_task(B, B_strides, N, K, per_task, panels, task):
    """Pack ``per_task`` panels of B, each into its place."""
    width = 2 * vector_width(B.dtype.type(0))
    across = (N + width - 1) // width
    blocks = (across + per_task - 1) // per_task
    deep = panel_rows(K)
    k0, n1 = task // blocks * deep, task % blocks * per_task * width
    k = min(deep, K - k0)
    part = panels[k0 * across * width + n1 * k :]
    indirect_call(_pack_b, (B, B_strides, k0, k, n1, min(N, n1 + per_task * width), part))


@inner_jit
def pack(B, B_strides, K, N, per_task, more):
    """Return all of B in panels of ``panel_rows(K)`` rows, packed in parallel, ``per_task`` panels in a task. Uninitialized
    memory for ``more`` elements follows them.

    The panel of the columns from n on and the rows from k on begins at k·across·width + n·(its rows), for ``across`` panels of
    ``width`` columns.
    """
    width = 2 * vector_width(B.dtype.type(0))
    across = (N + width - 1) // width
    panels = aligned_empty(K * across * width + more, B)
    tasks = (across + per_task - 1) // per_task * ((K + panel_rows(K) - 1) // panel_rows(K))
    parallel_for(_pack_task, (B, B_strides, N, K, per_task, panels), tasks)
    return panels


@inner_jit
def _copy_rows_of_a(A, start, row, rows, columns, copy, copied_row):
    """Copy ``rows`` rows of a transposed A; ``row`` and ``copied_row`` are the distances from row to row."""
    for first in range(0, rows, ROWS_PER_A_COPY):
        from_, to = address_of(A, start + first * row), address_of(copy, first * copied_row)
        copy_rows(from_, row, to, copied_row, min(ROWS_PER_A_COPY, rows - first), columns, A.dtype.type(0))


@inner_jit
def _copy_task(A, row, K, columns, copy, copied_row, task):
    """Copy ROWS_PER_COPY of the K rows of a transposed A."""
    first = task * ROWS_PER_COPY
    rows = min(ROWS_PER_COPY, K - first)
    indirect_call(_copy_rows_of_a, (A, first * row, row, rows, columns, copy[first * copied_row :], copied_row))


@inner_jit
def _matmul_task(A, A_strides, B, B_strides, S, sm, C, cm, M, N, K, floor, rows, per_task, packed, copy_a, task):
    """Compute one block of C: ``rows`` rows, and the columns of ``per_task`` panels. ``packed`` is all of B, or empty."""
    (am, ak), (bk, bn) = A_strides, B_strides
    zero, no_floor = A.dtype.type(0), A.dtype.type(-np.inf)
    width = 2 * vector_width(zero)
    itemsize = 2 * VECTOR_BYTES // width
    across = (N + width - 1) // width
    blocks = (across + per_task - 1) // per_task
    n1, m0 = task % blocks * per_task * width, task // blocks * rows
    n2, rows = min(n1 + per_task * width, N), min(rows, M - m0)
    deep = panel_rows(K)
    pack_b = len(packed) == 0 and (bn != 1 or rows > (TILE_ROWS if bk >= LONG_ROW else 2 * TILE_ROWS))
    pack_in_tile = pack_b and bn == 1 and bk < LONG_ROW
    far = len(packed) == 0 and not pack_b and K * N >= FAR
    if far:
        deep = ROWS_PER_COPY
    b_size = deep * per_task * width if pack_b else 1
    b_panels = aligned_empty(b_size + (deep * rows if copy_a else 0), A)  # and after them the block of A
    for k0 in range(0, max(1, K), deep):
        k = min(deep, K - k0)
        if pack_b and not pack_in_tile:
            indirect_call(_pack_b, (B, B_strides, k0, k, n1, n2, b_panels))
        a, a_stride = address_of(A, m0 * am + k0 * ak), ak
        if copy_a:
            indirect_call(_copy_rows_of_a, (A, m0 + k0 * ak, ak, k, rows, b_panels[b_size:], rows))
            a, a_stride = address_of(b_panels, b_size), rows
        lowest = floor if k0 + k == K else no_floor
        wide = WIDE // 2 * width if rows <= FEW_ROWS and bn == 1 and len(packed) == 0 else width
        n0 = n1
        while n0 < n2:
            columns = wide if n2 - n0 >= wide else min(width, n2 - n0)
            b, b_stride = address_of(B, k0 * bk + n0), bk
            if len(packed):
                b, b_stride = address_of(packed, k0 * across * width + n0 * k), width
            elif pack_b:
                b, b_stride = address_of(b_panels, (n0 - n1) * k), width
            elif far:
                prefetch_rows(address_of(B, (k0 + deep) * bk + n0), bk, min(deep, K - k0 - deep), columns, zero)
            c = address_of(C, m0 * cm + n0)
            s, s_stride = (address_of(S, m0 * sm + n0), sm) if k0 == 0 else (c, cm)
            below, left = a, rows
            if pack_in_tile:  # the tile of the first rows packs the panel that it reads
                source = (address_of(B, k0 * bk + n0), bk, b)
                packing_tile(columns, (a, am, 0, a_stride), source, (s, s_stride), (c, cm), k, lowest)
                below, left = a + TILE_ROWS * am * itemsize, rows - TILE_ROWS
                s, c = s + TILE_ROWS * s_stride * itemsize, c + TILE_ROWS * cm * itemsize
            micro_kernel(
                left,
                columns,
                (below, am, 0, a_stride),
                (b, 0, b_stride),
                (s, s_stride),
                (c, cm),
                (1, k),
                lowest,
            )
            n0 += columns


@inner_jit
def _product(A, A_strides, B, B_strides, S, sm, C, cm, shape, floor):
    """Do the same as :func:`matmul`, with C[m, n] at m·cm + n."""
    M, N, K = shape
    width = 2 * vector_width(floor)
    across = (N + width - 1) // width
    blocks = max(
        (M + MAX_BLOCK_ROWS - 1) // MAX_BLOCK_ROWS, min(M * K * min(N, width) // TASK_MULTIPLY_ADDS, M // (4 * TILE_ROWS)), 1
    )
    if M <= MAX_BLOCK_ROWS and across >= 8:
        blocks = 1
    blocks = blocks // 4 * 4 if blocks > 8 else (blocks + 1) // 2 * 2 if blocks > 1 else 1
    rows = (M + blocks - 1) // blocks
    blocks = (M + rows - 1) // rows
    far = K * N >= FAR and M <= 2 * TILE_ROWS and B_strides[1] == 1
    copy_a = A_strides[0] == 1 and panel_rows(K) * A_strides[1] >= FAR_A and across >= PANELS_PER_TASK
    per_task = max(1, min(2 * PANELS_PER_TASK if far or copy_a else PANELS_PER_TASK, across * blocks // (4 if far else 8)))
    across_tasks = (across + per_task - 1) // per_task
    per_task = (across + across_tasks - 1) // across_tasks
    if M <= FEW_ROWS:  # whole wide tiles
        per_task = (per_task + WIDE // 2 - 1) // (WIDE // 2) * (WIDE // 2)
    tasks = (across + per_task - 1) // per_task * blocks
    copied_row, same_sets = (M // LINE + 1 | 1) * LINE, A_strides[0] == 1 and A_strides[1] % SAME_SETS == 0
    copy_all = same_sets and not copy_a and K >= LONG_SUM and across >= PANELS_PER_TASK and blocks > 1
    packed = pack(B, B_strides, K, N, per_task, K * copied_row if copy_all else 0) if blocks > 1 else np.empty(0, A.dtype)
    if copy_all:  # after the panels: two pieces of memory might be returned to the system after each product
        copy = packed[K * across * width :]
        parallel_for(_copy_task, (A, A_strides[1], K, M, copy, copied_row), (K + ROWS_PER_COPY - 1) // ROWS_PER_COPY)
        A, A_strides = copy, (1, copied_row)
    arguments = (A, A_strides, B, B_strides, S, sm, C, cm, M, N, K, floor, rows, per_task, packed, copy_a)
    parallel_for(_matmul_task, arguments, tasks)


@jit
def matmul(A, A_strides, B, B_strides, S, S_stride, C, shape, floor):
    """C[m, n] = max(S[m, n] + Σ_k A[m, k] B[k, n], floor) for flat arrays and ``shape`` (M, N, K).

    With A_strides (am, ak) and B_strides (bk, bn), A[m, k] is at m·am + k·ak, B[k, n] at k·bk + n·bn, S[m, n] at m·S_stride + n
    and C[m, n] at m·N + n. One of am and ak is 1, and one of bk and bn.
    """
    (M, N, K), (bk, bn), no_floor = shape, B_strides, A.dtype.type(-np.inf)
    if M == 0 or N == 0:
        return
    if M == 1 and bn == 1:
        indirect_call(one_row, (A, A_strides[1], B, bk, S, C, N, K, floor))
    elif K <= SHORT and bn == 1 and K > 0:
        indirect_call(short_sums, (A, A_strides, B, bk, S, S_stride, C, M, N, K, floor))
    elif min(FEW_DOT_ROWS, K) >= M and A_strides[1] == 1 and bn != 1 and bk == 1:
        indirect_call(dots, (A, A_strides[0], B, bn, S, S_stride, C, M, N, K, floor))
    elif M <= MAX_BLOCK_ROWS or K * N <= SLAB:
        indirect_call(_product, (A, A_strides, B, B_strides, S, S_stride, C, N, shape, floor))
    else:
        deep, width = panel_rows(K), 2 * vector_width(floor)
        chunks = (N * deep + SLAB - 1) // SLAB
        wide = ((N + chunks - 1) // chunks + width - 1) // width * width
        for n1 in range(0, N, wide):
            for k0 in range(0, K, deep):
                n, k = min(wide, N - n1), min(deep, K - k0)
                a, b, c = A[k0 * A_strides[1] :], B[k0 * bk + n1 * bn :], C[n1:]
                start, stride = (S[n1:], S_stride) if k0 == 0 else (c, N)
                lowest = floor if k0 + k == K else no_floor
                indirect_call(_product, (a, A_strides, b, B_strides, start, stride, c, N, (M, n, k), lowest))
