"""The kernels of the activations of the form x g(x), each one pass over the array."""

from __future__ import annotations

import math

import numba
import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.in_place import copied
from pellucid.kernels.compiled.jit import inner_jit, jit
from pellucid.kernels.compiled.ordered import add
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import chunk, num_chunks, parallel_for
from pellucid.kernels.compiled.vector_math import Vector, bounded_exponential, compile_formula

SQRT_HALF = math.sqrt(0.5)
NORMAL_PEAK = 1 / math.sqrt(2 * math.pi)  # the density of the normal distribution at zero
TWICE_ROOT = 2 * math.sqrt(2 / math.pi)  # with CUBIC, the constants of the approximation of GELU
CUBIC = 0.044715
LARGE = 1000.0  # e^−LARGE is zero: with x limited to it, x e^−|x| is zero for infinite x too, not NaN
# Φ(−a) = e^(−a²/2) t P(t) for a ≥ 0 with t = 1/(1 + TAIL_SCALE a). P is a polynomial with a relative error of at most 3e-8 for a
# up to 15, fitted to scipy.special.erfcx(a/√2)/2 by least squares with weights that are raised where the error is large (Lawson,
# 1961). Beyond TAIL, Φ(−a) is 0 in float32.
TAIL, TAIL_SCALE = 15.0, 0.35
TAIL_SERIES = (
    0.13962126115449697,
    0.1398642804200371,
    0.11981595968170003,
    0.10557273812418808,
    -0.023258370355877873,
    0.15938409491083438,
    -0.25589336010097075,
    0.1440563001383998,
    -0.02916291990396425,
)


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


def _normal(x: Vector) -> tuple[Vector, Vector]:
    """Return Φ(x) and e^(−x²/2) in the precision of float32, with all digits of small values."""
    v = x.v
    a = x.call("fabs").replace(">", TAIL, TAIL)
    square = a * a
    lost = a.call("fma", a, -1.0 * square)  # what the rounding of a² has lost: in the tail, digits of the exponential
    e = bounded_exponential(-0.5 * square)
    e = e - e * (0.5 * lost)
    t = 1.0 / (1.0 + TAIL_SCALE * a)
    series = Vector(v, v.constant(TAIL_SERIES[-1]))
    for term in TAIL_SERIES[-2::-1]:
        series = series * t + term
    tail = e * (t * series)
    is_negative = v.builder.fcmp_ordered("<", x.value, v.zeros)
    return Vector(v, v.builder.select(is_negative, tail.value, (1.0 - tail).value)), e


def _gelu_formula(x: Vector) -> tuple[Vector, ...]:
    return (x * _normal(x)[0],)


def _gelu_gradient_formula(x: Vector, dy: Vector) -> tuple[Vector, ...]:
    cdf, e = _normal(x)
    return (dy * (cdf + x * (NORMAL_PEAK * e)),)


_gelu_row, _gelu_gradient_row = compile_formula(_gelu_formula, 1, 1), compile_formula(_gelu_gradient_formula, 2, 1)


@inner_jit
def _gelu32_task(x, out, task):
    part = chunk(x, task)
    _gelu_row((address_of(x, part.start), address_of(out, part.start)), part.stop - part.start, x.dtype.type(0))


@jit
def _gelu32(x, out):
    """GELU of float32, in SIMD vectors: the error function of the C library takes twenty times as long."""
    parallel_for(_gelu32_task, (x, out), num_chunks(out))


@inner_jit
def _gelu32_gradient_task(x, d, task):
    part = chunk(x, task)
    place = address_of(d, part.start)
    _gelu_gradient_row((address_of(x, part.start), place, place), part.stop - part.start, x.dtype.type(0))


@jit
def _gelu32_gradient(x, d):
    parallel_for(_gelu32_gradient_task, (x, d), num_chunks(d))


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
    exact = _gelu32 if x.dtype == np.float32 else _gelu
    (_gelu_tanh if approximate else exact)(x.reshape(-1), out.reshape(-1))
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
    exact = _gelu32_gradient if x.dtype == np.float32 else _gelu_gradient
    (_gelu_tanh_gradient if approximate else exact)(x.reshape(-1), copied(dy, out))
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
