"""Tests of the tiles of sequences that Winograd's algorithm would compute inexactly: they are computed by the plain formula."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.kernels import compiled, reference
from pellucid.kernels.compiled import conv_im2col
from pellucid.kernels.window import Window
from tests.kernels.dtypes import DTYPES

HOSTILE = [1e8, 3e37, np.inf, np.nan]
CAUSAL = Window(1, 3, left=4, dw=2)
STEP = 13  # of the hostile value: the steps 13, 15 and 17 see it


def arrays(n=2, time=40, c=16, o=17, dtype=np.float32):
    """Return x, W, b and dY; the weights are scaled so that Y has the order of x."""
    random = np.random.default_rng(0)
    x, dy = random.normal(size=(n, 1, time, c)), random.normal(size=(n, 1, time, o))
    W, b = random.normal(size=(1, 3, c, o)) / np.sqrt(3 * c), random.normal(size=o)
    return [a.astype(dtype) for a in (x, W, b, dy)]


def forward(kernels, x, W, b, window=CAUSAL):
    with np.errstate(all="ignore"):
        return kernels.conv2d(x, W, b, window, 1, np.full((*x.shape[:3], W.shape[3]), np.nan, x.dtype))


def weight_gradient(kernels, x, dy, window=CAUSAL):
    dW = np.full((1, 3, x.shape[3], dy.shape[3]), np.nan, x.dtype)
    with np.errstate(all="ignore"):
        kernels.conv2d_backward(x, dy, window, 1, dW, np.empty(0, x.dtype))
    return dW


def input_gradient(kernels, x, W, dy, window=CAUSAL):
    with np.errstate(all="ignore"):
        return kernels.conv2d_input_gradient(dy, W, window, 1, np.full_like(x, np.nan))


def plain_sums(x, W, b, window=CAUSAL):
    out = np.empty((*x.shape[:3], W.shape[3]), x.dtype)
    conv_im2col.forward(x, W, b, window, 1, x.dtype.type(-np.inf), out)
    return out


def wide(*given):
    return [a.astype(np.float64) for a in given]


def rows(*given):
    return (compiled, given), (reference, given), (reference, wide(*given))


def error(got, exact):
    return np.abs(got - exact).max()


@DTYPES
@pytest.mark.parametrize("value", HOSTILE)
def test_outputs_that_do_not_see_a_hostile_step_are_not_disturbed(value, dtype):
    x, W, b, _ = arrays(dtype=dtype)
    ordinary = forward(compiled, x, W, b)
    x[0, 0, STEP, 3] = value
    y, exact, plain = forward(compiled, x, W, b), forward(reference, *wide(x, W, b)), forward(reference, x, W, b)
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(plain))
    rest = np.setdiff1d(np.arange(40), [STEP, STEP + 2, STEP + 4])
    worst, least = error(y[0, 0, rest], exact[0, 0, rest]), error(plain[0, 0, rest], exact[0, 0, rest])
    assert worst <= (8 * least if dtype == np.float32 else 1e-13)
    tile = [9, 11, 13, 15]  # of the odd steps, the second tile
    np.testing.assert_array_equal(y[0, 0, tile], plain_sums(x, W, b)[0, 0, tile])
    np.testing.assert_array_equal(y[0, 0, ::2], ordinary[0, 0, ::2])  # the even steps do not see the odd ones
    np.testing.assert_array_equal(y[1], ordinary[1])
    assert not (y[1] == plain_sums(x, W, b)[1]).all(), "ordinary tiles are not computed by Winograd's algorithm"


@pytest.mark.parametrize("window", [CAUSAL, Window(1, 3, left=1), Window(1, 3, left=0, dw=2)], ids=str)
def test_exactly_the_outputs_that_see_a_nan_are_nan(window):
    x, W, b, _ = arrays(1, 11)
    for step in range(11):
        hostile = x.copy()
        hostile[0, 0, step, 5] = np.nan
        shape = 1, 1, 11 + window.left - 2 * window.dw + (window.left == 1), 17  # as much padding after it if it is 1
        y, plain = (k.conv2d(hostile, W, b, window, 1, np.full(shape, 7, np.float32)) for k in (compiled, reference))
        np.testing.assert_array_equal(np.isnan(y), np.isnan(plain))
        np.testing.assert_allclose(y, plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", HOSTILE)
def test_input_gradient_around_a_hostile_gradient(value):
    x, W, _, dy = arrays(o=16)
    dy[0, 0, STEP, 3] = value
    dx, plain = input_gradient(compiled, x, W, dy), input_gradient(reference, x, W, dy)
    exact = input_gradient(reference, *wide(x, W, dy))
    np.testing.assert_array_equal(np.isfinite(dx), np.isfinite(plain))
    rest = np.setdiff1d(np.arange(40), [STEP - 4, STEP - 2, STEP])
    assert error(dx[0, 0, rest], exact[0, 0, rest]) <= 8 * error(plain[0, 0, rest], exact[0, 0, rest])


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("of_x", [True, False], ids=["x", "dY"])
def test_weight_gradient_with_a_hostile_value(value, of_x):
    x, _, _, dy = arrays(o=16)
    (x if of_x else dy)[0, 0, STEP, 3] = value
    (dy if of_x else x)[0, 0, STEP - 4 : STEP + 5] = 0
    (dW, plain, exact) = (weight_gradient(k, *given) for k, given in rows(x, dy))
    np.testing.assert_array_equal(np.isfinite(dW), np.isfinite(plain))
    quiet = np.isfinite(exact)
    assert quiet.sum() >= dW.size - 3 * 16
    assert error(dW[quiet], exact[quiet]) <= 10 * error(plain[quiet], exact[quiet])


@pytest.mark.parametrize("value", [3e37, np.inf, np.nan])
def test_hostile_weights(value):
    x, W, b, _ = arrays()
    W[0, 1, 2, 3] = value
    np.testing.assert_array_equal(forward(compiled, x, W, b), plain_sums(x, W, b))


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10, 1e30])
def test_all_magnitudes_and_large_means(scale):
    x, W, _, dy = arrays(o=16)
    b = np.zeros(16, np.float32)
    for x_, dy_ in ((x * np.float32(scale), dy * np.float32(scale)), (x + np.float32(1e6), dy)):
        results = [(forward(k, *given[:2], given[3]), input_gradient(k, *given[:3])) for k, given in rows(x_, W, dy_, b)]
        for got, plain, exact in zip(*results, strict=True):
            assert error(got, exact) <= 16 * error(plain, exact)


def test_a_row_of_padding_is_no_sequence():
    x, W, b, _ = arrays()
    above = Window(1, 3, 2, 1, 1, 1)  # the only position is the row above the sequence
    y = compiled.conv2d(x, W, b, above, 1, np.empty((2, 1, 40, 17), np.float32))
    np.testing.assert_array_equal(y, np.broadcast_to(b, y.shape))
