"""Curves of all thresholds, the choice of one, and the reliability of probabilities, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from pellucid import ConfigError, DataError, ShapeError
from pellucid.metrics import reliability, threshold_curve, wilson


def samples(n=300, seed=0, *, ties=True):
    random = np.random.default_rng(seed)
    p = random.random(n)
    member = random.random(n) < p
    return (p.round(2) if ties else p), member, random.random(n) + 0.5


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_curves_are_those_of_scikit_learn(ties, weighted):
    p, member, weights = samples(ties=ties)
    w = weights if weighted else None
    curve = threshold_curve(p, member, w)
    fpr, tpr, thresholds = roc_curve(member, p, sample_weight=w, drop_intermediate=False)
    np.testing.assert_allclose(curve.thresholds, thresholds[1:])
    np.testing.assert_allclose(curve.false_positive_rate, fpr[1:])
    np.testing.assert_allclose(curve.recall, tpr[1:])
    precision, recall, cuts = precision_recall_curve(member, p, sample_weight=w)
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1])
    np.testing.assert_allclose(curve.recall[::-1], recall[:-1])
    np.testing.assert_allclose(curve.thresholds[::-1], cuts)
    assert curve.roc_auc == pytest.approx(roc_auc_score(member, p, sample_weight=w))
    assert curve.average_precision == pytest.approx(average_precision_score(member, p, sample_weight=w))
    assert curve.fraction == pytest.approx(np.average(member, weights=w))


def test_a_threshold_for_a_wish():
    #  p   0.9  0.8  0.7  0.6  0.5  0.4
    member = [1, 0, 1, 1, 0, 0]
    curve = threshold_curve(np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), np.array(member))
    best = curve.for_precision(0.75)
    assert (best.precision, best.recall, best.chosen) == (0.75, 1, 4), "the lowest threshold with this precision"
    assert best.threshold == 0.6
    assert curve.for_precision(1).recall == pytest.approx(1 / 3)
    assert curve.for_recall(0.5).threshold == 0.7, "the highest threshold with this recall"
    assert curve.for_recall(0.5).precision == pytest.approx(2 / 3)
    assert curve.for_recall(1).threshold == 0.6
    assert curve.at(0.85).chosen == 1
    assert curve.at(0.8).chosen == 2, "a sample with exactly the threshold is a yes"
    assert np.isnan(curve.at(0.95).precision)
    assert curve.at(0.95).recall == 0
    assert curve.at(0).chosen == 6


def test_a_threshold_has_few_digits_and_the_same_decisions():
    p = np.array([0.90123456, 0.70123456, 0.69876543])
    curve = threshold_curve(p, np.array([1, 1, 0]))
    assert curve.for_recall(1).threshold == 0.7
    close = threshold_curve(np.array([0.7000002, 0.7000001]), np.array([1, 0]))
    assert close.for_precision(1).threshold == 0.7000002
    tiny = threshold_curve(np.array([1e-3, 1e-20, 0.0]), np.array([1, 1, 0]))
    assert tiny.for_recall(1).threshold == 1e-20
    random = np.random.default_rng(0)
    for seed in range(20):
        p, member, _ = samples(200, seed, ties=False)
        curve = threshold_curve(p.astype(np.float32), member)
        wished = random.uniform(0.5, 0.95)
        choice = curve.for_recall(wished)
        chosen = p.astype(np.float32) >= choice.threshold
        assert (chosen & member).sum() / member.sum() == pytest.approx(choice.recall)
        assert choice.recall >= wished


def test_what_no_threshold_can_do():
    curve = threshold_curve(np.array([0.9, 0.8, 0.7]), np.array([0, 1, 0]))
    with pytest.raises(DataError, match=r"no threshold has a precision of 0\.6 .* the highest is 0\.5, at 0\.8"):
        curve.for_precision(0.6)
    for wished in (0, 1.1, -1):
        with pytest.raises(ConfigError, match="above 0 and at most 1"):
            curve.for_recall(wished)
    with pytest.raises(DataError, match="no sample of the class"):
        threshold_curve(np.array([0.5]), np.array([0]))
    with pytest.raises(DataError, match="only samples of the class"):
        threshold_curve(np.array([0.5]), np.array([1]))
    with pytest.raises(DataError, match="a probability is NaN"):
        threshold_curve(np.array([0.5, np.nan]), np.array([1, 0]))
    with pytest.raises(ShapeError, match=r"expected arrays \(n\)"):
        threshold_curve(np.zeros((2, 1)), np.array([1, 0]))


@pytest.mark.parametrize("bins", [5, 10, 15])
def test_reliability_is_that_of_scikit_learn(bins):
    p, member, _ = samples(500, ties=False)
    found = reliability(p, member, bins=bins)
    fraction, probability = calibration_curve(member, p, n_bins=bins)
    np.testing.assert_allclose(found.fraction, fraction)
    np.testing.assert_allclose(found.probability, probability)
    assert found.count.sum() == 500
    assert tuple(found.interval[2]) == wilson(found.fraction[2] * found.count[2], int(found.count[2]))
    assert found.error == pytest.approx((found.count * abs(fraction - probability)).sum() / 500)


def test_reliability_by_hand():
    found = reliability(np.array([0.0, 0.05, 0.1, 1.0]), np.array([0, 1, 0, 1]))
    assert found.count.tolist() == [2, 1, 1], "a bin contains its lower edge, and the last one 1"
    assert found.probability.tolist() == [0.025, 0.1, 1.0]
    assert found.fraction.tolist() == [0.5, 0.0, 1.0]
    for p, event, bins, error in (
        ([0.5, 1.2], [0, 1], 10, DataError),
        ([], [], 10, DataError),
        ([0.5], [0, 1], 10, ShapeError),
        ([0.5], [1], 1, ConfigError),
    ):
        with pytest.raises(error, match="reliability"):
            reliability(np.array(p), np.array(event), bins=bins)
