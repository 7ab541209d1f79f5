"""The dense layer's arithmetic: products with bias and ReLU in the same pass; mask and bias gradient in one pass."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.far import far
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.products import product
from pellucid.kernels.compiled.sums import biases


@jit
def _affine(x, W, b, out, floor):  # type: ignore[no-untyped-def]
    n, i, o, s = x.shape[0], W.shape[0], W.shape[1], x.itemsize
    far(product, (
        x.reshape(x.size), x.strides[0] // s, x.strides[1] // s, W.reshape(W.size), W.strides[0] // s, W.strides[1] // s,
        b, 0, out.reshape(out.size), n, o, i, floor,
    ))  # fmt: skip


@jit
def _weight_gradient(x, dy, dW):  # type: ignore[no-untyped-def]
    n, i, o, s = x.shape[0], x.shape[1], dy.shape[1], x.itemsize
    far(product, (
        x.reshape(x.size), x.strides[1] // s, x.strides[0] // s, dy.reshape(dy.size), dy.strides[0] // s, dy.strides[1] // s,
        np.zeros(o, dy.dtype), 0, dW.reshape(dW.size), i, o, n, dy.dtype.type(-np.inf),
    ))  # fmt: skip


@jit
def _input_gradient(dy, W, out):  # type: ignore[no-untyped-def]
    n, i, o, s = dy.shape[0], W.shape[0], W.shape[1], dy.itemsize
    far(product, (
        dy.reshape(dy.size), dy.strides[0] // s, dy.strides[1] // s, W.reshape(W.size), W.strides[1] // s, W.strides[0] // s,
        np.zeros(i, dy.dtype), 0, out.reshape(out.size), n, i, o, dy.dtype.type(-np.inf),
    ))  # fmt: skip


@jit
def affine_backward(x, dy, dW, db):  # type: ignore[no-untyped-def]
    far(biases, (dy, dy, db))
    far(_weight_gradient, (x, dy, dW))


@jit
def affine_relu_backward(x, y, dy, dW, db):  # type: ignore[no-untyped-def]
    far(biases, (y, dy, db))
    far(_weight_gradient, (x, dy, dW))


def affine(x: Array, W: Array, b: Array, out: Array) -> Array:
    _affine(x, W, b, out, x.dtype.type(-np.inf))
    return out


def affine_relu(x: Array, W: Array, b: Array, out: Array) -> Array:
    _affine(x, W, b, out, x.dtype.type(0))
    return out


def affine_input_gradient(dy: Array, W: Array, out: Array) -> Array:
    _input_gradient(dy, W, out)
    return out
