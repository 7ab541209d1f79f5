"""What optimizers do to flat vectors: θ parameters, g gradient; each is one pass, in place."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array

TINY = 1e-30  # moments below are set to zero: denormal numbers take a processor many times longer


def sum_of_squares(g: Array) -> float:
    """‖g‖², summed in float64. (The compiled kernel sums blocks in g's dtype first: float32 overflows beyond 1e19.)"""
    return float(np.dot(g.astype(np.float64), g.astype(np.float64)))


def scale(g: Array, factor: float) -> None:
    """g ← factor·g."""
    g *= g.dtype.type(factor)


def add(total: Array, other: Array) -> None:
    """total ← total + other."""
    total += other


def copy(source: Array, target: Array) -> None:
    """target ← source."""
    target[...] = source


def add_scaled(g: Array, theta: Array, factor: float) -> None:
    """g ← g + factor·θ."""
    g += g.dtype.type(factor) * theta


def add_penalty(g: Array, theta: Array, l1: float, l2: float) -> None:
    """g ← g + l1·sign(θ) + l2·θ."""
    g += g.dtype.type(l1) * np.sign(theta) + g.dtype.type(l2) * theta


def clip(g: Array, limit: float) -> None:
    """g ← min(max(g, −limit), limit); NaN stays NaN."""
    np.clip(g, -g.dtype.type(limit), g.dtype.type(limit), out=g)


def limit_columns(W: Array, limit: float) -> None:
    """Each column w of W (n, k) ← w·min(1, limit/‖w‖)."""
    squares = np.einsum("ij,ij->j", W, W, dtype=np.float64)
    W *= np.where(squares > limit * limit, limit / np.sqrt(np.maximum(squares, limit * limit)), 1).astype(W.dtype)


def sgd(theta: Array, g: Array, rate: float) -> None:
    """θ ← θ − η g."""
    theta -= theta.dtype.type(rate) * g


def sgd_momentum(theta: Array, g: Array, v: Array, rate: float, momentum: float, nesterov: bool) -> None:
    """v ← μ v + g;  θ ← θ − η v, or with Nesterov's look ahead θ ← θ − η (g + μ v)."""
    mu = theta.dtype.type(momentum)
    v *= mu
    v += g
    v[np.abs(v) < TINY] = 0
    theta -= theta.dtype.type(rate) * (g + mu * v if nesterov else v)


def adam(
    theta: Array, g: Array, m: Array, v: Array, rate: float, beta1: float, beta2: float, epsilon: float, step: int
) -> None:
    """m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  θ ← θ − η m̂ / (√v̂ + ε),  m̂ = m/(1 − β₁ᵗ),  v̂ = v/(1 − β₂ᵗ)."""
    kind = theta.dtype.type
    m *= kind(beta1)
    m += kind(1 - beta1) * g
    m[np.abs(m) < TINY] = 0
    v *= kind(beta2)
    v += kind(1 - beta2) * g * g
    v[v < TINY] = 0
    theta -= kind(rate / (1 - beta1**step)) * m / (np.sqrt(v) * kind(1 / np.sqrt(1 - beta2**step)) + kind(epsilon))
