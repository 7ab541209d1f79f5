"""The kernels of dense layers with weights of their own at each position, for small layers: loops, no packed products.

A task is some rows, or for the gradients of the parameters one position.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.channelwise import BLOCK_ROWS, move_sums
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.thread_pool import parallel_for

TASK_SIZE = 16_384  # multiply-adds of a task, at least: some microseconds


@inner_jit
def _affine_task(x, W, b, out, shape, rows, task):
    p, c, d = u64(shape[1]), u64(shape[2]), u64(shape[3])
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(shape[0]))):
        for s in range(p):
            y, w, a = (i * p + s) * d, s * c * d, (i * p + s) * c
            for j in range(d):
                out[y + j] = b[s * d + j]
            for k in range(c):
                v = x[a + k]
                for j in range(d):
                    out[y + j] += v * W[w + k * d + j]


@jit
def _affine(x, W, b, out, shape):
    rows = max(1, TASK_SIZE // (shape[1] * shape[2] * shape[3]))
    parallel_for(_affine_task, (x, W, b, out, shape, rows), (shape[0] + rows - 1) // rows)


@inner_jit
def _affine_backward_task(x, dy, dW, db, shape, task):
    """Compute the gradients of one position."""
    n, p, c, d, s = u64(shape[0]), u64(shape[1]), u64(shape[2]), u64(shape[3]), u64(task)
    part, total = np.zeros((c + u64(1)) * d, x.dtype), np.zeros((c + u64(1)) * d)
    for block in range(u64(0), n, BLOCK_ROWS):
        for i in range(block, min(block + BLOCK_ROWS, n)):
            y, a = (i * p + s) * d, (i * p + s) * c
            for k in range(c):
                v = x[a + k]
                for j in range(d):
                    part[k * d + j] += v * dy[y + j]
            for j in range(d):
                part[c * d + j] += dy[y + j]
        move_sums(part, total)
    for j in range(c * d):
        dW[s * c * d + j] = total[j]
    for j in range(d):
        db[s * d + j] = total[c * d + j]


@jit
def _affine_backward(x, dy, dW, db, shape):
    parallel_for(_affine_backward_task, (x, dy, dW, db, shape), shape[1])


@inner_jit
def _input_gradient_task(dy, W, out, shape, rows, task):
    p, c, d = u64(shape[1]), u64(shape[2]), u64(shape[3])
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(shape[0]))):
        for s in range(p):
            y, w, a = (i * p + s) * d, s * c * d, (i * p + s) * c
            for k in range(c):
                total = dy.dtype.type(0)
                for j in range(d):
                    total += dy[y + j] * W[w + k * d + j]
                out[a + k] = total


@jit
def _input_gradient(dy, W, out, shape):
    rows = max(1, TASK_SIZE // (shape[1] * shape[2] * shape[3]))
    parallel_for(_input_gradient_task, (dy, W, out, shape, rows), (shape[0] + rows - 1) // rows)


def affine_per_position(x: Array, W: Array, b: Array, out: Array) -> Array:
    _affine(x.reshape(-1), W.reshape(-1), b.reshape(-1), out.reshape(-1), (len(x), *W.shape))
    return out


def affine_per_position_backward(x: Array, dy: Array, dW: Array, db: Array) -> None:
    _affine_backward(x.reshape(-1), dy.reshape(-1), dW.reshape(-1), db.reshape(-1), (len(x), *dW.shape))


def affine_per_position_input_gradient(dy: Array, W: Array, out: Array) -> Array:
    _input_gradient(dy.reshape(-1), W.reshape(-1), out.reshape(-1), (len(dy), *W.shape))
    return out
