"""The kernels of batch and layer normalization, each one pass over x; ``channelwise`` explains how channels are read."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.channelwise import (
    BLOCK_ROWS,
    TASK_SIZE,
    add_groups,
    channel_products,
    empty_group_sums,
    fold,
    group_blocks,
    move_sums,
    repeat_channels,
    split_wide_rows,
    wide_row_size,
    wide_rows,
)
from pellucid.kernels.compiled.jit import exact_jit, inner_jit, jit, u64
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import parallel_for


@inner_jit
def _near_the_mean(x, c):
    """Return a value near the mean of each channel: the mean of up to 16 evenly spaced rows, so that one outlier does not
    determine it."""
    rows, out = u64(x.size) // u64(c), np.zeros(c)
    count = min(rows, u64(16))
    for i in range(count):
        start = i * rows // count * u64(c)
        for j in range(u64(c)):
            out[j] += x[start + j] / count
    return out


@inner_jit
def _moments_task(x, near, sums, task):
    w = u64(near.size)
    part, squares, total, total_of_squares = np.zeros(w, x.dtype), np.zeros(w, x.dtype), np.zeros(w), np.zeros(w)
    blocks, last = group_blocks(x, w, len(sums), task)
    for block in blocks:
        for start in range(block, min(block + w * BLOCK_ROWS, last), w):
            for j in range(min(w, last - start)):
                d = x[start + j] - near[j]
                part[j] += d
                squares[j] += d * d
        move_sums(part, total)
        move_sums(squares, total_of_squares)
    fold(total, sums[task, 0])
    fold(total_of_squares, sums[task, 1])


@inner_jit
def _wide_sums(x, channel, c, near):
    """Return Σ (x − near) and Σ (x − near)² of one channel, computed in float64."""
    total, squares, shift = 0.0, 0.0, np.float64(near)
    for i in range(channel, u64(x.size), c):
        d = np.float64(x[i]) - shift
        total += d
        squares += d * d
    return total, squares


@jit
def _moments(x, mean, m2):
    # Sums of deviations from a value near the mean, not of x: if the mean is large, Σx² has no digits left for the variance.
    near = repeat_channels(_near_the_mean(x, mean.size), wide_row_size(x.size, mean.size), x)
    sums = empty_group_sums(x.size, mean.size)
    parallel_for(_moments_task, (x, near, sums), len(sums))
    total, squares = add_groups(sums)
    rows = max(x.size // mean.size, 1)
    for j in range(mean.size):
        if not math.isfinite(squares[j]) and math.isfinite(total[j]):  # the squares may have overflowed in the array's dtype
            total[j], squares[j] = _wide_sums(x, u64(j), u64(mean.size), near[j])
        variation = squares[j] - total[j] * total[j] / rows  # Σ(x − mean)² = Σd² − (Σd)²/r
        m2[j] = 0.0 if variation < 0 else variation  # NaN stays NaN
        mean[j] = near[j] + total[j] / rows


@inner_jit
def _normalize_task(x, m, a, b, floor, out, per_task, task):
    w = u64(m.size)
    for start in wide_rows(x, w, per_task, task):
        for j in range(min(w, u64(x.size) - start)):
            v = (x[start + j] - m[j]) * a[j] + b[j]
            out[start + j] = floor if v < floor else v


@jit
def _normalize(x, mean, rstd, gamma, beta, floor, out):
    w = wide_row_size(x.size, gamma.size)
    m, a, b = repeat_channels(mean, w, x), repeat_channels(channel_products(gamma, rstd), w, x), repeat_channels(beta, w, x)
    per_task, tasks = split_wide_rows(x.size, m.size)
    parallel_for(_normalize_task, (x, m, a, b, floor, out, per_task), tasks)


@inner_jit
def _backward_task(x, y, m, dy, masked, sums, task):
    """Compute one group's Σ dy and Σ dy (x − mean), and mask dy with the output y of a ReLU."""
    w, zero = u64(m.size), x.dtype.type(0)
    part, products, total, total_of_products = np.zeros(w, x.dtype), np.zeros(w, x.dtype), np.zeros(w), np.zeros(w)
    blocks, last = group_blocks(x, w, len(sums), task)
    for block in blocks:
        for start in range(block, min(block + w * BLOCK_ROWS, last), w):
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
        move_sums(part, total)
        move_sums(products, total_of_products)
    fold(total, sums[task, 0])
    fold(total_of_products, sums[task, 1])


@jit
def _backward(x, y, mean, rstd, dy, masked, dgamma, dbeta):
    m, sums = repeat_channels(mean, wide_row_size(x.size, mean.size), x), empty_group_sums(x.size, mean.size)
    parallel_for(_backward_task, (x, y, m, dy, masked, sums), len(sums))
    total, products = add_groups(sums)
    for j in range(mean.size):
        dbeta[j], dgamma[j] = total[j], products[j] * rstd[j]


@inner_jit
def _input_gradient_task(x, m, a, b, s, dy, out, per_task, task):
    w, same = u64(m.size), address_of(dy, 0) == address_of(out, 0)
    for start in wide_rows(x, w, per_task, task):
        if same:  # under one name, so that the loop is vectorized: see activations
            for j in range(min(w, u64(x.size) - start)):
                out[start + j] = a[j] * (out[start + j] - b[j] - (x[start + j] - m[j]) * s[j])
        else:
            for j in range(min(w, u64(x.size) - start)):
                out[start + j] = a[j] * (dy[start + j] - b[j] - (x[start + j] - m[j]) * s[j])


@inner_jit
def input_gradient_rows(x, m, a, b, s, dy, out, first, count):
    """Set the first ``count`` elements of ``out`` to a (dy − b − (x − m) s), for those of x and dy from ``first`` on."""
    w, X, D, O, begin, size = u64(m.size), x.reshape(x.size), dy.reshape(dy.size), out.reshape(out.size), u64(first), u64(count)
    for start in range(u64(0), size, w):
        for j in range(min(w, size - start)):
            O[start + j] = a[j] * (D[begin + start + j] - b[j] - (X[begin + start + j] - m[j]) * s[j])


@inner_jit
def input_gradient_factors(x, mean, rstd, gamma, mean_dy, mean_dy_xhat):
    """Return m, a, b, s with dX = a (dY − b − (x − m) s), repeated to the length of a wide row."""
    w = wide_row_size(x.size, gamma.size)
    m, a = repeat_channels(mean, w, x), repeat_channels(channel_products(gamma, rstd), w, x)
    return m, a, repeat_channels(mean_dy, w, x), repeat_channels(channel_products(rstd, mean_dy_xhat), w, x)


@jit
def input_gradient(x, mean, rstd, gamma, dy, mean_dy, mean_dy_xhat, out):
    m, a, b, s = input_gradient_factors(x, mean, rstd, gamma, mean_dy, mean_dy_xhat)
    per_task, tasks = split_wide_rows(x.size, m.size)
    parallel_for(_input_gradient_task, (x, m, a, b, s, dy, out, per_task), tasks)


@jit
def _widen_statistics(mean, variance, epsilon, wide_mean, rstd):
    for j in range(u64(mean.size)):
        wide_mean[j], rstd[j] = mean[j], 1 / math.sqrt(np.float64(variance[j]) + epsilon)


@inner_jit
def _scale_task(W, scale, out, per_task, task):
    w = u64(scale.size)
    for start in wide_rows(W, w, per_task, task):
        for j in range(min(w, u64(W.size) - start)):
            out[start + j] = W[start + j] * scale[j]


@jit
def _fold_normalization(W, b, mean, rstd, gamma, beta, folded_W, folded_b):
    scale = channel_products(gamma, rstd)
    for j in range(u64(scale.size)):
        folded_b[j] = beta[j] + (b[j] - mean[j]) * scale[j]
    scales = repeat_channels(scale, wide_row_size(W.size, scale.size), W)
    per_task, tasks = split_wide_rows(W.size, scales.size)
    parallel_for(_scale_task, (W, scales, folded_W, per_task), tasks)


@inner_jit
def _layer_norm_task(x, gamma, beta, epsilon, out, mean, rstd, rows, task):
    c = u64(gamma.size)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(mean.size))):
        start, total, m2 = i * c, 0.0, 0.0
        for j in range(c):
            total += x[start + j]
        m = x.dtype.type(total / c)
        for j in range(c):
            d = np.float64(x[start + j] - m)
            m2 += d * d
        error = total / c - m  # m is rounded: Σ(x − m)² = Σ(x − mean)² + c (mean − m)²
        r = x.dtype.type(1 / math.sqrt(max(m2 / c - error * error, 0.0) + epsilon))
        for j in range(c):
            out[start + j] = (x[start + j] - m) * r * gamma[j] + beta[j]
        mean[i], rstd[i] = m, r


@jit
def _layer_norm(x, gamma, beta, epsilon, out, mean, rstd):
    rows = max(1, TASK_SIZE // (2 * gamma.size))
    parallel_for(_layer_norm_task, (x, gamma, beta, epsilon, out, mean, rstd, rows), (mean.size + rows - 1) // rows)


@inner_jit
def _layer_norm_backward_task(x, gamma, mean, rstd, dy, out, sums, task):
    c, same = u64(gamma.size), address_of(dy, 0) == address_of(out, 0)
    part, products, total, total_of_products = np.zeros(c, x.dtype), np.zeros(c, x.dtype), np.zeros(c), np.zeros(c)
    blocks, last = group_blocks(mean, u64(1), len(sums), task)
    for block in blocks:
        for i in range(block, min(block + BLOCK_ROWS, last)):
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
        move_sums(part, total)
        move_sums(products, total_of_products)
    sums[task, 0], sums[task, 1] = total, total_of_products


@jit
def _layer_norm_backward(x, gamma, mean, rstd, dy, dgamma, dbeta, out):
    sums = empty_group_sums(x.size, gamma.size)
    parallel_for(_layer_norm_backward_task, (x, gamma, mean, rstd, dy, out, sums), len(sums))
    dbeta[:], dgamma[:] = add_groups(sums)


@exact_jit
def _batch_statistics(n, mean, m2, momentum, epsilon, running_mean, running_variance, rstd):
    kind = running_mean.dtype.type
    old = kind(momentum)
    for j in range(mean.size):
        rstd[j] = 1 / math.sqrt(m2[j] / n + epsilon)
        if n > 1:
            running_mean[j] = kind(old * running_mean[j]) + (1 - momentum) * mean[j]
            running_variance[j] = kind(old * running_variance[j]) + (1 - momentum) * m2[j] / (n - 1)


@exact_jit
def _means_of_sums(n, dgamma, dbeta, mean_dy, mean_dy_xhat):
    for j in range(dgamma.size):
        mean_dy[j] = dbeta[j] / n
        mean_dy_xhat[j] = dgamma[j] / n


def moments(x: Array, mean: Array, m2: Array) -> None:
    _moments(x.reshape(-1), mean, m2)


def batch_statistics(
    n: float,
    mean: Array,
    m2: Array,
    momentum: float,
    epsilon: float,
    running_mean: Array,
    running_variance: Array,
    rstd: Array,
) -> None:
    _batch_statistics(float(n), mean, m2, float(momentum), float(epsilon), running_mean, running_variance, rstd)


def means_of_sums(n: float, dgamma: Array, dbeta: Array, mean_dy: Array, mean_dy_xhat: Array) -> None:
    _means_of_sums(float(n), dgamma, dbeta, mean_dy, mean_dy_xhat)


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
    input_gradient(x.reshape(-1), mean, rstd, gamma, dy.reshape(-1), mean_dy, mean_dy_xhat, out.reshape(-1))
    return out


def widen_statistics(mean: Array, variance: Array, epsilon: float, wide_mean: Array, rstd: Array) -> None:
    _widen_statistics(mean, variance, epsilon, wide_mean, rstd)


def fold_normalization(
    W: Array, b: Array, mean: Array, rstd: Array, gamma: Array, beta: Array, folded_W: Array, folded_b: Array
) -> None:
    _fold_normalization(W.reshape(-1), b, mean, rstd, gamma, beta, folded_W.reshape(-1), folded_b)


def layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float, out: Array, mean: Array, rstd: Array) -> Array:
    _layer_norm(x.reshape(-1), gamma, beta, epsilon, out.reshape(-1), mean, rstd)
    return out


def layer_norm_backward(
    x: Array, gamma: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array, out: Array
) -> Array:
    _layer_norm_backward(x.reshape(-1), gamma, mean, rstd, dy.reshape(-1), dgamma, dbeta, out.reshape(-1))
    return out
