"""The kernels of the dense layer: matrix products with bias and ReLU in the same pass; mask and bias gradient in one pass."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit
from pellucid.kernels.compiled.matmul import matmul
from pellucid.kernels.compiled.reductions import bias_gradient


@inner_jit
def _strides(matrix):
    """Return the strides of a matrix, in elements."""
    return matrix.strides[0] // matrix.itemsize, matrix.strides[1] // matrix.itemsize


@jit
def _affine(x, W, b, out, floor):
    shape = x.shape[0], W.shape[1], W.shape[0]
    operands = x.reshape(x.size), _strides(x), W.reshape(W.size), _strides(W), b, 0, out.reshape(out.size)
    indirect_call(matmul, (*operands, shape, floor))


@inner_jit
def _weight_gradient(x, dy, dW):
    """dW = Xᵀ dY."""
    shape = x.shape[1], dy.shape[1], x.shape[0]
    (row, column), zeros = _strides(x), np.zeros(dy.shape[1], dy.dtype)
    operands = x.reshape(x.size), (column, row), dy.reshape(dy.size), _strides(dy), zeros, 0, dW.reshape(dW.size)
    indirect_call(matmul, (*operands, shape, dy.dtype.type(-np.inf)))


@jit
def _input_gradient(dy, W, out):
    """dX = dY Wᵀ."""
    shape = dy.shape[0], W.shape[0], W.shape[1]
    (row, column), zeros = _strides(W), np.zeros(W.shape[0], dy.dtype)
    operands = dy.reshape(dy.size), _strides(dy), W.reshape(W.size), (column, row), zeros, 0, out.reshape(out.size)
    indirect_call(matmul, (*operands, shape, dy.dtype.type(-np.inf)))


@jit
def affine_backward(x, dy, dW, db):
    if len(db):
        indirect_call(bias_gradient, (dy, dy, db))
    indirect_call(_weight_gradient, (x, dy, dW))


@jit
def affine_relu_backward(x, y, dy, dW, db):
    indirect_call(bias_gradient, (y, dy, db))
    indirect_call(_weight_gradient, (x, dy, dW))


def affine(x: Array, W: Array, b: Array, out: Array) -> Array:
    _affine(x, W, b, out, x.dtype.type(-np.inf))
    return out


def affine_relu(x: Array, W: Array, b: Array, out: Array) -> Array:
    _affine(x, W, b, out, x.dtype.type(0))
    return out


def affine_input_gradient(dy: Array, W: Array, out: Array) -> Array:
    _input_gradient(dy, W, out)
    return out
