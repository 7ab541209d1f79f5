"""Sums over all images or rows of a batch: the gradients of weights and biases.

The batch is divided into groups, whose number depends on the sizes alone. Each group has its own partial sum; then the
partial sums are added in the order of the groups, so the bits do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import CHUNK, chunk, num_chunks, parallel_for

MAX_GROUPS = 16
MAX_PARTIALS_SIZE = 600_000  # elements of all partial sums together: it limits the number of groups,
MIN_GROUPS = 4  # but not to fewer than these, for four cores
WIDE_ROW = 256  # elements: rows shorter than this are read several at a time, because loops over few elements are slow
SHORT_SUM = 512  # values that are added in the array's dtype: a long sum loses more digits than many short ones


@inner_jit
def any_of(flags, count):
    """Return whether one of the first ``count`` flags is set. (NumPy's function takes long to compile.)"""
    for i in range(u64(count)):  # noqa: SIM110 (Numba has no any)
        if flags[i]:
            return True
    return False


@inner_jit
def wide_row_sum(values, start, k):
    """Return the sum of a row of k values in float64: a long sum loses digits in float32."""
    total = 0.0
    for j in range(start, start + u64(k)):
        total += np.float64(values[j])
    return total


@inner_jit
def row_sum(values, start, k):
    """Return the sum of a row of k values. It is a loop of its own: in one that also stores, the order of the sum, and so its
    digits, would depend on where the arrays are in memory."""
    if k > SHORT_SUM:
        return values.dtype.type(wide_row_sum(values, start, k))
    total = values.dtype.type(0)
    for j in range(start, start + u64(k)):
        total += values[j]
    return total


@inner_jit
def empty_partial_sums(n, size, like):
    """Return uninitialized memory (groups, size) for partial sums over n images or rows, in the dtype of ``like``."""
    return np.empty((max(1, min(n, MAX_GROUPS, max(MIN_GROUPS, MAX_PARTIALS_SIZE // max(1, size)))), size), like.dtype)


@inner_jit
def _add_partial_sums_task(partial_sums, out, task):
    S, size = partial_sums.reshape(partial_sums.size), u64(out.size)
    for i in chunk(out, task):
        out[i] = S[i]
    for group in range(u64(1), u64(partial_sums.shape[0])):
        for i in chunk(out, task):
            out[i] += S[group * size + i]


@inner_jit
def add_partial_sums(partial_sums, out):
    """Set the flat ``out`` to the sum over the groups of ``partial_sums`` (groups, size)."""
    parallel_for(_add_partial_sums_task, (partial_sums, out), num_chunks(out))


@inner_jit
def _bias_gradient_task(y, dy, masked, partial_sums, task):
    """Compute Σ dY of one group of rows, and mask its dY with the output y of a ReLU."""
    groups, o, zero = partial_sums.shape[0], u64(partial_sums.shape[1]), dy.dtype.type(0)
    rows = dy.size // max(1, partial_sums.shape[1])
    Y, D, S = y.reshape(y.size), dy.reshape(dy.size), partial_sums.reshape(partial_sums.size)
    total = u64(task) * o
    for j in range(o):
        S[total + j] = zero
    at_once = max(1, WIDE_ROW // max(1, partial_sums.shape[1]))  # rows that are read as one
    part = np.empty(at_once * partial_sums.shape[1], dy.dtype)
    end = (task + 1) * rows // groups
    for first in range(task * rows // groups, end, SHORT_SUM * at_once):
        part[:] = zero
        last = min(first + SHORT_SUM * at_once, end)
        for i in range(first, last, at_once):
            start = u64(i) * o
            if masked:
                for j in range(u64(min(at_once, last - i)) * o):
                    d = zero if Y[start + j] <= zero else D[start + j]
                    D[start + j] = d
                    part[j] += d
            else:
                for j in range(u64(min(at_once, last - i)) * o):
                    part[j] += D[start + j]
        for i in range(u64(at_once)):
            for j in range(o):
                S[total + j] += part[i * o + j]


@jit
def bias_gradient(y, dy, db):
    """db = Σ dY over the rows of dY (rows, outputs). First dY is masked in place with the output y of a ReLU, unless y is dY.
    An empty db is not written."""
    partial_sums = np.empty((max(1, min(MAX_GROUPS, dy.size // CHUNK)), dy.shape[-1]), dy.dtype)
    masked = address_of(y, 0) != address_of(dy, 0)
    parallel_for(_bias_gradient_task, (y, dy, masked, partial_sums), len(partial_sums))
    if len(db):
        indirect_call(add_partial_sums, (partial_sums, db))
