"""More rules on flat vectors: each is one pass over all of them, in place, in pieces for the team."""

from __future__ import annotations

import math

from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.updates import TINY, pieces, stretch


@jit
def _amsgrad(theta, g, m, v, peak, eta, root, b1, r1, b2, r2, eps, piece):  # type: ignore[no-untyped-def]
    tiny, zero = theta.dtype.type(TINY), theta.dtype.type(0)
    for i in stretch(theta, piece):
        a = b1 * m[i] + r1 * g[i]
        b = b2 * v[i] + r2 * g[i] * g[i]
        a = zero if abs(a) < tiny else a
        b = zero if b < tiny else b
        m[i] = a
        v[i] = b
        b = max(b, peak[i])
        peak[i] = b
        theta[i] -= eta * a / (math.sqrt(b) * root + eps)


@jit
def amsgrad(theta, g, m, v, peak, rate, beta1, beta2, epsilon, step):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    eta, root = kind(rate / (1 - beta1**step)), kind(1 / math.sqrt(1 - beta2**step))
    numbers = (eta, root, kind(beta1), kind(1 - beta1), kind(beta2), kind(1 - beta2), kind(epsilon))
    share(_amsgrad, (theta, g, m, v, peak, *numbers), pieces(theta))


@jit
def _nadam(theta, g, m, v, now, ahead, root, b1, r1, b2, r2, eps, piece):  # type: ignore[no-untyped-def]
    tiny, zero = theta.dtype.type(TINY), theta.dtype.type(0)
    for i in stretch(theta, piece):
        a = b1 * m[i] + r1 * g[i]
        b = b2 * v[i] + r2 * g[i] * g[i]
        a = zero if abs(a) < tiny else a
        b = zero if b < tiny else b
        m[i] = a
        v[i] = b
        theta[i] -= (now * g[i] + ahead * a) / (math.sqrt(b) * root + eps)


@jit
def nadam(theta, g, m, v, now, ahead, beta1, beta2, epsilon, step):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    numbers = (kind(now), kind(ahead), kind(1 / math.sqrt(1 - beta2**step)))
    moments = (kind(beta1), kind(1 - beta1), kind(beta2), kind(1 - beta2), kind(epsilon))
    share(_nadam, (theta, g, m, v, *numbers, *moments), pieces(theta))


@jit
def _adamax(theta, g, m, u, eta, b1, r1, b2, eps, piece):  # type: ignore[no-untyped-def]
    tiny, zero = theta.dtype.type(TINY), theta.dtype.type(0)
    for i in stretch(theta, piece):
        a = b1 * m[i] + r1 * g[i]
        a = zero if abs(a) < tiny else a
        m[i] = a
        b = max(b2 * u[i], abs(g[i]) + eps)
        u[i] = b
        theta[i] -= eta * a / b


@jit
def adamax(theta, g, m, u, rate, beta1, beta2, epsilon, step):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    numbers = (kind(rate / (1 - beta1**step)), kind(beta1), kind(1 - beta1), kind(beta2), kind(epsilon))
    share(_adamax, (theta, g, m, u, *numbers), pieces(theta))


@jit
def _rmsprop(theta, g, v, mean, u, rate, alpha, rest, eps, momentum, centered, piece):  # type: ignore[no-untyped-def]
    tiny, zero = theta.dtype.type(TINY), theta.dtype.type(0)
    for i in stretch(theta, piece):
        b = alpha * v[i] + rest * g[i] * g[i]
        b = zero if b < tiny else b
        v[i] = b
        if centered:
            a = alpha * mean[i] + rest * g[i]
            a = zero if abs(a) < tiny else a
            mean[i] = a
            b = max(b - a * a, zero)  # rounding may leave it below
        d = g[i] / (math.sqrt(b) + eps)
        if momentum != zero:
            d += momentum * u[i]
            d = zero if abs(d) < tiny else d
            u[i] = d
        theta[i] -= rate * d


@jit
def rmsprop(theta, g, v, mean, u, rate, alpha, epsilon, momentum, centered):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    numbers = (kind(rate), kind(alpha), kind(1 - alpha), kind(epsilon), kind(momentum))
    share(_rmsprop, (theta, g, v, mean, u, *numbers, centered), pieces(theta))


@jit
def _adagrad(theta, g, s, rate, initial, eps, piece):  # type: ignore[no-untyped-def]
    tiny, zero = theta.dtype.type(TINY), theta.dtype.type(0)
    for i in stretch(theta, piece):
        b = s[i] + g[i] * g[i]
        b = zero if b < tiny else b
        s[i] = b
        theta[i] -= rate * g[i] / (math.sqrt(initial + b) + eps)


@jit
def adagrad(theta, g, s, rate, initial, epsilon):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    share(_adagrad, (theta, g, s, kind(rate), kind(initial), kind(epsilon)), pieces(theta))


@jit
def _adadelta(theta, g, v, u, rate, rho, rest, eps, piece):  # type: ignore[no-untyped-def]
    tiny, zero = theta.dtype.type(TINY), theta.dtype.type(0)
    for i in stretch(theta, piece):
        b = rho * v[i] + rest * g[i] * g[i]
        b = zero if b < tiny else b
        v[i] = b
        d = g[i] * math.sqrt(u[i] + eps) / math.sqrt(b + eps)
        c = rho * u[i] + rest * d * d
        u[i] = zero if c < tiny else c
        theta[i] -= rate * d


@jit
def adadelta(theta, g, v, u, rate, rho, epsilon):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    share(_adadelta, (theta, g, v, u, kind(rate), kind(rho), kind(1 - rho), kind(epsilon)), pieces(theta))


@jit
def _lion(theta, g, m, rate, b1, r1, b2, r2, piece):  # type: ignore[no-untyped-def]
    tiny, zero = theta.dtype.type(TINY), theta.dtype.type(0)
    for i in stretch(theta, piece):
        c = b1 * m[i] + r1 * g[i]
        theta[i] -= rate if c > zero else (-rate if c < zero else zero)
        a = b2 * m[i] + r2 * g[i]
        m[i] = zero if abs(a) < tiny else a


@jit
def lion(theta, g, m, rate, beta1, beta2):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    numbers = (kind(rate), kind(beta1), kind(1 - beta1), kind(beta2), kind(1 - beta2))
    share(_lion, (theta, g, m, *numbers), pieces(theta))
