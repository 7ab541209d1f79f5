"""The kernels that read chosen rows of an array (gather) or add to them (scatter)."""

from __future__ import annotations

import math

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.thread_pool import parallel_for

TASK_SIZE = 16_384  # elements: some microseconds
COLUMNS_PER_TASK = 64  # of a scatter: whole cache lines


@inner_jit
def _rows_per_task(out):
    return max(1, TASK_SIZE // max(1, out.shape[1]))


@inner_jit
def _gather_task(x, rows, out, count, task):
    c, X, O = u64(out.shape[1]), x.reshape(x.size), out.reshape(out.size)
    for i in range(u64(task) * u64(count), min(u64(task + 1) * u64(count), u64(out.shape[0]))):
        start = u64(rows[i]) * c
        for j in range(c):
            O[i * c + j] = X[start + j]


@jit
def _gather(x, rows, out):
    count = _rows_per_task(out)
    parallel_for(_gather_task, (x, rows, out, count), (out.shape[0] + count - 1) // count)


@inner_jit
def _gather_scaled_task(x, rows, factor, out, count, task):
    c, X, O = u64(out.shape[1]), x.reshape(x.size), out.reshape(out.size)
    for i in range(u64(task) * u64(count), min(u64(task + 1) * u64(count), u64(out.shape[0]))):
        start = u64(rows[i]) * c
        for j in range(c):
            O[i * c + j] = factor * X[start + j]


@jit
def _gather_scaled(x, rows, factor, out):
    count = _rows_per_task(out)
    parallel_for(_gather_scaled_task, (x, rows, factor, out, count), (out.shape[0] + count - 1) // count)


@inner_jit
def _scatter_add_task(values, rows, out, task):
    """Add to some columns of all rows; rows may repeat, so they cannot be divided among tasks."""
    c, V, O = u64(out.shape[1]), values.reshape(values.size), out.reshape(out.size)
    first = u64(task) * u64(COLUMNS_PER_TASK)
    last = min(first + u64(COLUMNS_PER_TASK), c)
    for i in range(u64(rows.size)):
        start = u64(rows[i]) * c
        for j in range(first, last):
            O[start + j] += V[i * c + j]


@jit
def _scatter_add(values, rows, out):
    parallel_for(_scatter_add_task, (values, rows, out), (out.shape[1] + COLUMNS_PER_TASK - 1) // COLUMNS_PER_TASK)


def _as_rows(x: Array) -> Array:
    return x.reshape(len(x), math.prod(x.shape[1:]))  # not −1: there may be no rows


def gather(x: Array, rows: Array, out: Array) -> Array:
    _gather(_as_rows(x), rows, _as_rows(out))
    return out


def gather_scaled(x: Array, rows: Array, factor: float, out: Array) -> Array:
    _gather_scaled(_as_rows(x), rows, out.dtype.type(factor), _as_rows(out))
    return out


def scatter_add(values: Array, rows: Array, out: Array) -> Array:
    _scatter_add(values, rows, out)
    return out
