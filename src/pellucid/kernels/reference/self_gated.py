"""The kernels of the activations of the form x g(x), with a gate g between 0 and 1, and of their gradients.

They tend to zero for x → −∞ and to x for x → ∞. A gradient kernel may write over its argument dy.
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.reference.activations import sigmoid

TWICE_ROOT = 2 * math.sqrt(2 / math.pi)  # with CUBIC, the constants of the approximation of GELU
CUBIC = 0.044715
LARGE = 1000.0  # e^−LARGE is zero: with x limited to it, x e^−|x| is zero for infinite x too, not NaN

_erfc = np.vectorize(math.erfc, otypes=[np.float64])  # NumPy has no error function


def silu(x: Array, out: Array) -> Array:
    """out = x σ(x)."""
    return np.multiply(x, sigmoid(x, np.empty_like(x)), out=out)


def silu_gradient(x: Array, dy: Array, out: Array) -> Array:
    """out = dy (x σ)' with (x σ)' = σ (1 + x (1 − σ))."""
    s = sigmoid(x, np.empty_like(x))
    return np.multiply(dy, s * (1 + x * (1 - s)), out=out)


def gelu(x: Array, approximate: bool, out: Array) -> Array:
    """out = x Φ(x) with the normal distribution function Φ(x) = (1 + erf(x/√2))/2.

    The approximation is x s with s = (1 + tanh u)/2 = σ(2u), u = √(2/π) (x + 0.044715 x³): σ keeps the digits that 1 + tanh
    loses for negative u.
    """
    if not approximate:
        return np.multiply(np.maximum(x, -LARGE), _normal_cdf(x), out=out)
    s = sigmoid(_twice_u(np.clip(x, -LARGE, LARGE)), np.empty_like(x))
    return np.multiply(np.maximum(x, -LARGE), s, out=out)


def gelu_gradient(x: Array, approximate: bool, dy: Array, out: Array) -> Array:
    """out = dy (x Φ)' with (x Φ)' = Φ + x φ and the density φ(x) = e^(−x²/2)/√(2π); for the approximation
    (x s)' = s + x s (1 − s) (2u)'."""
    x = np.clip(x, -LARGE, LARGE)
    if approximate:
        u2 = _twice_u(x)
        s, e = sigmoid(u2, np.empty_like(x)), np.exp(-np.abs(u2))  # s (1 − s) = e/(1 + e)²
        slope = x.dtype.type(TWICE_ROOT) * (1 + x.dtype.type(3 * CUBIC) * x * x)
        return np.multiply(dy, s + x * slope * (e / ((1 + e) * (1 + e))), out=out)
    density = np.exp(-x * x / 2) * x.dtype.type(1 / math.sqrt(2 * math.pi))
    return np.multiply(dy, _normal_cdf(x) + x * density, out=out)


def _twice_u(x: Array) -> Array:
    """Return 2u = 2 √(2/π) (x + 0.044715 x³)."""
    return x.dtype.type(TWICE_ROOT) * x * (1 + x.dtype.type(CUBIC) * x * x)


def _normal_cdf(x: Array) -> Array:
    return (_erfc(-x * math.sqrt(0.5)) / 2).astype(x.dtype)  # 1 + erf would lose the digits of small values


def mish(x: Array, out: Array) -> Array:
    """out = x t with t = tanh(log(1 + eˣ)) = (n² + 2n)/(n² + 2n + 2), n = eˣ."""
    x = np.maximum(x, -LARGE)
    top, bottom, _, _ = _mish_parts(x)
    return np.multiply(x, top / bottom, out=out)


def mish_gradient(x: Array, dy: Array, out: Array) -> Array:
    """out = dy (x t)' with (x t)' = t + x (1 − t²) σ = t + 4 x n (1 + n)/(n² + 2n + 2)²."""
    x = np.clip(x, -LARGE, LARGE)
    top, bottom, f, o = _mish_parts(x)
    return np.multiply(dy, top / bottom + 4 * x * (f * o * o * (f + o) / (bottom * bottom)), out=out)


def _mish_parts(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return the numerator and the denominator of t, and (f, o) with n = eˣ = f/o: both are multiplied by o².

    One of f and o is e^−|x|, the other 1, so nothing overflows.
    """
    e = np.exp(-np.abs(x))
    f, o = np.where(x >= 0, 1, e), np.where(x >= 0, e, 1)
    top = f * (f + 2 * o)
    return top, top + 2 * o * o, f, o


def hard_swish(x: Array, out: Array) -> Array:
    """out = x (x + 3)/6 where −3 < x < 3, x above, 0 below."""
    inside = np.clip(x, -3, 3)  # which is 0 at −3 and 3 at 3
    out[...] = np.where(x > 3, x, inside * (inside + 3) / 6)
    return out


def hard_swish_gradient(x: Array, dy: Array, out: Array) -> Array:
    """out = dy (2x + 3)/6 where −3 < x < 3, dy above, 0 below; NaN stays NaN."""
    inside = np.clip(x, -3, 3)
    return np.multiply(dy, np.where(x >= 3, 1, np.where(x <= -3, 0, (2 * inside + 3) / 6)), out=out)
