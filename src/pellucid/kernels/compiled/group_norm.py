"""The kernels of group normalization. A task is one sample or several; ``channelwise`` explains how channels are read.

A sample is read three times, the second and third time from the caches. In this file,
groups are groups of neighbouring channels.
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.channelwise import (
    BLOCK_ROWS,
    MAX_GROUPS,
    MIN_GROUP_SIZE,
    TASK_SIZE,
    add_groups,
    fold,
    move_sums,
    wide_row_size,
)
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.ordered import subtract
from pellucid.kernels.compiled.thread_pool import parallel_for


@inner_jit
def _sum_groups(channels, groups):
    """Return the sums over groups of neighbouring channels."""
    out, each = np.zeros(groups), channels.size // groups
    for j in range(channels.size):
        out[j // each] += channels[j]
    return out


@inner_jit
def _repeat_groups(values, w, c, like):
    """Return the values of the groups repeated for each element of a wide row, in the dtype of ``like``."""
    out, each = np.empty(w, like.dtype), c // values.size
    for j in range(w):
        out[j] = values[j % c // each]
    return out


@inner_jit
def _sums(x, first, last, shift, squared, c):
    """Return Σ (x − shift) of each channel from ``first`` to ``last``, or Σ (x − shift)²."""
    w, channels = u64(shift.size), np.empty(c)
    part, total = np.zeros(w, x.dtype), np.zeros(w)
    for block in range(first, last, w * BLOCK_ROWS):
        for start in range(block, min(block + w * BLOCK_ROWS, last), w):
            for j in range(min(w, last - start)):
                d = subtract(x[start + j], shift[j])
                part[j] += d * d if squared else d
        move_sums(part, total)
    fold(total, channels)
    return channels


@inner_jit
def _wide_mean_square(x, first, last, shift, channel, count, c):
    """Return the mean of (x − shift)² over ``count`` neighbouring channels, computed in float64."""
    total = 0.0
    for start in range(first + u64(channel), last, u64(c)):
        for j in range(u64(count)):
            d = np.float64(x[start + j]) - np.float64(shift)
            total += d * d
    return total / (count * ((last - first) // u64(c)))


@inner_jit
def _forward_task(x, gamma, beta, epsilon, out, mean, rstd, count, task):
    n, groups, c = mean.shape[0], mean.shape[1], gamma.size
    size = x.size // n
    w = wide_row_size(size, c)
    for i in range(task * count, min((task + 1) * count, n)):
        first, last, group_size = u64(i * size), u64((i + 1) * size), size // groups
        # Sums of the deviations from a value near the mean: if the mean is large, Σx has few digits left for the variance.
        near = _repeat_groups(_sum_groups(x[first : first + u64(c)].astype(np.float64), groups) / (c // groups), w, c, x)
        m = _sum_groups(_sums(x, first, last, near, False, c), groups) / group_size
        for k in range(groups):
            mean[i, k] = near[k * (c // groups)] + m[k]
        shift = _repeat_groups(mean[i], w, c, x)
        m2 = _sum_groups(_sums(x, first, last, shift, True, c), groups) / group_size
        for k in range(groups):
            if not math.isfinite(m2[k]) and math.isfinite(m[k]):  # the squares may have overflowed in the array's dtype
                m2[k] = _wide_mean_square(x, first, last, mean[i, k], k * (c // groups), c // groups, c)
            error = near[k * (c // groups)] + m[k] - mean[i, k]  # the mean is rounded: Σ(x − m)² = Σ(x − mean)² + r (mean − m)²
            rstd[i, k] = 1 / math.sqrt(max(m2[k] - error * error, 0.0) + epsilon)
        scale, b = _repeat_groups(rstd[i], w, c, x), np.empty(w, x.dtype)
        for j in range(w):
            scale[j] *= gamma[j % u64(c)]
            b[j] = beta[j % u64(c)]
        for start in range(first, last, w):
            for j in range(min(w, last - start)):
                out[start + j] = (x[start + j] - shift[j]) * scale[j] + b[j]


@jit
def _group_norm(x, gamma, beta, epsilon, out, mean, rstd):
    n = mean.shape[0]
    count = max(1, TASK_SIZE // max(1, x.size // max(1, n)))
    parallel_for(_forward_task, (x, gamma, beta, epsilon, out, mean, rstd, count), (n + count - 1) // count)


@inner_jit
def _backward_task(x, gamma, mean, rstd, d, sums, task):
    """Compute dX of some samples in place of dY, and their Σ dy x̂ and Σ dy."""
    n, groups, c = mean.shape[0], mean.shape[1], gamma.size
    size, parts = x.size // max(1, n), len(sums)
    w = wide_row_size(size, c)
    of_d, of_dx, a = np.empty(c), np.empty(c), np.empty(w, x.dtype)
    part, products, total, total_of_products = np.zeros(w, x.dtype), np.zeros(w, x.dtype), np.zeros(w), np.zeros(w)
    sums[task, :, :] = 0
    for i in range(task * n // parts, (task + 1) * n // parts):
        first, last, group_size = u64(i * size), u64((i + 1) * size), size // groups
        m, r = _repeat_groups(mean[i], w, c, x), _repeat_groups(rstd[i], w, c, x)
        for block in range(first, last, w * BLOCK_ROWS):
            for start in range(block, min(block + w * BLOCK_ROWS, last), w):
                for j in range(min(w, last - start)):
                    part[j] += d[start + j]
                    products[j] += d[start + j] * ((x[start + j] - m[j]) * r[j])
            move_sums(part, total)
            move_sums(products, total_of_products)
        fold(total, of_d)
        fold(total_of_products, of_dx)
        total[:], total_of_products[:] = 0, 0
        for j in range(c):
            sums[task, 0, j] += of_dx[j]
            sums[task, 1, j] += of_d[j]
        h = _repeat_groups(_sum_groups(of_d * gamma, groups) / group_size, w, c, x)
        hx = _repeat_groups(_sum_groups(of_dx * gamma, groups) / group_size, w, c, x)
        for j in range(w):
            a[j] = gamma[j % u64(c)]
        for start in range(first, last, w):
            for j in range(min(w, last - start)):
                d[start + j] = r[j] * (a[j] * d[start + j] - h[j] - (x[start + j] - m[j]) * r[j] * hx[j])


@jit
def _group_norm_backward(x, gamma, mean, rstd, d, dgamma, dbeta):
    sums = np.empty((max(1, min(MAX_GROUPS, x.size // MIN_GROUP_SIZE, mean.shape[0])), 2, gamma.size))
    parallel_for(_backward_task, (x, gamma, mean, rstd, d, sums), len(sums))
    dgamma[:], dbeta[:] = add_groups(sums)


def group_norm(x: Array, gamma: Array, beta: Array, epsilon: float, out: Array, mean: Array, rstd: Array) -> Array:
    _group_norm(x.reshape(-1), gamma, beta, epsilon, out.reshape(-1), mean, rstd)
    return out


def group_norm_backward(
    x: Array, gamma: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array, out: Array
) -> Array:
    if out is not dy:
        np.copyto(out, dy)
    _group_norm_backward(x.reshape(-1), gamma, mean, rstd, out.reshape(-1), dgamma, dbeta)
    return out
