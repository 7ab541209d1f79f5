"""The kernels of softmax and log-softmax over rows of k values, and their gradients. A task is some rows."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit, ordered_jit, u64
from pellucid.kernels.compiled.reductions import row_sum, wide_row_sum
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import parallel_for

TASK_SIZE = 4_096  # elements: an exponential for each, some microseconds


@inner_jit
def _rows_per_task(k):
    return max(1, TASK_SIZE // k)


@inner_jit
def _num_tasks(x, k):
    rows = _rows_per_task(k)
    return (x.size // k + rows - 1) // rows


@inner_jit
def _row_starts(x, k, task):
    """Return the range of the starts of the rows of one task."""
    rows = _rows_per_task(k)
    first = u64(task) * u64(rows) * u64(k)
    return range(first, min(first + u64(rows) * u64(k), u64(x.size)), u64(k))


@ordered_jit
def _log_probability(x, top, log_total):
    """Return (x − top) − log_total. In another order, log_total would be lost where x and top are large."""
    return (x - top) - log_total


@inner_jit
def _softmax_task(x, k, out, task):
    for start in _row_starts(x, k, task):
        top = x[start]
        for j in range(start, start + u64(k)):
            top = max(top, x[j])
        for j in range(start, start + u64(k)):
            out[j] = math.exp(x[j] - top)
        total = row_sum(out, start, k)
        for j in range(start, start + u64(k)):
            out[j] /= total


@inner_jit
def _softmax_gradient_task(y, dy, k, out, task):
    for start in _row_starts(y, k, task):
        total = 0.0
        for j in range(start, start + u64(k)):
            total += np.float64(dy[j]) * np.float64(y[j])
        inner = y.dtype.type(total)
        if address_of(dy, 0) == address_of(out, 0):
            for j in range(start, start + u64(k)):
                out[j] = y[j] * (out[j] - inner)
        else:
            for j in range(start, start + u64(k)):
                out[j] = y[j] * (dy[j] - inner)


@inner_jit
def _log_softmax_task(x, k, out, task):
    for start in _row_starts(x, k, task):
        top = x[start]
        for j in range(start, start + u64(k)):
            top = max(top, x[j])
        for j in range(start, start + u64(k)):
            out[j] = math.exp(x[j] - top)
        log_total = math.log(row_sum(out, start, k))
        for j in range(start, start + u64(k)):
            out[j] = _log_probability(x[j], top, log_total)


@inner_jit
def _log_softmax_gradient_task(y, dy, k, out, task):
    for start in _row_starts(y, k, task):
        total = y.dtype.type(wide_row_sum(dy, start, k))
        for j in range(start, start + u64(k)):
            out[j] = dy[j] - math.exp(y[j]) * total


@jit
def _softmax(x, k, out):
    parallel_for(_softmax_task, (x, k, out), _num_tasks(out, k))


@jit
def _softmax_gradient(y, dy, k, out):
    parallel_for(_softmax_gradient_task, (y, dy, k, out), _num_tasks(out, k))


@jit
def _log_softmax(x, k, out):
    parallel_for(_log_softmax_task, (x, k, out), _num_tasks(out, k))


@jit
def _log_softmax_gradient(y, dy, k, out):
    parallel_for(_log_softmax_gradient_task, (y, dy, k, out), _num_tasks(out, k))


def softmax(x: Array, out: Array) -> Array:
    _softmax(x.reshape(-1), x.shape[-1], out.reshape(-1))
    return out


def softmax_gradient(y: Array, dy: Array, out: Array) -> Array:
    _softmax_gradient(y.reshape(-1), dy.reshape(-1), y.shape[-1], out.reshape(-1))
    return out


def log_softmax(x: Array, out: Array) -> Array:
    _log_softmax(x.reshape(-1), x.shape[-1], out.reshape(-1))
    return out


def log_softmax_gradient(y: Array, dy: Array, out: Array) -> Array:
    _log_softmax_gradient(y.reshape(-1), dy.reshape(-1), y.shape[-1], out.reshape(-1))
    return out
