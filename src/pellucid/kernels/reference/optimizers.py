"""The kernels of the optimizers' rules, which update θ and its moments in place: θ parameters, g gradient, η learning rate."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array

# Processors are many times slower with denormal numbers, which in float32 are those below 1.2e-38, so small moments are set to
# zero. The limit is higher for averages and sums of gradients: their product with a learning rate must not be denormal either.
#
# What an average loses in this way changes a step by at most η · 1e-29/ε. What an average of squares loses changes its root,
# with bias correction, by at most √(MIN_SQUARE/(1 − β₂)): 1e-17 for β₂ = 0.999, which is 1e-5 of the smallest ε allowed.
MIN_AVERAGE, MIN_SQUARE = 1e-30, 1e-37


def _update_average(m: Array, g: Array, decay: float) -> None:
    """m ← β m + (1 − β) g with β = ``decay``."""
    kind = m.dtype.type
    m *= kind(decay)
    m += kind(1 - decay) * g
    m[np.abs(m) < MIN_AVERAGE] = 0


def _update_square(v: Array, g: Array, decay: float) -> None:
    """v ← β v + (1 − β) g² with β = ``decay``."""
    kind = v.dtype.type
    v *= kind(decay)
    v += kind(1 - decay) * g * g
    v[v < MIN_SQUARE] = 0


def sgd(theta: Array, g: Array, rate: float) -> None:
    """θ ← θ − η g."""
    theta -= theta.dtype.type(rate) * g


def sgd_momentum(theta: Array, g: Array, v: Array, rate: float, momentum: float, nesterov: bool) -> None:
    """v ← μ v + g;  θ ← θ − η v; with Nesterov's momentum θ ← θ − η (g + μ v)."""
    mu = theta.dtype.type(momentum)
    v *= mu
    v += g
    v[np.abs(v) < MIN_AVERAGE] = 0
    theta -= theta.dtype.type(rate) * (g + mu * v if nesterov else v)


def adam(
    theta: Array, g: Array, m: Array, v: Array, rate: float, beta1: float, beta2: float, epsilon: float, step: int
) -> None:
    """m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  θ ← θ − η m̂ / (√v̂ + ε),  m̂ = m/(1 − β₁ᵗ),  v̂ = v/(1 − β₂ᵗ)."""
    kind = theta.dtype.type
    _update_average(m, g, beta1)
    _update_square(v, g, beta2)
    theta -= kind(rate / (1 - beta1**step)) * m / (np.sqrt(v) * kind(1 / np.sqrt(1 - beta2**step)) + kind(epsilon))


def amsgrad(
    theta: Array, g: Array, m: Array, v: Array, peak: Array, rate: float, beta1: float, beta2: float, epsilon: float, step: int
) -> None:
    """Adam with a v̂ that never decreases: p ← max(p, v);  θ ← θ − η m̂ / (√p̂ + ε),  p̂ = p/(1 − β₂ᵗ)."""
    kind = theta.dtype.type
    _update_average(m, g, beta1)
    _update_square(v, g, beta2)
    np.maximum(peak, v, out=peak)
    theta -= kind(rate / (1 - beta1**step)) * m / (np.sqrt(peak) * kind(1 / np.sqrt(1 - beta2**step)) + kind(epsilon))


def nadam(
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    gradient_rate: float,
    momentum_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
) -> None:
    """Adam's moments, and θ ← θ − (η₁ g + η₂ m) / (√v̂ + ε) with the rates η₁ of the gradient and η₂ of the first moment."""
    kind = theta.dtype.type
    _update_average(m, g, beta1)
    _update_square(v, g, beta2)
    root = np.sqrt(v) * kind(1 / np.sqrt(1 - beta2**step))
    theta -= (kind(gradient_rate) * g + kind(momentum_rate) * m) / (root + kind(epsilon))


def radam(
    theta: Array, g: Array, m: Array, v: Array, rate: float, root: float, beta1: float, beta2: float, epsilon: float
) -> None:
    """Adam's moments, and θ ← θ − η m / (root · √v + ε). With root 0 and ε 1, this is a step of the momentum alone."""
    kind = theta.dtype.type
    _update_average(m, g, beta1)
    _update_square(v, g, beta2)
    theta -= kind(rate) * m / (np.sqrt(v) * kind(root) + kind(epsilon))


def adamax(
    theta: Array, g: Array, m: Array, u: Array, rate: float, beta1: float, beta2: float, epsilon: float, step: int
) -> None:
    """m ← β₁ m + (1 − β₁) g;  u ← max(β₂ u, |g| + ε);  θ ← θ − η m̂ / u,  m̂ = m/(1 − β₁ᵗ)."""
    kind = theta.dtype.type
    _update_average(m, g, beta1)
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
    """v ← α v + (1 − α) g²;  u ← μ u + g / (√v + ε);  θ ← θ − η u.

    If ``centered``, v − mean² replaces v, with mean ← α mean + (1 − α) g. ``mean`` is used only if
    ``centered``, ``u`` only with momentum: otherwise any vector will do.
    """
    kind = theta.dtype.type
    _update_square(v, g, alpha)
    spread = v
    if centered:
        _update_average(mean, g, alpha)
        spread = np.maximum(v - mean * mean, 0)  # it may be negative by rounding
    d = g / (np.sqrt(spread) + kind(epsilon))
    if momentum:
        u *= kind(momentum)
        u += d
        u[np.abs(u) < MIN_AVERAGE] = 0
        d = u
    theta -= kind(rate) * d


def adagrad(theta: Array, g: Array, s: Array, rate: float, initial: float, epsilon: float) -> None:
    """s ← s + g²;  θ ← θ − η g / (√(initial + s) + ε)."""
    kind = theta.dtype.type
    s += g * g
    s[s < MIN_SQUARE] = 0
    theta -= kind(rate) * g / (np.sqrt(kind(initial) + s) + kind(epsilon))


def adadelta(theta: Array, g: Array, v: Array, u: Array, rate: float, rho: float, epsilon: float) -> None:
    """v ← ρ v + (1 − ρ) g²;  d = g √(u + ε)/√(v + ε);  u ← ρ u + (1 − ρ) d²;  θ ← θ − η d."""
    kind = theta.dtype.type
    _update_square(v, g, rho)
    d = g * np.sqrt(u + kind(epsilon)) / np.sqrt(v + kind(epsilon))
    _update_square(u, d, rho)
    theta -= kind(rate) * d


def lion(theta: Array, g: Array, m: Array, rate: float, beta1: float, beta2: float) -> None:
    """θ ← θ − η sign(β₁ m + (1 − β₁) g);  m ← β₂ m + (1 − β₂) g."""
    kind = theta.dtype.type
    theta -= kind(rate) * np.sign(kind(beta1) * m + kind(1 - beta1) * g)
    _update_average(m, g, beta2)


def rprop(
    theta: Array,
    g: Array,
    sign: Array,
    factor: Array,
    rate: float,
    decrease: float,
    increase: float,
    low: float,
    high: float,
) -> None:
    """θ ← θ − η f sign(g), with a factor f for each parameter; where g has changed its sign, no step.

    f is 1 at the first gradient that is not zero. It is multiplied by ``increase`` where g has kept its sign, by ``decrease``
    where g has changed it, and stays between ``low`` and ``high``. ``sign`` is that of the last gradient: 0 after a change.
    """
    kind = theta.dtype.type
    s = np.sign(g)
    change = s * sign  # the signs, not the gradients: the product of two small gradients underflows
    factor[(factor == 0) & (s != 0)] = 1
    factor *= np.where(change > 0, kind(increase), np.where(change < 0, kind(decrease), kind(1)))
    np.clip(factor, kind(low), kind(high), out=factor, where=factor > 0)
    s[change < 0] = 0
    sign[:] = s
    theta -= kind(rate) * factor * s
