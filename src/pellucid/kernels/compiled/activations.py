"""Activation functions and what they make of a gradient, each one pass over the array, in pieces for the team."""

from __future__ import annotations

import math

import numba

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.vectors import address

U = numba.uint64
PIECE = 16_384  # numbers: some microseconds


@jit
def pieces(x):  # type: ignore[no-untyped-def]
    """How many there are."""
    return (x.size + PIECE - 1) // PIECE


@jit
def stretch(x, piece):  # type: ignore[no-untyped-def]
    """The numbers of one piece."""
    first = U(piece) * U(PIECE)
    return range(first, min(first + U(PIECE), U(x.size)))


@jit
def starts(x, k, rows, piece):  # type: ignore[no-untyped-def]
    """Where the rows of one piece begin, each of k numbers."""
    first = U(piece) * U(rows) * U(k)
    return range(first, min(first + U(rows) * U(k), U(x.size)), U(k))


@jit
def _relu_piece(x, out, piece):  # type: ignore[no-untyped-def]
    zero = x.dtype.type(0)
    for i in stretch(x, piece):
        out[i] = zero if x[i] < zero else x[i]


@jit
def _add_relu_piece(x, other, out, piece):  # type: ignore[no-untyped-def]
    zero = x.dtype.type(0)
    for i in stretch(x, piece):
        v = x[i] + other[i]
        out[i] = zero if v < zero else v


@jit
def _relu_gradient_piece(y, dy, out, piece):  # type: ignore[no-untyped-def]
    zero = y.dtype.type(0)
    if address(dy, 0) == address(out, 0):  # by one name: a loop that may write what it reads is not vectorized
        for i in stretch(y, piece):
            out[i] = zero if y[i] <= zero else out[i]
    else:
        for i in stretch(y, piece):
            out[i] = zero if y[i] <= zero else dy[i]


@jit
def _sigmoid_piece(x, out, piece):  # type: ignore[no-untyped-def]
    one = x.dtype.type(1)
    for i in stretch(x, piece):
        e = math.exp(-abs(x[i]))
        out[i] = (one if x[i] >= 0 else e) / (one + e)


@jit
def _sigmoid_gradient_piece(y, dy, out, piece):  # type: ignore[no-untyped-def]
    one = y.dtype.type(1)
    if address(dy, 0) == address(out, 0):
        for i in stretch(y, piece):
            out[i] = out[i] * y[i] * (one - y[i])
    else:
        for i in stretch(y, piece):
            out[i] = dy[i] * y[i] * (one - y[i])


@jit
def _tanh_piece(x, out, piece):  # type: ignore[no-untyped-def]
    for i in stretch(x, piece):
        out[i] = math.tanh(x[i])


@jit
def _tanh_gradient_piece(y, dy, out, piece):  # type: ignore[no-untyped-def]
    one = y.dtype.type(1)
    if address(dy, 0) == address(out, 0):
        for i in stretch(y, piece):
            out[i] = out[i] * (one - y[i] * y[i])
    else:
        for i in stretch(y, piece):
            out[i] = dy[i] * (one - y[i] * y[i])


@jit
def _softmax_piece(x, k, out, rows, piece):  # type: ignore[no-untyped-def]
    for start in starts(x, k, rows, piece):
        top = x[start]
        for j in range(start, start + U(k)):
            top = max(top, x[j])
        total = x.dtype.type(0)
        for j in range(start, start + U(k)):
            e = math.exp(x[j] - top)
            out[j] = e
            total += e
        for j in range(start, start + U(k)):
            out[j] /= total


@jit
def _softmax_gradient_piece(y, dy, k, out, rows, piece):  # type: ignore[no-untyped-def]
    for start in starts(y, k, rows, piece):
        inner = y.dtype.type(0)
        for j in range(start, start + U(k)):
            inner += dy[j] * y[j]
        if address(dy, 0) == address(out, 0):
            for j in range(start, start + U(k)):
                out[j] = y[j] * (out[j] - inner)
        else:
            for j in range(start, start + U(k)):
                out[j] = y[j] * (dy[j] - inner)


@jit
def _log_softmax_piece(x, k, out, rows, piece):  # type: ignore[no-untyped-def]
    for start in starts(x, k, rows, piece):
        top = x[start]
        for j in range(start, start + U(k)):
            top = max(top, x[j])
        total = x.dtype.type(0)
        for j in range(start, start + U(k)):
            total += math.exp(x[j] - top)
        rest = math.log(total)
        for j in range(start, start + U(k)):
            out[j] = (x[j] - top) - rest


@jit
def _log_softmax_gradient_piece(y, dy, k, out, rows, piece):  # type: ignore[no-untyped-def]
    for start in starts(y, k, rows, piece):
        total = y.dtype.type(0)
        for j in range(start, start + U(k)):
            total += dy[j]
        for j in range(start, start + U(k)):
            out[j] = dy[j] - math.exp(y[j]) * total


@jit
def _relu(x, out):  # type: ignore[no-untyped-def]
    share(_relu_piece, (x, out), pieces(out))


@jit
def _add_relu(x, other, out):  # type: ignore[no-untyped-def]
    share(_add_relu_piece, (x, other, out), pieces(out))


@jit
def _relu_gradient(y, dy, out):  # type: ignore[no-untyped-def]
    share(_relu_gradient_piece, (y, dy, out), pieces(out))


@jit
def _sigmoid(x, out):  # type: ignore[no-untyped-def]
    share(_sigmoid_piece, (x, out), pieces(out))


@jit
def _sigmoid_gradient(y, dy, out):  # type: ignore[no-untyped-def]
    share(_sigmoid_gradient_piece, (y, dy, out), pieces(out))


@jit
def _tanh(x, out):  # type: ignore[no-untyped-def]
    share(_tanh_piece, (x, out), pieces(out))


@jit
def _tanh_gradient(y, dy, out):  # type: ignore[no-untyped-def]
    share(_tanh_gradient_piece, (y, dy, out), pieces(out))


@jit
def _softmax(x, k, out):  # type: ignore[no-untyped-def]
    rows = max(1, PIECE // (4 * k))
    share(_softmax_piece, (x, k, out, rows), (out.size // k + rows - 1) // rows)


@jit
def _softmax_gradient(y, dy, k, out):  # type: ignore[no-untyped-def]
    rows = max(1, PIECE // (4 * k))
    share(_softmax_gradient_piece, (y, dy, k, out, rows), (out.size // k + rows - 1) // rows)


@jit
def _log_softmax(x, k, out):  # type: ignore[no-untyped-def]
    rows = max(1, PIECE // (4 * k))
    share(_log_softmax_piece, (x, k, out, rows), (out.size // k + rows - 1) // rows)


@jit
def _log_softmax_gradient(y, dy, k, out):  # type: ignore[no-untyped-def]
    rows = max(1, PIECE // (4 * k))
    share(_log_softmax_gradient_piece, (y, dy, k, out, rows), (out.size // k + rows - 1) // rows)


def relu(x: Array, out: Array) -> Array:
    _relu(x.reshape(-1), out.reshape(-1))
    return out


def add_relu(x: Array, other: Array, out: Array) -> Array:
    _add_relu(x.reshape(-1), other.reshape(-1), out.reshape(-1))
    return out


def relu_gradient(y: Array, dy: Array, out: Array) -> Array:
    _relu_gradient(y.reshape(-1), dy.reshape(-1), out.reshape(-1))
    return out


def sigmoid(x: Array, out: Array) -> Array:
    _sigmoid(x.reshape(-1), out.reshape(-1))
    return out


def sigmoid_gradient(y: Array, dy: Array, out: Array) -> Array:
    _sigmoid_gradient(y.reshape(-1), dy.reshape(-1), out.reshape(-1))
    return out


def tanh(x: Array, out: Array) -> Array:
    _tanh(x.reshape(-1), out.reshape(-1))
    return out


def tanh_gradient(y: Array, dy: Array, out: Array) -> Array:
    _tanh_gradient(y.reshape(-1), dy.reshape(-1), out.reshape(-1))
    return out


def softmax(x: Array, out: Array) -> Array:
    _softmax(x.reshape(-1), x.shape[-1], out.reshape(-1))
    return out


def softmax_gradient(y: Array, dy: Array, out: Array) -> Array:
    _softmax_gradient(y.reshape(-1), dy.reshape(-1), y.shape[-1], out.reshape(-1))
    return out


def log_softmax(x: Array, out: Array) -> Array:
    _log_softmax(x.reshape(-1), x.shape[-1], out.reshape(-1))
    return out


def log_softmax_gradient(y: Array, dy: Array, out: Array) -> Array:
    _log_softmax_gradient(y.reshape(-1), dy.reshape(-1), y.shape[-1], out.reshape(-1))
    return out
