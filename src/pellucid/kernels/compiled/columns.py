"""The kernels that read chosen columns of a matrix, or add to them. A task is some rows."""

from __future__ import annotations

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.thread_pool import parallel_for

TASK_SIZE = 16_384  # elements that a task writes: some microseconds


@inner_jit
def _gather_columns_task(x, columns, out, rows, task):
    k, c, X, O = u64(x.shape[1]), u64(out.shape[1]), x.reshape(x.size), out.reshape(out.size)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(out.shape[0]))):
        for j in range(c):
            O[i * c + j] = X[i * k + u64(columns[j])]


@jit
def _gather_columns(x, columns, out):
    rows = max(1, TASK_SIZE // max(1, out.shape[1]))
    parallel_for(_gather_columns_task, (x, columns, out, rows), (out.shape[0] + rows - 1) // rows)


@inner_jit
def _scatter_columns_task(dy, columns, out, rows, task):
    c, k, D, O = u64(dy.shape[1]), u64(out.shape[1]), dy.reshape(dy.size), out.reshape(out.size)
    zero = out.dtype.type(0)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(out.shape[0]))):
        for j in range(k):
            O[i * k + j] = zero
        for j in range(c):
            O[i * k + u64(columns[j])] += D[i * c + j]


@jit
def _scatter_columns(dy, columns, out):
    rows = max(1, TASK_SIZE // max(1, out.shape[1]))
    parallel_for(_scatter_columns_task, (dy, columns, out, rows), (out.shape[0] + rows - 1) // rows)


def gather_columns(x: Array, columns: Array, out: Array) -> Array:
    _gather_columns(x, columns, out)
    return out


def scatter_columns(dy: Array, columns: Array, out: Array) -> Array:
    _scatter_columns(dy, columns, out)
    return out
