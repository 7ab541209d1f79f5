"""Columns of matrices with few of them, read as wide rows, in pieces for the team and in groups for sums.

A loop over 16 columns is too short to be worth vector instructions (measured: a quarter of the speed). So as many rows as
make some 512 numbers are read as one wide row, with the columns' figures repeated; sums have one place for each number of
the wide row and are folded at the end. Sums of a block of rows are taken in the array's dtype, of the blocks in float64.

A sum over all rows is taken in groups, whose number depends on the sizes alone, and these are added in their order.
"""

from __future__ import annotations

import numba
import numpy as np

from pellucid.kernels.compiled.jit import jit

U = numba.uint64
WIDTH = U(512)  # numbers: less is slower, more no faster
BLOCK = U(64)  # wide rows
PIECE = 16_384  # numbers that a piece has at least: some microseconds
SUMS = 32  # groups of a sum, or fewer, so that each has
SUMMED = 65_536  # numbers: beginning and folding a group takes a microsecond or two


@jit
def width_of(size, c):  # type: ignore[no-untyped-def]
    """The length of a wide row: a multiple of c, and no more than there is."""
    return max(min(WIDTH, U(size)) // U(c), U(1)) * U(c)


@jit
def pieces_of(size, w):  # type: ignore[no-untyped-def]
    """(numbers of a piece, pieces): whole wide rows."""
    numbers = max(1, PIECE // w) * w
    return numbers, (size + numbers - 1) // numbers


@jit
def stretch(x, w, numbers, piece):  # type: ignore[no-untyped-def]
    """Where the wide rows of one piece begin."""
    first = U(piece) * U(numbers)
    return range(first, min(first + U(numbers), U(x.size)), w)


@jit
def group(x, w, groups, piece):  # type: ignore[no-untyped-def]
    """Where the blocks of one group begin, and its end."""
    rows = (U(x.size) + w - U(1)) // w
    first, last = rows * U(piece) // U(groups) * w, min(rows * U(piece + 1) // U(groups) * w, U(x.size))
    return range(first, last, w * BLOCK), last


@jit
def two_sums(size, c):  # type: ignore[no-untyped-def]
    """A place for two sums of each column and group."""
    return np.empty((max(1, min(SUMS, size // SUMMED)), 2, c))


@jit
def repeated(v, w, like):  # type: ignore[no-untyped-def]
    """The column's figures for each number of a wide row, in the dtype of ``like``."""
    c, out = U(v.size), np.empty(w, like.dtype)
    for start in range(U(0), w, c):
        for j in range(c):
            out[start + j] = v[j]
    return out


@jit
def take_over(part, total):  # type: ignore[no-untyped-def]
    """total += part, and part is zero again."""
    for j in range(U(part.size)):
        total[j] += part[j]
        part[j] = 0


@jit
def fold(total, out):  # type: ignore[no-untyped-def]
    """The sums of the columns from those of a wide row."""
    c = U(out.size)
    for j in range(c):
        s = 0.0
        for k in range(j, U(total.size), c):
            s += total[k]
        out[j] = s


@jit
def added(sums):  # type: ignore[no-untyped-def]
    """The sums of all groups."""
    total = sums[0]
    for row in range(1, len(sums)):
        total += sums[row]
    return total
