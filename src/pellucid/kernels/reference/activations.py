"""Activation functions and what they make of a gradient. Gradients may be written over their argument dy."""

from __future__ import annotations

import numpy as np

from pellucid.memory import Array


def relu(x: Array, out: Array) -> Array:
    """max(x, 0); NaN stays NaN."""
    return np.maximum(x, 0, out=out)


def add_relu(x: Array, other: Array, out: Array) -> Array:
    """max(x + other, 0), the end of a residual block; NaN stays NaN."""
    np.add(x, other, out=out)
    return np.maximum(out, 0, out=out)


def relu_gradient(y: Array, dy: Array, out: Array) -> Array:
    """dy where y > 0, else 0 (and dy where y is NaN, so that NaN is not hidden)."""
    out[...] = np.where(y <= 0, 0, dy)
    return out


def sigmoid(x: Array, out: Array) -> Array:
    """1 / (1 + e⁻ˣ), without overflow on either side."""
    e = np.exp(-np.abs(x))
    out[...] = np.where(x >= 0, 1, e) / (1 + e)
    return out


def sigmoid_gradient(y: Array, dy: Array, out: Array) -> Array:
    """σ' = σ (1 − σ)."""
    return np.multiply(dy, y * (1 - y), out=out)


def tanh(x: Array, out: Array) -> Array:
    return np.tanh(x, out=out)


def tanh_gradient(y: Array, dy: Array, out: Array) -> Array:
    """tanh' = 1 − tanh²."""
    return np.multiply(dy, 1 - y * y, out=out)


def softmax(x: Array, out: Array) -> Array:
    """eˣⁱ / Σ eˣʲ along the last axis; the largest x is taken off first, which changes nothing but the range."""
    np.exp(x - x.max(axis=-1, keepdims=True), out=out)
    out /= out.sum(axis=-1, keepdims=True)
    return out


def softmax_gradient(y: Array, dy: Array, out: Array) -> Array:
    """The Jacobian diag(y) − y yᵀ applied to dy: y (dy − Σ dy y)."""
    out[...] = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
    return out
