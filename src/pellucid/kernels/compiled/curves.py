"""The activation functions that bend gently, and the leaky ones: each one pass over the array, in pieces for the team.

Gradients are computed where dy was: a loop that may write what it reads under another name is not vectorized.
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.activations import pieces, stretch
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share

HALF_ROOT = math.sqrt(0.5)
PEAK = 1 / math.sqrt(2 * math.pi)  # of the normal density


@jit
def _leaky_relu_piece(x, slope, out, piece):  # type: ignore[no-untyped-def]
    zero = x.dtype.type(0)
    for i in stretch(x, piece):
        out[i] = x[i] if x[i] > zero else slope * x[i]


@jit
def _leaky_relu_gradient_piece(y, slope, d, piece):  # type: ignore[no-untyped-def]
    zero = y.dtype.type(0)
    for i in stretch(y, piece):
        d[i] = slope * d[i] if y[i] <= zero else d[i]


@jit
def _elu_piece(x, alpha, out, piece):  # type: ignore[no-untyped-def]
    for i in stretch(x, piece):
        out[i] = x[i] if x[i] > 0 else alpha * math.expm1(x[i])


@jit
def _elu_gradient_piece(y, alpha, d, piece):  # type: ignore[no-untyped-def]
    zero = y.dtype.type(0)
    for i in stretch(y, piece):
        d[i] = d[i] if y[i] > zero else (y[i] + alpha) * d[i]


@jit
def _silu_piece(x, out, piece):  # type: ignore[no-untyped-def]
    one = x.dtype.type(1)
    for i in stretch(x, piece):
        e = math.exp(-abs(x[i]))
        out[i] = x[i] * ((one if x[i] >= 0 else e) / (one + e))


@jit
def _silu_gradient_piece(x, d, piece):  # type: ignore[no-untyped-def]
    one = x.dtype.type(1)
    for i in stretch(x, piece):
        e = math.exp(-abs(x[i]))
        s = (one if x[i] >= 0 else e) / (one + e)
        d[i] *= s * (one + x[i] * (one - s))


@jit
def _gelu_piece(x, out, piece):  # type: ignore[no-untyped-def]
    one, half, root = x.dtype.type(1), x.dtype.type(0.5), x.dtype.type(HALF_ROOT)
    for i in stretch(x, piece):
        out[i] = x[i] * (half * (one + math.erf(x[i] * root)))


@jit
def _gelu_gradient_piece(x, d, piece):  # type: ignore[no-untyped-def]
    one, half, root, peak = x.dtype.type(1), x.dtype.type(0.5), x.dtype.type(HALF_ROOT), x.dtype.type(PEAK)
    for i in stretch(x, piece):
        d[i] *= half * (one + math.erf(x[i] * root)) + x[i] * (peak * math.exp(-half * x[i] * x[i]))


@jit
def _softplus_piece(x, out, piece):  # type: ignore[no-untyped-def]
    zero = x.dtype.type(0)
    for i in stretch(x, piece):
        out[i] = (zero if x[i] < zero else x[i]) + math.log1p(math.exp(-abs(x[i])))


@jit
def _softplus_gradient_piece(y, d, piece):  # type: ignore[no-untyped-def]
    for i in stretch(y, piece):
        d[i] *= -math.expm1(-y[i])


@jit
def _hard_sigmoid_piece(x, out, piece):  # type: ignore[no-untyped-def]
    zero, half, one, six = x.dtype.type(0), x.dtype.type(0.5), x.dtype.type(1), x.dtype.type(6)
    for i in stretch(x, piece):
        v = x[i] / six + half
        out[i] = zero if v < zero else one if v > one else v


@jit
def _hard_sigmoid_gradient_piece(y, d, piece):  # type: ignore[no-untyped-def]
    zero, one, six = y.dtype.type(0), y.dtype.type(1), y.dtype.type(6)
    for i in stretch(y, piece):
        d[i] = zero if y[i] <= zero or y[i] >= one else d[i] / six


@jit
def _leaky_relu(x, slope, out):  # type: ignore[no-untyped-def]
    share(_leaky_relu_piece, (x, slope, out), pieces(out))


@jit
def _leaky_relu_gradient(y, slope, d):  # type: ignore[no-untyped-def]
    share(_leaky_relu_gradient_piece, (y, slope, d), pieces(d))


@jit
def _elu(x, alpha, out):  # type: ignore[no-untyped-def]
    share(_elu_piece, (x, alpha, out), pieces(out))


@jit
def _elu_gradient(y, alpha, d):  # type: ignore[no-untyped-def]
    share(_elu_gradient_piece, (y, alpha, d), pieces(d))


@jit
def _silu(x, out):  # type: ignore[no-untyped-def]
    share(_silu_piece, (x, out), pieces(out))


@jit
def _silu_gradient(x, d):  # type: ignore[no-untyped-def]
    share(_silu_gradient_piece, (x, d), pieces(d))


@jit
def _gelu(x, out):  # type: ignore[no-untyped-def]
    share(_gelu_piece, (x, out), pieces(out))


@jit
def _gelu_gradient(x, d):  # type: ignore[no-untyped-def]
    share(_gelu_gradient_piece, (x, d), pieces(d))


@jit
def _softplus(x, out):  # type: ignore[no-untyped-def]
    share(_softplus_piece, (x, out), pieces(out))


@jit
def _softplus_gradient(y, d):  # type: ignore[no-untyped-def]
    share(_softplus_gradient_piece, (y, d), pieces(d))


@jit
def _hard_sigmoid(x, out):  # type: ignore[no-untyped-def]
    share(_hard_sigmoid_piece, (x, out), pieces(out))


@jit
def _hard_sigmoid_gradient(y, d):  # type: ignore[no-untyped-def]
    share(_hard_sigmoid_gradient_piece, (y, d), pieces(d))


def _over(dy: Array, out: Array) -> Array:
    """``out``, flat, with dy in it."""
    if out is not dy:
        np.copyto(out, dy)
    return out.reshape(-1)


def leaky_relu(x: Array, slope: float, out: Array) -> Array:
    _leaky_relu(x.reshape(-1), x.dtype.type(slope), out.reshape(-1))
    return out


def leaky_relu_gradient(y: Array, slope: float, dy: Array, out: Array) -> Array:
    _leaky_relu_gradient(y.reshape(-1), y.dtype.type(slope), _over(dy, out))
    return out


def elu(x: Array, alpha: float, out: Array) -> Array:
    _elu(x.reshape(-1), x.dtype.type(alpha), out.reshape(-1))
    return out


def elu_gradient(y: Array, alpha: float, dy: Array, out: Array) -> Array:
    _elu_gradient(y.reshape(-1), y.dtype.type(alpha), _over(dy, out))
    return out


def silu(x: Array, out: Array) -> Array:
    _silu(x.reshape(-1), out.reshape(-1))
    return out


def silu_gradient(x: Array, dy: Array, out: Array) -> Array:
    _silu_gradient(x.reshape(-1), _over(dy, out))
    return out


def gelu(x: Array, out: Array) -> Array:
    _gelu(x.reshape(-1), out.reshape(-1))
    return out


def gelu_gradient(x: Array, dy: Array, out: Array) -> Array:
    _gelu_gradient(x.reshape(-1), _over(dy, out))
    return out


def softplus(x: Array, out: Array) -> Array:
    _softplus(x.reshape(-1), out.reshape(-1))
    return out


def softplus_gradient(y: Array, dy: Array, out: Array) -> Array:
    _softplus_gradient(y.reshape(-1), _over(dy, out))
    return out


def hard_sigmoid(x: Array, out: Array) -> Array:
    _hard_sigmoid(x.reshape(-1), out.reshape(-1))
    return out


def hard_sigmoid_gradient(y: Array, dy: Array, out: Array) -> Array:
    _hard_sigmoid_gradient(y.reshape(-1), _over(dy, out))
    return out
