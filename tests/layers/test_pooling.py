"""Tests of pooling against NumPy's sliding windows, with NaN as padding."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from pellucid import (
    Accuracy,
    Adam,
    AveragePool2D,
    ConfigError,
    CrossEntropy,
    Dense,
    GlobalAveragePool2D,
    MaxPool2D,
    Sequential,
    ShapeError,
    Softmax,
)
from pellucid.kernels import compiled, reference
from pellucid.kernels.window import Window
from pellucid.layers.reshape import Flatten
from pellucid.testing import asymmetric, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SAME = ((0, 1), (0, 1))

# (layer, its window, padding ((top, bottom), (left, right)), height and width, channels)
CASES = [
    (MaxPool2D(), Window(2, 2, 2, 2), ((0, 0), (0, 0)), (6, 8), 5),
    (MaxPool2D(), Window(2, 2, 2, 2), ((0, 0), (0, 0)), (7, 5), 16),
    (MaxPool2D(2, padding="same"), Window(2, 2, 2, 2), SAME, (7, 5), 3),
    (MaxPool2D(3, stride=2), Window(3, 3, 2, 2), ((0, 0), (0, 0)), (9, 7), 4),
    (MaxPool2D(3, stride=2, padding=1), Window(3, 3, 2, 2, 1, 1), ((1, 1), (1, 1)), (8, 7), 33),
    (MaxPool2D((2, 3), stride=1), Window(2, 3, 1, 1), ((0, 0), (0, 0)), (4, 5), 2),
    (MaxPool2D(2, stride=3), Window(2, 2, 3, 3), ((0, 0), (0, 0)), (8, 9), 2),
    (MaxPool2D(3), Window(3, 3, 3, 3), ((0, 0), (0, 0)), (7, 9), 2),
    (MaxPool2D(17, stride=1), Window(17, 17), ((0, 0), (0, 0)), (17, 18), 2),
]
ROWS = pytest.mark.parametrize(("layer", "window", "padding", "size", "channels"), CASES, ids=lambda v: str(v)[:40])


def windows(x, window, padding):
    """(n, h', w', c, taps): the pixels of each window in the order of the taps, NaN in the padding."""
    padded = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=np.nan)
    every = sliding_window_view(padded, (window.kh, window.kw), axis=(1, 2))[:, :: window.sh, :: window.sw]
    return every.reshape(*every.shape[:4], -1)


def averaging(layer):
    return AveragePool2D(layer.kernel_size, layer.stride, layer.padding)


@FLOAT64_KERNELS
@DTYPES
@ROWS
def test_max_pooling_equals_numpy(kernels, dtype, layer, window, padding, size, channels):
    x = np.random.default_rng(0).integers(-4, 0, (3, *size, channels)).astype(dtype)  # all negative, many equal
    taps = windows(x, window, padding)
    wanted, number = np.nanmax(taps, axis=-1), np.nanargmax(taps, axis=-1)
    assert layer.build(x.shape[1:]).shape == wanted.shape[1:]
    dy = np.random.default_rng(1).normal(size=wanted.shape).astype(dtype)
    out = run_layer(layer, x, dy, kernels=kernels)
    np.testing.assert_array_equal(out.y, wanted)
    dx = np.zeros(x.shape)
    n, p, q, c = np.indices(number.shape)
    row = p * window.sh - window.top + number // window.kw
    np.add.at(dx, (n, row, q * window.sw - window.left + number % window.kw, c), dy)
    np.testing.assert_allclose(out.dx, dx, atol={np.float32: 1e-4, np.float64: 1e-12}[dtype])


@BOTH
@DTYPES
@ROWS
def test_average_pooling_equals_numpy(kernels, dtype, layer, window, padding, size, channels):
    x = np.random.default_rng(0).normal(size=(3, *size, channels)).astype(dtype)
    taps = windows(x, window, padding)
    dy = np.random.default_rng(1).normal(size=taps.shape[:-1]).astype(dtype)
    out = run_layer(averaging(layer), x, dy, kernels=kernels)
    bound = {np.float32: 1e-5, np.float64: 1e-13}[dtype]
    np.testing.assert_allclose(out.y, np.nanmean(taps, axis=-1), atol=bound)
    # dX by the transposed map: the windows of the pixels' indices tell which pixel receives which fraction of dy
    indices = windows(np.arange(x.size, dtype=np.float64).reshape(x.shape), window, padding)
    inside = ~np.isnan(indices)
    fraction = (dy / inside.sum(axis=-1))[..., None] * inside
    dx = np.bincount(indices[inside].astype(int), fraction[inside], x.size).reshape(x.shape)
    np.testing.assert_allclose(out.dx, dx, atol=bound)


@BOTH
@DTYPES
def test_global_average_pooling_is_the_mean(kernels, dtype):
    x = np.random.default_rng(0).normal(size=(3, 5, 4, 7)).astype(dtype)
    dy = np.random.default_rng(1).normal(size=(3, 7)).astype(dtype)
    out = run_layer(GlobalAveragePool2D(), x, dy, kernels=kernels)
    np.testing.assert_allclose(out.y, x.mean(axis=(1, 2)), rtol=0, atol=1e-6)
    np.testing.assert_allclose(out.dx, np.broadcast_to(dy[:, None, None] / 20, x.shape), rtol=1e-6)


@BOTH
@DTYPES
@ROWS
def test_a_window_with_nan_has_the_maximum_nan(kernels, dtype, layer, window, padding, size, channels):
    x = np.random.default_rng(0).normal(size=(2, *size, channels)).astype(dtype)
    x[0, 0, 0, 0] = x[0, 2, 1, -1] = x[1, -2, -2, 1] = x[1, -1, -2, 1] = np.nan
    x[0, 1, 1, 0] = np.inf
    seen = windows(np.isnan(x).astype(float), window, padding)
    assert np.nansum(seen) > 0
    out = run_layer(layer, x, np.ones(seen.shape[:-1], dtype), kernels=kernels)
    np.testing.assert_array_equal(np.isnan(out.y), np.nanmax(seen, axis=-1) > 0)
    assert out.dx[~np.isnan(x)].sum() == (~np.isnan(out.y)).sum(), "the gradient belongs to the pixel that is NaN"


@BOTH
def test_the_first_of_equals_and_the_first_nan_are_chosen(kernels):
    nan = np.nan
    cases = [
        ([[1, 1], [1, 1]], 0),
        ([[0, 1], [1, 1]], 1),
        ([[0, 0], [2, 2]], 2),
        ([[0, 0], [1, 2]], 3),
        ([[nan, 9], [nan, 9]], 0),
        ([[9, nan], [nan, 10]], 1),
        ([[9, 1], [nan, nan]], 2),
        ([[-np.inf, -np.inf], [-np.inf, -np.inf]], 0),
    ]
    for window in (Window(2, 2, 2, 2), Window(2, 2, 1, 1)):
        for pixels, tap in cases:
            x = np.array(pixels, np.float64).reshape(1, 2, 2, 1).repeat(40, axis=3)
            out, chosen = np.empty((1, 1, 1, 40)), np.empty((1, 1, 1, 40), np.uint8)
            kernels.max_pool(x, window, out, chosen)
            assert (chosen == tap).all(), (pixels, chosen)
            np.testing.assert_array_equal(out, x.reshape(1, 4, 40)[:, tap].reshape(out.shape))


@BOTH
def test_more_taps_than_one_byte_can_count(kernels):
    x = np.arange(17 * 34, dtype=np.float64).reshape(1, 17, 34, 1)
    out = run_layer(MaxPool2D(17), x, np.ones((1, 1, 2, 1)), kernels=kernels)
    assert out.y.ravel().tolist() == [16 * 34 + 16, 16 * 34 + 33]
    np.testing.assert_array_equal(out.dx, np.isin(x, out.y))


@BOTH
@DTYPES
def test_dilated_windows(kernels, dtype):
    x, window = np.arange(49, dtype=dtype).reshape(1, 7, 7, 1), Window(2, 2, 2, 2, dh=3, dw=3)
    out, chosen, dx = np.empty((1, 2, 2, 1), dtype), np.empty((1, 2, 2, 1), np.uint8), np.empty_like(x)
    kernels.max_pool(x, window, out, chosen)
    assert out.ravel().tolist() == [24, 26, 38, 40]
    kernels.max_pool_backward(out, chosen, window, dx)
    np.testing.assert_array_equal(dx, np.where(np.isin(x, out), x, 0))
    kernels.average_pool(x, window, out)
    assert out.ravel().tolist() == [12, 14, 26, 28]
    kernels.average_pool_backward(np.full_like(out, 4), window, dx)
    met = np.isin(np.arange(7), [0, 2, 3, 5])
    np.testing.assert_array_equal(dx[0, :, :, 0], np.outer(met, met))


def test_invalid_windows_are_refused():
    words = "a window contains no pixel"
    for layer in (
        MaxPool2D(2, padding=2),
        AveragePool2D(2, padding=((0, 0), (2, 0))),
        MaxPool2D(2, stride=1, padding=((0, 2), (0, 0))),
    ):
        with pytest.raises(ShapeError, match=words):
            layer.build((4, 4, 1))
    assert MaxPool2D(2, padding=1).build((4, 4, 1)).shape == (3, 3, 1)
    with pytest.raises(ShapeError, match="its kernel spans 5 × 5 pixels"):
        MaxPool2D(5).build((4, 4, 1))
    for layer in (MaxPool2D(), AveragePool2D(), GlobalAveragePool2D()):
        with pytest.raises(ShapeError, match="expects images"):
            layer.build((4,))
    with pytest.raises(ConfigError, match="did you mean 'same'"):
        MaxPool2D(padding="sam").build((4, 4, 1))
    with pytest.raises(ConfigError):
        MaxPool2D(0)


@pytest.mark.parametrize("pool", [MaxPool2D(), AveragePool2D(3, stride=2, padding="same")], ids=repr)
def test_a_network_that_pools_learns(pool, images):
    x = images.x.repeat(2, axis=1).repeat(2, axis=2)  # blocks of 2 × 2 equal pixels
    network = Sequential(pool, Flatten(), Dense(10), Softmax())
    model = network.compile((14, 14, 1), CrossEntropy(), Adam(0.05), [Accuracy()], seed=0)
    model.fit(x, images.y, epochs=20, batch_size=20, progress=False)
    assert model.evaluate(x, images.y)["accuracy"] > 0.95  # measured: 1.0 over seeds 0 to 4


def test_average_pooling_preserves_the_sum_of_the_gradient():
    dy = asymmetric((2, 3, 3, 2))
    out = run_layer(AveragePool2D(3, stride=2, padding="same"), asymmetric((2, 5, 6, 2)), dy)
    assert out.dx.sum() == pytest.approx(dy.sum())
