"""Tests of SELU and AlphaDropout: mean 0 and variance 1 are preserved."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from pellucid import SELU, AlphaDropout, ConfigError, Dense, Dropout, LeCun, Sequential, kernels as kernel_sets
from pellucid.testing import asymmetric, run_layer

BOTH = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)
SATURATED = -1.7580993408473766  # the limit of SELU for x → −∞


def test_mean_0_and_variance_1_are_the_fixed_point_of_selu():
    def moment(power):
        def integrand(z):
            return run_layer(SELU(), np.array([[z]])).y[0, 0] ** power * scipy.stats.norm.pdf(z)

        return sum(scipy.integrate.quad(integrand, *ends, epsabs=1e-13)[0] for ends in ((-12, 0), (0, 12)))

    assert moment(1) == pytest.approx(0, abs=1e-12)
    assert moment(2) == pytest.approx(1, abs=1e-12)


@BOTH
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_alpha_dropout_by_the_formula_of_the_paper(kernels, rate):
    """With the mask of Dropout, from the seed, the path and the step."""
    x, dy = asymmetric((40, 6, 5)), asymmetric((40, 6, 5), seed=1)
    m = (run_layer(Dropout(rate), np.ones_like(x), kernels=kernels).y > 0).astype(float)
    assert 0 < m.mean() < 1
    q = 1 - rate
    a = (q + SATURATED**2 * q * (1 - q)) ** -0.5
    b = -a * SATURATED * (1 - q)
    out = run_layer(AlphaDropout(rate), x, dy, kernels=kernels)
    np.testing.assert_allclose(out.y, a * (x * m + SATURATED * (1 - m)) + b, rtol=0, atol=1e-13)
    np.testing.assert_allclose(out.dx, a * m * dy, rtol=0, atol=1e-13)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_preserves_mean_and_variance(rate):
    x = np.random.default_rng(0).standard_normal((1000, 500)).astype(np.float32)
    y = run_layer(AlphaDropout(rate), x).y.astype(float)
    assert y.dtype == float
    assert abs(y.mean()) < 5 / np.sqrt(y.size)
    assert abs(y.var() - 1) < 0.02
    assert (run_layer(AlphaDropout(rate), x, training=False).y == x).all()


def test_a_deep_network_of_selu_keeps_its_signal_with_alpha_dropout_only():
    x = np.random.default_rng(0).standard_normal((300, 200)).astype(np.float32)

    def variance_after_twelve_layers(dropout):
        layers = [layer for _ in range(12) for layer in (Dense(200, LeCun()), SELU(), dropout)]
        return float(run_layer(Sequential(*layers), x).y.var())

    assert variance_after_twelve_layers(AlphaDropout(0.1)) == pytest.approx(1, abs=0.25)
    assert variance_after_twelve_layers(Dropout(0.3)) > 1.5


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_rates_outside_0_to_1_are_refused(rate):
    with pytest.raises(ConfigError, match="rate"):
        AlphaDropout(rate)
