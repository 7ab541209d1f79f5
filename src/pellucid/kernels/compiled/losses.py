"""Losses of one shard, each with its gradient in one pass."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import jit

wide = np.float64  # losses are summed in float64; Numba's float() would leave a float32 as it is


@jit
def softmax_cross_entropy_labels(z, labels, weights, scale, smoothing, a, dz):  # type: ignore[no-untyped-def]
    n, k = z.shape
    loss, rest, most = 0.0, z.dtype.type(smoothing / k), z.dtype.type(1 - smoothing)
    for i in range(n):
        top = z[i, 0]
        for j in range(k):
            top = max(top, z[i, j])
        total = z.dtype.type(0)
        for j in range(k):
            a[i, j] = math.exp(z[i, j] - top)
            total += a[i, j]
        weight = z.dtype.type(weights[i] * scale)
        for j in range(k):
            a[i, j] /= total
            dz[i, j] = a[i, j] * weight
        dz[i, labels[i]] = (a[i, labels[i]] - z.dtype.type(1)) * weight
        inner = wide(z[i, labels[i]]) - wide(top)
        if smoothing > 0:  # apart: 0 times what may be infinite is NaN, and a − 0 would be rounded otherwise than a
            inner *= 1 - smoothing
            for j in range(k):
                inner += (wide(z[i, j]) - wide(top)) * smoothing / k
                dz[i, j] = (a[i, j] - rest) * weight
            dz[i, labels[i]] = (a[i, labels[i]] - rest - most) * weight
        loss += wide(weights[i]) * (math.log(wide(total)) - inner)
    return loss


@jit
def softmax_cross_entropy(z, targets, weights, scale, smoothing, a, dz):  # type: ignore[no-untyped-def]
    n, k = z.shape
    loss, rest, most = 0.0, z.dtype.type(smoothing / k), z.dtype.type(1 - smoothing)
    for i in range(n):
        top = z[i, 0]
        for j in range(k):
            top = max(top, z[i, j])
        total, mass, inner = z.dtype.type(0), 0.0, 0.0
        for j in range(k):
            a[i, j] = math.exp(z[i, j] - top)
            total += a[i, j]
            y = targets[i, j] * most + rest
            mass += wide(y)
            inner += wide(y) * (wide(z[i, j]) - wide(top))
        weight = z.dtype.type(weights[i] * scale)
        for j in range(k):
            a[i, j] /= total
            dz[i, j] = (a[i, j] - (targets[i, j] * most + rest)) * weight
        loss += wide(weights[i]) * (mass * math.log(wide(total)) - inner)
    return loss


@jit
def softmax_divergence(z, targets, weights, scale, a, dz):  # type: ignore[no-untyped-def]
    n, k = z.shape
    loss = 0.0
    for i in range(n):
        top = z[i, 0]
        for j in range(k):
            top = max(top, z[i, j])
        total, mass, inner = 0.0, 0.0, 0.0
        for j in range(k):
            e, y = math.exp(wide(z[i, j]) - wide(top)), wide(targets[i, j])
            a[i, j] = e
            total += e
            if y > 0:
                mass += y
                inner += y * (math.log(y) - (wide(z[i, j]) - wide(top)))
        weight, share = z.dtype.type(weights[i] * scale), z.dtype.type(1 / total)
        for j in range(k):
            a[i, j] *= share
            dz[i, j] = (a[i, j] - targets[i, j]) * weight
        loss += wide(weights[i]) * (mass * math.log(total) + inner)
    return loss


@jit
def _sigmoid_cross_entropy(z, targets, weights, scale, a, dz):  # type: ignore[no-untyped-def]
    n, k = z.shape
    loss, one = 0.0, z.dtype.type(1)
    for i in range(n):
        weight, own = z.dtype.type(weights[i] * scale), 0.0
        for j in range(k):
            e = math.exp(-abs(z[i, j]))
            a[i, j] = (one if z[i, j] >= 0 else e) / (one + e)
            dz[i, j] = (a[i, j] - targets[i, j]) * weight
            x = wide(z[i, j])
            own += max(x, 0.0) - x * wide(targets[i, j]) + math.log1p(wide(e))
        loss += wide(weights[i]) * own / k
    return loss


@jit
def _squared_error(y, targets, weights, scale, dy):  # type: ignore[no-untyped-def]
    n, k = y.shape
    loss = 0.0
    for i in range(n):
        weight, own = y.dtype.type(weights[i] * scale), 0.0
        for j in range(k):
            d = y[i, j] - targets[i, j]
            own += wide(d) * wide(d)
            dy[i, j] = d * weight
        loss += wide(weights[i]) * own / k
    return loss


@jit
def _absolute_error(y, targets, weights, scale, dy):  # type: ignore[no-untyped-def]
    n, k = y.shape
    loss = 0.0
    for i in range(n):
        weight, own = y.dtype.type(weights[i] * scale), 0.0
        for j in range(k):
            d = y[i, j] - targets[i, j]
            own += abs(wide(d))
            dy[i, j] = weight * ((d > 0) - (d < 0)) if d == d else d
        loss += wide(weights[i]) * own / k
    return loss


@jit
def _huber(y, targets, weights, scale, delta, dy):  # type: ignore[no-untyped-def]
    n, k = y.shape
    loss, high = 0.0, y.dtype.type(delta)
    for i in range(n):
        weight, own = y.dtype.type(weights[i] * scale), 0.0
        for j in range(k):
            d = y[i, j] - targets[i, j]
            size = abs(wide(d))
            own += size * size / 2 if size <= delta else delta * (size - delta / 2)
            cut = high if d > high else d
            dy[i, j] = weight * (-high if cut < -high else cut)
        loss += wide(weights[i]) * own / k
    return loss


@jit
def _poisson(z, targets, weights, scale, rates, dz):  # type: ignore[no-untyped-def]
    n, k = z.shape
    loss = 0.0
    for i in range(n):
        weight, own = z.dtype.type(weights[i] * scale), 0.0
        for j in range(k):
            rate = math.exp(wide(z[i, j]))
            rates[i, j] = rate
            own += rate - wide(targets[i, j]) * wide(z[i, j])
            dz[i, j] = (rates[i, j] - targets[i, j]) * weight
        loss += wide(weights[i]) * own / k
    return loss


@jit
def hinge(z, signs, weights, scale, dz):  # type: ignore[no-untyped-def]
    loss, zero = 0.0, z.dtype.type(0)
    for i in range(z.shape[0]):
        slack = z.dtype.type(1) - signs[i, 0] * z[i, 0]
        dz[i, 0] = zero if slack <= 0 else -signs[i, 0] * z.dtype.type(weights[i] * scale)
        loss += wide(weights[i]) * wide(zero if slack <= 0 else slack)
    return loss


@jit
def _hinge_labels(z, labels, weights, scale, dz):  # type: ignore[no-untyped-def]
    n, k = z.shape
    loss, zero, one = 0.0, z.dtype.type(0), z.dtype.type(1)
    for i in range(n):
        weight, own, over, label = z.dtype.type(weights[i] * scale), 0.0, zero, labels[i]
        for j in range(k):
            slack = one + z[i, j] - z[i, label]
            inside = slack <= 0 or j == label
            own += wide(zero if inside else slack)
            over += zero if inside else one
            dz[i, j] = zero if inside else weight
        dz[i, label] = -over * weight
        loss += wide(weights[i]) * own / k
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
