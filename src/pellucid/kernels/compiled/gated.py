"""The kernels of gated linear units, each one pass over the rows."""

from __future__ import annotations

import math

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.thread_pool import parallel_for

TASK_SIZE = 8_192  # gates of a task, at least: some ten microseconds


@inner_jit
def _swiglu_task(z, out, units, rows, task):
    one, u = z.dtype.type(1), u64(units)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(out.size) // u)):
        y, a, v = i * u, (i + i) * u, (i + i) * u + u
        for j in range(u):
            e = math.exp(-abs(z[a + j]))
            out[y + j] = z[a + j] * ((one if z[a + j] >= 0 else e) / (one + e)) * z[v + j]


@jit
def _swiglu(z, out, units):
    rows = max(1, TASK_SIZE // units)
    parallel_for(_swiglu_task, (z, out, units, rows), (out.size // units + rows - 1) // rows)


@inner_jit
def _swiglu_gradient_task(z, dy, out, units, rows, task):
    one, u = z.dtype.type(1), u64(units)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(dy.size) // u)):
        d, a, v = i * u, (i + i) * u, (i + i) * u + u
        for j in range(u):
            e = math.exp(-abs(z[a + j]))
            s = (one if z[a + j] >= 0 else e) / (one + e)
            out[a + j] = dy[d + j] * z[v + j] * (s * (one + z[a + j] * (one - s)))
        for j in range(u):  # a loop of its own: a loop that writes to two places of an array is not vectorized
            e = math.exp(-abs(z[a + j]))
            out[v + j] = dy[d + j] * (z[a + j] * ((one if z[a + j] >= 0 else e) / (one + e)))


@jit
def _swiglu_gradient(z, dy, out, units):
    rows = max(1, TASK_SIZE // units)
    parallel_for(_swiglu_gradient_task, (z, dy, out, units, rows), (dy.size // units + rows - 1) // rows)


def swiglu(z: Array, out: Array) -> Array:
    _swiglu(z.reshape(-1), out.reshape(-1), out.shape[1])
    return out


def swiglu_gradient(z: Array, dy: Array, out: Array) -> Array:
    _swiglu_gradient(z.reshape(-1), dy.reshape(-1), out.reshape(-1), dy.shape[1])
    return out
