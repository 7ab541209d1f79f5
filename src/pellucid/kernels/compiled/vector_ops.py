"""The kernels on flat vectors and on columns of matrices: sums, copies, scaling, penalties, clipping. Each is one pass, in
place where it changes a vector."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.ordered import sum_in_order
from pellucid.kernels.compiled.reductions import SHORT_SUM
from pellucid.kernels.compiled.simd import add_rows, address_of, copy_rows
from pellucid.kernels.compiled.thread_pool import CHUNK, chunk, num_chunks, parallel_for

SMALLEST_SUM = 1e-25  # a smaller sum may lack squares that are zero in float32; an infinite one, squares that overflowed
CHECK_CHUNK = 65_536  # elements in one task of all_finite, which only reads
COLUMNS_PER_TASK = u64(64)


@inner_jit
def _sum_of_squares_task(g, sums, task):
    first = u64(task) * u64(CHUNK)
    last = min(first + u64(CHUNK), u64(g.size))
    total = 0.0
    for start in range(first, last, u64(SHORT_SUM)):
        part = g.dtype.type(0)
        for i in range(start, min(start + u64(SHORT_SUM), last)):
            part += g[i] * g[i]
        total += part
    sums[task] = total


@inner_jit
def _wide_sum_of_squares(g):
    total = 0.0
    for i in range(u64(g.size)):
        total += np.float64(g[i]) * np.float64(g[i])
    return total


@jit
def sum_of_squares(g):
    sums = np.zeros(num_chunks(g))
    parallel_for(_sum_of_squares_task, (g, sums), len(sums))
    total = sum_in_order(sums)
    if SMALLEST_SUM < total < math.inf:
        return total
    return _wide_sum_of_squares(g)


@inner_jit
def _all_finite_task(x, sums, task):
    zero = total = x.dtype.type(0)
    first = u64(task) * u64(CHECK_CHUNK)
    for i in range(first, min(first + u64(CHECK_CHUNK), u64(x.size))):
        total += x[i] * zero  # NaN and infinity times 0 are NaN, and a sum with NaN is NaN
    sums[task] = total


@jit
def _all_finite(x):
    """Return 0, or NaN if there is an element that is NaN or infinite."""
    sums = np.empty((x.size + CHECK_CHUNK - 1) // CHECK_CHUNK, x.dtype)
    parallel_for(_all_finite_task, (x, sums), len(sums))
    total = x.dtype.type(0)
    for i in range(len(sums)):
        total += sums[i]
    return np.float64(total)


def all_finite(x: Array) -> bool:
    return bool(_all_finite(x.reshape(-1)) == 0)


@inner_jit
def _scale_task(g, factor, task):
    for i in chunk(g, task):
        g[i] *= factor


@jit
def scale(g, factor):
    parallel_for(_scale_task, (g, g.dtype.type(factor)), num_chunks(g))


@inner_jit
def _add_task(total, other, task):
    for i in chunk(total, task):
        total[i] += other[i]


@jit
def add(total, other):
    parallel_for(_add_task, (total, other), num_chunks(total))


@inner_jit
def _copy_task(source, target, task):
    for i in chunk(target, task):
        target[i] = source[i]


@jit
def copy(source, target):
    parallel_for(_copy_task, (source, target), num_chunks(target))


@inner_jit
def _rows_per_task(matrix):
    return max(1, CHUNK // max(1, matrix.shape[1]))


@inner_jit
def _columns_task(source, target, add, task):
    """Copy or add some rows of a matrix. The rows of both matrices may be parts of longer ones."""
    zero, rows = target.dtype.type(0), _rows_per_task(target)
    first = task * rows
    from_row, to_row = source.strides[0] // target.itemsize, target.strides[0] // target.itemsize
    from_, to = address_of(source, first * from_row), address_of(target, first * to_row)
    count = min(rows, target.shape[0] - first)
    if add:
        add_rows(from_, from_row, to, to_row, count, target.shape[1], zero)
    else:
        copy_rows(from_, from_row, to, to_row, count, target.shape[1], zero)


@jit
def _columns(source, target, add):
    rows = _rows_per_task(target)
    parallel_for(_columns_task, (source, target, add), (target.shape[0] + rows - 1) // rows)


def copy_columns(source: Array, target: Array) -> None:
    _columns(source, target, False)


def add_columns(total: Array, other: Array) -> None:
    _columns(other, total, True)


@inner_jit
def _add_scaled_task(g, theta, factor, task):
    for i in chunk(g, task):
        g[i] += factor * theta[i]


@jit
def add_scaled(g, theta, factor):
    parallel_for(_add_scaled_task, (g, theta, g.dtype.type(factor)), num_chunks(g))


@inner_jit
def _add_penalty_task(g, theta, l1, l2, task):
    zero, one = g.dtype.type(0), g.dtype.type(1)
    for i in chunk(g, task):
        w = theta[i]
        sign = one if w > zero else (-one if w < zero else zero)
        g[i] += l1 * sign + l2 * w


@jit
def add_penalty(g, theta, l1, l2):
    parallel_for(_add_penalty_task, (g, theta, g.dtype.type(l1), g.dtype.type(l2)), num_chunks(g))


@inner_jit
def _clip_task(g, limit, task):
    for i in chunk(g, task):
        x = g[i]
        x = limit if x > limit else x
        g[i] = -limit if x < -limit else x


@jit
def clip(g, limit):
    parallel_for(_clip_task, (g, g.dtype.type(limit)), num_chunks(g))


@jit
def clip_norm(g, limit, squares):
    norm = math.sqrt(squares[0] if squares.size else sum_of_squares(g))
    if norm > limit:
        indirect_call(scale, (g, limit / norm))


@inner_jit
def _clip_column_norms_task(W, limit, factors, task):
    """Compute the factors of some columns, and scale these columns; the loops run row by row, in the order of memory."""
    n, k, flat = u64(W.shape[0]), u64(W.shape[1]), W.reshape(-1)
    first = u64(task) * COLUMNS_PER_TASK
    some = factors[first : min(first + COLUMNS_PER_TASK, k)]
    for row in range(n):
        start = row * k + first
        for j in range(u64(some.size)):
            some[j] += np.float64(flat[start + j]) * np.float64(flat[start + j])
    for j in range(u64(some.size)):
        some[j] = limit / math.sqrt(some[j]) if some[j] > limit * limit else 1.0
    for row in range(n):
        start = row * k + first
        for j in range(u64(some.size)):
            flat[start + j] *= W.dtype.type(some[j])


@jit
def clip_column_norms(W, limit):
    factors = np.zeros(W.shape[1])
    parallel_for(_clip_column_norms_task, (W, limit, factors), (W.shape[1] + COLUMNS_PER_TASK - 1) // COLUMNS_PER_TASK)
