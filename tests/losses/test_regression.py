"""The losses that predict a distribution: quantiles, and the mean and the variance of a normal distribution."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from pellucid import (
    R2,
    SGD,
    AbsoluteError,
    Accuracy,
    Adam,
    ConfigError,
    Dense,
    GaussianNLL,
    MeanAbsoluteError,
    Perturbation,
    Quantile,
    ReLU,
    Sequential,
    ShapeError,
    SquaredError,
)
from pellucid.explain import saliency
from tests.kernels.dtypes import FLOAT64_KERNELS
from tests.losses.test_losses import KERNELS, computed

# -- quantiles --------------------------------------------------------------------------------------------------------


@KERNELS
def test_the_quantile_loss_equals_scikit_learns(kernels):
    random = np.random.default_rng(0)
    z, y, w = random.normal(size=(50, 3)), random.normal(size=(50, 3)).astype(np.float32), random.random(50)
    for levels in (0.9, (0.1, 0.5, 0.99)):
        loss = Quantile(levels)
        outputs, dz = np.empty((2, 50, 3))
        value = loss.compute(z, loss.targets(y, (3,)), w, 1.0, outputs, dz, kernels) / w.sum()
        each = [
            sklearn.metrics.mean_pinball_loss(y[:, j], z[:, j], alpha=level, sample_weight=w)
            for j, level in enumerate(np.broadcast_to(levels, 3))
        ]
        assert value == pytest.approx(np.mean(each), rel=1e-12)
        np.testing.assert_array_equal(outputs, z)


@KERNELS
def test_the_gradient_of_a_quantile_is_zero_at_the_target(kernels):
    each, _, dz = computed(Quantile(0.75), [[1.0, 2.0, 3.0]], [[2.0, 2.0, 2.0]], kernels)
    assert each == [(0.75 + 0 + 0.25) / 3]
    np.testing.assert_allclose(3 * dz, [[-0.75, 0, 0.25]], rtol=1e-15)
    half, mean = (computed(loss, [[1.0, 2.5]], [[2.0, 2.0]], kernels) for loss in (Quantile(), MeanAbsoluteError()))
    assert 2 * half[0][0] == mean[0][0]
    np.testing.assert_array_equal(2 * half[2], mean[2])


@KERNELS
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_quantiles_of_tiny_and_of_huge_targets(kernels, size):
    z, y = np.float32([[size, 2 * size]]), np.float32([[2 * size, size]])
    each, _, dz = computed(Quantile((0.9, 0.9)), z, y, kernels, np.float32)
    assert each == pytest.approx([size / 2], rel=1e-6)
    np.testing.assert_allclose(2 * dz, [[-0.9, 0.1]], rtol=1e-6)


def test_a_network_predicts_several_quantiles_of_one_target():
    y = np.random.default_rng(0).exponential(size=2000)
    x, levels = np.ones((2000, 1), np.float32), (0.1, 0.5, 0.9)
    model = Sequential(Dense(3)).compile((1,), Quantile(levels), Adam(0.02))
    model.fit(x, y, epochs=40, batch_size=200)
    below = (y[:, None] < model.predict(x)).mean(axis=0)
    np.testing.assert_allclose(below, levels, atol=0.02)


@pytest.mark.parametrize("wrong", [0, 1, (0.5, 1.5), 50])
def test_levels_are_between_0_and_1(wrong):
    with pytest.raises(ConfigError, match="levels must be above 0 and below 1"):
        Quantile(wrong)


# -- normal distributions ---------------------------------------------------------------------------------------------


@FLOAT64_KERNELS
def test_the_gaussian_loss_is_the_negative_log_density(kernels):
    random = np.random.default_rng(0)
    means, logarithms, y = random.normal(size=(3, 40, 2))
    y, epsilon = y.astype(np.float32), 0.1
    each, outputs, dz = gaussian(GaussianNLL(epsilon), means, logarithms, y, kernels)
    deviation = np.sqrt(np.exp(logarithms) + epsilon)
    np.testing.assert_allclose(each, -scipy.stats.norm.logpdf(y, means, deviation).mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(outputs, means)  # all that metrics see
    variance = deviation**2
    np.testing.assert_allclose(2 * dz[:, :2], (means - y) / variance, rtol=1e-12)
    share = np.exp(logarithms) / variance
    np.testing.assert_allclose(2 * dz[:, 2:], (1 - (y - means) ** 2 / variance) / 2 * share, rtol=1e-11, atol=1e-15)


def gaussian(loss, means, logarithms, y, kernels, dtype=np.float64):
    """Return the losses of each sample, the outputs for the metrics and dz."""
    z = np.concatenate([means, logarithms], axis=1).astype(dtype)
    outputs, dz, one = np.empty(means.shape, dtype), np.empty_like(z), np.ones(1, dtype)
    targets = loss.targets(np.asarray(y), z.shape[1:]).astype(dtype)
    rows = [slice(i, i + 1) for i in range(len(z))]
    each = [loss.compute(z[row], targets[row], one, 1.0, outputs[row], dz[row], kernels) for row in rows]
    return each, outputs, dz


@KERNELS
def test_extreme_variances_in_float32_equal_float64(kernels):
    loss, floor = GaussianNLL(), np.log(1e-6)
    logarithms = np.float32([-1e30, -1e4, -104, -20, -13.8, 0, 20, 88.5, 104, 1e4, 1e30])[:, None]
    for error in (0.0, 1e-3, 1e3):
        means = np.zeros_like(logarithms)
        each, _, dz = gaussian(loss, means, logarithms, np.float32(means + error), kernels, np.float32)
        wide, d = logarithms.astype(np.float64), float(np.float32(error))
        log_variance = np.logaddexp(wide, floor)
        squared = np.exp(2 * np.log(d) - log_variance) if d else 0 * wide
        np.testing.assert_allclose(each, (squared + log_variance + np.log(2 * np.pi))[:, 0] / 2, rtol=1e-7)
        np.testing.assert_allclose(dz[:, :1], -d * np.exp(-log_variance), rtol=1e-6, atol=1e-37)
        np.testing.assert_allclose(dz[:, 1:], (1 - squared) / 2 * np.exp(wide - log_variance), rtol=1e-6, atol=1e-37)


def test_the_mean_and_the_spread_are_learned():
    random = np.random.default_rng(0)
    x = random.integers(0, 2, (2000, 1)).astype(np.float32)
    y = np.where(x[:, 0] > 0, random.normal(2, 0.5, 2000), random.normal(-1, 2, 2000))
    model = Sequential(Dense(2)).compile((1,), GaussianNLL(), Adam(0.05), metrics=[AbsoluteError()])
    model.fit(x, y, epochs=30, batch_size=100)
    means, deviations = model.loss.distribution(model.predict(np.float32([[0], [1]])))
    assert means.shape == deviations.shape == (2, 1)
    assert means.dtype == deviations.dtype == np.float32
    np.testing.assert_allclose(means, [[-1], [2]], atol=0.15)
    np.testing.assert_allclose(deviations, [[2], [0.5]], rtol=0.1)


def test_metrics_of_a_gaussian_compare_the_means_with_the_targets():
    random = np.random.default_rng(1)
    x, y = random.normal(size=(60, 3)).astype(np.float32), random.normal(size=(60, 2))
    metrics = [AbsoluteError(), SquaredError(), R2()]
    model = Sequential(Dense(4)).compile((3,), GaussianNLL(), SGD(1e-30), metrics=metrics)
    means = model.predict(x)[:, :2]
    expected = {
        "mae": sklearn.metrics.mean_absolute_error(y, means),
        "mse": sklearn.metrics.mean_squared_error(y, means),
        "r2": sklearn.metrics.r2_score(y, means),
    }
    model.fit(x, y, validation=(x, y), batch_size=25)
    history = {name: model.history[f"{part}_{name}"][-1] for part in ("train", "validation") for name in expected}
    model.fit(x, y, method=Perturbation("parallel"))
    perturbed = {name: model.history[f"train_{name}"][-1] for name in expected}
    for scores in (history, perturbed, model.evaluate(x, y)):
        assert {name: scores[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_a_single_gaussian_is_not_two_classes():
    with pytest.raises(ConfigError, match="a single output with GaussianNLL"):
        Sequential(Dense(2)).compile((3,), GaussianNLL(), metrics=[Accuracy()])


def test_explanations_of_a_gaussian_explain_a_mean():
    x = np.ones((1, 3), np.float32)
    model = Sequential(ReLU(), Dense(2)).compile((3,), GaussianNLL())
    model.weights["dense1.b"][:] = [0, 9]  # the logarithm of the variance is the largest output
    explained = saliency(model, x)
    np.testing.assert_allclose(explained.values, np.abs(model.weights["dense1.W"][:, 0])[None], rtol=1e-6)


def test_distribution_checks_its_outputs():
    means, deviations = GaussianNLL().distribution([[1, 0], [2, 2000]])
    np.testing.assert_array_equal(means, [[1], [2]])
    np.testing.assert_allclose(deviations, [[1], [np.inf]], rtol=1e-6)
    for shape in ((3, 3), (2,)):
        with pytest.raises(ShapeError, match=r"takes outputs \(n, …, 2k\) of predict, got the shape"):
            GaussianNLL().distribution(np.zeros(shape))


@pytest.mark.parametrize("loss", [Quantile((0.1, 0.5, 0.9, 0.95)), GaussianNLL()], ids=repr)
def test_classes_are_not_counted_in_numbers(loss):
    with pytest.raises(ConfigError, match=r"Accuracy\(\) counts classes, but the outputs with .* are numbers"):
        Sequential(Dense(4)).compile((2,), loss, metrics=[Accuracy()])
