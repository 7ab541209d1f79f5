"""Tests of pooling over time, and of the global maxima of images, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from pellucid import (
    AveragePool1D,
    GlobalAveragePool1D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    MaxPool1D,
    ShapeError,
)
from pellucid.errors import ConfigError
from pellucid.kernels import compiled, reference
from pellucid.testing import asymmetric, run_layer

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
# (kernel_size, stride, padding) and (before, after) for sequences of 11 steps
CASES = [
    ((2, None, "valid"), (0, 0)),
    ((3, 2, "same"), (1, 1)),
    ((4, 4, "same"), (0, 1)),
    ((4, 1, "causal"), (3, 0)),
    ((3, 2, (0, 2)), (0, 2)),
    ((2, 5, 1), (1, 1)),
]


@BOTH
@pytest.mark.parametrize(("settings", "sides"), CASES, ids=str)
def test_pooling_over_time_equals_numpy(kernels, settings, sides):
    x = asymmetric((2, 11, 5))
    padded = np.pad(x, ((0, 0), sides, (0, 0)), constant_values=np.nan)
    windows = sliding_window_view(padded, settings[0], axis=1)[:, :: settings[1] or settings[0]]
    taps = sliding_window_view(np.pad(np.arange(11.0), sides, constant_values=np.nan), settings[0])
    taps = taps[:: settings[1] or settings[0]]
    dy = asymmetric(windows.shape[:3], 1)
    largest = run_layer(MaxPool1D(*settings), x, dy, kernels=kernels)
    np.testing.assert_array_equal(largest.y, np.nanmax(windows, axis=-1))
    mean = run_layer(AveragePool1D(*settings), x, dy, kernels=kernels)
    np.testing.assert_allclose(mean.y, np.nanmean(windows, axis=-1), atol=1e-13)
    of_maximum, of_mean = np.zeros_like(x), np.zeros_like(x)
    for p, steps in enumerate(taps):  # the transposed maps, window by window
        inside = steps[~np.isnan(steps)].astype(int)
        of_mean[:, inside] += dy[:, [p]] / len(inside)
        chosen = inside[x[:, inside].argmax(axis=1)]
        for n, c in np.ndindex(chosen.shape):
            of_maximum[n, chosen[n, c], c] += dy[n, p, c]
    np.testing.assert_allclose(largest.dx, of_maximum, atol=1e-13)
    np.testing.assert_allclose(mean.dx, of_mean, atol=1e-13)


@BOTH
@pytest.mark.parametrize("shape", [(3, 300, 2), (3, 1, 4), (2, 20, 15, 3)], ids=str)
def test_global_pooling_equals_numpy(kernels, shape):
    x, dy = asymmetric(shape), asymmetric((shape[0], shape[-1]), 1)
    x[0].fill(2.0)  # all equal: the first one receives the gradient
    positions, flat = tuple(range(1, len(shape) - 1)), (shape[0], -1, shape[-1])
    out = run_layer(GlobalMaxPool1D() if len(shape) == 3 else GlobalMaxPool2D(), x, dy, kernels=kernels)
    np.testing.assert_array_equal(out.y, x.max(axis=positions))
    dx = np.zeros_like(x).reshape(flat)
    np.put_along_axis(dx, x.reshape(flat).argmax(axis=1)[:, None], dy[:, None], axis=1)
    np.testing.assert_array_equal(out.dx, dx.reshape(shape))
    if len(shape) == 3:
        mean = run_layer(GlobalAveragePool1D(), x, dy, kernels=kernels)
        np.testing.assert_allclose(mean.y, x.mean(axis=1), atol=1e-13)
        np.testing.assert_allclose(mean.dx, np.repeat(dy[:, None] / shape[1], shape[1], axis=1), atol=1e-13)


@pytest.mark.parametrize("layer", [MaxPool1D(), AveragePool1D(), GlobalAveragePool1D(), GlobalMaxPool1D()], ids=repr)
def test_images_are_referred_to_the_layer_for_images(layer):
    with pytest.raises(ShapeError, match=rf"expects sequences .* use {type(layer).__name__[:-2]}2D"):
        layer.build((4, 4, 1))
    with pytest.raises(ShapeError, match="add a channel axis"):
        layer.build((4,))


def test_a_window_of_padding_only_is_refused():
    for layer in (MaxPool1D(2, 1, (2, 0)), AveragePool1D(2, padding=(0, 3)), MaxPool1D(1, 2, (0, 1))):
        with pytest.raises(ShapeError, match="a window contains no step, only padding"):
            layer.build((4, 1))
    with pytest.raises(ShapeError, match="spans 5 steps"):
        MaxPool1D(5).build((4, 1))
    with pytest.raises(ConfigError, match="did you mean 'causal'"):
        MaxPool1D(2, 1, "causl").build((4, 1))
