"""The kernels of dense layers with weights of their own at each position: x (n, p, i), W (p, i, o), b (p, o), y (n, p, o)."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def affine_per_position(x: Array, W: Array, b: Array, out: Array) -> Array:
    """out = x W + b at each position."""
    np.einsum("npi,pio->npo", x, W, out=out)
    return np.add(out, b, out=out)


def affine_per_position_backward(x: Array, dy: Array, dW: Array, db: Array) -> None:
    """dW = Xᵀ dY and db = Σ dY at each position."""
    wide = dy.astype(np.float64)  # a long sum would lose digits in float32
    dW[...] = np.einsum("npi,npo->pio", x, wide)
    db[...] = wide.sum(axis=0)


def affine_per_position_input_gradient(dy: Array, W: Array, out: Array) -> Array:
    """out = dY Wᵀ at each position."""
    return np.einsum("npo,pio->npi", dy, W, out=out)
