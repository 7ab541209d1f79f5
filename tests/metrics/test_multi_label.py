"""Metrics of independent labels, compared with scikit-learn's for indicator matrices."""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import sklearn.metrics

from pellucid import (
    F1,
    ROCAUC,
    Accuracy,
    Adam,
    AveragePrecision,
    BinaryCrossEntropy,
    BrierScore,
    CalibrationError,
    CohenKappa,
    ConfusionMatrix,
    Dense,
    Dice,
    ExactMatch,
    FBeta,
    IntersectionOverUnion,
    LogLoss,
    Matthews,
    Metric,
    Precision,
    Recall,
    Sequential,
    Sigmoid,
    Specificity,
    kernels as kernel_sets,
)
from pellucid.metrics import MetricState

CUTS = ([], [1, 2, 80], [40, 40, 90])
AVERAGES = (None, "macro", "weighted", "micro")
KERNELS = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)


def indicator(random, n, fraction):
    """Return n answers: none, some or all of them yes."""
    return np.full(n, bool(fraction)) if fraction in (0, 1) else random.random(n) < fraction


def every_kind_of_label(seed, n=100):
    """Return outputs, targets (n, 9) and weights: labels that are never, sometimes or always true, and predicted so."""
    random = np.random.default_rng(seed)
    kinds = list(itertools.product((0, 0.3, 1), repeat=2))
    truth = np.stack([indicator(random, n, true) for true, _ in kinds], axis=1)
    answers = np.stack([indicator(random, n, predicted) for _, predicted in kinds], axis=1)
    outputs = np.where(answers, 0.5 + random.random((n, 9)) / 2, random.random((n, 9)) / 2).round(2)
    outputs = np.where(answers, np.maximum(outputs, 0.5), np.minimum(outputs, 0.49)).astype(np.float32)
    return outputs, truth.astype(np.float32), random.random(n).astype(np.float32)


def streamed(metric, outputs, targets, weights, cuts=(), kernels=None):
    state = metric.start_multi_label(outputs.shape[1], kernels or kernel_sets.load())
    for rows in np.split(np.arange(len(outputs)), cuts):
        state.update(outputs[rows], targets[rows], weights[rows])
    return state.result()


def specificity(truth, answers, sample_weight=None, average=None, **_):
    """Compute the recall of the answer no, with the support of the answer yes as weights."""
    score = sklearn.metrics.recall_score
    values = score(
        1 - truth,
        1 - answers,
        sample_weight=sample_weight,
        average=average if average == "micro" else None,
        zero_division=np.nan,
    )
    if average in (None, "micro"):
        return values
    support = sample_weight @ truth
    known = ~np.isnan(values)
    if not known.any():
        return math.nan
    return np.average(values[known], weights=support[known] if average == "weighted" and support[known].any() else None)


def jaccard(truth, answers, average=None, sample_weight=None, **_):
    """Compute scikit-learn's Jaccard score; a label that is never true and never predicted has no value."""
    options = {"sample_weight": sample_weight, "zero_division": 0}
    union = sample_weight @ (truth | answers)
    if average == "micro":
        return sklearn.metrics.jaccard_score(truth, answers, average="micro", **options) if union.any() else math.nan
    values = np.where(union > 0, sklearn.metrics.jaccard_score(truth, answers, average=None, **options), math.nan)
    if average is None:
        return values
    known, support = union > 0, sample_weight @ truth
    if not known.any():
        return math.nan
    return np.average(values[known], weights=support[known] if average == "weighted" and support[known].any() else None)


RATIOS = [
    (Precision, {}, sklearn.metrics.precision_score),
    (Recall, {}, sklearn.metrics.recall_score),
    (F1, {}, sklearn.metrics.f1_score),
    (FBeta, {"beta": 0.5}, sklearn.metrics.fbeta_score),
    (Dice, {}, sklearn.metrics.f1_score),
    (IntersectionOverUnion, {}, jaccard),
    (Specificity, {}, specificity),
]


@pytest.mark.parametrize(("metric", "settings", "function"), RATIOS, ids=lambda value: getattr(value, "__name__", ""))
def test_ratios_are_those_of_each_label_and_their_averages(metric, settings, function):
    columns = [range(9), [0, 1, 2], [4], [4, 0], [3, 6]]  # in the second, no label ever occurs
    for seed, (cuts, some) in enumerate(itertools.product(CUTS, columns)):
        outputs, targets, w = every_kind_of_label(seed)
        outputs, targets = outputs[:, some], targets[:, some]
        answers, truth = (outputs >= 0.5).astype(int), targets.astype(int)
        if len(some) == 1:
            truth, answers = np.hstack([truth, truth]), np.hstack([answers, answers])  # scikit-learn takes one as binary
            outputs, targets = np.hstack([outputs, outputs]), np.hstack([targets, targets])
        for average in AVERAGES:
            options = {"sample_weight": w.astype(float), "average": average, "zero_division": np.nan, **settings}
            wanted = function(truth, answers, **options)
            np.testing.assert_allclose(
                streamed(metric(**settings, average=average), outputs, targets, w, cuts), wanted, rtol=1e-12
            )
        each = function(truth, answers, **(options | {"average": None}))
        for label in range(truth.shape[1]):
            np.testing.assert_allclose(
                streamed(metric(**settings, label=label), outputs, targets, w, cuts), each[label], rtol=1e-12
            )


@pytest.mark.parametrize(
    ("metric", "function"),
    [(ROCAUC, sklearn.metrics.roc_auc_score), (AveragePrecision, sklearn.metrics.average_precision_score)],
    ids=["roc_auc", "average_precision"],
)
def test_areas_are_those_of_each_label_and_their_averages(metric, function):
    for seed, cuts in enumerate(CUTS):
        outputs, targets, w = every_kind_of_label(seed)
        outputs, targets = outputs[:, 3:6], targets[:, 3:6]  # labels with both answers
        for average in AVERAGES:
            wanted = function(targets, outputs, sample_weight=w.astype(float), average=average)
            np.testing.assert_allclose(streamed(metric(average=average), outputs, targets, w, cuts), wanted, rtol=1e-12)
        for label in range(3):
            wanted = function(targets[:, label], outputs[:, label], sample_weight=w.astype(float))
            assert streamed(metric(label), outputs, targets, w, cuts) == pytest.approx(wanted, rel=1e-12)


def test_a_label_that_never_occurs_has_no_area_and_the_averages_leave_it_out():
    outputs, targets, w = every_kind_of_label(0)
    np.testing.assert_array_equal(
        np.isnan(streamed(ROCAUC(average=None), outputs, targets, w)), [True] * 3 + [False] * 3 + [True] * 3
    )
    each = streamed(AveragePrecision(average=None), outputs, targets, w)
    np.testing.assert_array_equal(np.isnan(each), [True] * 3 + [False] * 6)
    np.testing.assert_array_equal(each[6:], 1)  # all samples have the label, so that every precision is 1
    for metric in (ROCAUC, AveragePrecision):
        mean = np.nanmean(streamed(metric(average=None), outputs, targets, w))
        assert streamed(metric(), outputs, targets, w) == pytest.approx(mean, rel=1e-12)
        assert math.isnan(streamed(metric(0), outputs, targets, w))


@KERNELS
def test_metrics_of_all_answers(kernels):
    for seed, cuts in enumerate(CUTS):
        outputs, targets, w = every_kind_of_label(seed)
        answers, truth, weights = outputs >= 0.5, targets.astype(int), w.astype(float)
        hamming = sklearn.metrics.hamming_loss(truth, answers, sample_weight=weights)
        assert streamed(Accuracy(), outputs, targets, w, cuts, kernels) == pytest.approx(1 - hamming, rel=1e-9)
        exact = sklearn.metrics.accuracy_score(truth[:, 3:5], answers[:, 3:5], sample_weight=weights)
        assert 0 < exact < 1
        assert streamed(ExactMatch(), outputs[:, 3:5], targets[:, 3:5], w, cuts) == pytest.approx(exact, rel=1e-12)
        tables = sklearn.metrics.multilabel_confusion_matrix(truth, answers, sample_weight=weights)
        np.testing.assert_allclose(streamed(ConfusionMatrix(), outputs, targets, w, cuts, kernels), tables, rtol=1e-12)
        p = np.clip(outputs.astype(float), *(np.finfo(np.float32).eps * np.array([1, -1]) + [0, 1]))
        nats = np.average(-np.where(truth, np.log(p), np.log(1 - p)).mean(axis=1), weights=weights)
        assert streamed(LogLoss(), outputs, targets, w, cuts) == pytest.approx(nats, rel=1e-9)
        each = [
            sklearn.metrics.brier_score_loss(t, p, sample_weight=weights, pos_label=1)
            for t, p in zip(truth.T, outputs.T, strict=True)
        ]
        assert streamed(BrierScore(), outputs, targets, w, cuts) == pytest.approx(np.mean(each), rel=1e-6)


@KERNELS
def test_one_number_per_label_becomes_its_mean_without_undefined_labels(kernels):
    outputs, targets, w = every_kind_of_label(3)
    answers = (outputs >= 0.5).astype(int)
    with warnings.catch_warnings(action="ignore"):  # of undefined values
        kappas = [
            sklearn.metrics.cohen_kappa_score(t, a, sample_weight=w.astype(float), labels=[0, 1])
            for t, a in zip(targets.T, answers.T, strict=True)
        ]
        correlations = [
            sklearn.metrics.matthews_corrcoef(t, a, sample_weight=w) for t, a in zip(targets.T, answers.T, strict=True)
        ]
    assert np.isnan(kappas).sum() == 2  # the truth and the answers are always no, or always yes
    assert streamed(CohenKappa(), outputs, targets, w, [30], kernels) == pytest.approx(np.nanmean(kappas), rel=1e-9)
    assert streamed(Matthews(), outputs, targets, w, [30], kernels) == pytest.approx(np.mean(correlations), rel=1e-6)
    single = [CalibrationError().start(2, kernels) for _ in range(9)]
    for i, state in enumerate(single):
        state.update(outputs[:, i : i + 1], targets[:, i : i + 1], w)
    mean = np.mean([state.result() for state in single])
    assert streamed(CalibrationError(), outputs, targets, w, [30]) == pytest.approx(mean, rel=1e-9)
    assert math.isnan(streamed(CohenKappa(), outputs[:, [0, 0]], targets[:, [0, 0]], w))


@dataclass(frozen=True)
class YesRate(Metric):
    """A user's metric of a single output: the fraction of yes, and the sum of the targets."""

    name: ClassVar[str] = "yes_rate"

    def start(self, classes, kernels):
        return _YesRateState()


class _YesRateState(MetricState):
    def __init__(self):
        self.sums, self.n = np.zeros(2), 0

    def update(self, outputs, targets, weights):
        assert outputs.shape == targets.shape == (len(weights), 1)
        self.sums += [(outputs >= 0.5).sum(), targets.sum()]
        self.n += len(weights)

    def result(self):
        return self.sums / self.n


def test_a_model_with_several_labels_and_one_that_is_never_predicted():
    random = np.random.default_rng(0)
    x = random.normal(size=(2000, 4)).astype(np.float32)  # more than one chunk
    y = np.stack([x[:, 0] > 0, random.random(2000) < 0.03], axis=1)
    w = random.random(2000)
    model = Sequential(Dense(2), Sigmoid()).compile((4,), BinaryCrossEntropy(), Adam(0.05), classes=["often", "rare"])
    model.fit(x, y, epochs=5, batch_size=100)
    p = model.predict(x)
    answers = p >= 0.5
    assert not answers[:, 1].any()
    metrics = [F1(average="macro"), Precision(), Recall(1), ROCAUC(), Accuracy(), ExactMatch(), ConfusionMatrix(), YesRate()]
    scores = model.evaluate(x, y, sample_weight=w, metrics=metrics)
    weight = {"sample_weight": w.astype(np.float32).astype(float)}
    wanted = sklearn.metrics.f1_score(y, answers, average="macro", zero_division=np.nan, **weight)
    assert wanted < 0.51
    assert scores["f1_macro"] == pytest.approx(wanted, rel=1e-9)
    wanted = sklearn.metrics.precision_score(y, answers, average=None, zero_division=np.nan, **weight)
    np.testing.assert_allclose(scores["precision"], wanted, rtol=1e-9)
    assert scores["recall_1"] == 0
    assert scores["roc_auc"] == pytest.approx(sklearn.metrics.roc_auc_score(y, p, **weight), rel=1e-9)
    assert scores["exact_match"] == pytest.approx(sklearn.metrics.accuracy_score(y, answers, **weight), rel=1e-9)
    assert scores["accuracy"] == pytest.approx(1 - sklearn.metrics.hamming_loss(y, answers, **weight), rel=1e-6)
    assert np.shape(scores["confusion_matrix"]) == (2, 2, 2)
    np.testing.assert_allclose(scores["yes_rate"], [answers.mean(axis=0).mean(), y.mean(axis=0).mean()])
    page = scores._repr_html_()
    assert "false negatives" in page
    assert "rare" in page


def test_histories_have_one_column_per_label():
    x = np.random.default_rng(0).normal(size=(60, 3))
    model = Sequential(Dense(2), Sigmoid()).compile((3,), BinaryCrossEntropy(), metrics=[Recall(), ConfusionMatrix(), ROCAUC()])
    history = model.fit(x, x[:, :2] > 0, validation=(x, x[:, :2] > 0), epochs=2)
    assert {"train_recall_0", "train_recall_1", "validation_recall_1", "validation_roc_auc"} <= set(history.columns)
    assert not any("confusion" in column or "recall_2" in column for column in history.columns)


def test_a_target_of_one_half_is_a_yes():
    outputs, targets = np.float32([[0.9, 0.1], [0.9, 0.1]]), np.float32([[0.5, 0.49], [0.5, 0.2]])
    assert streamed(ExactMatch(), outputs, targets, np.ones(2, np.float32)) == 1
