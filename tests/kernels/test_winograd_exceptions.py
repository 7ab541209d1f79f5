"""Tests of the tiles that Winograd's algorithm would compute inexactly: they are computed directly, and only they."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pellucid.kernels import compiled, reference
from pellucid.kernels.compiled import conv_direct, thread_pool
from pellucid.kernels.window import Window
from tests.kernels.dtypes import DTYPES

HOSTILE = [1e8, 3e37, np.inf, np.nan]
PADDED = Window(3, 3, top=1, left=1)


def arrays(n=2, size=14, c=16, o=17, window=PADDED, dtype=np.float32):
    """Return x, W, b and dY; the weights are scaled so that Y has the order of x."""
    random = np.random.default_rng(0)
    out = size + 2 * window.top - 2
    x, dy = random.normal(size=(n, size, size, c)), random.normal(size=(n, out, out, o))
    W, b = random.normal(size=(3, 3, c, o)) / np.sqrt(9 * c), random.normal(size=o)
    return [a.astype(dtype) for a in (x, W, b, dy)]


def forward(kernels, x, W, b, window=PADDED):
    shape = len(x), *(size + 2 * window.top - 2 for size in x.shape[1:3]), W.shape[3]
    with np.errstate(all="ignore"):
        return kernels.conv2d(x, W, b, window, 1, np.full(shape, np.nan, x.dtype))


def weight_gradient(kernels, x, dy, window=PADDED):
    dW = np.full((3, 3, x.shape[3], dy.shape[3]), np.nan, x.dtype)
    with np.errstate(all="ignore"):
        kernels.conv2d_backward(x, dy, window, 1, dW, np.empty(0, x.dtype))
    return dW


def input_gradient(kernels, x, W, dy, window=PADDED):
    with np.errstate(all="ignore"):
        return kernels.conv2d_input_gradient(dy, W, window, 1, np.full_like(x, np.nan))


def direct(x, W, b, window=PADDED):
    shape = len(x), *(size + 2 * window.top - 2 for size in x.shape[1:3]), W.shape[3]
    out = np.empty(shape, x.dtype)
    conv_direct.forward(x, W, b, window, x.dtype.type(-np.inf), out)
    return out


def wide(*arrays):
    return [a.astype(np.float64) for a in arrays]


def error(got, exact):
    return np.abs(got - exact).max()


def seeing(out, row, column):
    """Return the mask of the 3×3 positions around a pixel."""
    mask = np.zeros(out.shape[1:3], bool)
    mask[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = True
    return mask


@DTYPES
@pytest.mark.parametrize("value", HOSTILE)
def test_outputs_that_do_not_see_a_hostile_pixel_are_not_disturbed(value, dtype):
    x, W, b, _ = arrays(dtype=dtype)
    ordinary = forward(compiled, x, W, b)
    x[0, 6, 7, 3] = value  # the last column of one tile's own pixels, the first of the next tile
    y, exact, plain = forward(compiled, x, W, b), forward(reference, *wide(x, W, b)), forward(reference, x, W, b)
    mask = seeing(y, 6, 7)
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(plain))
    for image in range(2):
        rest = ~mask if image == 0 else slice(None)
        worst, least = error(y[image][rest], exact[image][rest]), error(plain[image][rest], exact[image][rest])
        assert worst <= (32 * least if dtype == np.float32 else 1e-13)  # ordinary tiles: up to 25 times
    near, far = slice(4, 8), slice(12, 14)
    np.testing.assert_array_equal(y[0, near, near], direct(x, W, b)[0, near, near])  # the whole tile, bit for bit
    np.testing.assert_array_equal(y[0, far], ordinary[0, far])  # tiles without the pixel keep their bits
    np.testing.assert_array_equal(y[1], ordinary[1])


@pytest.mark.parametrize("window", [PADDED, Window(3, 3), Window(3, 3, top=2, left=2)], ids=str)
@pytest.mark.parametrize("size", [3, 6, 9])
def test_exactly_the_outputs_that_see_a_nan_are_nan(size, window):
    x, W, b, _ = arrays(17, size, window=window)
    for row, column in np.ndindex(size, size):
        hostile = x.copy()
        hostile[0, row, column, 5] = np.nan
        y = forward(compiled, hostile, W, b, window)
        nan = np.isnan(y)
        np.testing.assert_array_equal(nan, np.isnan(forward(reference, hostile, W, b, window)))
        np.testing.assert_allclose(y[~nan], forward(reference, *wide(x, W, b), window)[~nan], rtol=0, atol=1e-4)


def test_a_relu_after_the_sum_includes_the_exceptions():
    x, W, b, _ = arrays()
    x[1, 9, 9] = 1e8
    y, exact = np.empty((2, 14, 14, 17), np.float32), np.maximum(forward(reference, *wide(x, W, b)), 0)
    compiled.conv2d_relu(x, W, b, PADDED, 1, y)
    mask = seeing(y, 9, 9)
    np.testing.assert_allclose(y[1][~mask], exact[1][~mask], rtol=0, atol=1e-4)
    np.testing.assert_allclose(y[1][mask], exact[1][mask], rtol=1e-5, atol=100)


@pytest.mark.parametrize("value", HOSTILE)
def test_input_gradient_around_a_hostile_gradient(value):
    x, W, _, dy = arrays(o=16)
    dy[0, 6, 7, 3] = value
    dx, plain = input_gradient(compiled, x, W, dy), input_gradient(reference, x, W, dy)
    exact = input_gradient(reference, *wide(x, W, dy))
    mask = seeing(dx, 6, 7)
    np.testing.assert_array_equal(np.isfinite(dx), np.isfinite(plain))
    assert error(dx[0][~mask], exact[0][~mask]) <= 32 * error(plain[0][~mask], exact[0][~mask])


@pytest.mark.parametrize("value", [1e8, 3e37])
@pytest.mark.parametrize("of_x", [True, False], ids=["x", "dY"])
def test_weight_gradient_with_a_hostile_value(of_x, value):
    """Two rows of the other array are zero, so that six taps do not see the value."""
    x, _, _, dy = arrays(o=16)
    (x if of_x else dy)[0, 6, 7, 3] = value
    (dy if of_x else x)[0, 5:7] = 0
    dW, plain, exact = (weight_gradient(k, *given) for k, given in rows(x, dy))
    quiet = np.abs(exact) < 1e4
    assert quiet.sum() == dW.size - 3 * 16
    assert error(dW[quiet], exact[quiet]) <= 10 * error(plain[quiet], exact[quiet])
    np.testing.assert_allclose(dW[~quiet], exact[~quiet], rtol=1e-5)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_weight_gradient_of_taps_that_do_not_see_a_non_finite_pixel(value):
    x, _, _, dy = arrays(o=16, window=Window(3, 3))
    x[0, 1, 1, 3] = value  # without padding, only the first two rows and columns of taps reach it
    dW, plain, exact = (weight_gradient(k, *given, Window(3, 3)) for k, given in rows(x, dy))
    finite = np.isfinite(exact)
    assert finite.sum() == dW.size - 4 * 16
    np.testing.assert_array_equal(np.isfinite(dW), finite)
    assert error(dW[finite], exact[finite]) <= 10 * error(plain[finite], exact[finite])


@pytest.mark.parametrize("value", [3e37, np.inf, -np.inf, np.nan])
def test_hostile_weights(value):
    x, W, b, dy = arrays(o=16)
    W[1, 2, 3, 4] = value
    np.testing.assert_array_equal(forward(compiled, x, W, b), direct(x, W, b))
    dx, exact = input_gradient(compiled, x, W, dy), input_gradient(reference, *wide(x, W, dy))
    others = np.arange(16) != 3
    np.testing.assert_allclose(dx[..., others], exact[..., others], rtol=0, atol=1e-4)
    if np.isfinite(value):
        np.testing.assert_allclose(dx[..., 3], exact[..., 3], rtol=1e-5, atol=1e32)


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-10, 1e10, 1e20, 1e30])
def test_all_magnitudes(scale):
    x, W, _, dy = arrays(o=16)
    x, dy, b = x * np.float32(scale), dy * np.float32(scale), np.zeros(16, np.float32)
    results = [(forward(k, *given[:2], given[3]), input_gradient(k, *given[:3])) for k, given in rows(x, W, dy, b)]
    for got, plain, exact in zip(*results, strict=True):
        assert error(got, exact) <= 32 * error(plain, exact)


def rows(*given):
    return (compiled, given), (reference, given), (reference, wide(*given))


@pytest.mark.parametrize("mean", [1e3, 1e6, 1e12])
def test_large_mean_with_a_small_spread(mean):
    x, W, b, dy = arrays(o=16)
    x += np.float32(mean)
    y, plain, exact = (forward(k, *given) for k, given in rows(x, W, b))
    assert error(y, exact) <= 10 * error(plain, exact)
    dW, plain, exact = (weight_gradient(k, *given) for k, given in rows(x, dy))
    assert error(dW, exact) <= 10 * error(plain, exact)


def test_one_large_pixel_among_tiny_ones():
    x, W, _, _ = arrays()
    x, b = x * np.float32(1e-10), np.zeros(17, np.float32)
    x[0, 6, 7, 3] = 1
    y, plain, exact = (forward(k, *given) for k, given in rows(x, W, b))
    rest = ~seeing(y, 6, 7)
    assert error(y[0][rest], exact[0][rest]) <= 32 * error(plain[0][rest], exact[0][rest])


def test_ordinary_data_is_no_exception():
    """A bright line on a dark background; large but even tiles; and tiles partly outside the image, with fewer quarters."""
    x, W, b, _ = arrays()
    line = np.full_like(x, 1e-4)
    line[:, :, :3] = 0
    line[:, :, 5] = 3
    for image, columns in ((x, range(4)), (x * np.float32(1000), range(4)), (line, [1])):
        same = forward(compiled, image, W, b) == direct(image, W, b)
        for row in range(4):
            for column in columns:
                assert not same[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].all()


@pytest.mark.parametrize("value", [1e8, np.nan])
def test_bits_of_exceptions_do_not_depend_on_the_number_of_threads(value):
    x, W, b, dy = arrays(9, o=16)
    x[::3, 6, 7, 3] = dy[1::4, 9, 2, 5] = value
    deadline = time.monotonic() + 30
    while thread_pool.num_sleeping() < len(thread_pool._workers) and time.monotonic() < deadline:
        time.sleep(0.002)
    results = []
    for threads in (1, 3):
        compiled.set_num_threads(threads)
        results.append((forward(compiled, x, W, b), input_gradient(compiled, x, W, dy), weight_gradient(compiled, x, dy)))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
