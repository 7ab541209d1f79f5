"""Products of matrices, in pieces for the team: C = max(S + A B, floor), and the same with A or B transposed.

A piece is a block of C. Strip by strip, two vectors wide, its part of B is copied into a panel, so many rows of it at a time
that they stay in the second-level cache, with the rows of A, which are used from strip to strip
(Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008). A transposed B is turned on the way, a
transposed A copied together. Which pieces there are depends on the sizes alone, so the bits of a product do not depend on the
number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.tiles import ROWS, tiles
from pellucid.kernels.compiled.vectors import BYTES, address, copy, numbers_in_a_vector, transpose

U = numba.uint64
DEEP = 392  # rows of B in a panel: 50 kB, which the second-level cache holds beside the block of A
BLOCK = 400_000  # bytes of A in a block: less than half of the second-level cache
STRIPS = 4  # of a block
PIECE = 400_000  # multiply-adds that a piece has at least where there are rows enough: some ten microseconds


@jit
def _turned(B, start, stride, rows, columns, panel, wide):  # type: ignore[no-untyped-def]
    """panel[k, n] = B[n, k]: in square blocks, and the rest number by number."""
    zero = B.dtype.type(0)
    w = numbers_in_a_vector(zero)
    whole, deep = columns // w * w, rows // w * w
    for n in range(0, whole, w):
        for k in range(0, deep, w):
            transpose(address(B, start + n * stride + k), stride, address(panel, k * wide + n), wide, zero)
    for n in range(columns):
        for k in range(deep if n < whole else 0, rows):
            panel[U(k * wide + n)] = B[U(start + n * stride + k)]


@jit
def _aligned(size, like):  # type: ignore[no-untyped-def]
    """Memory for so many numbers that begins on a cache line: a vector across two lines takes twice as long to load."""
    w = numbers_in_a_vector(like.dtype.type(0))
    memory = np.empty(size + w, like.dtype)
    return memory[-address(memory, 0) % BYTES * w // BYTES :]


@jit
def _piece(A, am, ak, B, bk, turned, S, sm, C, M, N, K, floor, rows, strips, piece):  # type: ignore[no-untyped-def]
    zero = A.dtype.type(0)
    width = 2 * numbers_in_a_vector(zero)
    across = (N + strips * width - 1) // (strips * width)
    n1, m0 = piece % across * strips * width, piece // across * rows
    n2, rows = min(n1 + strips * width, N), min(rows, M - m0)
    blocks = (K + DEEP - 1) // DEEP
    deep = (K + blocks - 1) // blocks if blocks else 0
    pack_b = turned or rows > 2 * ROWS
    pack_a = ak != 1 and n2 - n1 > width and deep > 16
    panel = _aligned(deep * width if pack_b else 1, A)
    block = _aligned(deep * rows if pack_a else 1, A)
    none = A.dtype.type(-np.inf)
    for k0 in range(0, max(1, K), max(1, deep)):
        k = min(deep, K - k0)
        a, to_row, to_next = address(A, m0 * am + k0 * ak), am, ak
        if pack_a:
            copy(a, ak, address(block, 0), rows, k, rows, zero)
            a, to_row, to_next = address(block, 0), 1, rows
        least = floor if k0 + k == K else none
        for n0 in range(n1, n2, width):
            columns = min(width, n2 - n0)
            b, to_b = address(B, k0 * bk + n0), bk
            if turned:
                _turned(B, n0 * bk + k0, bk, k, columns, panel, width)
            elif pack_b:
                copy(b, bk, address(panel, 0), width, k, columns, zero)
            if pack_b:
                b, to_b = address(panel, 0), width
            c = address(C, m0 * N + n0)
            s, to_s = (address(S, m0 * sm + n0), sm) if k0 == 0 else (c, N)
            tiles(rows, columns, a, to_row, 0, to_next, b, 0, to_b, s, to_s, c, N, 1, k, least)


@jit
def product(A, am, ak, B, bk, turned, S, sm, C, M, N, K, floor):  # type: ignore[no-untyped-def]
    """C[m, n] = max(S[m, n] + Σ_k A[m, k] B[k, n], floor) for flat arrays: A[m, k] lies at m·am + k·ak, B[k, n] at k·bk + n
    or, ``turned``, at n·bk + k, S[m, n] at m·sm + n, C[m, n] at m·N + n. One of am and ak is 1."""
    if M == 0 or N == 0:
        return
    width = 2 * numbers_in_a_vector(floor)
    across = (N + width - 1) // width
    most = max(4 * ROWS, BLOCK // (A.itemsize * max(1, K)) // ROWS * ROWS)
    parts = max((M + most - 1) // most, min(M * K * min(N, width) // PIECE, M // (4 * ROWS)), 1)
    rows = ((M + parts - 1) // parts + ROWS - 1) // ROWS * ROWS
    parts = (M + rows - 1) // rows
    strips = max(1, min(STRIPS, across * parts // 8))
    pieces = (across + strips - 1) // strips * parts
    share(_piece, (A, am, ak, B, bk, turned, S, sm, C, M, N, K, floor, rows, strips), pieces)
