"""The kernels of batch and layer normalization: a standardized value x̂ = (x − mean)·rstd, with rstd = 1/√(variance + ε).

Arrays (…, c) are read as rows of c channels. Batch normalization standardizes channels: its ``mean``, ``m2``, ``rstd``, … (c)
are float64 for every dtype, because they are sums of many values. Layer normalization standardizes rows: its ``mean`` and
``rstd`` have the array's dtype, one value for each row. Sums are accumulated in float64, so that long ones lose no digits.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def _rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def moments(x: Array, mean: Array, m2: Array) -> None:
    """mean = Σx/r and m2 = Σ(x − mean)² of each channel over r rows; zeros if there are no rows."""
    wide = _rows(x).astype(np.float64)
    mean[...] = wide.sum(axis=0) / max(len(wide), 1)
    m2[...] = np.square(wide - mean).sum(axis=0)


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
    """rstd = 1/√(m2/n + ε);  running ← momentum·running + (1 − momentum)·batch for the mean and for m2/(n − 1), if n > 1."""
    rstd[...] = 1 / np.sqrt(m2 / n + epsilon)
    if n > 1:
        running_mean[...] = momentum * running_mean + (1 - momentum) * mean
        running_variance[...] = momentum * running_variance + (1 - momentum) * m2 / (n - 1)


def means_of_sums(n: float, dgamma: Array, dbeta: Array, mean_dy: Array, mean_dy_xhat: Array) -> None:
    """mean_dy = dβ/n,  mean_dy_xhat = dγ/n."""
    mean_dy[...] = dbeta.astype(np.float64) / n
    mean_dy_xhat[...] = dgamma.astype(np.float64) / n


def _standardized(x: Array, mean: Array, rstd: Array) -> Array:
    """Return x̂ as rows, in the dtype of x."""
    return (_rows(x) - mean.astype(x.dtype)) * rstd.astype(x.dtype)


def normalize(x: Array, mean: Array, rstd: Array, gamma: Array, beta: Array, out: Array) -> Array:
    """out = γ x̂ + β."""
    _rows(out)[...] = gamma * _standardized(x, mean, rstd) + beta
    return out


def normalize_relu(x: Array, mean: Array, rstd: Array, gamma: Array, beta: Array, out: Array) -> Array:
    """out = max(γ x̂ + β, 0); NaN stays NaN."""
    normalize(x, mean, rstd, gamma, beta, out)
    return np.maximum(out, 0, out=out)


def normalize_backward(x: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array) -> None:
    """dγ = Σ dy x̂,  dβ = Σ dy."""
    wide = _rows(dy).astype(np.float64)
    dgamma[...] = (wide * _standardized(x, mean, rstd)).sum(axis=0)
    dbeta[...] = wide.sum(axis=0)


def normalize_relu_backward(x: Array, y: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array) -> None:
    """Compute dγ and dβ of a normalization followed by a ReLU with output y: dy is masked in place first."""
    dy[y <= 0] = 0
    normalize_backward(x, mean, rstd, dy, dgamma, dbeta)


def normalize_input_gradient(
    x: Array, mean: Array, rstd: Array, gamma: Array, dy: Array, mean_dy: Array, mean_dy_xhat: Array, out: Array
) -> Array:
    """out = dx = γ rstd (dy − mean_dy − x̂ mean_dy_xhat); out may be dy.

    With both means zero, it is the gradient for a mean and a variance that do not depend on x.
    """
    kind = x.dtype
    inner = _rows(dy) - mean_dy.astype(kind) - _standardized(x, mean, rstd) * mean_dy_xhat.astype(kind)
    _rows(out)[...] = gamma * rstd.astype(kind) * inner
    return out


def widen_statistics(mean: Array, variance: Array, epsilon: float, wide_mean: Array, rstd: Array) -> None:
    """wide_mean = mean and rstd = 1/√(variance + ε), in float64."""
    wide_mean[...] = mean
    rstd[...] = 1 / np.sqrt(variance.astype(np.float64) + epsilon)


def fold_normalization(
    W: Array, b: Array, mean: Array, rstd: Array, gamma: Array, beta: Array, folded_W: Array, folded_b: Array
) -> None:
    """folded_W = W γ rstd and folded_b = β + (b − mean) γ rstd, so that γ (W·x + b − mean) rstd + β = folded_W·x + folded_b."""
    scale = gamma * rstd
    folded_W[...] = W * scale.astype(W.dtype)
    folded_b[...] = beta + (b - mean) * scale


def layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float, out: Array, mean: Array, rstd: Array) -> Array:
    """Compute mean and rstd of each row, and out = γ x̂ + β."""
    wide = _rows(x).astype(np.float64)
    mean[...] = wide.mean(axis=1)
    rstd[...] = 1 / np.sqrt(wide.var(axis=1) + epsilon)
    _rows(out)[...] = gamma * (_rows(x) - mean[:, None]) * rstd[:, None] + beta
    return out


def layer_norm_backward(
    x: Array, gamma: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array, out: Array
) -> Array:
    """dγ = Σ dy x̂ and dβ = Σ dy over the rows; out = dx = rstd (h − mean(h) − x̂ mean(h x̂)) with h = γ dy and the means
    over the row. out may be dy."""
    xhat, wide = (_rows(x) - mean[:, None]) * rstd[:, None], _rows(dy).astype(np.float64)
    dgamma[...] = (wide * xhat).sum(axis=0)
    dbeta[...] = wide.sum(axis=0)
    h = wide * gamma
    inner = h - h.mean(axis=1, keepdims=True) - xhat * (h * xhat).mean(axis=1, keepdims=True)
    _rows(out)[...] = rstd[:, None] * inner
    return out
