"""The kernels of gated linear units: of the 2u values of a row, the first u are gates, by which the others are multiplied."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.reference.activations import sigmoid


def swiglu(z: Array, out: Array) -> Array:
    """out = a σ(a) v for the gates a and the values v in z."""
    a, v = _halves(z)
    return np.multiply(a * sigmoid(a, np.empty_like(a)), v, out=out)


def swiglu_gradient(z: Array, dy: Array, out: Array) -> Array:
    """da = dy v σ (1 + a (1 − σ)),  dv = dy a σ; out holds da, then dv."""
    a, v = _halves(z)
    s = sigmoid(a, np.empty_like(a))
    da, dv = _halves(out)
    np.multiply(dy * v, s * (1 + a * (1 - s)), out=da)
    np.multiply(dy, a * s, out=dv)
    return out


def _halves(z: Array) -> tuple[Array, Array]:
    units = z.shape[1] // 2
    return z[:, :units], z[:, units:]
