"""Tests of group normalization: by hand, against layer normalization, far from zero, and with NaN."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import GroupNorm, LayerNorm, ShapeError, kernels as kernel_sets
from pellucid.testing import asymmetric, layouts, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)


def slot(out, layer, shape, name):
    return layouts(layer, shape)[0].array(out.gradient, name)


@FLOAT64_KERNELS
def test_one_group_of_vectors_equals_layer_norm(kernels):
    x, dy = asymmetric((5, 6)), asymmetric((5, 6), seed=1)
    one, other = (run_layer(layer, x, dy, kernels=kernels) for layer in (GroupNorm(1), LayerNorm()))
    for a, b in ((one.y, other.y), (one.dx, other.dx), (one.gradient, other.gradient)):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


@BOTH
@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (2, 7, 7, 12), (3, 40, 600), (1, 300, 4), (40, 33, 66)])
@pytest.mark.parametrize("groups", [1, 2, None])
def test_each_group_of_each_sample_by_hand(kernels, shape, groups):
    channels = shape[-1]
    groups = groups or channels  # None: one group for each channel, instance normalization
    layer = GroupNorm(groups, epsilon=0.01)
    x, dy = asymmetric(shape), asymmetric(shape, seed=1)
    theta = layouts(layer, shape[1:])[0].zeros(np.float64)
    gamma, beta = (layouts(layer, shape[1:])[0].array(theta, name) for name in ("gamma", "beta"))
    gamma[:], beta[:] = asymmetric((channels,), seed=2), asymmetric((channels,), seed=3)
    out = run_layer(layer, x, dy, theta=theta, kernels=kernels)
    y, dx, xhats = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    for i in range(shape[0]):
        for part in np.split(np.arange(channels), groups):
            these = x[i, ..., part]
            r = 1 / np.sqrt(these.var() + 0.01)
            xhat = (these - these.mean()) * r
            h = (gamma[part] * dy[i, ..., part].T).T
            xhats[i, ..., part] = xhat
            dx[i, ..., part] = r * (h - h.mean() - xhat * (h * xhat).mean())
    y = gamma * xhats + beta
    np.testing.assert_allclose(out.y, y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(out.dx, dx, rtol=0, atol=1e-12)
    over = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(slot(out, layer, shape[1:], "gamma"), (dy * xhats).sum(axis=over), rtol=0, atol=1e-10)
    np.testing.assert_allclose(slot(out, layer, shape[1:], "beta"), dy.sum(axis=over), rtol=0, atol=1e-10)


@BOTH
def test_it_is_accurate_far_from_zero(kernels):
    x = (1000 * (1 + 1e-3 * np.random.default_rng(0).standard_normal((4, 20, 20, 8)))).astype(np.float32)
    wide = x.astype(float).reshape(4, 400, 2, 4)
    wanted = (wide - wide.mean(axis=(1, 3), keepdims=True)) / np.sqrt(wide.var(axis=(1, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(run_layer(GroupNorm(2), x, kernels=kernels).y, wanted.reshape(x.shape), atol=1e-4)


@BOTH
def test_nan_stays_in_its_group(kernels):
    x = asymmetric((2, 3, 3, 4))
    x[1, 2, 0, 3] = np.nan
    where = np.isnan(run_layer(GroupNorm(2), x, kernels=kernels).y)
    assert where[1, ..., 2:].all()
    assert where.sum() == 18


def test_channels_that_cannot_be_divided_are_refused():
    with pytest.raises(ShapeError, match=r"a multiple of 3, got \(5, 5, 4\)"):
        GroupNorm(3).build((5, 5, 4))
    with pytest.raises(ShapeError, match="use fewer groups"):
        GroupNorm(4).build((4,))
    assert GroupNorm(4).build((2, 4)).shape == (2, 4)
