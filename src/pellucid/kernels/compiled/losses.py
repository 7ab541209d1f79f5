"""The kernels of the losses, each with its gradient in one pass."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import jit, ordered_jit

f64 = np.float64  # losses are summed in float64; Numba's float() leaves a float32 unchanged
SHORT_SUM = 512  # exponentials that are summed in the array's dtype; the sums are then added in float64


@ordered_jit
def _difference(a, b):
    """Return a − b, in float64. As a function, it is computed before anything is added: a and b may be large."""
    return f64(a) - f64(b)


@ordered_jit
def _binary_loss(z, target, e):
    """Return −t log σ(z) − (1 − t) log(1 − σ(z)) = max(z, 0) − z t + log(1 + e), in float64, with e = e^−|z|."""
    return (max(z, 0.0) - z * target) + math.log1p(e)


@ordered_jit
def _slack(score, other):
    """Return 1 + (score − other). In another order, the 1 would be lost where both are large."""
    return type(score)(1) + (score - other)


@jit
def softmax_cross_entropy_labels(z, labels, weights, scale, smoothing, a, dz):
    n, k = z.shape
    loss, background, peak = 0.0, z.dtype.type(smoothing / k), z.dtype.type(1 - smoothing)
    for i in range(n):
        top = z[i, 0]
        for j in range(k):
            top = max(top, z[i, j])
        total = 0.0
        for block in range(0, k, SHORT_SUM):
            part = z.dtype.type(0)
            for j in range(block, min(block + SHORT_SUM, k)):
                a[i, j] = math.exp(z[i, j] - top)
                part += a[i, j]
            total += part
        weight, divisor = z.dtype.type(weights[i] * scale), z.dtype.type(total)
        for j in range(k):
            a[i, j] /= divisor
            dz[i, j] = a[i, j] * weight
        dz[i, labels[i]] = (a[i, labels[i]] - z.dtype.type(1)) * weight
        inner = _difference(z[i, labels[i]], top)
        if smoothing > 0:  # a separate branch: 0 times an infinite value is NaN, and a − 0 may be rounded differently from a
            inner *= 1 - smoothing
            for j in range(k):
                inner += _difference(z[i, j], top) * smoothing / k
                dz[i, j] = (a[i, j] - background) * weight
            dz[i, labels[i]] = (a[i, labels[i]] - background - peak) * weight
        loss += f64(weights[i]) * (math.log(total) - inner)
    return loss


@jit
def softmax_cross_entropy(z, targets, weights, scale, smoothing, a, dz):
    n, k = z.shape
    loss, background, peak = 0.0, z.dtype.type(smoothing / k), z.dtype.type(1 - smoothing)
    for i in range(n):
        top = z[i, 0]
        for j in range(k):
            top = max(top, z[i, j])
        total, mass, inner = 0.0, 0.0, 0.0
        for block in range(0, k, SHORT_SUM):
            part = z.dtype.type(0)
            for j in range(block, min(block + SHORT_SUM, k)):
                a[i, j] = math.exp(z[i, j] - top)
                part += a[i, j]
                y = targets[i, j] * peak + background
                mass += f64(y)
                inner += f64(y) * _difference(z[i, j], top)
            total += part
        weight, divisor = z.dtype.type(weights[i] * scale), z.dtype.type(total)
        for j in range(k):
            a[i, j] /= divisor
            dz[i, j] = (a[i, j] - (targets[i, j] * peak + background)) * weight
        loss += f64(weights[i]) * (mass * math.log(total) - inner)
    return loss


@jit
def softmax_divergence(z, targets, weights, scale, a, dz):
    n, k = z.shape
    loss = 0.0
    for i in range(n):
        top = z[i, 0]
        for j in range(k):
            top = max(top, z[i, j])
        total, mass, inner = 0.0, 0.0, 0.0
        for j in range(k):
            shifted, y = _difference(z[i, j], top), f64(targets[i, j])
            e = math.exp(shifted)
            a[i, j] = e
            total += e
            if y > 0:
                mass += y
                inner += y * (math.log(y) - shifted)
        weight, factor = z.dtype.type(weights[i] * scale), z.dtype.type(1 / total)
        for j in range(k):
            a[i, j] *= factor
            dz[i, j] = (a[i, j] - targets[i, j]) * weight
        loss += f64(weights[i]) * (mass * math.log(total) + inner)
    return loss


@jit
def _sigmoid_cross_entropy(z, targets, weights, scale, a, dz):
    n, k = z.shape
    loss, one = 0.0, z.dtype.type(1)
    for i in range(n):
        weight, sample_loss = z.dtype.type(weights[i] * scale), 0.0
        for j in range(k):
            e = math.exp(-abs(z[i, j]))
            a[i, j] = (one if z[i, j] >= 0 else e) / (one + e)
            dz[i, j] = (a[i, j] - targets[i, j]) * weight
            sample_loss += _binary_loss(f64(z[i, j]), f64(targets[i, j]), f64(e))
        loss += f64(weights[i]) * sample_loss / k
    return loss


@jit
def _squared_error(y, targets, weights, scale, dy):
    n, k = y.shape
    loss = 0.0
    for i in range(n):
        weight, sample_loss = y.dtype.type(weights[i] * scale), 0.0
        for j in range(k):
            d = y[i, j] - targets[i, j]
            sample_loss += f64(d) * f64(d)
            dy[i, j] = d * weight
        loss += f64(weights[i]) * sample_loss / k
    return loss


@jit
def _absolute_error(y, targets, weights, scale, dy):
    n, k = y.shape
    loss = 0.0
    for i in range(n):
        weight, sample_loss = y.dtype.type(weights[i] * scale), 0.0
        for j in range(k):
            d = y[i, j] - targets[i, j]
            sample_loss += abs(f64(d))
            dy[i, j] = weight * ((d > 0) - (d < 0)) if d == d else d
        loss += f64(weights[i]) * sample_loss / k
    return loss


@jit
def _huber(y, targets, weights, scale, delta, dy):
    n, k = y.shape
    loss, limit = 0.0, y.dtype.type(delta)
    for i in range(n):
        weight, sample_loss = y.dtype.type(weights[i] * scale), 0.0
        for j in range(k):
            d = y[i, j] - targets[i, j]
            size = abs(f64(d))
            sample_loss += size * size / 2 if size <= delta else delta * (size - delta / 2)
            clipped = limit if d > limit else d
            dy[i, j] = weight * (-limit if clipped < -limit else clipped)
        loss += f64(weights[i]) * sample_loss / k
    return loss


@jit
def _poisson(z, targets, weights, scale, rates, dz):
    n, k = z.shape
    loss = 0.0
    for i in range(n):
        weight, sample_loss = z.dtype.type(weights[i] * scale), 0.0
        for j in range(k):
            rate = math.exp(f64(z[i, j]))
            rates[i, j] = rate
            sample_loss += rate - f64(targets[i, j]) * f64(z[i, j])
            dz[i, j] = (rates[i, j] - targets[i, j]) * weight
        loss += f64(weights[i]) * sample_loss / k
    return loss


@jit
def hinge(z, signs, weights, scale, dz):
    loss, zero = 0.0, z.dtype.type(0)
    for i in range(z.shape[0]):
        slack = z.dtype.type(1) - signs[i, 0] * z[i, 0]
        dz[i, 0] = zero if slack <= 0 else -signs[i, 0] * z.dtype.type(weights[i] * scale)
        loss += f64(weights[i]) * f64(zero if slack <= 0 else slack)
    return loss


@jit
def _hinge_labels(z, labels, weights, scale, dz):
    n, k = z.shape
    loss, zero, one = 0.0, z.dtype.type(0), z.dtype.type(1)
    for i in range(n):
        weight, sample_loss, over, label = z.dtype.type(weights[i] * scale), 0.0, zero, labels[i]
        for j in range(k):
            slack = _slack(z[i, j], z[i, label])
            inside = slack <= 0 or j == label
            sample_loss += f64(zero if inside else slack)
            over += zero if inside else one
            dz[i, j] = zero if inside else weight
        dz[i, label] = -over * weight
        loss += f64(weights[i]) * sample_loss / k
    return loss


def sigmoid_cross_entropy(z: Array, targets: Array, weights: Array, scale: float, a: Array, dz: Array) -> float:
    return float(_sigmoid_cross_entropy(z, targets, weights, np.float64(scale / z.shape[1]), a, dz))


def squared_error(y: Array, targets: Array, weights: Array, scale: float, dy: Array) -> float:
    return float(_squared_error(y, targets, weights, np.float64(scale * 2 / y.shape[1]), dy))


def absolute_error(y: Array, targets: Array, weights: Array, scale: float, dy: Array) -> float:
    return float(_absolute_error(y, targets, weights, np.float64(scale / y.shape[1]), dy))


def huber(y: Array, targets: Array, weights: Array, scale: float, delta: float, dy: Array) -> float:
    return float(_huber(y, targets, weights, np.float64(scale / y.shape[1]), np.float64(delta), dy))


def poisson(z: Array, targets: Array, weights: Array, scale: float, rates: Array, dz: Array) -> float:
    return float(_poisson(z, targets, weights, np.float64(scale / z.shape[1]), rates, dz))


def hinge_labels(z: Array, labels: Array, weights: Array, scale: float, dz: Array) -> float:
    return float(_hinge_labels(z, labels, weights, np.float64(scale / z.shape[1]), dz))
