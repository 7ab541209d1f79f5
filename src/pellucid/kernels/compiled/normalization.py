"""Normalization's arithmetic, each kernel one pass, in pieces for the team; ``columns.py`` tells how columns are read."""

from __future__ import annotations

import math

import numba
import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.columns import (
    BLOCK,
    PIECE,
    added,
    fold,
    group,
    pieces_of,
    repeated,
    stretch,
    take_over,
    two_sums,
    width_of,
)
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.vectors import address

U = numba.uint64


@jit
def _near_the_mean(x, c):  # type: ignore[no-untyped-def]
    """The mean of up to 16 rows from all over the array: one outlier does not carry it away."""
    rows, out = U(x.size) // U(c), np.zeros(c)
    few = min(rows, U(16))
    for i in range(few):
        start = i * rows // few * U(c)
        for j in range(U(c)):
            out[j] += x[start + j] / few
    return out


@jit
def _moments_piece(x, near, sums, piece):  # type: ignore[no-untyped-def]
    w = U(near.size)
    part, squares, total, total_of_squares = np.zeros(w, x.dtype), np.zeros(w, x.dtype), np.zeros(w), np.zeros(w)
    blocks, last = group(x, w, len(sums), piece)
    for block in blocks:
        for start in range(block, min(block + w * BLOCK, last), w):
            for j in range(min(w, last - start)):
                d = x[start + j] - near[j]
                part[j] += d
                squares[j] += d * d
        take_over(part, total)
        take_over(squares, total_of_squares)
    fold(total, sums[piece, 0])
    fold(total_of_squares, sums[piece, 1])


@jit
def _moments(x, mean, m2):  # type: ignore[no-untyped-def]
    # Of the differences to a number near the mean, not of x: where the mean is large, Σx² has no digits left for the spread.
    near = repeated(_near_the_mean(x, mean.size), width_of(x.size, mean.size), x)
    sums = two_sums(x.size, mean.size)
    share(_moments_piece, (x, near, sums), len(sums))
    total, squares = added(sums)
    rows = max(x.size // mean.size, 1)
    for j in range(mean.size):
        rest = squares[j] - total[j] * total[j] / rows  # Σ(x − mean)² = Σd² − (Σd)²/r
        m2[j] = 0.0 if rest < 0 else rest  # NaN stays NaN
        mean[j] = near[j] + total[j] / rows


@jit
def _normalize_piece(x, m, a, b, floor, out, numbers, piece):  # type: ignore[no-untyped-def]
    w = U(m.size)
    for start in stretch(x, w, numbers, piece):
        for j in range(min(w, U(x.size) - start)):
            v = (x[start + j] - m[j]) * a[j] + b[j]
            out[start + j] = floor if v < floor else v


@jit
def _normalize(x, mean, rstd, gamma, beta, floor, out):  # type: ignore[no-untyped-def]
    w = width_of(x.size, gamma.size)
    m, a, b = repeated(mean, w, x), repeated(gamma * rstd, w, x), repeated(beta, w, x)
    numbers, pieces = pieces_of(x.size, m.size)
    share(_normalize_piece, (x, m, a, b, floor, out, numbers), pieces)


@jit
def _backward_piece(x, y, m, dy, masked, sums, piece):  # type: ignore[no-untyped-def]
    """One group's Σ dy and Σ dy (x − mean), and dy masked by a ReLU's output y."""
    w, zero = U(m.size), x.dtype.type(0)
    part, products, total, total_of_products = np.zeros(w, x.dtype), np.zeros(w, x.dtype), np.zeros(w), np.zeros(w)
    blocks, last = group(x, w, len(sums), piece)
    for block in blocks:
        for start in range(block, min(block + w * BLOCK, last), w):
            if masked:
                for j in range(min(w, last - start)):
                    d = zero if y[start + j] <= zero else dy[start + j]
                    dy[start + j] = d
                    part[j] += d
                    products[j] += d * (x[start + j] - m[j])
            else:
                for j in range(min(w, last - start)):
                    d = dy[start + j]
                    part[j] += d
                    products[j] += d * (x[start + j] - m[j])
        take_over(part, total)
        take_over(products, total_of_products)
    fold(total, sums[piece, 0])
    fold(total_of_products, sums[piece, 1])


@jit
def _backward(x, y, mean, rstd, dy, masked, dgamma, dbeta):  # type: ignore[no-untyped-def]
    m, sums = repeated(mean, width_of(x.size, mean.size), x), two_sums(x.size, mean.size)
    share(_backward_piece, (x, y, m, dy, masked, sums), len(sums))
    total, products = added(sums)
    for j in range(mean.size):
        dbeta[j], dgamma[j] = total[j], products[j] * rstd[j]


@jit
def _input_gradient_piece(x, m, a, b, s, dy, out, numbers, piece):  # type: ignore[no-untyped-def]
    w, same = U(m.size), address(dy, 0) == address(out, 0)
    for start in stretch(x, w, numbers, piece):
        if same:  # by one name: a loop that may write what it reads is not vectorized
            for j in range(min(w, U(x.size) - start)):
                out[start + j] = a[j] * (out[start + j] - b[j] - (x[start + j] - m[j]) * s[j])
        else:
            for j in range(min(w, U(x.size) - start)):
                out[start + j] = a[j] * (dy[start + j] - b[j] - (x[start + j] - m[j]) * s[j])


@jit
def _normalize_input_gradient(x, mean, rstd, gamma, dy, mean_dy, mean_dy_xhat, out):  # type: ignore[no-untyped-def]
    w = width_of(x.size, gamma.size)
    m, a = repeated(mean, w, x), repeated(gamma * rstd, w, x)
    b, s = repeated(mean_dy, w, x), repeated(rstd * mean_dy_xhat, w, x)
    numbers, pieces = pieces_of(x.size, m.size)
    share(_input_gradient_piece, (x, m, a, b, s, dy, out, numbers), pieces)


@jit
def _layer_norm_piece(x, gamma, beta, epsilon, out, mean, rstd, rows, piece):  # type: ignore[no-untyped-def]
    c = U(gamma.size)
    for i in range(U(piece) * U(rows), min(U(piece + 1) * U(rows), U(mean.size))):
        start, total, m2 = i * c, 0.0, 0.0
        for j in range(c):
            total += x[start + j]
        m = x.dtype.type(total / c)
        for j in range(c):  # of the differences to the mean: x has no digits to lose here
            d = x[start + j] - m
            m2 += d * d
        r = x.dtype.type(1 / math.sqrt(m2 / c + epsilon))
        for j in range(c):
            out[start + j] = (x[start + j] - m) * r * gamma[j] + beta[j]
        mean[i], rstd[i] = m, r


@jit
def _layer_norm(x, gamma, beta, epsilon, out, mean, rstd):  # type: ignore[no-untyped-def]
    rows = max(1, PIECE // (2 * gamma.size))
    share(_layer_norm_piece, (x, gamma, beta, epsilon, out, mean, rstd, rows), (mean.size + rows - 1) // rows)


@jit
def _layer_norm_backward_piece(x, gamma, mean, rstd, dy, out, sums, piece):  # type: ignore[no-untyped-def]
    c, same = U(gamma.size), address(dy, 0) == address(out, 0)
    part, products, total, total_of_products = np.zeros(c, x.dtype), np.zeros(c, x.dtype), np.zeros(c), np.zeros(c)
    blocks, last = group(mean, U(1), len(sums), piece)
    for block in blocks:
        for i in range(block, min(block + BLOCK, last)):
            start, m, r, of_h, of_hx = i * c, mean[i], rstd[i], 0.0, 0.0
            for j in range(c):
                d, xhat = dy[start + j], (x[start + j] - m) * r
                part[j] += d
                products[j] += d * xhat
                of_h += d * gamma[j]
                of_hx += d * gamma[j] * xhat
            h, hx = x.dtype.type(of_h / c), x.dtype.type(of_hx / c)
            if same:
                for j in range(c):
                    out[start + j] = r * (out[start + j] * gamma[j] - h - (x[start + j] - m) * r * hx)
            else:
                for j in range(c):
                    out[start + j] = r * (dy[start + j] * gamma[j] - h - (x[start + j] - m) * r * hx)
        take_over(part, total)
        take_over(products, total_of_products)
    sums[piece, 0], sums[piece, 1] = total, total_of_products


@jit
def _layer_norm_backward(x, gamma, mean, rstd, dy, dgamma, dbeta, out):  # type: ignore[no-untyped-def]
    sums = two_sums(x.size, gamma.size)
    share(_layer_norm_backward_piece, (x, gamma, mean, rstd, dy, out, sums), len(sums))
    dbeta[:], dgamma[:] = added(sums)


def moments(x: Array, mean: Array, m2: Array) -> None:
    _moments(x.reshape(-1), mean, m2)


def normalize(x: Array, mean: Array, rstd: Array, gamma: Array, beta: Array, out: Array) -> Array:
    _normalize(x.reshape(-1), mean, rstd, gamma, beta, x.dtype.type(-np.inf), out.reshape(-1))
    return out


def normalize_relu(x: Array, mean: Array, rstd: Array, gamma: Array, beta: Array, out: Array) -> Array:
    _normalize(x.reshape(-1), mean, rstd, gamma, beta, x.dtype.type(0), out.reshape(-1))
    return out


def normalize_backward(x: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array) -> None:
    flat = dy.reshape(-1)
    _backward(x.reshape(-1), flat, mean, rstd, flat, False, dgamma, dbeta)


def normalize_relu_backward(x: Array, y: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array) -> None:
    _backward(x.reshape(-1), y.reshape(-1), mean, rstd, dy.reshape(-1), True, dgamma, dbeta)


def normalize_input_gradient(
    x: Array, mean: Array, rstd: Array, gamma: Array, dy: Array, mean_dy: Array, mean_dy_xhat: Array, out: Array
) -> Array:
    flat = x.reshape(-1), mean, rstd, gamma, dy.reshape(-1), mean_dy, mean_dy_xhat, out.reshape(-1)
    _normalize_input_gradient(*flat)
    return out


def layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float, out: Array, mean: Array, rstd: Array) -> Array:
    _layer_norm(x.reshape(-1), gamma, beta, epsilon, out.reshape(-1), mean, rstd)
    return out


def layer_norm_backward(
    x: Array, gamma: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array, out: Array
) -> Array:
    _layer_norm_backward(x.reshape(-1), gamma, mean, rstd, dy.reshape(-1), dgamma, dbeta, out.reshape(-1))
    return out
