"""The kernels of root mean square normalization. A task is one row or several."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.channelwise import BLOCK_ROWS, add_groups, group_blocks, move_sums
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import parallel_for

TASK_SIZE = 8_192  # elements of a task, at least: some microseconds
MAX_GROUPS = 32


@inner_jit
def _rms_norm_task(x, gamma, epsilon, out, rstd, rows, task):
    c = u64(gamma.size)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(rstd.size))):
        start, squares = i * c, 0.0
        for j in range(c):
            d = np.float64(x[start + j])
            squares += d * d
        r = x.dtype.type(1 / math.sqrt(squares / c + epsilon))
        for j in range(c):
            out[start + j] = x[start + j] * r * gamma[j]
        rstd[i] = r


@jit
def _rms_norm(x, gamma, epsilon, out, rstd):
    rows = max(1, TASK_SIZE // gamma.size)
    parallel_for(_rms_norm_task, (x, gamma, epsilon, out, rstd, rows), (rstd.size + rows - 1) // rows)


@inner_jit
def _rms_norm_backward_task(x, gamma, rstd, dy, out, sums, task):
    """Compute dX of one group of rows, and their Σ dy x̂."""
    c, same = u64(gamma.size), address_of(dy, 0) == address_of(out, 0)
    products, total = np.zeros(c, x.dtype), np.zeros(c)
    blocks, last = group_blocks(rstd, u64(1), len(sums), task)
    for block in blocks:
        for i in range(block, min(block + BLOCK_ROWS, last)):
            start, r, of_hx = i * c, rstd[i], 0.0
            for j in range(c):
                product = dy[start + j] * (x[start + j] * r)
                products[j] += product
                of_hx += product * gamma[j]
            hx = x.dtype.type(of_hx / c)
            if same:
                for j in range(c):
                    out[start + j] = r * (out[start + j] * gamma[j] - x[start + j] * r * hx)
            else:
                for j in range(c):
                    out[start + j] = r * (dy[start + j] * gamma[j] - x[start + j] * r * hx)
        move_sums(products, total)
    sums[task] = total


@jit
def _rms_norm_backward(x, gamma, rstd, dy, dgamma, out):
    sums = np.empty((max(1, min(MAX_GROUPS, x.size // TASK_SIZE)), gamma.size))
    parallel_for(_rms_norm_backward_task, (x, gamma, rstd, dy, out, sums), len(sums))
    dgamma[:] = add_groups(sums)


def rms_norm(x: Array, gamma: Array, epsilon: float, out: Array, rstd: Array) -> Array:
    _rms_norm(x.reshape(-1), gamma, float(epsilon), out.reshape(-1), rstd)
    return out


def rms_norm_backward(x: Array, gamma: Array, rstd: Array, dy: Array, dgamma: Array, out: Array) -> Array:
    _rms_norm_backward(x.reshape(-1), gamma, rstd, dy.reshape(-1), dgamma, out.reshape(-1))
    return out
