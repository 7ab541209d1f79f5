"""The kernels of the activation functions and their gradients. A gradient kernel may write over its argument dy."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def relu(x: Array, out: Array) -> Array:
    """out = max(x, 0); NaN stays NaN."""
    return np.maximum(x, 0, out=out)


def add_relu(x: Array, other: Array, out: Array) -> Array:
    """out = max(x + other, 0), the end of a residual block; NaN stays NaN."""
    np.add(x, other, out=out)
    return np.maximum(out, 0, out=out)


def relu_gradient(y: Array, dy: Array, out: Array) -> Array:
    """out = dy where y > 0, else 0 (and dy where y is NaN, so that NaN is not hidden)."""
    out[...] = np.where(y <= 0, 0, dy)
    return out


def relu6(x: Array, out: Array) -> Array:
    """out = min(max(x, 0), 6); NaN stays NaN."""
    return np.clip(x, 0, 6, out=out)


def relu6_gradient(y: Array, dy: Array, out: Array) -> Array:
    """out = dy where 0 < y < 6, else 0 (and dy where y is NaN, so that NaN is not hidden)."""
    out[...] = np.where((y <= 0) | (y >= 6), 0, dy)
    return out


def sigmoid(x: Array, out: Array) -> Array:
    """out = 1 / (1 + e⁻ˣ), without overflow for any x."""
    e = np.exp(-np.abs(x))
    out[...] = np.where(x >= 0, 1, e) / (1 + e)
    return out


def sigmoid_gradient(y: Array, dy: Array, out: Array) -> Array:
    """out = dy σ' with σ' = σ (1 − σ)."""
    return np.multiply(dy, y * (1 - y), out=out)


def tanh(x: Array, out: Array) -> Array:
    """out = tanh x."""
    return np.tanh(x, out=out)


def tanh_gradient(y: Array, dy: Array, out: Array) -> Array:
    """out = dy tanh' with tanh' = 1 − tanh²."""
    return np.multiply(dy, 1 - y * y, out=out)


def leaky_relu(x: Array, slope: float, out: Array) -> Array:
    """out = x where x > 0, else slope·x."""
    out[...] = np.where(x > 0, x, x.dtype.type(slope) * x)
    return out


def leaky_relu_gradient(y: Array, slope: float, dy: Array, out: Array) -> Array:
    """out = dy where y > 0, else slope·dy: with slope ≥ 0, x and y have the same sign. Where y is NaN, out = dy."""
    out[...] = np.where(y <= 0, y.dtype.type(slope) * dy, dy)
    return out


def prelu(x: Array, slope: Array, out: Array) -> Array:
    """out = x where x > 0, else s·x with the slopes s (c) of the channels."""
    out[...] = np.where(x > 0, x, slope * x)
    return out


def prelu_backward(x: Array, slope: Array, dy: Array, dslope: Array, out: Array) -> Array:
    """ds = Σ dy x over all x ≤ 0;  out = dx = dy where x > 0, else s·dy. out may be dy."""
    products = np.where(x > 0, 0, x.astype(np.float64) * dy)
    dslope[...] = products.reshape(-1, x.shape[-1]).sum(axis=0)
    out[...] = np.where(x > 0, dy, slope * dy)
    return out


def elu(x: Array, alpha: float, out: Array) -> Array:
    """out = x where x > 0, else α (eˣ − 1)."""
    out[...] = np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)))
    return out


def elu_gradient(x: Array, alpha: float, dy: Array, out: Array) -> Array:
    """out = dy where x > 0, else α eˣ dy. (α eˣ = y + α, but this sum is 0 where eˣ is below the precision of α.)"""
    out[...] = np.where(x > 0, dy, x.dtype.type(alpha) * np.exp(np.minimum(x, 0)) * dy)
    return out


def selu(x: Array, alpha: float, scale: float, out: Array) -> Array:
    """out = λx where x > 0, else λα (eˣ − 1), with λ = ``scale``."""
    negative = x.dtype.type(scale * alpha) * np.expm1(np.minimum(x, 0))
    out[...] = np.where(x > 0, x.dtype.type(scale) * x, negative)
    return out


def selu_gradient(x: Array, alpha: float, scale: float, dy: Array, out: Array) -> Array:
    """out = λ dy where x > 0, else λα eˣ dy."""
    negative = x.dtype.type(scale * alpha) * np.exp(np.minimum(x, 0))
    return np.multiply(dy, np.where(x > 0, x.dtype.type(scale), negative), out=out)


def softplus(x: Array, out: Array) -> Array:
    """out = log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|), without overflow for any x."""
    return np.add(np.maximum(x, 0), np.log1p(np.exp(-np.abs(x))), out=out)


def softplus_gradient(y: Array, dy: Array, out: Array) -> Array:
    """out = dy σ(x) with σ(x) = 1 − e⁻ʸ."""
    return np.multiply(dy, -np.expm1(-y), out=out)


def hard_sigmoid(x: Array, out: Array) -> Array:
    """out = (x + 3)/6, clipped to [0, 1]."""
    return np.clip((x + 3) / 6, 0, 1, out=out)


def hard_sigmoid_gradient(y: Array, dy: Array, out: Array) -> Array:
    """out = dy/6 where 0 < y < 1, else 0 (and dy/6 where y is NaN, so that NaN is not hidden)."""
    out[...] = np.where((y <= 0) | (y >= 1), 0, dy / 6)
    return out
