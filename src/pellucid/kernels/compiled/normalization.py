"""Normalization's arithmetic, each kernel one pass.

Pictures have few channels: a loop over 16 columns is too short to be worth vector instructions (measured: a quarter of the
speed). So as many rows as make some 512 numbers are read as one wide row, with the columns' figures repeated; sums have
one place for each number of the wide row and are folded at the end. Sums of a block of rows are taken in the array's
dtype, of the blocks in float64.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from pellucid.kernels.compiled.jit import jit
from pellucid.memory import Array

U = numba.uint64
WIDTH = U(512)  # numbers: less is slower, more no faster
BLOCK = U(64)  # wide rows


@jit
def _width(size, c):  # type: ignore[no-untyped-def]
    """The length of a wide row: a multiple of c, and no more than there is."""
    return max(min(WIDTH, U(size)) // U(c), U(1)) * U(c)


@jit
def _repeated(v, w, like):  # type: ignore[no-untyped-def]
    """The column's figures for each number of a wide row, in the dtype of ``like``."""
    c, out = U(v.size), np.empty(w, like.dtype)
    for start in range(U(0), w, c):
        for j in range(c):
            out[start + j] = v[j]
    return out


@jit
def _take_over(part, total):  # type: ignore[no-untyped-def]
    """total += part, and part is zero again."""
    for j in range(U(part.size)):
        total[j] += part[j]
        part[j] = 0


@jit
def _fold(total, out):  # type: ignore[no-untyped-def]
    """The sums of the columns from those of a wide row."""
    c = U(out.size)
    for j in range(c):
        s = 0.0
        for k in range(j, U(total.size), c):
            s += total[k]
        out[j] = s


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
def _moments(x, mean, m2):  # type: ignore[no-untyped-def]
    size, c = U(x.size), U(mean.size)
    w = _width(size, c)
    # Of the differences to a number near the mean, not of x: where the mean is large, Σx² has no digits left for the spread.
    near = _repeated(_near_the_mean(x, c), w, x)
    part, squares = np.zeros(w, x.dtype), np.zeros(w, x.dtype)
    sums, sums_of_squares = np.zeros(w), np.zeros(w)
    for block in range(U(0), size, w * BLOCK):
        for start in range(block, min(block + w * BLOCK, size), w):
            for j in range(min(w, size - start)):
                d = x[start + j] - near[j]
                part[j] += d
                squares[j] += d * d
        _take_over(part, sums)
        _take_over(squares, sums_of_squares)
    _fold(sums, mean)
    _fold(sums_of_squares, m2)
    rows = max(size // c, U(1))
    for j in range(c):
        rest = m2[j] - mean[j] * mean[j] / rows  # Σ(x − mean)² = Σd² − (Σd)²/r
        m2[j] = 0.0 if rest < 0 else rest  # NaN stays NaN
        mean[j] = near[j] + mean[j] / rows


@jit
def _normalize(x, mean, rstd, gamma, beta, out):  # type: ignore[no-untyped-def]
    size, w = U(x.size), _width(x.size, gamma.size)
    m, a, b = _repeated(mean, w, x), _repeated(gamma * rstd, w, x), _repeated(beta, w, x)
    for start in range(U(0), size, w):
        for j in range(min(w, size - start)):
            out[start + j] = (x[start + j] - m[j]) * a[j] + b[j]


@jit
def _normalize_relu(x, mean, rstd, gamma, beta, out):  # type: ignore[no-untyped-def]
    size, w, zero = U(x.size), _width(x.size, gamma.size), x.dtype.type(0)
    m, a, b = _repeated(mean, w, x), _repeated(gamma * rstd, w, x), _repeated(beta, w, x)
    for start in range(U(0), size, w):
        for j in range(min(w, size - start)):
            v = (x[start + j] - m[j]) * a[j] + b[j]
            out[start + j] = zero if v < zero else v


@jit
def _normalize_backward(x, mean, rstd, dy, dgamma, dbeta):  # type: ignore[no-untyped-def]
    size, w = U(x.size), _width(x.size, mean.size)
    m, part, products = _repeated(mean, w, x), np.zeros(w, x.dtype), np.zeros(w, x.dtype)
    sums, sums_of_products = np.zeros(w), np.zeros(w)
    for block in range(U(0), size, w * BLOCK):
        for start in range(block, min(block + w * BLOCK, size), w):
            for j in range(min(w, size - start)):
                d = dy[start + j]
                part[j] += d
                products[j] += d * (x[start + j] - m[j])
        _take_over(part, sums)
        _take_over(products, sums_of_products)
    _fold(sums, dbeta)
    _fold(sums_of_products, dgamma)
    dgamma *= rstd


@jit
def _normalize_relu_backward(x, y, mean, rstd, dy, dgamma, dbeta):  # type: ignore[no-untyped-def]
    size, w, zero = U(x.size), _width(x.size, mean.size), x.dtype.type(0)
    m, part, products = _repeated(mean, w, x), np.zeros(w, x.dtype), np.zeros(w, x.dtype)
    sums, sums_of_products = np.zeros(w), np.zeros(w)
    for block in range(U(0), size, w * BLOCK):
        for start in range(block, min(block + w * BLOCK, size), w):
            for j in range(min(w, size - start)):
                d = zero if y[start + j] <= zero else dy[start + j]
                dy[start + j] = d
                part[j] += d
                products[j] += d * (x[start + j] - m[j])
        _take_over(part, sums)
        _take_over(products, sums_of_products)
    _fold(sums, dbeta)
    _fold(sums_of_products, dgamma)
    dgamma *= rstd


@jit
def _normalize_input_gradient(x, mean, rstd, gamma, dy, mean_dy, mean_dy_xhat, out):  # type: ignore[no-untyped-def]
    size, w = U(x.size), _width(x.size, gamma.size)
    m, a = _repeated(mean, w, x), _repeated(gamma * rstd, w, x)
    b, s = _repeated(mean_dy, w, x), _repeated(rstd * mean_dy_xhat, w, x)
    for start in range(U(0), size, w):
        for j in range(min(w, size - start)):
            out[start + j] = a[j] * (dy[start + j] - b[j] - (x[start + j] - m[j]) * s[j])


@jit
def _layer_norm(x, gamma, beta, epsilon, out, mean, rstd):  # type: ignore[no-untyped-def]
    c = U(gamma.size)
    for i in range(U(mean.size)):
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
def _layer_norm_backward(x, gamma, mean, rstd, dy, dgamma, dbeta, out):  # type: ignore[no-untyped-def]
    c, rows = U(gamma.size), U(mean.size)
    part, products, sums, sums_of_products = np.zeros(c, x.dtype), np.zeros(c, x.dtype), np.zeros(c), np.zeros(c)
    for block in range(U(0), rows, BLOCK):
        for i in range(block, min(block + BLOCK, rows)):
            start, m, r, of_h, of_hx = i * c, mean[i], rstd[i], 0.0, 0.0
            for j in range(c):
                d, xhat = dy[start + j], (x[start + j] - m) * r
                part[j] += d
                products[j] += d * xhat
                of_h += d * gamma[j]
                of_hx += d * gamma[j] * xhat
            h, hx = x.dtype.type(of_h / c), x.dtype.type(of_hx / c)
            for j in range(c):
                out[start + j] = r * (dy[start + j] * gamma[j] - h - (x[start + j] - m) * r * hx)
        _take_over(part, sums)
        _take_over(products, sums_of_products)
    for j in range(c):
        dbeta[j], dgamma[j] = sums[j], sums_of_products[j]


def moments(x: Array, mean: Array, m2: Array) -> None:
    _moments(x.reshape(-1), mean, m2)


def normalize(x: Array, mean: Array, rstd: Array, gamma: Array, beta: Array, out: Array) -> Array:
    _normalize(x.reshape(-1), mean, rstd, gamma, beta, out.reshape(-1))
    return out


def normalize_relu(x: Array, mean: Array, rstd: Array, gamma: Array, beta: Array, out: Array) -> Array:
    _normalize_relu(x.reshape(-1), mean, rstd, gamma, beta, out.reshape(-1))
    return out


def normalize_backward(x: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array) -> None:
    _normalize_backward(x.reshape(-1), mean, rstd, dy.reshape(-1), dgamma, dbeta)


def normalize_relu_backward(x: Array, y: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array) -> None:
    _normalize_relu_backward(x.reshape(-1), y.reshape(-1), mean, rstd, dy.reshape(-1), dgamma, dbeta)


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
