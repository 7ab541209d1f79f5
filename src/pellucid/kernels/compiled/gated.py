"""The kernels of gated linear units, each one pass over the rows."""

from __future__ import annotations

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.compiled.vector_math import Vector, compile_formula, sigmoid_and_rest

TASK_SIZE = 8_192  # gates of a task, at least: some microseconds


def _swiglu_formula(a: Vector, v: Vector) -> tuple[Vector]:
    return (a * sigmoid_and_rest(a)[0] * v,)


def _swiglu_gradient_formula(a: Vector, v: Vector, dy: Vector) -> tuple[Vector, Vector]:
    s, rest = sigmoid_and_rest(a)
    return dy * v * (s * (1.0 + a * rest)), dy * (a * s)


_swiglu_row = compile_formula(_swiglu_formula, 2, 1)
_swiglu_gradient_row = compile_formula(_swiglu_gradient_formula, 3, 2)


@inner_jit
def _swiglu_task(z, out, units, rows, task):
    u = u64(units)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(out.size) // u)):
        a = (i + i) * u
        _swiglu_row((address_of(z, a), address_of(z, a + u), address_of(out, i * u)), units, z.dtype.type(0))


@jit
def _swiglu(z, out, units):
    rows = max(1, TASK_SIZE // units)
    parallel_for(_swiglu_task, (z, out, units, rows), (out.size // units + rows - 1) // rows)


@inner_jit
def _swiglu_gradient_task(z, dy, out, units, rows, task):
    u = u64(units)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(dy.size) // u)):
        a = (i + i) * u
        read = address_of(z, a), address_of(z, a + u), address_of(dy, i * u)
        _swiglu_gradient_row((*read, address_of(out, a), address_of(out, a + u)), units, z.dtype.type(0))


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
