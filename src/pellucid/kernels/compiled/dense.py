"""The dense layer's arithmetic: products with bias and ReLU in the same pass; mask and bias gradient in one pass."""

from __future__ import annotations

import numba
import numpy as np

from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.products import product
from pellucid.kernels.compiled.team import share
from pellucid.memory import Array

U = numba.uint64  # signed indices carry Python's wrap-around, and such loops are not vectorized
PIECE = 16_384  # numbers that a piece has at least: a few microseconds
LINE = 16  # columns that a piece has at least: a cache line


@jit
def _affine(x, W, b, out, floor):  # type: ignore[no-untyped-def]
    n, i, o = x.shape[0], W.shape[0], W.shape[1]
    product(x.reshape(x.size), i, 1, W.reshape(W.size), o, False, b, 0, out.reshape(out.size), n, o, i, floor)


@jit
def _weight_gradient(x, dy, dW):  # type: ignore[no-untyped-def]
    n, i, o = x.shape[0], x.shape[1], dy.shape[1]
    zeros, none = np.zeros(o, dy.dtype), dy.dtype.type(-np.inf)
    product(x.reshape(x.size), 1, i, dy.reshape(dy.size), o, False, zeros, 0, dW.reshape(dW.size), i, o, n, none)


@jit
def _input_gradient(dy, W, out):  # type: ignore[no-untyped-def]
    n, i, o = dy.shape[0], W.shape[0], W.shape[1]
    zeros, none = np.zeros(i, dy.dtype), dy.dtype.type(-np.inf)
    product(dy.reshape(dy.size), o, 1, W.reshape(W.size), o, True, zeros, 0, out.reshape(out.size), n, i, o, none)


@jit
def _bias_gradient_piece(dy, db, columns, piece):  # type: ignore[no-untyped-def]
    n, o, D = U(dy.shape[0]), U(dy.shape[1]), dy.reshape(dy.size)
    first = U(piece) * U(columns)
    last = min(first + U(columns), o)
    db[first:last] = 0
    for i in range(n):
        for j in range(first, last):
            db[j] += D[i * o + j]


@jit
def _relu_bias_gradient_piece(y, dy, db, columns, piece):  # type: ignore[no-untyped-def]
    n, o, zero = U(dy.shape[0]), U(dy.shape[1]), dy.dtype.type(0)
    Y, D = y.reshape(y.size), dy.reshape(dy.size)
    first = U(piece) * U(columns)
    last = min(first + U(columns), o)
    db[first:last] = 0
    for i in range(n):
        for j in range(first, last):
            d = zero if Y[i * o + j] <= zero else D[i * o + j]
            D[i * o + j] = d
            db[j] += d


@jit
def _columns(n):  # type: ignore[no-untyped-def]
    """Columns of a piece: whole cache lines, and enough of them."""
    return max(1, PIECE // max(1, n * LINE)) * LINE


@jit
def affine_backward(x, dy, dW, db):  # type: ignore[no-untyped-def]
    n, o = dy.shape
    columns = _columns(n)
    share(_bias_gradient_piece, (dy, db, columns), (o + columns - 1) // columns)
    _weight_gradient(x, dy, dW)


@jit
def affine_relu_backward(x, y, dy, dW, db):  # type: ignore[no-untyped-def]
    n, o = dy.shape
    columns = _columns(n)
    share(_relu_bias_gradient_piece, (y, dy, db, columns), (o + columns - 1) // columns)
    _weight_gradient(x, dy, dW)


def affine(x: Array, W: Array, b: Array, out: Array) -> Array:
    _affine(x, W, b, out, x.dtype.type(-np.inf))
    return out


def affine_relu(x: Array, W: Array, b: Array, out: Array) -> Array:
    _affine(x, W, b, out, x.dtype.type(0))
    return out


def affine_input_gradient(dy: Array, W: Array, out: Array) -> Array:
    _input_gradient(dy, W, out)
    return out
