"""The kernels of group normalization: a standardized value x̂ = (x − mean)·rstd, with rstd = 1/√(variance + ε).

Arrays (n, …, c) are read as n samples of rows of c channels. ``mean`` and ``rstd`` (n, groups), in the array's dtype, are those
of a group of c/groups neighbouring channels of a sample, over all its rows. Sums are accumulated in float64, so that long ones
lose no digits.
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array


def _grouped(x: Array, mean: Array) -> Array:
    """Return x as (n, rows, groups, channels of a group)."""
    n, groups = mean.shape
    return x.reshape(n, math.prod(x.shape[1:-1]), groups, x.shape[-1] // groups)  # not −1: x may be empty


def group_norm(x: Array, gamma: Array, beta: Array, epsilon: float, out: Array, mean: Array, rstd: Array) -> Array:
    """Compute mean and rstd of each group, and out = γ x̂ + β."""
    wide = _grouped(x, mean).astype(np.float64)
    mean[...] = wide.mean(axis=(1, 3))
    rstd[...] = 1 / np.sqrt(wide.var(axis=(1, 3)) + epsilon)
    out[...] = gamma * _standardized(x, mean, rstd) + beta
    return out


def group_norm_backward(
    x: Array, gamma: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array, out: Array
) -> Array:
    """dγ = Σ dy x̂ and dβ = Σ dy over samples and rows; out = dx = rstd (h − mean(h) − x̂ mean(h x̂)) with h = γ dy and the
    means over the group. out may be dy."""
    xhat, wide = _standardized(x, mean, rstd), dy.astype(np.float64)
    dgamma[...] = (wide * xhat).reshape(-1, x.shape[-1]).sum(axis=0)
    dbeta[...] = wide.reshape(-1, x.shape[-1]).sum(axis=0)
    h, xhat = _grouped(gamma * wide, mean), _grouped(xhat, mean)
    mean_h, mean_hx = (a.mean(axis=(1, 3), keepdims=True) for a in (h, h * xhat))
    out[...] = (rstd[:, None, :, None] * (h - mean_h - xhat * mean_hx)).reshape(x.shape)
    return out


def _standardized(x: Array, mean: Array, rstd: Array) -> Array:
    """Return x̂ in the shape of x."""
    return ((_grouped(x, mean) - mean[:, None, :, None]) * rstd[:, None, :, None]).reshape(x.shape)
