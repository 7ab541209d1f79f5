"""Products of matrices, in pieces for the team: C = max(S + A B, floor), and the same with A or B transposed.

Both operands are copied so that the innermost loop finds what it needs side by side (Goto and van de Geijn, "Anatomy of
high-performance matrix multiplication", 2008): B in panels two vectors wide, so many rows of it at a time that a panel and the
rows of A stay in the caches; a transposed A in panels of as many rows as a tile has (another A needs no copy: its rows are
read number by number). A piece is a block of C. Where several pieces need the same part of B, its panels are made before, once.
Which pieces there are depends on the sizes alone, so the bits of a product do not depend on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from pellucid.kernels.compiled.far import far
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.tiles import ROWS, tiles
from pellucid.kernels.compiled.vectors import BYTES, address, copy, numbers_in_a_vector, transpose

U = numba.uint64
DEEP = 392  # rows of B in a panel: 50 kB, which the second-level cache holds beside the rows of A
HIGH = 240  # rows of A in a piece: 376 kB of them
STRIPS = 8  # of panels in a piece
PIECE = 400_000  # multiply-adds that a piece has at least where there are rows enough: some ten microseconds
COPIED = 16  # rows that are copied at a time, panel after panel: they come from memory in one piece


@jit
def depth(K):  # type: ignore[no-untyped-def]
    """How many rows a panel has: at most DEEP, and all about as many."""
    blocks = max(1, (K + DEEP - 1) // DEEP)
    return max(1, (K + blocks - 1) // blocks)


@jit
def aligned(size, like):  # type: ignore[no-untyped-def]
    """Memory for so many numbers that begins on a cache line: a vector across two lines takes twice as long to load."""
    w = numbers_in_a_vector(like.dtype.type(0))
    memory = np.empty(size + w, like.dtype)
    return memory[-address(memory, 0) % BYTES * w // BYTES :]


@jit
def _panels(source, start, stride, rows, columns, wide, panels):  # type: ignore[no-untyped-def]
    """panels[p, k, j] = M[k, p·wide + j] for the matrix M that begins at ``start``; a panel has ``rows`` rows of ``wide``."""
    zero = source.dtype.type(0)
    for k in range(0, rows, COPIED):
        some = min(COPIED, rows - k)
        for n in range(0, columns, wide):
            here, there = address(source, start + k * stride + n), address(panels, n * rows + k * wide)
            copy(here, stride, there, wide, some, min(wide, columns - n), zero)


@jit
def _turned_panels(source, start, stride, rows, columns, wide, panels):  # type: ignore[no-untyped-def]
    """The same where M lies transposed: square blocks, and the rest number by number."""
    zero = source.dtype.type(0)
    w = numbers_in_a_vector(zero)
    whole, deep = columns // w * w, rows // w * w
    for n in range(columns):
        here, there = start + n * stride, n // wide * wide * rows + n % wide
        if n < whole and n % w == 0:
            for k in range(0, deep, w):
                transpose(address(source, here + k), stride, address(panels, there + k * wide), wide, zero)
        for k in range(deep if n < whole else 0, rows):
            panels[U(there + k * wide)] = source[U(here + k)]


@jit
def _panels_of_b(B, bk, bn, k0, k, n1, n2, panels):  # type: ignore[no-untyped-def]
    width = 2 * numbers_in_a_vector(B.dtype.type(0))
    if bn != 1:
        far(_turned_panels, (B, n1 * bn + k0, bn, k, n2 - n1, width, panels))
    else:
        far(_panels, (B, k0 * bk + n1, bk, k, n2 - n1, width, panels))


@jit
def _whole_piece(B, bk, bn, N, K, strips, panels, piece):  # type: ignore[no-untyped-def]
    """Some panels of all of B, each in its place."""
    width = 2 * numbers_in_a_vector(B.dtype.type(0))
    across = (N + width - 1) // width
    blocks = (across + strips - 1) // strips
    deep = depth(K)
    k0, n1 = piece // blocks * deep, piece % blocks * strips * width
    k = min(deep, K - k0)
    part = panels[k0 * across * width + n1 * k :]
    far(_panels_of_b, (B, bk, bn, k0, k, n1, min(N, n1 + strips * width), part))


@jit
def packed(B, bk, bn, K, N, strips):  # type: ignore[no-untyped-def]
    """All of B in panels, ``depth(K)`` rows at a time: the panel of the columns from n and the rows from k on begins at
    k·across·width + n·(its rows), for ``across`` panels of ``width`` columns. Made by the team, so many panels a piece."""
    width = 2 * numbers_in_a_vector(B.dtype.type(0))
    across = (N + width - 1) // width
    panels = aligned(K * across * width, B)
    blocks = (across + strips - 1) // strips * ((K + depth(K) - 1) // depth(K))
    share(_whole_piece, (B, bk, bn, N, K, strips, panels), blocks)
    return panels


@jit
def _piece(A, am, ak, B, bk, bn, S, sm, C, M, N, K, floor, rows, strips, whole, piece):  # type: ignore[no-untyped-def]
    zero = A.dtype.type(0)
    width = 2 * numbers_in_a_vector(zero)
    across = (N + width - 1) // width
    blocks = (across + strips - 1) // strips
    n1, m0 = piece % blocks * strips * width, piece // blocks * rows
    n2, rows = min(n1 + strips * width, N), min(rows, M - m0)
    deep = depth(K)
    pack_b = len(whole) == 0 and (bn != 1 or rows > 2 * ROWS)
    pack_a = ak != 1 and n2 - n1 > width and deep > 16
    panels = aligned(deep * strips * width if pack_b else 1, A)
    block = aligned(deep * (rows + ROWS) if pack_a else 1, A)
    none = A.dtype.type(-np.inf)
    for k0 in range(0, max(1, K), deep):
        k = min(deep, K - k0)
        if pack_a:
            far(_panels, (A, m0 * am + k0 * ak, ak, k, rows, ROWS, block))
        if pack_b:
            far(_panels_of_b, (B, bk, bn, k0, k, n1, n2, panels))
        least = floor if k0 + k == K else none
        for n0 in range(n1, n2, width):
            b, to_b = address(B, k0 * bk + n0), bk
            if len(whole):
                b, to_b = address(whole, k0 * across * width + n0 * k), width
            elif pack_b:
                b, to_b = address(panels, (n0 - n1) * k), width
            for m in range(0, rows, ROWS if pack_a else rows):
                high = min(ROWS, rows - m) if pack_a else rows
                a, to_row, to_next = address(A, m0 * am + k0 * ak), am, ak
                if pack_a:
                    a, to_row, to_next = address(block, m * k), 1, ROWS
                c = address(C, (m0 + m) * N + n0)
                s, to_s = (address(S, (m0 + m) * sm + n0), sm) if k0 == 0 else (c, N)
                tiles(high, min(width, n2 - n0), a, to_row, 0, to_next, b, 0, to_b, s, to_s, c, N, 1, k, least)


@jit
def product(A, am, ak, B, bk, bn, S, sm, C, M, N, K, floor):  # type: ignore[no-untyped-def]
    """C[m, n] = max(S[m, n] + Σ_k A[m, k] B[k, n], floor) for flat arrays: A[m, k] lies at m·am + k·ak, B[k, n] at
    k·bk + n·bn, S[m, n] at m·sm + n, C[m, n] at m·N + n. One of am and ak is 1, and one of bk and bn."""
    if M == 0 or N == 0:
        return
    width = 2 * numbers_in_a_vector(floor)
    across = (N + width - 1) // width
    parts = max((M + HIGH - 1) // HIGH, min(M * K * min(N, width) // PIECE, M // (4 * ROWS)), 1)
    rows = (M + parts - 1) // parts
    if ak != 1:  # the panels of A are as tall as a tile
        rows = (rows + ROWS - 1) // ROWS * ROWS
    parts = (M + rows - 1) // rows
    strips = max(1, min(STRIPS, across * parts // 8))
    pieces = (across + strips - 1) // strips * parts
    whole = packed(B, bk, bn, K, N, strips) if parts > 1 else np.empty(0, A.dtype)
    share(_piece, (A, am, ak, B, bk, bn, S, sm, C, M, N, K, floor, rows, strips, whole), pieces)
