"""The kernels of softmax and log-softmax along the last axis, and their gradients, which may be written over dy."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def softmax(x: Array, out: Array) -> Array:
    """out = eˣⁱ / Σ eˣʲ along the last axis. The largest x is subtracted first, so that nothing overflows."""
    np.exp(x - x.max(axis=-1, keepdims=True), out=out)
    out /= out.sum(axis=-1, keepdims=True)
    return out


def softmax_gradient(y: Array, dy: Array, out: Array) -> Array:
    """out = y (dy − Σ dy y), the Jacobian diag(y) − y yᵀ applied to dy."""
    out[...] = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
    return out


def log_softmax(x: Array, out: Array) -> Array:
    """out = xᵢ − log Σ eˣʲ along the last axis. The largest x is subtracted first."""
    np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
    out -= np.log(np.exp(out).sum(axis=-1, keepdims=True))
    return out


def log_softmax_gradient(y: Array, dy: Array, out: Array) -> Array:
    """out = dy − eʸ Σ dy, the transposed Jacobian I − softmax 1ᵀ applied to dy."""
    out[...] = dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)
    return out
