"""The kernels of the activations of the form x g(x), each one pass over the array."""

from __future__ import annotations

import math

import numba

from pellucid.core.memory import Array
from pellucid.kernels.compiled.in_place import copied
from pellucid.kernels.compiled.jit import inner_jit, jit
from pellucid.kernels.compiled.ordered import add
from pellucid.kernels.compiled.thread_pool import chunk, num_chunks, parallel_for

SQRT_HALF = math.sqrt(0.5)
NORMAL_PEAK = 1 / math.sqrt(2 * math.pi)  # the density of the normal distribution at zero
TWICE_ROOT = 2 * math.sqrt(2 / math.pi)  # with CUBIC, the constants of the approximation of GELU
CUBIC = 0.044715
LARGE = 1000.0  # e^−LARGE is zero: with x limited to it, x e^−|x| is zero for infinite x too, not NaN


@inner_jit
def _silu_task(x, out, task):
    one = x.dtype.type(1)
    for i in chunk(x, task):
        e = math.exp(-abs(x[i]))
        out[i] = x[i] * ((one if x[i] >= 0 else e) / (one + e))


@jit
def _silu(x, out):
    parallel_for(_silu_task, (x, out), num_chunks(out))


def silu(x: Array, out: Array) -> Array:
    _silu(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _silu_gradient_task(x, d, task):
    one = x.dtype.type(1)
    for i in chunk(x, task):
        e = math.exp(-abs(x[i]))
        s = (one if x[i] >= 0 else e) / (one + e)
        d[i] *= s * (one + x[i] * (one - s))


@jit
def _silu_gradient(x, d):
    parallel_for(_silu_gradient_task, (x, d), num_chunks(d))


def silu_gradient(x: Array, dy: Array, out: Array) -> Array:
    _silu_gradient(x.reshape(-1), copied(dy, out))
    return out


@inner_jit
def _gelu_task(x, out, task):
    half, root = x.dtype.type(0.5), x.dtype.type(SQRT_HALF)
    for i in chunk(x, task):
        out[i] = x[i] * (half * math.erfc(-x[i] * root))  # 1 + erf would lose the digits of small values


@jit
def _gelu(x, out):
    parallel_for(_gelu_task, (x, out), num_chunks(out))


@inner_jit
def _gelu_tanh_task(x, out, task):
    one, factor, cubic, high = x.dtype.type(1), x.dtype.type(TWICE_ROOT), x.dtype.type(CUBIC), x.dtype.type(LARGE)
    for i in chunk(x, task):
        v = -high if x[i] < -high else high if x[i] > high else x[i]
        u2 = factor * v * (one + cubic * v * v)
        e = math.exp(-abs(u2))
        out[i] = (v if x[i] < -high else x[i]) * ((one if u2 >= 0 else e) / (one + e))


@jit
def _gelu_tanh(x, out):
    parallel_for(_gelu_tanh_task, (x, out), num_chunks(out))


def gelu(x: Array, approximate: bool, out: Array) -> Array:
    (_gelu_tanh if approximate else _gelu)(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _gelu_gradient_task(x, d, task):
    half, root, peak = x.dtype.type(0.5), x.dtype.type(SQRT_HALF), x.dtype.type(NORMAL_PEAK)
    for i in chunk(x, task):
        d[i] *= half * math.erfc(-x[i] * root) + x[i] * (peak * math.exp(-half * x[i] * x[i]))


@jit
def _gelu_gradient(x, d):
    parallel_for(_gelu_gradient_task, (x, d), num_chunks(d))


@inner_jit
def _gelu_tanh_gradient_task(x, d, task):
    one, factor, cubic, high = x.dtype.type(1), x.dtype.type(TWICE_ROOT), x.dtype.type(CUBIC), x.dtype.type(LARGE)
    steep = x.dtype.type(3 * CUBIC)
    for i in chunk(x, task):
        v = -high if x[i] < -high else high if x[i] > high else x[i]
        u2 = factor * v * (one + cubic * v * v)
        e = math.exp(-abs(u2))
        s = (one if u2 >= 0 else e) / (one + e)
        d[i] *= s + factor * v * (one + steep * v * v) * (e / ((one + e) * (one + e)))


@jit
def _gelu_tanh_gradient(x, d):
    parallel_for(_gelu_tanh_gradient_task, (x, d), num_chunks(d))


def gelu_gradient(x: Array, approximate: bool, dy: Array, out: Array) -> Array:
    (_gelu_tanh_gradient if approximate else _gelu_gradient)(x.reshape(-1), copied(dy, out))
    return out


@numba.njit(inline="always")
def _mish_parts(x, one):
    """Return the numerator and the denominator of tanh(log(1 + eˣ)), and f and o with eˣ = f/o, as in the reference kernel;
    ``one`` has the dtype of x."""
    e = math.exp(-abs(x))
    f = one if x >= 0 else e
    o = e if x >= 0 else one
    top = f * (f + o + o)
    return top, top + (o + o) * o, f, o


@inner_jit
def _mish_task(x, out, task):
    one, low = x.dtype.type(1), x.dtype.type(-LARGE)
    for i in chunk(x, task):
        v = low if x[i] < low else x[i]
        top, bottom, _, _ = _mish_parts(v, one)
        out[i] = v * (top / bottom)


@jit
def _mish(x, out):
    parallel_for(_mish_task, (x, out), num_chunks(out))


def mish(x: Array, out: Array) -> Array:
    _mish(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _mish_gradient_task(x, d, task):
    one, four, high = x.dtype.type(1), x.dtype.type(4), x.dtype.type(LARGE)
    for i in chunk(x, task):
        v = -high if x[i] < -high else high if x[i] > high else x[i]
        top, bottom, f, o = _mish_parts(v, one)
        d[i] *= top / bottom + four * v * (f * o * o * (f + o) / (bottom * bottom))


@jit
def _mish_gradient(x, d):
    parallel_for(_mish_gradient_task, (x, d), num_chunks(d))


def mish_gradient(x: Array, dy: Array, out: Array) -> Array:
    _mish_gradient(x.reshape(-1), copied(dy, out))
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
