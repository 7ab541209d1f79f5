"""More rules on flat vectors: θ parameters, g gradient, η the rate; each is one pass, in place, with its moments."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.reference.updates import TINY


def amsgrad(
    theta: Array, g: Array, m: Array, v: Array, peak: Array, rate: float, beta1: float, beta2: float, epsilon: float, step: int
) -> None:
    """Adam whose v̂ never falls: p ← max(p, v);  θ ← θ − η m̂ / (√p̂ + ε),  p̂ = p/(1 − β₂ᵗ)."""
    kind = theta.dtype.type
    _moments(g, m, v, beta1, beta2)
    np.maximum(peak, v, out=peak)
    theta -= kind(rate / (1 - beta1**step)) * m / (np.sqrt(peak) * kind(1 / np.sqrt(1 - beta2**step)) + kind(epsilon))


def nadam(
    theta: Array, g: Array, m: Array, v: Array, now: float, ahead: float, beta1: float, beta2: float, epsilon: float, step: int
) -> None:
    """Adam's moments;  θ ← θ − (now·g + ahead·m) / (√v̂ + ε): the rates of the gradient and of the momentum to come."""
    kind = theta.dtype.type
    _moments(g, m, v, beta1, beta2)
    theta -= (kind(now) * g + kind(ahead) * m) / (np.sqrt(v) * kind(1 / np.sqrt(1 - beta2**step)) + kind(epsilon))


def _moments(g: Array, m: Array, v: Array, beta1: float, beta2: float) -> None:
    kind = g.dtype.type
    m *= kind(beta1)
    m += kind(1 - beta1) * g
    m[np.abs(m) < TINY] = 0
    v *= kind(beta2)
    v += kind(1 - beta2) * g * g
    v[v < TINY] = 0


def adamax(
    theta: Array, g: Array, m: Array, u: Array, rate: float, beta1: float, beta2: float, epsilon: float, step: int
) -> None:
    """m ← β₁ m + (1 − β₁) g;  u ← max(β₂ u, |g| + ε);  θ ← θ − η m̂ / u,  m̂ = m/(1 − β₁ᵗ)."""
    kind = theta.dtype.type
    m *= kind(beta1)
    m += kind(1 - beta1) * g
    m[np.abs(m) < TINY] = 0
    u *= kind(beta2)
    np.maximum(u, np.abs(g) + kind(epsilon), out=u)
    theta -= kind(rate / (1 - beta1**step)) * m / u


def rmsprop(
    theta: Array,
    g: Array,
    v: Array,
    mean: Array,
    u: Array,
    rate: float,
    alpha: float,
    epsilon: float,
    momentum: float,
    centered: bool,
) -> None:
    """v ← α v + (1 − α) g²;  u ← μ u + g / (√v + ε);  θ ← θ − η u. Centered, with v − mean² in v's place, where
    mean ← α mean + (1 − α) g. Without momentum u is left alone, and mean when it is not centered: give any vector."""
    kind = theta.dtype.type
    _square(g, v, alpha)
    spread = v
    if centered:
        mean *= kind(alpha)
        mean += kind(1 - alpha) * g
        mean[np.abs(mean) < TINY] = 0
        spread = np.maximum(v - mean * mean, 0)  # rounding may leave it below
    d = g / (np.sqrt(spread) + kind(epsilon))
    if momentum:
        u *= kind(momentum)
        u += d
        u[np.abs(u) < TINY] = 0
        d = u
    theta -= kind(rate) * d


def _square(g: Array, v: Array, decay: float) -> None:
    kind = g.dtype.type
    v *= kind(decay)
    v += kind(1 - decay) * g * g
    v[v < TINY] = 0


def adagrad(theta: Array, g: Array, s: Array, rate: float, initial: float, epsilon: float) -> None:
    """s ← s + g²;  θ ← θ − η g / (√(initial + s) + ε)."""
    kind = theta.dtype.type
    s += g * g
    s[s < TINY] = 0
    theta -= kind(rate) * g / (np.sqrt(kind(initial) + s) + kind(epsilon))


def adadelta(theta: Array, g: Array, v: Array, u: Array, rate: float, rho: float, epsilon: float) -> None:
    """v ← ρ v + (1 − ρ) g²;  d = g √(u + ε)/√(v + ε);  u ← ρ u + (1 − ρ) d²;  θ ← θ − η d."""
    kind = theta.dtype.type
    _square(g, v, rho)
    d = g * np.sqrt(u + kind(epsilon)) / np.sqrt(v + kind(epsilon))
    _square(d, u, rho)
    theta -= kind(rate) * d


def lion(theta: Array, g: Array, m: Array, rate: float, beta1: float, beta2: float) -> None:
    """θ ← θ − η sign(β₁ m + (1 − β₁) g);  m ← β₂ m + (1 − β₂) g."""
    kind = theta.dtype.type
    theta -= kind(rate) * np.sign(kind(beta1) * m + kind(1 - beta1) * g)
    m *= kind(beta2)
    m += kind(1 - beta2) * g
    m[np.abs(m) < TINY] = 0
