"""The kernels of the dense layer on sparse rows: only the rows of W that occur in the batch are read.

The sums have the order of the dense kernels, from one entry to the next, without the products with zero.
"""

from __future__ import annotations

from pellucid.core.memory import Array
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.reductions import bias_gradient
from pellucid.kernels.compiled.thread_pool import parallel_for

ROWS_PER_TASK = 8  # of a batch
GRADIENTS_PER_TASK = 1 << 17  # elements of dW, which a task sets to zero first; each task looks through all entries


@inner_jit
def _sparse_affine_task(values, columns, starts, W, b, out, task):
    o, w, O = u64(out.shape[1]), W.reshape(W.size), out.reshape(out.size)
    first = u64(task) * u64(ROWS_PER_TASK)
    for i in range(first, min(first + u64(ROWS_PER_TASK), u64(out.shape[0]))):
        for j in range(o):
            O[i * o + j] = b[j]
        for k in range(u64(starts[i]), u64(starts[i + u64(1)])):
            x, row = values[k], u64(columns[k]) * o
            for j in range(o):
                O[i * o + j] += x * w[row + j]


@jit
def _sparse_affine(values, columns, starts, W, b, out):
    tasks = (out.shape[0] + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    parallel_for(_sparse_affine_task, (values, columns, starts, W, b, out), tasks)


@inner_jit
def _weight_gradient_task(values, columns, starts, dy, dW, count, task):
    """Compute ``count`` rows of dW."""
    o, D, G = u64(dy.shape[1]), dy.reshape(dy.size), dW.reshape(dW.size)
    first = u64(task) * u64(count)
    last = min(first + u64(count), u64(dW.shape[0]))
    for j in range(first * o, last * o):
        G[j] = 0
    for i in range(u64(dy.shape[0])):
        for k in range(u64(starts[i]), u64(starts[i + u64(1)])):
            column = u64(columns[k])
            if first <= column < last:
                x = values[k]
                for j in range(o):
                    G[column * o + j] += x * D[i * o + j]


@jit
def sparse_affine_backward(values, columns, starts, dy, dW, db):
    if len(db):
        indirect_call(bias_gradient, (dy, dy, db))
    count = max(1, GRADIENTS_PER_TASK // max(1, dW.shape[1]))
    parallel_for(_weight_gradient_task, (values, columns, starts, dy, dW, count), (dW.shape[0] + count - 1) // count)


def sparse_affine(values: Array, columns: Array, starts: Array, W: Array, b: Array, out: Array) -> Array:
    _sparse_affine(values, columns, starts, W, b, out)
    return out
