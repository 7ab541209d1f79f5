"""The kernels of the activations of the form x g(x), each one pass over the array."""

from __future__ import annotations

import math

from pellucid.core.memory import Array
from pellucid.kernels.compiled.in_place import copied
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.ordered import add
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import CHUNK, chunk, num_chunks, parallel_for
from pellucid.kernels.compiled.vector_math import Vector, compile_formula, exponential, normal_parts, sigmoid_and_rest

NORMAL_PEAK = 1 / math.sqrt(2 * math.pi)  # the density of the normal distribution at zero
TWICE_ROOT = 2 * math.sqrt(2 / math.pi)  # with CUBIC, the constants of the approximation of GELU
CUBIC = 0.044715
LARGE = 1000.0  # e^−LARGE is zero: with x limited to it, x e^−|x| is zero for infinite x too, not NaN


def _sigmoid_of_cubic(x: Vector) -> tuple[Vector, Vector, Vector, Vector]:
    """Return s = σ(2u), 1 − s, (2u)' and x, limited, for the approximation of GELU."""
    x = x.replace("<", -LARGE, -LARGE).replace(">", LARGE, LARGE)
    squares = x * x
    s, rest = sigmoid_and_rest(TWICE_ROOT * x * (1.0 + CUBIC * squares))
    return s, rest, TWICE_ROOT * (1.0 + 3 * CUBIC * squares), x


def _silu_formula(x: Vector) -> tuple[Vector]:
    return (x * sigmoid_and_rest(x)[0],)


def _silu_gradient_formula(x: Vector, dy: Vector) -> tuple[Vector]:
    s, rest = sigmoid_and_rest(x)
    return (dy * (s * (1.0 + x * rest)),)


def _gelu_formula(x: Vector) -> tuple[Vector]:
    cdf, _ = normal_parts(x)
    return (x.replace("<", -LARGE, -LARGE) * cdf,)


def _gelu_gradient_formula(x: Vector, dy: Vector) -> tuple[Vector]:
    cdf, e = normal_parts(x)
    x = x.replace("<", -LARGE, -LARGE).replace(">", LARGE, LARGE)
    return (dy * (cdf + x * (NORMAL_PEAK * e)),)


def _gelu_tanh_formula(x: Vector) -> tuple[Vector]:
    s, _, _, _ = _sigmoid_of_cubic(x)
    return (x.replace("<", -LARGE, -LARGE) * s,)


def _gelu_tanh_gradient_formula(x: Vector, dy: Vector) -> tuple[Vector]:
    s, rest, slope, x = _sigmoid_of_cubic(x)
    return (dy * (s + x * slope * (s * rest)),)


def _mish_parts(x: Vector) -> tuple[Vector, Vector, Vector, Vector]:
    """Return the numerator and the denominator of tanh(log(1 + eˣ)), and f and o with eˣ = f/o, as in the reference kernel."""
    e = exponential(-1.0 * x.call("fabs"))
    f, o = x.choose("<", 0.0, e, 1.0), x.choose("<", 0.0, 1.0, e)
    top = f * (f + o + o)
    return top, top + (o + o) * o, f, o


def _mish_formula(x: Vector) -> tuple[Vector]:
    top, bottom, _, _ = _mish_parts(x)
    return (x.replace("<", -LARGE, -LARGE) * (top / bottom),)


def _mish_gradient_formula(x: Vector, dy: Vector) -> tuple[Vector]:
    x = x.replace("<", -LARGE, -LARGE).replace(">", LARGE, LARGE)
    top, bottom, f, o = _mish_parts(x)
    return (dy * (top / bottom + 4.0 * x * (f * o * o * (f + o) / (bottom * bottom))),)


_silu_row, _silu_gradient_row = compile_formula(_silu_formula, 1, 1), compile_formula(_silu_gradient_formula, 2, 1)
_gelu_row, _gelu_gradient_row = compile_formula(_gelu_formula, 1, 1), compile_formula(_gelu_gradient_formula, 2, 1)
_mish_row, _mish_gradient_row = compile_formula(_mish_formula, 1, 1), compile_formula(_mish_gradient_formula, 2, 1)
_gelu_tanh_row = compile_formula(_gelu_tanh_formula, 1, 1)
_gelu_tanh_gradient_row = compile_formula(_gelu_tanh_gradient_formula, 2, 1)


@inner_jit
def _part(x, task):
    """Return the first element of a task, and the number of its elements."""
    first = u64(task) * u64(CHUNK)
    return first, min(u64(CHUNK), u64(x.size) - first)


@inner_jit
def _silu_task(x, out, task):
    first, count = _part(x, task)
    _silu_row((address_of(x, first), address_of(out, first)), count, x.dtype.type(0))


@jit
def _silu(x, out):
    parallel_for(_silu_task, (x, out), num_chunks(out))


def silu(x: Array, out: Array) -> Array:
    _silu(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _silu_gradient_task(x, dy, out, task):
    first, count = _part(x, task)
    _silu_gradient_row((address_of(x, first), address_of(dy, first), address_of(out, first)), count, x.dtype.type(0))


@jit
def _silu_gradient(x, dy, out):
    parallel_for(_silu_gradient_task, (x, dy, out), num_chunks(out))


def silu_gradient(x: Array, dy: Array, out: Array) -> Array:
    _silu_gradient(x.reshape(-1), dy.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _gelu_task(x, out, task):
    first, count = _part(x, task)
    _gelu_row((address_of(x, first), address_of(out, first)), count, x.dtype.type(0))


@jit
def _gelu(x, out):
    parallel_for(_gelu_task, (x, out), num_chunks(out))


@inner_jit
def _gelu_tanh_task(x, out, task):
    first, count = _part(x, task)
    _gelu_tanh_row((address_of(x, first), address_of(out, first)), count, x.dtype.type(0))


@jit
def _gelu_tanh(x, out):
    parallel_for(_gelu_tanh_task, (x, out), num_chunks(out))


def gelu(x: Array, approximate: bool, out: Array) -> Array:
    (_gelu_tanh if approximate else _gelu)(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _gelu_gradient_task(x, dy, out, task):
    first, count = _part(x, task)
    _gelu_gradient_row((address_of(x, first), address_of(dy, first), address_of(out, first)), count, x.dtype.type(0))


@jit
def _gelu_gradient(x, dy, out):
    parallel_for(_gelu_gradient_task, (x, dy, out), num_chunks(out))


@inner_jit
def _gelu_tanh_gradient_task(x, dy, out, task):
    first, count = _part(x, task)
    _gelu_tanh_gradient_row((address_of(x, first), address_of(dy, first), address_of(out, first)), count, x.dtype.type(0))


@jit
def _gelu_tanh_gradient(x, dy, out):
    parallel_for(_gelu_tanh_gradient_task, (x, dy, out), num_chunks(out))


def gelu_gradient(x: Array, approximate: bool, dy: Array, out: Array) -> Array:
    (_gelu_tanh_gradient if approximate else _gelu_gradient)(x.reshape(-1), dy.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _mish_task(x, out, task):
    first, count = _part(x, task)
    _mish_row((address_of(x, first), address_of(out, first)), count, x.dtype.type(0))


@jit
def _mish(x, out):
    parallel_for(_mish_task, (x, out), num_chunks(out))


def mish(x: Array, out: Array) -> Array:
    _mish(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _mish_gradient_task(x, dy, out, task):
    first, count = _part(x, task)
    addresses = (address_of(x, first), address_of(dy, first), address_of(out, first))
    _mish_gradient_row(addresses, count, x.dtype.type(0))


@jit
def _mish_gradient(x, dy, out):
    parallel_for(_mish_gradient_task, (x, dy, out), num_chunks(out))


def mish_gradient(x: Array, dy: Array, out: Array) -> Array:
    _mish_gradient(x.reshape(-1), dy.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _hard_swish_task(x, out, task):
    # not x/6 + 1/2, which loses digits where x + 3 is near 0
    zero, three, six = x.dtype.type(0), x.dtype.type(3), x.dtype.type(6)
    for i in chunk(x, task):
        out[i] = x[i] if x[i] >= three else zero if x[i] <= -three else x[i] * add(x[i], three) / six


@jit
def _hard_swish(x, out):
    parallel_for(_hard_swish_task, (x, out), num_chunks(out))


def hard_swish(x: Array, out: Array) -> Array:
    _hard_swish(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _hard_swish_gradient_task(x, d, task):
    zero, one, three, six = x.dtype.type(0), x.dtype.type(1), x.dtype.type(3), x.dtype.type(6)
    for i in chunk(x, task):
        d[i] *= one if x[i] >= three else zero if x[i] <= -three else add(x[i] + x[i], three) / six


@jit
def _hard_swish_gradient(x, d):
    parallel_for(_hard_swish_gradient_task, (x, d), num_chunks(d))


def hard_swish_gradient(x: Array, dy: Array, out: Array) -> Array:
    _hard_swish_gradient(x.reshape(-1), copied(dy, out))
    return out
