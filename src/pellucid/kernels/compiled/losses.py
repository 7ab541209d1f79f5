"""The kernels of the losses, each with its gradient in one pass."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit, ordered_jit, u64
from pellucid.kernels.compiled.ordered import subtract, sum_in_order
from pellucid.kernels.compiled.reductions import row_sum
from pellucid.kernels.compiled.thread_pool import parallel_for

TASK_SIZE = 16_384  # elements: an exponential for each, some ten microseconds or more
f64 = np.float64  # losses are summed in float64; Numba's float() leaves a float32 unchanged


@ordered_jit
def _binary_loss(z, target, e):
    """Return −t log σ(z) − (1 − t) log(1 − σ(z)) = max(z, 0) − z t + log(1 + e), in float64, with e = e^−|z|."""
    return (max(z, 0.0) - z * target) + math.log1p(e)


@inner_jit
def _rows_per_task(k):
    return max(1, TASK_SIZE // k)


@inner_jit
def _softmax_labels_task(z, labels, weights, scale, smoothing, a, dz, losses, task):
    """Compute some rows: a, dz, and the loss of each row in ``losses``."""
    n, k = z.shape
    A, background, peak = a.reshape(a.size), z.dtype.type(smoothing / k), z.dtype.type(1 - smoothing)
    first = task * _rows_per_task(k)
    for i in range(first, min(first + _rows_per_task(k), n)):
        if u64(labels[i]) >= u64(k):  # negative labels are large, too
            losses[i] = math.nan
            continue
        top = z[i, 0]
        for j in range(k):
            top = max(top, z[i, j])
        for j in range(k):
            a[i, j] = math.exp(z[i, j] - top)
        total = row_sum(A, u64(i) * u64(k), k)
        weight = z.dtype.type(weights[i] * scale)
        for j in range(k):
            a[i, j] /= total
            dz[i, j] = a[i, j] * weight
        dz[i, labels[i]] = (a[i, labels[i]] - z.dtype.type(1)) * weight
        inner = subtract(f64(z[i, labels[i]]), f64(top))
        if smoothing > 0:  # a separate branch: 0 times an infinite value is NaN, and a − 0 may be rounded differently from a
            inner *= 1 - smoothing
            for j in range(k):  # a loop of its own, like the sum of the row
                inner += subtract(f64(z[i, j]), f64(top)) * smoothing / k
            for j in range(k):
                dz[i, j] = (a[i, j] - background) * weight
            dz[i, labels[i]] = (a[i, labels[i]] - background - peak) * weight
        losses[i] = f64(weights[i]) * (math.log(f64(total)) - inner)


@jit
def softmax_cross_entropy_labels(z, labels, weights, scale, smoothing, a, dz):
    n, k = z.shape
    losses = np.empty(n)
    arguments = (z, labels, weights, np.float64(scale), np.float64(smoothing), a, dz, losses)
    parallel_for(_softmax_labels_task, arguments, (n + _rows_per_task(k) - 1) // _rows_per_task(k))
    return sum_in_order(losses)


@jit
def softmax_cross_entropy(z, targets, weights, scale, smoothing, a, dz):
    n, k = z.shape
    A, loss, background, peak = a.reshape(a.size), 0.0, z.dtype.type(smoothing / k), z.dtype.type(1 - smoothing)
    for i in range(n):
        top = z[i, 0]
        for j in range(k):
            top = max(top, z[i, j])
        for j in range(k):
            a[i, j] = math.exp(z[i, j] - top)
        total, mass, inner = row_sum(A, u64(i) * u64(k), k), 0.0, 0.0
        for j in range(k):
            y = targets[i, j] * peak + background
            mass += f64(y)
            inner += f64(y) * subtract(f64(z[i, j]), f64(top))
        weight = z.dtype.type(weights[i] * scale)
        for j in range(k):
            a[i, j] /= total
            dz[i, j] = (a[i, j] - (targets[i, j] * peak + background)) * weight
        loss += f64(weights[i]) * (mass * math.log(f64(total)) - inner)
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
            shifted, y = subtract(f64(z[i, j]), f64(top)), f64(targets[i, j])
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
            slack = one + subtract(z[i, j], z[i, label])
            inside = slack <= 0 or j == label
            sample_loss += f64(zero if inside else slack)
            over += zero if inside else one
            dz[i, j] = zero if inside else weight
        dz[i, label] = -over * weight
        loss += f64(weights[i]) * sample_loss / k
    return loss


@inner_jit
def _focal(x, gamma):
    """Return σ(x), and f(x) and f'(x) of the focal cross-entropy."""
    e = math.exp(-abs(x))
    p, q = (1.0 if x >= 0 else e) / (1.0 + e), (e if x >= 0 else 1.0) / (1.0 + e)
    cost = (0.0 if x >= 0 else -x) + math.log1p(e)
    power = q**gamma if gamma > 0 else 1.0
    tail = p * cost if p > 0 else 0.0  # 0 times an infinite cost is NaN
    return p, power * cost, -power * (q + gamma * tail)


@jit
def _focal_cross_entropy(z, targets, weights, scale, positive, negative, gamma, a, dz):
    n, k = z.shape
    loss = 0.0
    for i in range(n):
        weight, sample_loss = f64(weights[i]) * scale, 0.0
        for j in range(k):
            x, y = f64(z[i, j]), f64(targets[i, j])
            p, yes, slope = _focal(x, gamma)
            a[i, j] = p
            gradient = 0.0
            if y != 0:
                sample_loss += positive[j] * y * yes
                gradient += positive[j] * y * slope
            if y != 1:
                _, no, slope = _focal(-x, gamma)
                sample_loss += negative * (1.0 - y) * no
                gradient -= negative * (1.0 - y) * slope
            dz[i, j] = gradient * weight
        loss += f64(weights[i]) * sample_loss / k
    return loss


@jit
def _pinball(y, targets, weights, scale, levels, dy):
    n, k = y.shape
    loss = 0.0
    for i in range(n):
        weight, sample_loss = f64(weights[i]) * scale, 0.0
        for j in range(k):
            d = f64(targets[i, j]) - f64(y[i, j])
            sample_loss += d * (levels[j] if d > 0 else levels[j] - 1.0)
            slope = -levels[j] if d > 0 else 1.0 - levels[j]
            dy[i, j] = weight * (d if d == 0 else slope) if d == d else d
        loss += f64(weights[i]) * sample_loss / k
    return loss


@jit
def _gaussian(z, targets, weights, scale, epsilon, means, dz):
    n, k = targets.shape
    loss, floor, constant = 0.0, math.log(epsilon), math.log(2.0 * math.pi)
    for i in range(n):
        weight, sample_loss = f64(weights[i]) * scale, 0.0
        for j in range(k):
            means[i, j] = z[i, j]
            d, s = f64(z[i, j]) - f64(targets[i, j]), f64(z[i, k + j])
            log_variance = max(s, floor) + math.log1p(math.exp(-abs(s - floor)))
            precision = math.exp(-log_variance)
            squared = d * d * precision
            sample_loss += (squared + log_variance + constant) / 2.0
            dz[i, j] = d * precision * weight
            dz[i, k + j] = (1.0 - squared) * math.exp(s - log_variance) / 2.0 * weight
        loss += f64(weights[i]) * sample_loss / k
    return loss


@jit
def cosine_distance(y, targets, weights, scale, dy):
    n, k = y.shape
    loss = 0.0
    for i in range(n):
        length, target_length = 0.0, 0.0
        for j in range(k):
            length += f64(y[i, j]) * f64(y[i, j])
            target_length += f64(targets[i, j]) * f64(targets[i, j])
        if length == 0 or target_length == 0:
            dy[i] = 0
            loss += f64(weights[i])
            continue
        length, target_length = math.sqrt(length), math.sqrt(target_length)
        squared = 0.0
        for j in range(k):
            difference = f64(y[i, j]) / length - f64(targets[i, j]) / target_length
            squared += difference * difference
        factor = f64(weights[i]) * scale / length
        for j in range(k):
            direction = f64(y[i, j]) / length
            dy[i, j] = (direction - f64(targets[i, j]) / target_length - squared / 2.0 * direction) * factor
        loss += f64(weights[i]) * squared / 2.0
    return loss


@inner_jit
def _distances(z):
    """Return the distances (n, n) in float64, from differences: |a|² + |b|² − 2 a·b loses the digits of small ones."""
    n, k = z.shape
    d = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            squared = 0.0
            for c in range(k):
                difference = f64(z[i, c]) - f64(z[j, c])
                squared += difference * difference
            d[i, j] = d[j, i] = math.sqrt(squared)
    return d


@inner_jit
def _split_samples(i, labels, weights, positives, negatives):
    """Write the samples that form triplets with the anchor i into two arrays, and return how many there are in each."""
    near, far = 0, 0
    for j in range(len(labels)):
        if weights[j] == 0 or j == i:
            continue
        if labels[j] == labels[i]:
            positives[near] = j
            near += 1
        else:
            negatives[far] = j
            far += 1
    return near, far


@jit
def _triplet(z, labels, weights, scale, margin, dz):
    n, k = z.shape
    loss, d, slopes, gradient = 0.0, _distances(z), np.zeros((n, n)), np.zeros((n, k))
    positives, negatives = np.empty(n, np.int64), np.empty(n, np.int64)
    distances, violations = np.empty(n), np.empty(n)  # of the negatives, in a row: the loop over them is vectorized
    for i in range(n):
        near, far = _split_samples(i, labels, weights, positives, negatives)
        if near == 0 or far == 0 or weights[i] == 0:
            continue
        for q in range(far):
            distances[q], violations[q] = d[i, negatives[q]], 0.0
        factor = f64(weights[i]) / (near * far)
        for p in range(near):
            distance, total, count = d[i, positives[p]], 0.0, 0.0
            for q in range(u64(far)):
                slack = margin + subtract(f64(distance), f64(distances[q]))
                violated = 0.0 if slack <= 0 else 1.0  # 1 for NaN, which reaches the loss
                total += violated * slack
                count += violated
                violations[q] += violated
            loss += factor * total
            slopes[i, positives[p]] += factor * count
        for q in range(far):
            slopes[i, negatives[q]] -= factor * violations[q]
    for i in range(n):
        for j in range(i):
            slope = slopes[i, j] + slopes[j, i]
            if slope != 0 and d[i, j] != 0:
                slope /= d[i, j]
                for c in range(u64(k)):
                    change = slope * (f64(z[i, c]) - f64(z[j, c]))
                    gradient[i, c] += change
                    gradient[j, c] -= change
    for i in range(n):
        for c in range(k):
            dz[i, c] = gradient[i, c] * scale
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


def focal_cross_entropy(
    z: Array,
    targets: Array,
    weights: Array,
    scale: float,
    positive: Array,
    negative: float,
    gamma: float,
    a: Array,
    dz: Array,
) -> float:
    share = np.float64(scale / z.shape[1])
    return float(_focal_cross_entropy(z, targets, weights, share, positive, np.float64(negative), np.float64(gamma), a, dz))


def pinball(y: Array, targets: Array, weights: Array, scale: float, levels: Array, dy: Array) -> float:
    return float(_pinball(y, targets, weights, np.float64(scale / y.shape[1]), levels, dy))


def gaussian(z: Array, targets: Array, weights: Array, scale: float, epsilon: float, means: Array, dz: Array) -> float:
    share = np.float64(scale / targets.shape[1])
    return float(_gaussian(z, targets, weights, share, np.float64(epsilon), means, dz))


def triplet(z: Array, labels: Array, weights: Array, scale: float, margin: float, dz: Array) -> float:
    return float(_triplet(z, labels, weights, np.float64(scale), np.float64(margin), dz))
