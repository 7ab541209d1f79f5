"""The kernels of random noise: the counter-based hash of ``reference/noise.py``, bit for bit."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit, u32, u64
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.compiled.toolchain import numba

TASK_SIZE = 8_192  # elements: some microseconds


@numba.njit(inline="always")
def mix(x):
    """Return the hash lowbias32 of a uint32."""
    x = u32((x ^ (x >> u32(16))) * u32(0x7FEB352D))
    x = u32((x ^ (x >> u32(15))) * u32(0x846CA68B))
    return u32(x ^ (x >> u32(16)))


@numba.njit(inline="always")
def row_stream(row, low, high):
    """Return the start a and the stride m of a row's stream: its element j is mix(a + j m)."""
    return mix(u32(row ^ low)), u32(mix(u32(row + high)) | u32(1))


@inner_jit
def _dropout_task(x, low, high, offset, threshold, factor, out, rows, task):
    c = u64(x.shape[1])
    X, O, zero = x.reshape(x.size), out.reshape(out.size), x.dtype.type(0)
    same = address_of(x, 0) == address_of(out, 0)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(x.shape[0]))):
        a, m = row_stream(u32(offset + i), low, high)
        if same:  # under one name, so that the loop is vectorized: see activations
            for j in range(c):
                bits = mix(u32(a + u32(j) * m))
                O[i * c + j] = O[i * c + j] * factor if bits >= threshold else zero * O[i * c + j]
        else:
            for j in range(c):
                bits = mix(u32(a + u32(j) * m))
                O[i * c + j] = X[i * c + j] * factor if bits >= threshold else zero * X[i * c + j]


@jit
def _dropout(x, low, high, offset, threshold, factor, out):
    rows = max(1, TASK_SIZE // max(1, x.shape[1]))
    arguments = (x, low, high, offset, threshold, factor, out, rows)
    parallel_for(_dropout_task, arguments, (x.shape[0] + rows - 1) // rows)


def dropout(x: Array, key: int, offset: int, rate: float, out: Array) -> Array:
    flat = (len(x), math.prod(x.shape[1:]))  # not −1: x may be empty
    low, high, threshold = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32), np.uint32(rate * 2**32)
    _dropout(x.reshape(flat), low, high, np.uint64(offset), threshold, x.dtype.type(1 / (1 - rate)), out.reshape(flat))
    return out


@inner_jit
def _uniform_task(low, high, row_ids, out, rows, task):
    c, flat = u64(out.shape[1]), out.reshape(out.size)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(out.shape[0]))):
        a, m = row_stream(u32(row_ids[i]), low, high)
        for j in range(c):
            flat[i * c + j] = numba.float32(mix(u32(a + u32(j) * m)) >> u32(8)) * numba.float32(2**-24)


@jit
def _uniform(low, high, row_ids, out):
    rows = max(1, TASK_SIZE // max(1, out.shape[1]))
    parallel_for(_uniform_task, (low, high, row_ids, out, rows), (out.shape[0] + rows - 1) // rows)


def uniform(key: int, row_ids: Array, columns: int) -> Array:
    out = np.empty((len(row_ids), columns), np.float32)
    _uniform(np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32), row_ids, out)
    return out


@inner_jit
def _add_normal_task(x, low, high, offset, sigma, out, rows, task):
    c = u64(x.shape[1])
    X, O = x.reshape(x.size), out.reshape(out.size)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(x.shape[0]))):
        a, m = row_stream(u32(offset + i), low, high)
        for j in range(c):
            u = mix(u32(a + u32(2 * j) * m)) * 2**-32 + 2**-32
            v = mix(u32(a + u32(2 * j + 1) * m)) * 2**-32
            z = math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
            O[i * c + j] = X[i * c + j] + x.dtype.type(sigma * z)


@jit
def _add_normal(x, low, high, offset, sigma, out):
    rows = max(1, TASK_SIZE // (8 * max(1, x.shape[1])))  # an element takes longer than in dropout
    parallel_for(_add_normal_task, (x, low, high, offset, sigma, out, rows), (x.shape[0] + rows - 1) // rows)


def add_normal(x: Array, key: int, offset: int, sigma: float, out: Array) -> Array:
    flat = (len(x), math.prod(x.shape[1:]))
    low, high = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)
    _add_normal(x.reshape(flat), low, high, np.uint64(offset), float(sigma), out.reshape(flat))
    return out
