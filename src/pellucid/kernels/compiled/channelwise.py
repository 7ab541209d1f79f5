"""Loops over arrays (rows, c) with few channels c, read as wide rows; and sums of each channel over all rows.

A loop over 16 channels is too short for vector instructions (measured: a quarter of the speed). So as many rows as make about
512 elements are read as one *wide row*, and per-channel values are repeated to that length. Sums have one element for each
element of a wide row and are folded to one per channel at the end. Within a block of rows, sums are accumulated in the
array's dtype; the sums of the blocks are added in float64.

The rows are divided into groups, whose number depends on the sizes alone, and the sums of the groups are added in order.
"""

from __future__ import annotations

import numpy as np

from pellucid.kernels.compiled.jit import inner_jit, u64

WIDE_ROW = u64(512)  # elements: fewer are slower, more are not faster
BLOCK_ROWS = u64(64)  # wide rows whose sums are accumulated in the array's dtype
TASK_SIZE = 16_384  # elements of a task, at least: some microseconds
MAX_GROUPS = 32
MIN_GROUP_SIZE = 65_536  # elements: starting and folding a group takes a microsecond or two


@inner_jit
def wide_row_size(size, c):
    """Return the number of elements of a wide row: a multiple of c, and at most ``size``."""
    return max(min(WIDE_ROW, u64(size)) // u64(c), u64(1)) * u64(c)


@inner_jit
def split_wide_rows(size, w):
    """Return (elements of a task, number of tasks): a task has whole wide rows."""
    per_task = max(1, TASK_SIZE // w) * w
    return per_task, (size + per_task - 1) // per_task


@inner_jit
def wide_rows(x, w, per_task, task):
    """Return the range of the starts of the wide rows of one task."""
    first = u64(task) * u64(per_task)
    return range(first, min(first + u64(per_task), u64(x.size)), w)


@inner_jit
def group_blocks(x, w, groups, group):
    """Return the range of the starts of the blocks of one group, and the group's end."""
    rows = (u64(x.size) + w - u64(1)) // w
    first, last = rows * u64(group) // u64(groups) * w, min(rows * u64(group + 1) // u64(groups) * w, u64(x.size))
    return range(first, last, w * BLOCK_ROWS), last


@inner_jit
def empty_group_sums(size, c):
    """Return uninitialized memory (groups, 2, c) for two sums of each channel and group."""
    return np.empty((max(1, min(MAX_GROUPS, size // MIN_GROUP_SIZE)), 2, c))


@inner_jit
def repeat_channels(v, w, like):
    """Return the values v of the channels repeated to the length of a wide row, in the dtype of ``like``."""
    c, out = u64(v.size), np.empty(w, like.dtype)
    for start in range(u64(0), w, c):
        for j in range(c):
            out[start + j] = v[j]
    return out


@inner_jit
def channel_products(v, wide):
    """Return v[j] wide[j] in the dtype of ``wide``. (What Numba makes of the expression v * wide takes long to compile.)"""
    out = np.empty(wide.size, wide.dtype)
    for j in range(u64(wide.size)):
        out[j] = v[j] * wide[j]
    return out


@inner_jit
def move_sums(part, total):
    """Add ``part`` to ``total`` and reset it to zero."""
    for j in range(u64(part.size)):
        total[j] += part[j]
        part[j] = 0


@inner_jit
def fold(total, out):
    """Set ``out`` to the sums of the channels, from the sums of the elements of a wide row."""
    c = u64(out.size)
    for j in range(c):
        s = 0.0
        for k in range(j, u64(total.size), c):
            s += total[k]
        out[j] = s


@inner_jit
def add_groups(sums):
    """Return the sums over all groups."""
    flat, size = sums.reshape(sums.size), u64(sums[0].size)
    for group in range(u64(1), u64(len(sums))):
        for j in range(size):
            flat[j] += flat[group * size + j]
    return sums[0]
