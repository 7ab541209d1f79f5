"""The kernels that multiply by a factor for each feature, and that mix two arrays with a weight for each channel."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.channelwise import (
    BLOCK_ROWS,
    add_groups,
    empty_group_sums,
    fold,
    group_blocks,
    move_sums,
    repeat_channels,
    split_wide_rows,
    wide_row_size,
    wide_rows,
)
from pellucid.kernels.compiled.in_place import copied
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.thread_pool import parallel_for


@inner_jit
def _scale_features_task(x, f, out, per_task, task):
    w = u64(f.size)
    for start in wide_rows(x, w, per_task, task):
        for j in range(min(w, u64(x.size) - start)):
            out[start + j] = x[start + j] * f[j]


@jit
def _scale_features(x, factors, out):
    f = repeat_channels(factors, wide_row_size(x.size, factors.size), x)
    per_task, tasks = split_wide_rows(x.size, f.size)
    parallel_for(_scale_features_task, (x, f, out, per_task), tasks)


@inner_jit
def _scale_features_backward_task(x, f, d, sums, task):
    """Compute one group's Σ dy x, and dx in place of dy."""
    w = u64(f.size)
    part, total = np.zeros(w, x.dtype), np.zeros(w)
    blocks, last = group_blocks(x, w, len(sums), task)
    for block in blocks:
        for start in range(block, min(block + w * BLOCK_ROWS, last), w):
            for j in range(min(w, last - start)):
                part[j] += x[start + j] * d[start + j]
                d[start + j] = f[j] * d[start + j]
        move_sums(part, total)
    fold(total, sums[task, 0])


@jit
def _scale_features_backward(x, factors, d, dfactors):
    f, sums = repeat_channels(factors, wide_row_size(x.size, factors.size), x), empty_group_sums(x.size, factors.size)
    parallel_for(_scale_features_backward_task, (x, f, d, sums), len(sums))
    dfactors[:] = add_groups(sums)[0]


@inner_jit
def _mix_task(x, other, a, out, per_task, task):
    w = u64(a.size)
    for start in wide_rows(x, w, per_task, task):
        for j in range(min(w, u64(x.size) - start)):
            out[start + j] = x[start + j] + a[j] * (other[start + j] - x[start + j])


@jit
def _mix(x, other, weights, out):
    a = repeat_channels(weights, wide_row_size(x.size, weights.size), x)
    per_task, tasks = split_wide_rows(x.size, a.size)
    parallel_for(_mix_task, (x, other, a, out, per_task), tasks)


@inner_jit
def _mix_backward_task(x, other, a, dother, d, sums, task):
    """Compute one group's Σ dy (a − x), the gradient of a, and that of x in place of dy."""
    w = u64(a.size)
    part, total = np.zeros(w, x.dtype), np.zeros(w)
    blocks, last = group_blocks(x, w, len(sums), task)
    for block in blocks:
        for start in range(block, min(block + w * BLOCK_ROWS, last), w):
            for j in range(min(w, last - start)):
                g = d[start + j]
                part[j] += g * (other[start + j] - x[start + j])
                dother[start + j] = a[j] * g
                d[start + j] = g - a[j] * g
        move_sums(part, total)
    fold(total, sums[task, 0])


@jit
def _mix_backward(x, other, weights, d, dweights, dother):
    a, sums = repeat_channels(weights, wide_row_size(x.size, weights.size), x), empty_group_sums(x.size, weights.size)
    parallel_for(_mix_backward_task, (x, other, a, dother, d, sums), len(sums))
    dweights[:] = add_groups(sums)[0]


def scale_features(x: Array, factors: Array, out: Array) -> Array:
    _scale_features(x.reshape(-1), factors, out.reshape(-1))
    return out


def scale_features_backward(x: Array, factors: Array, dy: Array, dfactors: Array, out: Array) -> Array:
    _scale_features_backward(x.reshape(-1), factors, copied(dy, out), dfactors)
    return out


def mix(x: Array, other: Array, weights: Array, out: Array) -> Array:
    _mix(x.reshape(-1), other.reshape(-1), weights, out.reshape(-1))
    return out


def mix_backward(x: Array, other: Array, weights: Array, dy: Array, dweights: Array, dother: Array, out: Array) -> Array:
    _mix_backward(x.reshape(-1), other.reshape(-1), weights, copied(dy, out), dweights, dother.reshape(-1))
    return out
