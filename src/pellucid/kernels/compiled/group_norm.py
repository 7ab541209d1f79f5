"""Group normalization's arithmetic, in pieces for the team: a piece is a sample, or several; ``columns.py`` tells how columns
are read. A sample is read three times, and the caches hold it meanwhile."""

from __future__ import annotations

import math

import numba
import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.columns import BLOCK, PIECE, SUMMED, SUMS, added, fold, take_over, width_of
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share

U = numba.uint64


@jit
def _by_group(columns, groups):  # type: ignore[no-untyped-def]
    """The sums of groups of neighbouring columns."""
    out, each = np.zeros(groups), columns.size // groups
    for j in range(columns.size):
        out[j // each] += columns[j]
    return out


@jit
def _each_column(figures, w, c, like):  # type: ignore[no-untyped-def]
    """The figures of the groups for each number of a wide row, in the dtype of ``like``."""
    out, each = np.empty(w, like.dtype), c // figures.size
    for j in range(w):
        out[j] = figures[j % c // each]
    return out


@jit
def _sums(x, first, last, shift, squared, c):  # type: ignore[no-untyped-def]
    """Σ (x − shift) of each column from ``first`` to ``last``, or of the squares."""
    w, columns = U(shift.size), np.empty(c)
    part, total = np.zeros(w, x.dtype), np.zeros(w)
    for block in range(first, last, w * BLOCK):
        for start in range(block, min(block + w * BLOCK, last), w):
            for j in range(min(w, last - start)):
                d = x[start + j] - shift[j]
                part[j] += d * d if squared else d
        take_over(part, total)
    fold(total, columns)
    return columns


@jit
def _forward_piece(x, gamma, beta, epsilon, out, mean, rstd, count, piece):  # type: ignore[no-untyped-def]
    n, groups, c = mean.shape[0], mean.shape[1], gamma.size
    size = x.size // n
    w = width_of(size, c)
    for i in range(piece * count, min((piece + 1) * count, n)):
        first, last, numbers = U(i * size), U((i + 1) * size), size // groups
        # Of the differences to a number that is near: where the mean is large, Σx has few digits left for the spread.
        near = _each_column(_by_group(x[first : first + U(c)].astype(np.float64), groups) / (c // groups), w, c, x)
        m = _by_group(_sums(x, first, last, near, False, c), groups) / numbers
        for k in range(groups):
            mean[i, k] = near[k * (c // groups)] + m[k]
        shift = _each_column(mean[i], w, c, x)
        m2 = _by_group(_sums(x, first, last, shift, True, c), groups) / numbers
        for k in range(groups):
            rstd[i, k] = 1 / math.sqrt(m2[k] + epsilon)
        scale, b = _each_column(rstd[i], w, c, x), np.empty(w, x.dtype)
        for j in range(w):
            scale[j] *= gamma[j % U(c)]
            b[j] = beta[j % U(c)]
        for start in range(first, last, w):
            for j in range(min(w, last - start)):
                out[start + j] = (x[start + j] - shift[j]) * scale[j] + b[j]


@jit
def _group_norm(x, gamma, beta, epsilon, out, mean, rstd):  # type: ignore[no-untyped-def]
    n = mean.shape[0]
    count = max(1, PIECE // max(1, x.size // max(1, n)))
    share(_forward_piece, (x, gamma, beta, epsilon, out, mean, rstd, count), (n + count - 1) // count)


@jit
def _backward_piece(x, gamma, mean, rstd, d, sums, piece):  # type: ignore[no-untyped-def]
    """dX of some samples, where dY was, and their Σ dy x̂ and Σ dy."""
    n, groups, c = mean.shape[0], mean.shape[1], gamma.size
    size, parts = x.size // max(1, n), len(sums)
    w = width_of(size, c)
    of_d, of_dx, a = np.empty(c), np.empty(c), np.empty(w, x.dtype)
    part, products, total, total_of_products = np.zeros(w, x.dtype), np.zeros(w, x.dtype), np.zeros(w), np.zeros(w)
    sums[piece, :, :] = 0
    for i in range(piece * n // parts, (piece + 1) * n // parts):
        first, last, numbers = U(i * size), U((i + 1) * size), size // groups
        m, r = _each_column(mean[i], w, c, x), _each_column(rstd[i], w, c, x)
        for block in range(first, last, w * BLOCK):
            for start in range(block, min(block + w * BLOCK, last), w):
                for j in range(min(w, last - start)):
                    part[j] += d[start + j]
                    products[j] += d[start + j] * ((x[start + j] - m[j]) * r[j])
            take_over(part, total)
            take_over(products, total_of_products)
        fold(total, of_d)
        fold(total_of_products, of_dx)
        total[:], total_of_products[:] = 0, 0
        for j in range(c):
            sums[piece, 0, j] += of_dx[j]
            sums[piece, 1, j] += of_d[j]
        h = _each_column(_by_group(of_d * gamma, groups) / numbers, w, c, x)
        hx = _each_column(_by_group(of_dx * gamma, groups) / numbers, w, c, x)
        for j in range(w):
            a[j] = gamma[j % U(c)]
        for start in range(first, last, w):
            for j in range(min(w, last - start)):
                d[start + j] = r[j] * (a[j] * d[start + j] - h[j] - (x[start + j] - m[j]) * r[j] * hx[j])


@jit
def _group_norm_backward(x, gamma, mean, rstd, d, dgamma, dbeta):  # type: ignore[no-untyped-def]
    sums = np.empty((max(1, min(SUMS, x.size // SUMMED, mean.shape[0])), 2, gamma.size))
    share(_backward_piece, (x, gamma, mean, rstd, d, sums), len(sums))
    dgamma[:], dbeta[:] = added(sums)


def group_norm(x: Array, gamma: Array, beta: Array, epsilon: float, out: Array, mean: Array, rstd: Array) -> Array:
    _group_norm(x.reshape(-1), gamma, beta, epsilon, out.reshape(-1), mean, rstd)
    return out


def group_norm_backward(
    x: Array, gamma: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array, out: Array
) -> Array:
    if out is not dy:
        np.copyto(out, dy)
    _group_norm_backward(x.reshape(-1), gamma, mean, rstd, out.reshape(-1), dgamma, dbeta)
    return out
