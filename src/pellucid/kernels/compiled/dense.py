"""The dense layer's arithmetic: BLAS for the products, one fused pass for bias, ReLU and the bias' gradient."""

from __future__ import annotations

import numba
import numpy as np

from pellucid.kernels.compiled.jit import jit
from pellucid.memory import Array

U = numba.uint64  # signed indices carry Python's wrap-around, and such loops are not vectorized


@jit
def _add_bias(y, b):  # type: ignore[no-untyped-def]
    n, o, Y = U(y.shape[0]), U(y.shape[1]), y.reshape(y.size)
    for i in range(n):
        for j in range(o):
            Y[i * o + j] += b[j]


@jit
def _add_bias_relu(y, b):  # type: ignore[no-untyped-def]
    n, o, Y, zero = U(y.shape[0]), U(y.shape[1]), y.reshape(y.size), y.dtype.type(0)
    for i in range(n):
        for j in range(o):
            v = Y[i * o + j] + b[j]
            Y[i * o + j] = zero if v < zero else v


@jit
def _bias_gradient(dy, db):  # type: ignore[no-untyped-def]
    n, o, D = U(dy.shape[0]), U(dy.shape[1]), dy.reshape(dy.size)
    db[:] = 0
    for i in range(n):
        for j in range(o):
            db[j] += D[i * o + j]


@jit
def _relu_bias_gradient(y, dy, db):  # type: ignore[no-untyped-def]
    n, o, zero = U(y.shape[0]), U(y.shape[1]), y.dtype.type(0)
    Y, D = y.reshape(y.size), dy.reshape(dy.size)
    db[:] = 0
    for i in range(n):
        for j in range(o):
            d = zero if Y[i * o + j] <= zero else D[i * o + j]
            D[i * o + j] = d
            db[j] += d


def affine(x: Array, W: Array, b: Array, out: Array) -> Array:
    np.matmul(x, W, out=out)
    _add_bias(out, b)
    return out


def affine_relu(x: Array, W: Array, b: Array, out: Array) -> Array:
    np.matmul(x, W, out=out)
    _add_bias_relu(out, b)
    return out


def _weight_gradient(x: Array, dy: Array, dW: Array) -> None:
    if len(x) == 1:  # one sample: an outer product, for which matmul has no fast path
        np.multiply(x.T, dy, out=dW)
    else:
        np.matmul(x.T, dy, out=dW)


def affine_backward(x: Array, dy: Array, dW: Array, db: Array) -> None:
    _bias_gradient(dy, db)
    _weight_gradient(x, dy, dW)


def affine_relu_backward(x: Array, y: Array, dy: Array, dW: Array, db: Array) -> None:
    _relu_bias_gradient(y, dy, db)
    _weight_gradient(x, dy, dW)


def affine_input_gradient(dy: Array, W: Array, out: Array) -> Array:
    return np.matmul(dy, W.T, out=out)
