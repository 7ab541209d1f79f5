"""Losses of one shard, each with its gradient in one pass."""

from __future__ import annotations

import math

import numpy as np

from pellucid.kernels.compiled.jit import jit
from pellucid.memory import Array

wide = np.float64  # losses are summed in float64; Numba's float() would leave a float32 as it is


@jit
def softmax_cross_entropy_labels(z, labels, weights, scale, a, dz):  # type: ignore[no-untyped-def]
    n, k = z.shape
    loss = 0.0
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
        loss += wide(weights[i]) * (math.log(wide(total)) - (wide(z[i, labels[i]]) - wide(top)))
    return loss


@jit
def softmax_cross_entropy(z, targets, weights, scale, a, dz):  # type: ignore[no-untyped-def]
    n, k = z.shape
    loss = 0.0
    for i in range(n):
        top = z[i, 0]
        for j in range(k):
            top = max(top, z[i, j])
        total, mass, inner = z.dtype.type(0), 0.0, 0.0
        for j in range(k):
            a[i, j] = math.exp(z[i, j] - top)
            total += a[i, j]
            mass += wide(targets[i, j])
            inner += wide(targets[i, j]) * (wide(z[i, j]) - wide(top))
        weight = z.dtype.type(weights[i] * scale)
        for j in range(k):
            a[i, j] /= total
            dz[i, j] = (a[i, j] - targets[i, j]) * weight
        loss += wide(weights[i]) * (mass * math.log(wide(total)) - inner)
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


def sigmoid_cross_entropy(z: Array, targets: Array, weights: Array, scale: float, a: Array, dz: Array) -> float:
    return float(_sigmoid_cross_entropy(z, targets, weights, np.float64(scale / z.shape[1]), a, dz))


def squared_error(y: Array, targets: Array, weights: Array, scale: float, dy: Array) -> float:
    return float(_squared_error(y, targets, weights, np.float64(scale * 2 / y.shape[1]), dy))
