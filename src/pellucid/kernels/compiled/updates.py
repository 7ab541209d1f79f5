"""What optimizers do to flat vectors: each is one pass over all of them, in place."""

from __future__ import annotations

import math

import numba

from pellucid.kernels.compiled.jit import jit

U = numba.uint64
BLOCK = U(512)
TINY = 1e-30  # as in reference/updates.py


@jit
def sum_of_squares(g):  # type: ignore[no-untyped-def]
    total = 0.0
    for start in range(U(0), U(g.size), BLOCK):  # sums of a block in g's dtype, of the blocks in float64
        part = g.dtype.type(0)
        for i in range(start, min(start + BLOCK, U(g.size))):
            part += g[i] * g[i]
        total += part
    return total


@jit
def scale(g, factor):  # type: ignore[no-untyped-def]
    factor = g.dtype.type(factor)
    for i in range(U(g.size)):
        g[i] *= factor


@jit
def add(total, other):  # type: ignore[no-untyped-def]
    for i in range(U(total.size)):
        total[i] += other[i]


@jit
def add_scaled(g, theta, factor):  # type: ignore[no-untyped-def]
    factor = g.dtype.type(factor)
    for i in range(U(g.size)):
        g[i] += factor * theta[i]


@jit
def sgd(theta, g, rate):  # type: ignore[no-untyped-def]
    rate = theta.dtype.type(rate)
    for i in range(U(theta.size)):
        theta[i] -= rate * g[i]


@jit
def sgd_momentum(theta, g, v, rate, momentum, nesterov):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    rate, mu, tiny, zero = kind(rate), kind(momentum), kind(TINY), kind(0)
    for i in range(U(theta.size)):
        w = mu * v[i] + g[i]
        w = zero if abs(w) < tiny else w
        v[i] = w
        theta[i] -= rate * (g[i] + mu * w if nesterov else w)


@jit
def adam(theta, g, m, v, rate, beta1, beta2, epsilon, step):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    eta, root = kind(rate / (1 - beta1**step)), kind(1 / math.sqrt(1 - beta2**step))
    b1, r1, b2, r2 = kind(beta1), kind(1 - beta1), kind(beta2), kind(1 - beta2)
    eps, tiny, zero = kind(epsilon), kind(TINY), kind(0)
    for i in range(U(theta.size)):
        a = b1 * m[i] + r1 * g[i]
        b = b2 * v[i] + r2 * g[i] * g[i]
        a = zero if abs(a) < tiny else a
        b = zero if b < tiny else b
        m[i] = a
        v[i] = b
        theta[i] -= eta * a / (math.sqrt(b) * root + eps)
