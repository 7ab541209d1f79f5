"""The dense layer's arithmetic: products with bias and ReLU in the same pass; mask and bias gradient in one pass."""

from __future__ import annotations

import numpy as np

from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.products import product
from pellucid.kernels.compiled.sums import biases
from pellucid.memory import Array


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
def affine_backward(x, dy, dW, db):  # type: ignore[no-untyped-def]
    biases(dy, dy, False, db)
    _weight_gradient(x, dy, dW)


@jit
def affine_relu_backward(x, y, dy, dW, db):  # type: ignore[no-untyped-def]
    biases(y, dy, True, db)
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
