"""The kernels of the dense layer: Y = X W + b and its gradients. x (n, i), W (i, o), b (o), y (n, o)."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def affine(x: Array, W: Array, b: Array, out: Array) -> Array:
    """out = X W + b."""
    np.matmul(x, W, out=out)
    out += b
    return out


def affine_relu(x: Array, W: Array, b: Array, out: Array) -> Array:
    """out = max(X W + b, 0)."""
    affine(x, W, b, out)
    return np.maximum(out, 0, out=out)


def affine_backward(x: Array, dy: Array, dW: Array, db: Array) -> None:
    """dW = Xᵀ dY,  db = Σ dY over the batch (an empty db means that there is no bias)."""
    if len(x) == 1:  # one sample: an outer product, for which matmul has no fast path
        np.multiply(x.T, dy, out=dW)
    else:
        np.matmul(x.T, dy, out=dW)
    if len(db):
        db[...] = dy.sum(axis=0, dtype=np.float64)  # a long sum would lose digits in float32


def affine_relu_backward(x: Array, y: Array, dy: Array, dW: Array, db: Array) -> None:
    """Compute dW and db of a layer followed by a ReLU with output y: dY is masked in place first."""
    dy[y <= 0] = 0
    affine_backward(x, dy, dW, db)


def affine_input_gradient(dy: Array, W: Array, out: Array) -> Array:
    """out = dX = dY Wᵀ."""
    return np.matmul(dy, W.T, out=out)
