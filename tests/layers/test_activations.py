"""Tests of the activations beyond ReLU: against SciPy, for large values, and with NaN."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from pellucid import (
    ELU,
    GELU,
    SELU,
    ConfigError,
    CrossEntropy,
    Dense,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU6,
    Sequential,
    ShapeError,
    SiLU,
    Softmax,
    Softplus,
    kernels as kernel_sets,
)
from pellucid.testing import asymmetric, layouts, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

CLOSED = {
    LeakyReLU(0.2): lambda x: np.maximum(x, 0) + 0.2 * np.minimum(x, 0),
    PReLU(): lambda x: np.maximum(x, 0) + 0.25 * np.minimum(x, 0),
    ELU(1.5): lambda x: np.where(x > 0, x, 1.5 * scipy.special.expm1(np.minimum(x, 0))),
    Softplus(): lambda x: -scipy.special.log_expit(-x),
    SiLU(): lambda x: x * scipy.special.expit(x),
    SELU(): lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * scipy.special.expm1(np.minimum(x, 0))),
    Mish(): lambda x: x * np.tanh(-scipy.special.log_expit(-x)),
    GELU(): lambda x: x * scipy.special.ndtr(x),
    GELU(approximate=True): lambda x: x * scipy.special.expit(np.sqrt(8 / np.pi) * (x + 0.044715 * x**3)),
    ReLU6(): lambda x: np.clip(x, 0, 6),
    HardSwish(): lambda x: x * np.clip(x + 3, 0, 6) / 6,
    HardSigmoid(): lambda x: np.clip(x / 6 + 0.5, 0, 1),
    LogSoftmax(): lambda x: scipy.special.log_softmax(x, axis=-1),
}


@FLOAT64_KERNELS
@DTYPES
@pytest.mark.parametrize("layer", CLOSED, ids=repr)
def test_values_against_closed_forms(layer, kernels, dtype):
    rng = np.random.default_rng(0)
    for scale in (1, 30, 1000):  # in float32, exp overflows above 88 and is zero below -104
        x = (scale * rng.standard_normal((40, 7))).astype(dtype)
        out = run_layer(layer, x, np.ones_like(x), kernels=kernels)
        bound = {np.float32: 1e-6, np.float64: 1e-14}[dtype]
        np.testing.assert_allclose(out.y, CLOSED[layer](x.astype(float)), rtol=bound, atol=bound * scale)
        assert out.y.dtype == dtype
        assert np.isfinite(out.dx).all()


def approximate_gelu_slope(x):
    u2 = np.sqrt(8 / np.pi) * (x + 0.044715 * x**3)
    s = scipy.special.expit(u2)
    return s + x * s * scipy.special.expit(-u2) * np.sqrt(8 / np.pi) * (1 + 3 * 0.044715 * x**2)


def mish_slope(x):
    softplus = -scipy.special.log_expit(-x)
    return np.tanh(softplus) + x * scipy.special.expit(x) / np.cosh(np.minimum(softplus, 300)) ** 2


# layer: (its derivative, its limits for x → −∞ and x → ∞ as (y, dy/dx), the bound of the relative error in float32: 2u of
# the approximate GELU reaches 88, and the rounding error of an exponent is multiplied by it)
SLOPES = {
    ReLU6(): (lambda x: np.where((x > 0) & (x < 6), 1, 0), (0, 0), (6, 0), 1e-6),
    SELU(): (
        lambda x: 1.0507009873554805 * np.where(x > 0, 1, 1.6732632423543772 * np.exp(np.minimum(x, 0))),
        (-1.7580993408473766, 0),
        (np.inf, 1.0507009873554805),
        1e-6,
    ),
    HardSwish(): (lambda x: np.where(x >= 3, 1, np.where(x > -3, (2 * x + 3) / 6, 0)), (0, 0), (np.inf, 1), 1e-6),
    Mish(): (mish_slope, (0, 0), (np.inf, 1), 3e-6),
    GELU(approximate=True): (approximate_gelu_slope, (0, 0), (np.inf, 1), 3e-5),
}


@BOTH
@DTYPES
@pytest.mark.parametrize("layer", SLOPES, ids=repr)
def test_values_and_slopes_are_right_at_every_magnitude(layer, kernels, dtype):
    """From 1e-30 to 1e30, in the tails down to the smallest normal number, beside the kinks, and at infinity."""
    slope, below, above, bound = SLOPES[layer]
    powers = 10.0 ** np.arange(-30, 31)
    kinks = [np.nextafter(dtype(k), dtype(k + d)) for k in (-3, 0, 3, 6) for d in (-1, 1)]
    x = np.concatenate([-powers, powers, np.arange(-100, 100, 0.5), kinks]).astype(dtype)[None]
    with np.errstate(over="ignore"):  # SciPy's side: x³
        wide = x.astype(np.float64)
        y, dx = CLOSED[layer](wide), 2 * slope(np.clip(wide, -1e3, 1e3))
    out = run_layer(layer, x, np.full_like(x, 2), kernels=kernels)
    bound = bound if dtype == np.float32 else bound / 1e7
    # below four times the smallest normal number eˣ may be 0; it is multiplied by the largest factor of eˣ
    tiny = 2e-35 if dtype == np.float32 else 1e-300
    np.testing.assert_allclose(out.y, y, rtol=bound, atol=tiny)
    np.testing.assert_allclose(out.dx, dx, rtol=bound, atol=tiny)
    ends = np.array([[-np.inf, np.inf]], dtype)
    out = run_layer(layer, ends, np.ones_like(ends), kernels=kernels)
    np.testing.assert_allclose(out.y[0], [below[0], above[0]], rtol=1e-6)
    np.testing.assert_allclose(out.dx[0], [below[1], above[1]], rtol=1e-6)


def test_the_two_forms_of_gelu_differ_by_at_most_5e_4():
    x = np.linspace(-10, 10, 20_001)[None]
    exact, approximate = run_layer(GELU(), x).y, run_layer(GELU(approximate=True), x).y
    assert 4e-4 < np.abs(exact - approximate).max() < 5e-4


@BOTH
@DTYPES
@pytest.mark.parametrize("layer", CLOSED, ids=repr)
def test_nan_is_not_hidden(layer, kernels, dtype):
    x = np.array([[0.5, np.nan, -0.5]], dtype)
    out = run_layer(layer, x, np.full_like(x, 2), kernels=kernels)
    assert np.isnan(out.y[0, 1])
    assert out.dx[0, 1] != 0  # NaN, or dy
    dy = np.array([[2, np.nan, 2]], dtype)
    assert np.isnan(run_layer(layer, np.abs(asymmetric((1, 3))).astype(dtype), dy, kernels=kernels).dx[0, 1])


@BOTH
def test_softplus_is_accurate_for_large_inputs(kernels):
    x = np.array([[-80.0, -20.0, 0.0, 20.0, 80.0]], np.float32)
    out = run_layer(Softplus(), x, np.ones_like(x), kernels=kernels)
    wide = x.astype(float)
    np.testing.assert_allclose(out.y, np.logaddexp(0, wide), rtol=1e-6)
    np.testing.assert_allclose(out.dx, scipy.special.expit(wide), rtol=1e-6)


def test_prelu_learns_a_slope_for_each_channel():
    x, dy = np.array([[-2.0, 3.0], [-1.0, -4.0]]), np.array([[1.0, 10.0], [2.0, 5.0]])
    out = run_layer(PReLU(), x, dy)
    assert out.y.tolist() == [[-0.5, 3.0], [-0.25, -1.0]]
    assert out.dx.tolist() == [[0.25, 10.0], [0.5, 1.25]]
    layout = layouts(PReLU(), (2,))[0]
    assert layout.array(out.gradient, "slope").tolist() == [-4.0, -20.0]
    assert not layout["slope"].decay


@BOTH
def test_long_sums_of_prelu_are_accurate(kernels):
    x = np.random.default_rng(0).normal(-1, 1, (100_000, 3)).astype(np.float32)
    dy = np.random.default_rng(1).normal(1, 1, x.shape).astype(np.float32)
    gradient = layouts(PReLU(), (3,))[0].array(run_layer(PReLU(), x, dy, kernels=kernels).gradient, "slope")
    wanted = np.where(x > 0, 0, x.astype(float) * dy).sum(axis=0)
    np.testing.assert_allclose(gradient, wanted, rtol=3e-7)


def test_cross_entropy_refuses_log_softmax():
    network = Sequential(Dense(3), LogSoftmax())
    with pytest.raises(ConfigError, match=r"got LogSoftmax\(\); put Softmax\(\) in its place"):
        network.compile((4,), CrossEntropy())
    Sequential(Dense(3), Softmax()).compile((4,), CrossEntropy())
    with pytest.raises(ShapeError, match="two or more classes"):
        LogSoftmax().build((1,))


@pytest.mark.parametrize("make", [lambda: LeakyReLU(-0.1), lambda: ELU(-1.0)])
def test_negative_slopes_are_refused(make):
    with pytest.raises(ConfigError, match="at least 0"):
        make()
