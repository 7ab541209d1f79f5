"""The kernels of the losses, each with its gradient in one pass.

All return Σ wᵢ lᵢ over the samples and write wᵢ·scale·∂lᵢ/∂z into ``dz`` (or ∂lᵢ/∂y into ``dy``); ``scale`` is one over the sum
of the weights of the *whole* batch. ``a`` receives the softmax or sigmoid of z, for the metrics. δ is ∂l/∂z.
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.reference.activations import sigmoid
from pellucid.kernels.reference.softmax import softmax


def softmax_cross_entropy_labels(
    z: Array, labels: Array, weights: Array, scale: float, smoothing: float, a: Array, dz: Array
) -> float:
    """l = −Σ y log softmax(z) from the logits z (n, k);  δ = a − y.

    The labels (n) give y = 1 − ε + ε/k at the label and ε/k elsewhere, with ε = ``smoothing``. If one of them is not from 0 to
    k − 1, the loss is NaN.
    """
    if not ((labels >= 0) & (labels < z.shape[1])).all():
        return math.nan
    rows, rest = np.arange(len(z)), smoothing / z.shape[1]
    softmax(z, a)
    dz[...] = a - rest
    dz[rows, labels] -= 1 - smoothing
    dz *= (weights * scale)[:, None]
    shifted = z.astype(np.float64) - z.max(axis=1, keepdims=True)
    inner = shifted[rows, labels]
    if smoothing > 0:  # 0 times an infinite value is NaN
        inner = (1 - smoothing) * inner + rest * shifted.sum(axis=1)
    return float(weights @ (np.log(np.exp(shifted).sum(axis=1)) - inner))


def softmax_cross_entropy(
    z: Array, targets: Array, weights: Array, scale: float, smoothing: float, a: Array, dz: Array
) -> float:
    """l = −Σ y log softmax(z) with y = (1 − ε) t + ε/k, for targets t (n, k) that are distributions;  δ = a − y."""
    y = targets * (1 - smoothing) + smoothing / z.shape[1] if smoothing > 0 else targets
    softmax(z, a)
    dz[...] = (a - y) * (weights * scale)[:, None]
    shifted = z.astype(np.float64) - z.max(axis=1, keepdims=True)
    losses = y.sum(axis=1, dtype=np.float64) * np.log(np.exp(shifted).sum(axis=1)) - (y * shifted).sum(axis=1)
    return float(weights @ losses)


def softmax_divergence(z: Array, targets: Array, weights: Array, scale: float, a: Array, dz: Array) -> float:
    """l = Σ y (log y − log softmax(z)) for targets y (n, k) that are distributions, with 0 log 0 = 0;  δ = a − y."""
    softmax(z, a)
    dz[...] = (a - targets) * (weights * scale)[:, None]
    y, shifted = targets.astype(np.float64), z.astype(np.float64) - z.max(axis=1, keepdims=True)
    inner = y * np.where(y > 0, np.log(np.where(y > 0, y, 1)) - shifted, 0)  # 0 times an infinite value is NaN
    return float(weights @ (y.sum(axis=1) * np.log(np.exp(shifted).sum(axis=1)) + inner.sum(axis=1)))


def sigmoid_cross_entropy(z: Array, targets: Array, weights: Array, scale: float, a: Array, dz: Array) -> float:
    """l = −mean(y log σ(z) + (1 − y) log(1 − σ(z))) over the outputs, from the logits;  δ = (a − y)/k."""
    sigmoid(z, a)
    dz[...] = (a - targets) * (weights * (scale / z.shape[1]))[:, None]
    wide = z.astype(np.float64)
    losses = np.maximum(wide, 0) - wide * targets + np.log1p(np.exp(-np.abs(wide)))
    return float(weights @ losses.mean(axis=1))


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
    """l = mean(α t f(z) + β (1 − t) f(−z)) over the outputs, with α = ``positive`` (k) and β = ``negative``.

    f(s) = (1 − p)^γ (−log p) with p = σ(s);  f' = −(1 − p)^γ (1 − p + γ p (−log p)).
    """
    sigmoid(z, a)
    wide, t = z.astype(np.float64), targets.astype(np.float64)
    yes, yes_slope = _focal(wide, gamma)
    no, no_slope = _focal(-wide, gamma)
    losses = _product(positive * t, yes) + _product(negative * (1 - t), no)
    dz[...] = (positive * t * yes_slope - negative * (1 - t) * no_slope) * (weights * (scale / z.shape[1]))[:, None]
    return float(weights @ losses.mean(axis=1))


def _focal(s: Array, gamma: float) -> tuple[Array, Array]:
    """Return f and f' of :func:`focal_cross_entropy`; safe for every s."""
    e = np.exp(-np.abs(s))
    p, q = np.where(s >= 0, 1, e) / (1 + e), np.where(s >= 0, e, 1) / (1 + e)  # q = 1 − p without its rounding error
    cost = np.maximum(-s, 0) + np.log1p(e)
    power = q**gamma
    return power * cost, -power * (q + gamma * _product(p, cost))


def _product(factor: Array, value: Array) -> Array:
    """Return the product, where 0 times infinity is 0."""
    return np.multiply(factor, value, out=np.zeros_like(value), where=factor != 0)


def squared_error(y: Array, targets: Array, weights: Array, scale: float, dy: Array) -> float:
    """l = mean((y − t)²) over the outputs;  dy = 2 (y − t)/k."""
    dy[...] = y - targets
    losses = np.square(dy, dtype=np.float64).mean(axis=1)
    dy *= (weights * (scale * 2 / y.shape[1]))[:, None]
    return float(weights @ losses)


def absolute_error(y: Array, targets: Array, weights: Array, scale: float, dy: Array) -> float:
    """l = mean(|y − t|) over the outputs;  dy = sign(y − t)/k, which is 0 where y = t."""
    difference = y - targets
    dy[...] = np.sign(difference) * (weights * (scale / y.shape[1]))[:, None]
    return float(weights @ np.abs(difference).mean(axis=1, dtype=np.float64))


def huber(y: Array, targets: Array, weights: Array, scale: float, delta: float, dy: Array) -> float:
    """l = mean(d²/2 where |d| ≤ δ, else δ (|d| − δ/2)) over the outputs, with d = y − t;  dy = d/k, with d clipped to ±δ."""
    difference = y - targets
    size = np.abs(difference, dtype=np.float64)
    dy[...] = np.clip(difference, -delta, delta) * (weights * (scale / y.shape[1]))[:, None]
    return float(weights @ np.where(size <= delta, size * size / 2, delta * (size - delta / 2)).mean(axis=1))


def poisson(z: Array, targets: Array, weights: Array, scale: float, rates: Array, dz: Array) -> float:
    """l = mean(eᶻ − t z) over the outputs, with z the logarithm of a rate and t a count;  dz = (eᶻ − t)/k;  rates = eᶻ."""
    np.exp(z, out=rates)
    dz[...] = (rates - targets) * (weights * (scale / z.shape[1]))[:, None]
    wide = z.astype(np.float64)
    return float(weights @ (np.exp(wide) - targets * wide).mean(axis=1))


def pinball(y: Array, targets: Array, weights: Array, scale: float, levels: Array, dy: Array) -> float:
    """l = mean(max(q (t − y), (q − 1) (t − y))) over the outputs, with q = ``levels`` (k).

    dy = −q/k where y < t, (1 − q)/k where y > t, and 0 where they are equal.
    """
    difference = targets.astype(np.float64) - y
    slope = np.where(difference > 0, -levels, np.where(difference < 0, 1 - levels, difference))
    dy[...] = slope * (weights * (scale / y.shape[1]))[:, None]
    return float(weights @ np.maximum(levels * difference, (levels - 1) * difference).mean(axis=1))


def gaussian(z: Array, targets: Array, weights: Array, scale: float, epsilon: float, means: Array, dz: Array) -> float:
    """l = mean((d²/v + log v + log 2π)/2) over the k targets, with d = μ − t, v = eˢ + ε and z = (μ, s), each (n, k).

    dμ = d/(v k);  ds = (1 − d²/v) (eˢ/v)/(2k). All from log v, since eˢ may overflow.
    """
    k = targets.shape[1]
    means[...] = z[:, :k]
    difference, s = means.astype(np.float64) - targets, z[:, k:].astype(np.float64)
    log_variance = np.logaddexp(s, np.log(epsilon))
    precision = np.exp(-log_variance)
    squared = difference * difference * precision
    factor = (weights * (scale / k))[:, None]
    dz[:, :k] = difference * precision * factor
    dz[:, k:] = (1 - squared) * np.exp(s - log_variance) / 2 * factor
    return float(weights @ (squared + log_variance + np.log(2 * np.pi)).mean(axis=1) / 2)


def hinge(z: Array, signs: Array, weights: Array, scale: float, dz: Array) -> float:
    """l = max(0, 1 − t z) for one output (n, 1) and signs t (n, 1), 1 or −1;  dz = −t where l > 0, else 0."""
    slack = 1 - signs * z
    dz[...] = np.where(slack <= 0, 0, -signs) * (weights * scale)[:, None]
    return float(weights @ np.maximum(slack, 0, dtype=np.float64)[:, 0])


def hinge_labels(z: Array, labels: Array, weights: Array, scale: float, dz: Array) -> float:
    """l = Σ_{j ≠ y} max(0, 1 + z_j − z_y)/k for scores z (n, k) and labels y (n).

    dz_j = 1/k where the summand is positive, and dz_y is the negative of the sum of these.
    """
    rows = np.arange(len(z))
    slack = 1 + (z - z[rows, labels][:, None])  # in this order: the 1 is lost when it is added to a large score
    slack[rows, labels] = 0
    over = ~(slack <= 0)  # NaN counts as over, so that it is not hidden
    over[rows, labels] = False
    dz[...] = over
    dz[rows, labels] = -over.sum(axis=1)
    dz *= (weights * (scale / z.shape[1]))[:, None]
    return float(weights @ np.maximum(slack, 0, dtype=np.float64).mean(axis=1))


def cosine_distance(y: Array, targets: Array, weights: Array, scale: float, dy: Array) -> float:
    """l = 1 − u·v = |u − v|²/2 with u = y/|y| and v = t/|t|;  dy = (u − v − l u)/|y|.

    Where y or t is zero, l = 1 and dy = 0.
    """
    lengths, target_lengths = (np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1)) for rows in (y, targets))
    valid = (lengths != 0) & (target_lengths != 0)
    u = y / np.where(valid, lengths, 1)[:, None]
    difference = u - targets / np.where(valid, target_lengths, 1)[:, None]
    losses = np.where(valid, np.square(difference).sum(axis=1) / 2, 1)
    factor = weights * scale / np.where(valid, lengths, 1)
    dy[...] = np.where(valid[:, None], (difference - losses[:, None] * u) * factor[:, None], 0)
    return float(weights @ losses)


def triplet(z: Array, labels: Array, weights: Array, scale: float, margin: float, dz: Array) -> float:
    """l_i = mean(max(0, m + d_ip − d_in)) over the triplets (i, p, n) of the anchor i, with the distances d_ij = |z_i − z_j|.

    p is another sample with the label of i, n one with another label; without such a triplet l_i = 0. Samples of weight 0 are
    left out. ∂d_ij/∂z_i = (z_i − z_j)/d_ij, and 0 where they are equal.
    """
    wide = z.astype(np.float64)
    distances = np.array([np.sqrt(np.square(row - wide).sum(axis=1)) for row in wide]).reshape(len(z), len(z))
    slopes, present, loss = np.zeros_like(distances), weights > 0, 0.0
    for i in np.flatnonzero(present):
        same = labels == labels[i]
        positives, negatives = np.flatnonzero(present & same), np.flatnonzero(present & ~same)
        positives = positives[positives != i]
        if not positives.size or not negatives.size:
            continue
        slack = margin + (distances[i, positives][:, None] - distances[i, negatives])  # the margin last, since it may be small
        active = ~(slack <= 0)  # NaN is active, so that it reaches the loss
        factor = float(weights[i]) / slack.size
        loss += factor * slack[active].sum()
        slopes[i, positives] += factor * scale * active.sum(axis=1)
        slopes[i, negatives] -= factor * scale * active.sum(axis=0)
    slopes += slopes.T.copy()
    for row, row_slopes, row_distances, gradient in zip(wide, slopes, distances, dz, strict=True):
        others = (row_slopes != 0) & (row_distances != 0)
        gradient[...] = (row_slopes[others] / row_distances[others]) @ (row - wide[others])
    return float(loss)
