"""Tests of the algorithms of convolution: each is chosen for its cases and matches the reference."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pellucid.kernels import compiled, reference
from pellucid.kernels.compiled import thread_pool
from pellucid.kernels.compiled.convolution import algorithm
from pellucid.kernels.window import Window
from tests.kernels.dtypes import DTYPES

# (images, height, width, channels, filters, window, groups)
CASES = {
    "winograd": [
        (5, 9, 8, 16, 17, Window(3, 3), 1),
        (2, 12, 12, 16, 33, Window(3, 3, top=1, left=1), 1),
        (4, 26, 26, 32, 64, Window(3, 3), 1),
        (5, 7, 6, 20, 16, Window(3, 3, top=2, left=2), 1),
        (17, 3, 3, 16, 16, Window(3, 3), 1),
        (17, 1, 1, 16, 16, Window(3, 3, top=1, left=1), 1),
        (1, 50, 41, 17, 16, Window(3, 3, top=0, left=1), 1),
    ],
    "winograd-1d": [
        (3, 1, 37, 16, 20, Window(1, 3, left=1), 1),
        (20, 1, 64, 32, 33, Window(1, 3, left=4, dw=2), 1),
        (2, 1, 50, 17, 40, Window(1, 3, dw=3), 1),
        (2, 1, 13, 16, 16, Window(1, 3, left=3, dw=2), 1),
        (9, 1, 8, 64, 64, Window(1, 3, left=1), 1),
    ],
    "direct": [
        (2, 1, 24, 8, 16, Window(1, 3, left=1), 1),
        (2, 1, 24, 16, 16, Window(1, 5, left=2), 1),
        (2, 5, 24, 16, 16, Window(1, 3, left=1), 1),
        (3, 9, 8, 2, 5, Window(3, 3), 1),
        (2, 12, 12, 1, 33, Window(5, 5, top=2, left=2), 1),
        (20, 28, 28, 1, 8, Window(5, 5), 1),
        (2, 15, 13, 3, 7, Window(3, 3, 2, 2, 1, 1), 1),
        (17, 6, 6, 3, 40, Window(3, 3, top=3, left=3), 1),
        (33, 5, 5, 70, 70, Window(1, 1), 1),
        (2, 9, 9, 1, 4, Window(3, 3, 2, 2), 1),
        (2, 40, 64, 24, 40, Window(5, 3, top=2, left=1), 1),
        (1, 7, 7, 64, 64, Window(3, 3, top=1, left=1), 1),
        (1, 12, 13, 32, 80, Window(3, 3), 1),
        (1, 16, 20, 32, 40, Window(3, 3, 2, 2, 1, 1), 1),
        (1, 28, 28, 1, 8, Window(5, 5), 1),
    ],
    "im2col": [
        (2, 1, 9, 16, 16, Window(1, 3, left=8, dw=8), 1),
        (2, 1, 24, 16, 16, Window(1, 3, left=4, dw=2), 2),
        (3, 9, 8, 4, 6, Window(3, 3), 2),
        (2, 12, 11, 3, 70, Window(3, 2, 1, 2, 2, 1, 2, 3), 1),
        (18, 30, 30, 8, 8, Window(3, 3, dh=2, dw=2), 4),
    ],
    "depthwise": [
        (3, 9, 8, 5, 5, Window(3, 3, top=1, left=1), 5),
        (18, 12, 11, 33, 33, Window(5, 3, 2, 1, 2, 1), 33),
    ],
}
ROWS = [(name, case) for name, cases in CASES.items() for case in cases]


def arrays(case, dtype):
    n, h, w, c, o, window, groups = case
    random = np.random.default_rng(h * w)
    size = [
        (i + 2 * pad - (k - 1) * d - 1) // s + 1
        for i, pad, k, d, s in (
            (h, window.top, window.kh, window.dh, window.sh),
            (w, window.left, window.kw, window.dw, window.sw),
        )
    ]
    shapes = (n, h, w, c), (window.kh, window.kw, c // groups, o), (o,), (n, *size, o)
    return [random.normal(size=shape).astype(dtype) for shape in shapes]


def passes(kernels, x, W, b, dy, window, groups):
    """Return Y, the masked dY, dW, db and dX."""
    y = kernels.conv2d_relu(x, W, b, window, groups, np.full_like(dy, np.nan))
    masked, dW, db = dy.copy(), np.full_like(W, np.nan), np.full_like(b, np.nan)
    kernels.conv2d_relu_backward(x, y, masked, window, groups, dW, db)
    dx = kernels.conv2d_input_gradient(masked, W, window, groups, np.full_like(x, np.nan))
    return y, masked, dW, db, dx


@DTYPES
@pytest.mark.parametrize(("name", "case"), ROWS, ids=str)
def test_every_algorithm_matches_the_reference(name, case, dtype):
    *_, window, groups = case
    x, W, b, dy = arrays(case, dtype)
    assert algorithm(W.shape, window, groups, x.shape, dy.shape) == name
    wanted = passes(reference, *(a.astype(np.float64) for a in (x, W, b, dy)), window, groups)
    # Winograd's matrices have entries up to 8, which cost precision: the error is ten times that of the others, about 1e-5
    bound = {np.float32: 2e-5 if name.startswith("winograd") else 3e-6, np.float64: 5e-14}[dtype]
    got = passes(compiled, x, W, b, dy, window, groups)
    safe = np.abs(wanted[0]) > 1e-4  # far enough from the ReLU's kink that rounding does not decide
    np.testing.assert_array_equal((got[1] != 0)[safe], (wanted[1] != 0)[safe])
    again = passes(reference, *(a.astype(np.float64) for a in (x, W, b)), got[1].astype(np.float64), window, groups)
    np.testing.assert_allclose(got[0], wanted[0], rtol=0, atol=bound * np.abs(wanted[0]).max())
    for array, other in zip(got[2:], again[2:], strict=True):
        np.testing.assert_allclose(array, other, rtol=0, atol=bound * max(1, np.abs(other).max()))


@pytest.mark.parametrize(("name", "case"), ROWS, ids=str)
def test_bits_do_not_depend_on_the_number_of_threads(name, case):
    *_, window, groups = case
    given = arrays(case, np.float32)
    deadline = time.monotonic() + 30
    while thread_pool.num_sleeping() < len(thread_pool._workers) and time.monotonic() < deadline:
        time.sleep(0.002)
    compiled.set_num_threads(1)
    single = passes(compiled, *given, window, groups)
    compiled.set_num_threads(3)
    for one, other in zip(single, passes(compiled, *given, window, groups), strict=True):
        np.testing.assert_array_equal(one, other)


def normalized_backward(kernels, given, window, groups, needs_dx=True):
    """Return dW and dX of a convolution with normalized outputs: all arrays but one are those of :func:`arrays`."""
    x, W, b, dy = given
    o, random = W.shape[3], np.random.default_rng(1)
    z = random.normal(3, 1, dy.shape).astype(x.dtype)
    mean, rstd, mean_dy, mean_dy_xhat = random.normal(3, 0.1, o), random.uniform(0.5, 2, o), *random.normal(size=(2, o))
    dW, out = np.full_like(W, np.nan), np.full_like(x if needs_dx else x[:0], np.nan)
    statistics = mean, rstd, b, dy.copy(), mean_dy, mean_dy_xhat
    with np.errstate(all="ignore"):
        returned = kernels.conv2d_normalized_backward(x, W, z, *statistics, window, groups, dW, out)
    assert returned is out
    return dW, out


@DTYPES
@pytest.mark.parametrize(("name", "case"), ROWS, ids=str)
def test_the_backward_pass_of_normalized_outputs(name, case, dtype):
    *_, window, groups = case
    given = arrays(case, dtype)
    wanted = normalized_backward(reference, [a.astype(np.float64) for a in given], window, groups)
    bound = {np.float32: 2e-5 if name.startswith("winograd") else 3e-6, np.float64: 5e-14}[dtype]
    for needs_dx in (True, False):
        got = normalized_backward(compiled, given, window, groups, needs_dx)
        for array, other in zip(got[: 1 + needs_dx], wanted, strict=False):
            np.testing.assert_allclose(array, other, rtol=0, atol=bound * max(1, np.abs(other).max()))


@pytest.mark.parametrize("name", ["winograd", "direct"])
def test_bits_of_the_backward_pass_of_normalized_outputs(name):
    for *shape, window, groups in CASES[name]:
        given, results = arrays((*shape, window, groups), np.float32), []
        for threads in (1, 3):
            compiled.set_num_threads(threads)
            results.append(normalized_backward(compiled, given, window, groups))
        for one, other in zip(*results, strict=True):
            np.testing.assert_array_equal(one, other)


HOSTILE = [(place, value) for place in (0, 3) for value in (1e8, np.inf, np.nan)]


@pytest.mark.parametrize(("place", "value"), [*HOSTILE, (1, 1e20)])  # in x, in dY; in W
def test_a_hostile_value_in_the_backward_pass_of_normalized_outputs(place, value):
    """Tiles with it are not computed by Winograd's algorithm, and infinities and NaN are where they are in the plain sums."""
    case = (5, 14, 14, 16, 16, Window(3, 3, top=1, left=1), 1)
    *_, window, groups = case
    given = arrays(case, np.float32)
    given[place].reshape(-1)[given[place].size // 2] = value
    results = [normalized_backward(k, given, window, groups) for k in (compiled, reference)]
    exact = normalized_backward(reference, [a.astype(np.float64) for a in given], window, groups)
    for got, plain, best in zip(*results, exact, strict=True):
        np.testing.assert_array_equal(np.isfinite(got), np.isfinite(plain))
        finite = np.isfinite(plain)
        got, plain, best = got[finite], plain[finite], best[finite]
        errors = [(np.abs(one - best) / np.maximum(np.abs(best), 100)).max() for one in (got, plain)]
        assert errors[0] <= 2e-6 + 30 * errors[1]


@pytest.mark.parametrize("shape", [(16, 16), (32, 64), (64, 64)])
def test_the_error_of_winograd_is_bounded(shape):
    """The error relative to the largest output is at most 1.0e-5 (measured, dX of 64 channels); direct sums have 1e-6."""
    case = (2, 16, 16, *shape, Window(3, 3, top=1, left=1), 1)
    x, W, b, dy = arrays(case, np.float32)
    wide = [a.astype(np.float64) for a in (x, W, b, dy)]
    window = case[5]
    y = compiled.conv2d(x, W, b, window, 1, np.empty_like(dy))
    exact = reference.conv2d(*wide[:3], window, 1, np.empty(dy.shape))
    dx = compiled.conv2d_input_gradient(dy, W, window, 1, np.empty_like(x))
    exact_dx = reference.conv2d_input_gradient(wide[3], wide[1], window, 1, np.empty(x.shape))
    for got, wanted in ((y, exact), (dx, exact_dx)):
        assert np.abs(got - wanted).max() <= 2e-5 * np.abs(wanted).max()
