"""What optimizers do to flat vectors: each is one pass over all of them, in place, in pieces for the team."""

from __future__ import annotations

import math

import numba
import numpy as np

from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share

U = numba.uint64
BLOCK = U(512)
PIECE = 16_384  # numbers: some microseconds
COLUMNS = U(64)  # of a matrix, that are done together
TINY = 1e-30  # as in reference/updates.py


@jit
def pieces(vector):  # type: ignore[no-untyped-def]
    return (vector.size + PIECE - 1) // PIECE


@jit
def stretch(vector, piece):  # type: ignore[no-untyped-def]
    """The numbers of one piece."""
    first = U(piece) * U(PIECE)
    return range(first, min(first + U(PIECE), U(vector.size)))


@jit
def _sum_of_squares(g, sums, piece):  # type: ignore[no-untyped-def]
    first = U(piece) * U(PIECE)
    last = min(first + U(PIECE), U(g.size))
    total = 0.0
    for start in range(first, last, BLOCK):  # sums of a block in g's dtype, of the blocks in float64
        part = g.dtype.type(0)
        for i in range(start, min(start + BLOCK, last)):
            part += g[i] * g[i]
        total += part
    sums[piece] = total


@jit
def sum_of_squares(g):  # type: ignore[no-untyped-def]
    sums = np.zeros(pieces(g))
    share(_sum_of_squares, (g, sums), len(sums))
    return sums.sum()


@jit
def _scale(g, factor, piece):  # type: ignore[no-untyped-def]
    for i in stretch(g, piece):
        g[i] *= factor


@jit
def scale(g, factor):  # type: ignore[no-untyped-def]
    share(_scale, (g, g.dtype.type(factor)), pieces(g))


@jit
def _add(total, other, piece):  # type: ignore[no-untyped-def]
    for i in stretch(total, piece):
        total[i] += other[i]


@jit
def add(total, other):  # type: ignore[no-untyped-def]
    share(_add, (total, other), pieces(total))


@jit
def _copy(source, target, piece):  # type: ignore[no-untyped-def]
    for i in stretch(target, piece):
        target[i] = source[i]


@jit
def copy(source, target):  # type: ignore[no-untyped-def]
    share(_copy, (source, target), pieces(target))


@jit
def _add_scaled(g, theta, factor, piece):  # type: ignore[no-untyped-def]
    for i in stretch(g, piece):
        g[i] += factor * theta[i]


@jit
def add_scaled(g, theta, factor):  # type: ignore[no-untyped-def]
    share(_add_scaled, (g, theta, g.dtype.type(factor)), pieces(g))


@jit
def _add_penalty(g, theta, l1, l2, piece):  # type: ignore[no-untyped-def]
    zero, one = g.dtype.type(0), g.dtype.type(1)
    for i in stretch(g, piece):
        w = theta[i]
        side = one if w > zero else (-one if w < zero else zero)
        g[i] += l1 * side + l2 * w


@jit
def add_penalty(g, theta, l1, l2):  # type: ignore[no-untyped-def]
    share(_add_penalty, (g, theta, g.dtype.type(l1), g.dtype.type(l2)), pieces(g))


@jit
def _clip(g, limit, piece):  # type: ignore[no-untyped-def]
    for i in stretch(g, piece):
        x = g[i]
        x = limit if x > limit else x
        g[i] = -limit if x < -limit else x


@jit
def clip(g, limit):  # type: ignore[no-untyped-def]
    share(_clip, (g, g.dtype.type(limit)), pieces(g))


@jit
def _limit_columns(W, limit, factors, piece):  # type: ignore[no-untyped-def]
    """The factors of some columns, and the columns themselves. Rows are read one after the other, as they lie in memory."""
    n, k, flat = U(W.shape[0]), U(W.shape[1]), W.reshape(-1)
    first = U(piece) * COLUMNS
    some = factors[first : min(first + COLUMNS, k)]
    for row in range(n):
        start = row * k + first
        for j in range(U(some.size)):
            some[j] += np.float64(flat[start + j]) * np.float64(flat[start + j])
    for j in range(U(some.size)):
        some[j] = limit / math.sqrt(some[j]) if some[j] > limit * limit else 1.0
    for row in range(n):
        start = row * k + first
        for j in range(U(some.size)):
            flat[start + j] *= W.dtype.type(some[j])


@jit
def limit_columns(W, limit):  # type: ignore[no-untyped-def]
    factors = np.zeros(W.shape[1])
    share(_limit_columns, (W, limit, factors), (W.shape[1] + COLUMNS - 1) // COLUMNS)


@jit
def _sgd(theta, g, rate, piece):  # type: ignore[no-untyped-def]
    for i in stretch(theta, piece):
        theta[i] -= rate * g[i]


@jit
def sgd(theta, g, rate):  # type: ignore[no-untyped-def]
    share(_sgd, (theta, g, theta.dtype.type(rate)), pieces(theta))


@jit
def _sgd_momentum(theta, g, v, rate, mu, nesterov, piece):  # type: ignore[no-untyped-def]
    tiny, zero = theta.dtype.type(TINY), theta.dtype.type(0)
    for i in stretch(theta, piece):
        w = mu * v[i] + g[i]
        w = zero if abs(w) < tiny else w
        v[i] = w
        theta[i] -= rate * (g[i] + mu * w if nesterov else w)


@jit
def sgd_momentum(theta, g, v, rate, momentum, nesterov):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    share(_sgd_momentum, (theta, g, v, kind(rate), kind(momentum), nesterov), pieces(theta))


@jit
def _adam(theta, g, m, v, eta, root, b1, r1, b2, r2, eps, piece):  # type: ignore[no-untyped-def]
    tiny, zero = theta.dtype.type(TINY), theta.dtype.type(0)
    for i in stretch(theta, piece):
        a = b1 * m[i] + r1 * g[i]
        b = b2 * v[i] + r2 * g[i] * g[i]
        a = zero if abs(a) < tiny else a
        b = zero if b < tiny else b
        m[i] = a
        v[i] = b
        theta[i] -= eta * a / (math.sqrt(b) * root + eps)


@jit
def adam(theta, g, m, v, rate, beta1, beta2, epsilon, step):  # type: ignore[no-untyped-def]
    kind = theta.dtype.type
    eta, root = kind(rate / (1 - beta1**step)), kind(1 / math.sqrt(1 - beta2**step))
    numbers = (eta, root, kind(beta1), kind(1 - beta1), kind(beta2), kind(1 - beta2), kind(epsilon))
    share(_adam, (theta, g, m, v, *numbers), pieces(theta))
