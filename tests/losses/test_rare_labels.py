"""The losses for rare positives: the weighted and the focal binary cross-entropy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_expit

from pellucid import (
    SGD,
    BinaryCrossEntropy,
    BinaryFocalCrossEntropy,
    ConfigError,
    Dense,
    LogLoss,
    Model,
    Recall,
    Sequential,
    Sigmoid,
)
from pellucid.core.config import from_json
from pellucid.losses import Loss
from tests.kernels.dtypes import FLOAT64_KERNELS
from tests.losses.test_losses import KERNELS, computed

LOSSES = [
    BinaryCrossEntropy(9.0),
    BinaryCrossEntropy((0.01, 1, 300)),
    BinaryFocalCrossEntropy(),
    BinaryFocalCrossEntropy(0.0),
    BinaryFocalCrossEntropy(0.3, 0.9),
    BinaryFocalCrossEntropy(5.0, 0.25),
]


def closed_form(loss, z, y):
    """Return the losses and the gradients, (n, k) each and in float64, by SciPy's functions."""
    z, y = z.astype(np.float64), y.astype(np.float64)
    if isinstance(loss, BinaryCrossEntropy):
        gamma, positive, negative = 0.0, np.array(loss.pos_weight), 1.0
    else:
        gamma, positive, negative = loss.gamma, loss.alpha or 1.0, 1 - loss.alpha if loss.alpha else 1.0

    def label(s):  # the loss of one label and its derivative, for the probability σ(s)
        easy = expit(-s) ** gamma
        return -easy * log_expit(s), -easy * (expit(-s) - gamma * expit(s) * log_expit(s))

    (yes, yes_slope), (no, no_slope) = label(z), label(-z)
    return positive * y * yes + negative * (1 - y) * no, positive * y * yes_slope - negative * (1 - y) * no_slope


@FLOAT64_KERNELS
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_values_and_gradients_equal_the_closed_form(loss, kernels):
    random = np.random.default_rng(2)
    z, y = random.normal(0, 5, (40, 3)), np.float32(random.integers(0, 2, (40, 3)))
    y[::4] = random.random((10, 3))  # probabilities
    each, a, dz = computed(loss, z, y, kernels)
    losses, gradients = closed_form(loss, z, y)
    np.testing.assert_allclose(each, losses.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(3 * dz, gradients, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(a, expit(z), rtol=1e-13)


@KERNELS
def test_by_hand(kernels):
    each, _, dz = computed(BinaryCrossEntropy(3.0), [[0.0], [0.0]], [1, 0], kernels)
    assert each == pytest.approx([3 * np.log(2), np.log(2)], rel=1e-15)
    assert dz.ravel().tolist() == [-1.5, 0.5]
    each, _, dz = computed(BinaryFocalCrossEntropy(alpha=0.25), [[0.0], [0.0]], [1, 0], kernels)  # p = ½, (1 − p)² = ¼
    assert each == pytest.approx([np.log(2) / 16, 3 * np.log(2) / 16], rel=1e-15)
    slope = (0.5 + np.log(2)) / 4
    np.testing.assert_allclose(dz.ravel(), [-slope / 4, 3 * slope / 4], rtol=1e-15)


@FLOAT64_KERNELS
def test_without_weights_both_are_the_cross_entropy(kernels):
    random = np.random.default_rng(3)
    z, y = random.normal(0, 5, (40, 3)), random.random((40, 3))
    expected = computed(BinaryCrossEntropy(), z, y, kernels)
    for loss in (BinaryCrossEntropy((1, 1, 1)), BinaryFocalCrossEntropy(0)):
        for one, other in zip(computed(loss, z, y, kernels), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-15)


@KERNELS
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_extreme_logits_in_float32_equal_the_closed_form_in_float64(loss, kernels):
    sizes = [0, 1e-30, 1e-6, 1, 17, 60, 88.5, 104, 1e4, 1e30]
    z = np.repeat(np.float32([*sizes, *(-size for size in sizes)]), 2)[:, None].repeat(3, axis=1)
    y = np.tile([0.0, 1.0], 20)[:, None].repeat(3, axis=1)
    each, a, dz = computed(loss, z, y, kernels, np.float32)
    losses, gradients = closed_form(loss, z, y)
    np.testing.assert_allclose(each, losses.mean(axis=1), rtol=1e-7)
    np.testing.assert_allclose(3 * dz, gradients, rtol=5e-7, atol=1e-44)
    np.testing.assert_allclose(a, expit(z.astype(float)), rtol=1e-6, atol=1e-37)


@KERNELS
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_infinite_logits_are_certain_and_nan_passes_through(loss, kernels):
    z = np.array([np.inf, -np.inf, np.inf, -np.inf, np.nan])[:, None].repeat(3, axis=1)
    each, _, dz = computed(loss, z, np.array([1, 0, 0, 1, 1])[:, None].repeat(3, axis=1), kernels)
    assert each[:4] == [0, 0, np.inf, np.inf]
    assert (dz[:2] == 0).all()
    assert np.isfinite(dz[:4]).all()
    assert (dz[2] > 0).all()
    assert (dz[3] < 0).all()
    assert np.isnan(each[4])
    assert np.isnan(dz[4]).all()


def test_the_weight_of_positives_multiplies_the_odds():
    """The best constant logit for a fraction π of positives is log(w π/(1 − π)): w = 9 balances a tenth of positives."""
    x, y = np.ones((100, 1), np.float32), np.arange(100) % 10 == 0
    model = Sequential(Dense(1), Sigmoid()).compile((1,), BinaryCrossEntropy(9.0), SGD(0.3), metrics=[Recall(1)])
    model.fit(x, y, epochs=60, batch_size=100)
    np.testing.assert_allclose(model.predict(x), 0.5, atol=1e-4)
    assert "recall_1" in model.evaluate(x, y)


def test_metrics_see_the_probabilities_and_settings_are_saved(tmp_path):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 4)), random.integers(0, 2, (30, 2))
    for loss in (BinaryCrossEntropy((2, 5)), BinaryFocalCrossEntropy(1.5, 0.8)):
        network = Sequential(Dense(2), Sigmoid())
        model = network.compile((4,), loss, SGD(0.1), metrics=[LogLoss()])
        model.fit(x, y, epochs=2)
        plain = network.compile((4,), BinaryCrossEntropy())
        plain.parameters[:] = model.parameters
        assert model.evaluate(x, y)["log_loss"] == pytest.approx(plain.evaluate(x, y)["loss"], rel=1e-6)
        model.save(tmp_path / "rare.pellucid")
        assert Model.load(tmp_path / "rare.pellucid").loss == loss


def test_files_from_before_the_weight_are_read():
    assert from_json({"class": "BinaryCrossEntropy"}, Loss) == BinaryCrossEntropy()


@pytest.mark.parametrize("wrong", [0, -1, (1, 0), "balanced", np.inf])
def test_weights_must_be_positive(wrong):
    with pytest.raises(ConfigError, match="pos_weight"):
        BinaryCrossEntropy(wrong)


@pytest.mark.parametrize(("gamma", "alpha", "words"), [(-1, None, "at least 0"), (2, 0, "above 0"), (2, 1, "below 1")])
def test_the_settings_of_the_focal_loss_have_ranges(gamma, alpha, words):
    with pytest.raises(ConfigError, match=words):
        BinaryFocalCrossEntropy(gamma, alpha)
