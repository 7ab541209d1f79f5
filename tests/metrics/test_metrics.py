"""Metrics compared with scikit-learn, for several divisions into batches; intervals compared with published values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import sklearn.metrics

from pellucid import (
    F1,
    R2,
    ROCAUC,
    SGD,
    AbsoluteError,
    AbsolutePercentageError,
    Accuracy,
    AveragePrecision,
    BinaryCrossEntropy,
    BitsPerCharacter,
    BrierScore,
    CalibrationError,
    CohenKappa,
    ConfigError,
    ConfusionMatrix,
    CrossEntropy,
    Dense,
    Dice,
    EarlyStopping,
    ExactMatch,
    FBeta,
    Hinge,
    IntersectionOverUnion,
    KLDivergence,
    LogLoss,
    Matthews,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    PerPosition,
    Poisson,
    Precision,
    Recall,
    Sequential,
    Sigmoid,
    Softmax,
    Specificity,
    SquaredError,
    TopKAccuracy,
    kernels as kernel_sets,
    wilson,
)
from pellucid.core.config import registered_classes
from pellucid.metrics import MetricState, lower_is_better

KERNELS = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)
K = 4


def oracle(function, **options):
    """Return a metric of scikit-learn as a function of labels, predictions, weights and the number of classes."""
    return lambda labels, predicted, w, k: function(labels, predicted, sample_weight=w, labels=range(k), **options)


def ratio(function, **options):
    return oracle(function, zero_division=np.nan, **options)


def specificity(average=None, label=None):
    """Return specificity as the recall of the rest, from scikit-learn's confusion matrices of one class against the rest."""

    def read(labels, predicted, w, k):
        tables = np.array([sklearn.metrics.confusion_matrix(labels == i, predicted == i, sample_weight=w) for i in range(k)])
        if average == "micro":
            tables = tables.sum(axis=0, keepdims=True)
        values = tables[:, 0, 0] / tables[:, 0].sum(axis=1)
        if average == "weighted":
            return np.average(values, weights=np.bincount(labels, w, k))
        return values if average is label is None else values.mean() if label is None else values[label]

    return read


def f1_of(label):
    return lambda *given: ratio(sklearn.metrics.f1_score, average=None)(*given)[label]


AVERAGES = ("macro", "weighted", "micro")


def jaccard(average=None, label=None):
    """Return scikit-learn's Jaccard score, with NaN for a class that neither occurs nor is predicted."""

    def read(labels, predicted, w, k):
        function = sklearn.metrics.jaccard_score
        values = function(labels, predicted, sample_weight=w, labels=range(k), average=average, zero_division=0)
        return values if label is None else values[label]

    return read


# metric -> scikit-learn's value from labels, predictions, weights and the number of classes
TABLE = {
    Accuracy(): lambda labels, predicted, w, k: sklearn.metrics.accuracy_score(labels, predicted, sample_weight=w),
    Precision(): ratio(sklearn.metrics.precision_score, average=None),
    Precision(1): lambda *given: ratio(sklearn.metrics.precision_score, average=None)(*given)[1],
    Recall(): ratio(sklearn.metrics.recall_score, average=None),
    Recall(0): lambda *given: ratio(sklearn.metrics.recall_score, average=None)(*given)[0],
    ConfusionMatrix(): oracle(sklearn.metrics.confusion_matrix),
    F1(): ratio(sklearn.metrics.f1_score, average=None),
    F1(1): f1_of(1),
    Dice(): ratio(sklearn.metrics.f1_score, average=None),
    Dice(1): f1_of(1),
    **{Dice(average=average): ratio(sklearn.metrics.f1_score, average=average) for average in AVERAGES},
    IntersectionOverUnion(): jaccard(),
    IntersectionOverUnion(1): jaccard(label=1),
    **{IntersectionOverUnion(average=average): jaccard(average) for average in AVERAGES},
    FBeta(2): ratio(sklearn.metrics.fbeta_score, beta=2, average=None),
    FBeta(0.5, 1): lambda *given: ratio(sklearn.metrics.fbeta_score, beta=0.5, average=None)(*given)[1],
    **{
        FBeta(3, average=average): ratio(sklearn.metrics.fbeta_score, beta=3, average=average)
        for average in ("macro", "weighted", "micro")
    },
    Specificity(): specificity(),
    Specificity(label=0): specificity(label=0),
    **{
        metric(average=average): ratio(function, average=average)
        for metric, function in (
            (Precision, sklearn.metrics.precision_score),
            (Recall, sklearn.metrics.recall_score),
            (F1, sklearn.metrics.f1_score),
        )
        for average in ("macro", "weighted", "micro")
    },
    **{Specificity(average=average): specificity(average) for average in ("macro", "weighted", "micro")},
    CohenKappa(): oracle(sklearn.metrics.cohen_kappa_score),
    Matthews(): lambda labels, predicted, w, k: sklearn.metrics.matthews_corrcoef(labels, predicted, sample_weight=w),
}


def calibration(right, sure, w, bins=15):
    """Compute the formula of Guo et al. bin by bin."""
    error = 0.0
    for low, high in zip(np.linspace(0, 1, bins + 1), np.linspace(0, 1, bins + 1)[1:], strict=False):
        inside = (sure > low) & (sure <= high)
        if inside.any():
            error += (
                abs(np.average(right[inside], weights=w[inside]) - np.average(sure[inside], weights=w[inside]))
                * w[inside].sum()
            )
    return error / w.sum()


def area(function, average="macro", label=None):
    """Return an area of scikit-learn for the indicator matrix of the classes; two classes are the area of class 1."""

    def read(labels, p, w, k):
        if label is not None or (k == 2 and average is not None):
            i = 1 if label is None else label
            return function(labels == i, p[:, i], sample_weight=w)
        return function(np.eye(k)[labels], p, sample_weight=w, average=average)

    return read


def brier(labels, p, w, k):
    return sklearn.metrics.brier_score_loss(labels, p if k > 2 else p[:, 1], sample_weight=w, labels=range(k))


# metric -> scikit-learn's value from labels, probabilities (n, k), weights and the number of classes
SCORED = {
    **{
        metric(**choice): area(function, **choice)
        for metric, function in (
            (ROCAUC, sklearn.metrics.roc_auc_score),
            (AveragePrecision, sklearn.metrics.average_precision_score),
        )
        for choice in ({}, {"label": 1}, {"label": 0}, {"average": None}, {"average": "weighted"}, {"average": "micro"})
    },
    BrierScore(): brier,
    TopKAccuracy(2): lambda labels, p, w, k: sklearn.metrics.top_k_accuracy_score(labels, p, k=2, sample_weight=w),
    TopKAccuracy(1): lambda labels, p, w, k: np.average(p.argmax(axis=1) == labels, weights=w),
    LogLoss(): lambda labels, p, w, k: sklearn.metrics.log_loss(labels, p, sample_weight=w, labels=range(k)),
    BitsPerCharacter(): lambda labels, p, w, k: (
        sklearn.metrics.log_loss(labels, p, sample_weight=w, labels=range(k)) / np.log(2)
    ),
    CalibrationError(): lambda labels, p, w, k: calibration(p.argmax(axis=1) == labels, p.max(axis=1), w),
    CalibrationError(4): lambda labels, p, w, k: calibration(p.argmax(axis=1) == labels, p.max(axis=1), w, 4),
}
# metric -> scikit-learn's value from targets, predictions and weights
MEASURED = {
    SquaredError(): sklearn.metrics.mean_squared_error,
    AbsoluteError(): sklearn.metrics.mean_absolute_error,
    AbsolutePercentageError(): sklearn.metrics.mean_absolute_percentage_error,
    R2(): sklearn.metrics.r2_score,
}


def sample(seed: int, n: int = 500, k: int = K):
    """Return random outputs, labels (mostly predicted correctly, some classes rare) and weights."""
    random = np.random.default_rng(seed)
    labels = np.minimum(random.geometric(0.5, n) - 1, k - 1)
    outputs = random.random((n, k)) + 0.7 * np.eye(k)[labels]
    return (outputs / outputs.sum(axis=1, keepdims=True)).astype(np.float32), labels, random.random(n).astype(np.float32)


def counted(metric, classes, kernels, outputs, targets, weights, cuts=()):
    """Return the metric of the samples, counted in batches that end at ``cuts``."""
    state = metric.start(classes, kernels)
    for rows in np.split(np.arange(len(outputs)), cuts):
        state.update(outputs[rows], targets[rows], weights[rows])
    return state.result()


def test_the_tables_have_every_metric():
    tested = {type(metric) for metric in (*TABLE, *SCORED, *MEASURED)}
    assert set(registered_classes(Metric).values()) == tested | {ExactMatch, PerPosition}  # in files of their own


@KERNELS
@pytest.mark.parametrize("metric", TABLE, ids=repr)
def test_class_metrics_equal_scikit_learns_in_uneven_weighted_batches(metric, kernels):
    for seed, cuts in enumerate([[], [1, 2, 450], [128, 256, 384], [0, 500]]):
        outputs, labels, w = sample(seed)
        result = counted(metric, K, kernels, outputs, labels, w, cuts)
        wanted = TABLE[metric](labels, outputs.argmax(axis=1), w.astype(float), K)
        np.testing.assert_allclose(result, wanted, rtol=1e-12)
        one_hot = counted(metric, K, kernels, outputs, np.eye(K, dtype=np.float32)[labels], w, cuts)
        np.testing.assert_array_equal(result, one_hot)


CUTS = ([], [1, 2, 450], [128, 256, 384], [0, 500])


@pytest.mark.parametrize("metric", SCORED, ids=repr)
def test_metrics_of_scores_equal_scikit_learns(metric):
    for seed, cuts in enumerate(CUTS):
        outputs, labels, w = sample(seed)
        if seed % 2:
            outputs = np.round(outputs, 1)  # makes many values equal
            outputs /= outputs.sum(axis=1, keepdims=True)
        if isinstance(metric, TopKAccuracy):  # of equal outputs the first is larger here, the last in scikit-learn
            outputs = outputs - 1e-5 * np.arange(K, dtype=np.float32)
        result = counted(metric, K, kernel_sets.load(), outputs, labels, w, cuts)
        p = outputs.astype(float)
        if metric in (
            LogLoss(),
            BrierScore(),
            BitsPerCharacter(),
        ):  # scikit-learn checks the sums with a smaller tolerance than float32 has
            p /= p.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(result, SCORED[metric](labels, p, w.astype(float), K), rtol=1e-6)
        one_hot = counted(metric, K, kernel_sets.load(), outputs, np.eye(K, dtype=np.float32)[labels], w, cuts)
        np.testing.assert_allclose(result, one_hot, rtol=1e-12)


@pytest.mark.parametrize("metric", [metric for metric in SCORED if metric != TopKAccuracy(2)], ids=repr)
def test_a_single_probability_is_that_of_class_1(metric):
    random = np.random.default_rng(0)
    answers, w = random.integers(0, 2, (200, 1)), random.random(200).astype(np.float32)
    p = (0.003 + 0.99 * np.round(0.3 * answers + 0.7 * random.random((200, 1)), 2)).astype(
        np.float32
    )  # none at the edge of a bin
    result = counted(metric, 2, kernel_sets.load(), p, answers.astype(np.float32), w, [70])
    both = np.concatenate([1 - p.astype(float), p], axis=1)
    np.testing.assert_allclose(result, SCORED[metric](answers[:, 0], both, w.astype(float), 2), rtol=1e-6)


@pytest.mark.parametrize("metric", MEASURED, ids=repr)
@pytest.mark.parametrize("k", [1, 3])
def test_regression_metrics_equal_scikit_learns(metric, k):
    for seed, cuts in enumerate(CUTS):
        random = np.random.default_rng(seed)
        y = (1e4 + random.normal(0, 2, (500, k))).astype(np.float32)  # far from 0: sums of squares would lose digits
        outputs, w = (y + random.normal(0, 1, (500, k))).astype(np.float32), random.random(500).astype(np.float32)
        w[:3] = 0
        result = counted(metric, k, kernel_sets.load(), outputs, y, w, cuts)
        wanted = MEASURED[metric](y.astype(float), outputs.astype(float), sample_weight=w.astype(float))
        assert result == pytest.approx(wanted, rel=1e-9)


def test_percentage_errors_of_targets_of_zero_are_scikit_learns():
    y, outputs, w = np.array([[0.0, 2.0], [-4.0, 0.0]]), np.array([[1.0, 2.5], [-4.0, 0.0]]), np.array([1.0, 3.0])
    wanted = sklearn.metrics.mean_absolute_percentage_error(y, outputs, sample_weight=w)
    assert counted(AbsolutePercentageError(), 2, kernel_sets.load(), outputs, y, w, [1]) == pytest.approx(wanted, rel=1e-12)


def test_two_outputs_have_the_brier_score_of_one():
    random = np.random.default_rng(0)
    p, labels, w = random.random((50, 1)), random.integers(0, 2, 50), random.random(50)
    wanted = sklearn.metrics.brier_score_loss(labels, p[:, 0], sample_weight=w)
    both = np.hstack([1 - p, p])
    for outputs, targets in ((p, labels[:, None]), (both, labels), (both, np.eye(2)[labels])):
        assert counted(BrierScore(), 2, kernel_sets.load(), outputs, targets, w, [7, 9]) == pytest.approx(wanted, rel=1e-12)


def test_the_areas_of_class_0_do_not_round_one_minus_p():
    p = np.array([[1e-9], [2e-9], [3e-9], [4e-9]], np.float32)
    answers, w = np.array([[0], [1], [0], [1]], np.float32), np.ones(4, np.float32)
    assert counted(ROCAUC(0), 2, kernel_sets.load(), p, answers, w, [1]) == 0.75
    assert counted(AveragePrecision(0), 2, kernel_sets.load(), p, answers, w, [1]) == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("metric", [ROCAUC(), AveragePrecision()], ids=repr)
def test_samples_of_weight_zero_have_no_part_in_areas(metric):
    random = np.random.default_rng(0)
    p, answers = random.random((30, 1)), random.integers(0, 2, (30, 1))
    w = random.random(30) * (p[:, 0] < 0.8)  # those with the largest outputs do not count
    counting = w > 0
    result = counted(metric, 2, kernel_sets.load(), p, answers, w, [9])
    assert result == counted(metric, 2, kernel_sets.load(), p[counting], answers[counting], w[counting])
    assert 0 < result < 1


@pytest.mark.parametrize("metric", [*TABLE, *SCORED], ids=repr)
def test_only_the_ratios_of_weights_count(metric):
    kernels, (outputs, labels, w) = kernel_sets.load(), sample(0)
    result = counted(metric, K, kernels, outputs, labels, w)
    tiny = counted(metric, K, kernels, outputs, labels, w * np.float32(2**-20))
    np.testing.assert_allclose(tiny, np.multiply(result, 2**-20 if metric == ConfusionMatrix() else 1), rtol=1e-12)


def test_positives_with_the_lowest_output_are_found_last():
    p, answers, w = np.float32([[0.1], [0.8], [0.9]]), np.float32([[1], [0], [0]]), np.ones(3, np.float32)
    assert counted(AveragePrecision(), 2, kernel_sets.load(), p, answers, w) == pytest.approx(1 / 3)


@KERNELS
@pytest.mark.parametrize("metric", TABLE, ids=repr)
def test_a_single_output_predicts_two_classes(metric, kernels):
    random = np.random.default_rng(0)
    p, answers, w = random.random((200, 1), np.float32), random.integers(0, 2, (200, 1)), np.ones(200, np.float32)
    result = counted(metric, 2, kernels, p, answers.astype(np.float32), w, [70])
    np.testing.assert_allclose(result, TABLE[metric](answers[:, 0], 1 * (p[:, 0] >= 0.5), w, 2), rtol=1e-12)


@KERNELS
def test_one_half_predicts_class_1_and_of_equal_outputs_the_first_is_predicted(kernels):
    half, yes, w = np.full((1, 1), 0.5, np.float32), np.ones((1, 1), np.float32), np.ones(1, np.float32)
    assert counted(Accuracy(), 2, kernels, half, yes, w) == 1
    assert counted(Accuracy(), 2, kernels, np.nextafter(half, 0), yes, w) == 0
    tie = np.array([[0.1, 0.3, 0.3, 0.3]], np.float32)
    assert counted(ConfusionMatrix(), K, kernels, tie, np.array([2]), w)[2].tolist() == [0, 1, 0, 0]
    assert counted(Accuracy(), K, kernels, tie, np.array([1]), w) == 1


@KERNELS
def test_a_metric_is_not_an_average_of_batch_values(kernels):
    outputs, w = np.eye(2, dtype=np.float32)[[0, 0, 0, 1]], np.ones(4, np.float32)
    accuracy = counted(Accuracy(), 2, kernels, outputs, np.array([0, 0, 0, 0]), w, [3])  # 3 of 3, then 0 of 1
    assert accuracy == 0.75  # the mean over the batches would be 0.5
    recall = counted(Recall(0), 2, kernels, outputs, np.array([0, 1, 1, 0]), w, [3])  # 1 of 1, then 0 of 1
    precision = counted(Precision(0), 2, kernels, outputs, np.array([0, 1, 1, 0]), w, [1])  # 1 of 1, then 0 of 2
    assert (recall, precision) == (0.5, pytest.approx(1 / 3))


@KERNELS
def test_metrics_without_samples_are_nan(kernels):
    none = np.zeros((0, 2), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)
    assert math.isnan(counted(Accuracy(), 2, kernels, *none))
    assert np.isnan(counted(Recall(), 2, kernels, *none)).all()
    for metric in (*TABLE, *SCORED):
        empty = counted(metric, 4, kernels, np.zeros((0, 4), np.float32), *none[1:])
        assert np.isnan(empty).all() or metric == ConfusionMatrix(), metric
    for metric in MEASURED:
        assert math.isnan(counted(metric, 2, kernels, none[0], none[0], none[2])), metric
    only = np.eye(2, dtype=np.float32)[[0]], np.array([0]), np.ones(1, np.float32)
    np.testing.assert_array_equal(counted(Precision(), 2, kernels, *only), [1, np.nan])
    np.testing.assert_array_equal(counted(Specificity(), 2, kernels, *only), [np.nan, 1])
    assert counted(Precision(average="macro"), 2, kernels, *only) == 1  # of the only class that has a value
    assert math.isnan(counted(CohenKappa(), 2, kernels, *only))
    assert counted(Matthews(), 2, kernels, *only) == 0
    assert math.isnan(counted(ROCAUC(), 2, kernels, *only))
    assert math.isnan(counted(R2(), 1, kernels, only[0][:, :1], only[0][:, :1], only[2]))


def test_a_class_without_samples_has_no_area():
    outputs, labels, w = sample(0)
    present = labels < 3
    result = counted(ROCAUC(), K, kernel_sets.load(), outputs[present], labels[present], w[present])
    each = [
        sklearn.metrics.roc_auc_score(labels[present] == i, outputs[present, i], sample_weight=w[present]) for i in range(3)
    ]
    assert result == pytest.approx(np.mean(each), rel=1e-9)


def test_the_log_loss_of_soft_labels_and_of_certain_errors():
    random = np.random.default_rng(0)
    p, y, w = random.dirichlet(np.ones(3), 50), random.dirichlet(np.ones(3), 50), random.random(50)
    result = counted(LogLoss(), 3, kernel_sets.load(), p, y, w, [7])
    assert result == pytest.approx(np.average(-(y * np.log(p)).sum(axis=1), weights=w), rel=1e-12)
    certain = counted(LogLoss(), 2, kernel_sets.load(), np.eye(2, dtype=np.float32), np.array([1, 0]), np.ones(2, np.float32))
    assert certain == pytest.approx(-np.log(np.finfo(np.float32).eps), rel=1e-6)


@KERNELS
def test_each_state_starts_from_zero(kernels):
    outputs, labels, w = sample(0)
    first = counted(ConfusionMatrix(), K, kernels, outputs, labels, w)
    np.testing.assert_array_equal(first, counted(ConfusionMatrix(), K, kernels, outputs, labels, w))


def test_names_and_invalid_settings():
    assert [metric.name for metric in (*TABLE, *SCORED, *MEASURED)] == [
        "accuracy",
        "precision",
        "precision_1",
        "recall",
        "recall_0",
        "confusion_matrix",
        "f1",
        "f1_1",
        "dice",
        "dice_1",
        *(f"dice_{average}" for average in AVERAGES),
        "iou",
        "iou_1",
        *(f"iou_{average}" for average in AVERAGES),
        "f2",
        "f0.5_1",
        "f3_macro",
        "f3_weighted",
        "f3_micro",
        "specificity",
        "specificity_0",
        "precision_macro",
        "precision_weighted",
        "precision_micro",
        "recall_macro",
        "recall_weighted",
        "recall_micro",
        "f1_macro",
        "f1_weighted",
        "f1_micro",
        "specificity_macro",
        "specificity_weighted",
        "specificity_micro",
        "cohen_kappa",
        "matthews",
        *(f"roc_auc{choice}" for choice in ("", "_1", "_0", "_by_class", "_weighted", "_micro")),
        *(f"average_precision{choice}" for choice in ("", "_1", "_0", "_by_class", "_weighted", "_micro")),
        "brier_score",
        "top_2_accuracy",
        "top_1_accuracy",
        "log_loss",
        "bits_per_character",
        "calibration_error",
        "calibration_error",
        "mse",
        "mae",
        "mape",
        "r2",
    ]
    assert {metric.name for metric in (*TABLE, *SCORED, *MEASURED) if metric.lower_is_better} == {
        "log_loss",
        "brier_score",
        "bits_per_character",
        "calibration_error",
        "mse",
        "mae",
        "mape",
    }
    assert lower_is_better("validation_loss")
    with pytest.raises(ConfigError, match="average='makro': did you mean 'macro'"):
        F1(average="makro")
    with pytest.raises(ConfigError, match=r"label=1 is one class, average='macro' is over all of them: choose one"):
        Recall(1, "macro")
    with pytest.raises(ConfigError, match=r"label=1 is one class, average='micro' is over all of them: choose one"):
        ROCAUC(1, "micro")
    with pytest.raises(ConfigError, match="average='makro': did you mean 'macro'"):
        AveragePrecision(average="makro")
    with pytest.raises(ConfigError, match="beta must be above 0"):
        FBeta(0)
    with pytest.raises(ConfigError, match="threshold must be at least 0 and at most 1"):
        Accuracy(threshold=30)
    with pytest.raises(ConfigError, match="label=4 is out of range: the classes are 0 … 3"):
        counted(Recall(4), K, kernel_sets.load(), *sample(0))


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [  # 81 of 263, 15 of 148 and 0 of 20 are examples of Newcombe (Statistics in Medicine 17, 1998, table I)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 1 - 0.1611, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilsons_interval_equals_published_values(correct, n, low, high):
    assert wilson(correct, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilsons_bounds_solve_their_equation():
    """The observed fraction is z standard errors of p away from each bound p."""
    for correct, n in ((3, 10), (97, 100), (9_812, 10_000)):
        for p in wilson(correct, n, z=1.7):
            assert abs(correct / n - p) == pytest.approx(1.7 * math.sqrt(p * (1 - p) / n), rel=1e-9)


def test_a_model_evaluates_its_predictions():
    random = np.random.default_rng(0)
    x, labels, w = random.normal(size=(700, 5)), random.integers(0, 3, 700), random.random(700)  # more than one chunk
    model = Sequential(Dense(3), Softmax()).compile((5,), CrossEntropy(), metrics=[Accuracy(), ConfusionMatrix()])
    scores = model.evaluate(x, labels, sample_weight=w)
    p = model.predict(x).astype(float)
    p /= p.sum(axis=1, keepdims=True)  # scikit-learn checks the sums with a smaller tolerance than float32 has
    assert list(scores) == ["loss", "accuracy", "confusion_matrix"]
    assert scores["loss"] == pytest.approx(sklearn.metrics.log_loss(labels, p, sample_weight=w), rel=1e-5)
    assert scores["accuracy"] == pytest.approx(np.average(p.argmax(axis=1) == labels, weights=w), rel=1e-6)


def test_a_single_number_has_no_accuracy():
    with pytest.raises(ConfigError, match=r"use Sigmoid\(\) with BinaryCrossEntropy"):
        Sequential(Dense(1)).compile((5,), MeanSquaredError(), metrics=[Accuracy()])


@pytest.mark.parametrize(
    ("layers", "loss", "metric", "words"),
    [
        (
            (Dense(3), Softmax()),
            CrossEntropy(),
            SquaredError(),
            r"compares numbers, but CrossEntropy\(\) predicts classes: use LogLoss\(\), BrierScore\(\) for",
        ),
        ((Dense(3), Softmax()), KLDivergence(), R2(), r"compares numbers, but KLDivergence\(\) predicts classes"),
        ((Dense(1),), Hinge(), AbsoluteError(), r"Hinge\(\) predicts classes: use LogLoss\(\), or Mean"),
        (
            (Dense(3),),
            Hinge(),
            LogLoss(),
            r"LogLoss\(\) needs probabilities, but the outputs for Hinge\(\) are not: use Softmax",
        ),
        ((Dense(3),), MeanSquaredError(), CalibrationError(), "needs probabilities"),
        (
            (Dense(1),),
            MeanAbsoluteError(),
            ROCAUC(),
            r"ROCAUC.* counts classes, but a single output with MeanAbsoluteError",
        ),
        ((Dense(3), Softmax()), CrossEntropy(), TopKAccuracy(3), "TopKAccuracy.* of 3 classes is always 1: take k=2 or fewer"),
        ((Dense(3), Softmax()), CrossEntropy(), Recall(3), "label=3 is out of range"),
        ((Dense(3), Sigmoid()), BinaryCrossEntropy(), Recall(3), "label=3 is out of range: the labels are 0 … 2"),
        ((Dense(3), Sigmoid()), BinaryCrossEntropy(), ROCAUC(3), "label=3 is out of range: the labels are 0 … 2"),
        ((Dense(3), Softmax()), CrossEntropy(), AveragePrecision(3), "label=3 is out of range: the classes are 0 … 2"),
        ((Dense(3), Sigmoid()), BinaryCrossEntropy(), TopKAccuracy(1), "the 3 outputs are independent labels: use Accuracy"),
        ((Dense(3), Softmax()), CrossEntropy(), ExactMatch(), r"each sample has one class: use Accuracy\(\)"),
        ((Dense(1), Sigmoid()), BinaryCrossEntropy(), ExactMatch(), r"each sample has one class: use Accuracy\(\)"),
        ((Dense(3), Softmax()), CrossEntropy(), Accuracy(threshold=0.3), r"scores of exclusive classes, of which the largest"),
        ((Dense(2), Softmax()), CrossEntropy(), F1(threshold=0.3), r"F1\(threshold=0.3\): a threshold is the probability from"),
        ((Dense(1),), Hinge(), Recall(threshold=0.3), r"the outputs for Hinge\(\) are not probabilities: leave it out"),
    ],
    ids=repr,
)
def test_metrics_that_do_not_fit_the_loss_are_refused(layers, loss, metric, words):
    model = Sequential(*layers).compile((5,), loss)
    for call in (
        lambda: Sequential(*layers).compile((5,), loss, metrics=[metric]),
        lambda: model.evaluate(np.zeros((2, 5)), np.zeros(2, int), metrics=[metric]),
    ):
        with pytest.raises(ConfigError, match=words):
            call()


def test_a_squared_error_after_softmax_compares_probabilities():
    x, labels = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    model = Sequential(Dense(3), Softmax()).compile((5,), MeanSquaredError(), metrics=[LogLoss(), SquaredError()])
    scores, p = model.evaluate(x, labels), model.predict(x).astype(float)
    assert scores["log_loss"] == pytest.approx(sklearn.metrics.log_loss(labels, p / p.sum(axis=1, keepdims=True)), rel=1e-5)
    assert scores["mse"] == pytest.approx(scores["loss"], rel=1e-6)


def test_the_log_loss_is_the_loss_without_smoothing():
    x, labels = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    model = Sequential(Dense(3), Softmax()).compile((5,), CrossEntropy(smoothing=0.2), metrics=[LogLoss()])
    plain = Sequential(Dense(3), Softmax()).compile((5,), CrossEntropy())
    scores = model.evaluate(x, labels)
    assert scores["log_loss"] == pytest.approx(plain.evaluate(x, labels)["loss"], rel=1e-5)
    assert scores["loss"] != pytest.approx(scores["log_loss"], rel=1e-3)


def test_the_sign_of_a_score_is_the_prediction():
    x, answers = np.random.default_rng(0).normal(size=(200, 5)), np.arange(200) % 2
    model = Sequential(Dense(1)).compile((5,), Hinge(), metrics=[Accuracy(), ROCAUC(), Recall(1)])
    scores, z = model.evaluate(x, answers), model.predict(x)[:, 0]
    assert ((z > 0) != (z >= 0.5)).any()
    assert scores["accuracy"] == pytest.approx(((z > 0) == answers).mean())
    assert scores["recall_1"] == pytest.approx((z[answers == 1] > 0).mean())
    assert scores["roc_auc"] == pytest.approx(sklearn.metrics.roc_auc_score(answers, z))
    assert scores["loss"] == pytest.approx(sklearn.metrics.hinge_loss(answers, z), rel=1e-6)


def test_metrics_compare_rates_with_counts():
    random = np.random.default_rng(0)
    x, counts = random.normal(size=(60, 5)), random.poisson(2, 60)
    model = Sequential(Dense(1)).compile((5,), Poisson(), metrics=[AbsoluteError()])
    wanted = np.abs(np.exp(model.predict(x)[:, 0].astype(float)) - counts).mean()
    assert model.evaluate(x, counts)["mae"] == pytest.approx(wanted, rel=1e-6)


def test_early_stopping_takes_the_lowest_error():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 3)), random.normal(size=40)
    model = Sequential(Dense(1)).compile((3,), MeanSquaredError(), metrics=[AbsoluteError(), R2()], seed=1)
    stop = EarlyStopping(patience=4, monitor="train_mae")
    history = model.fit(x, y, epochs=4, policies=[stop], exact_training_metrics=True)
    assert history["train_mae"][-1] < history["train_mae"][0]
    assert history.best_epoch == 1 + int(np.argmin(history["train_mae"]))
    assert history["train_r2"][-1] > history["train_r2"][0]


@dataclass(frozen=True)
class Cost(Metric):
    """A user's metric whose name does not say that lower is better: the errors of class 0, and of class 1."""

    name: ClassVar[str] = "cost"
    lower_is_better: ClassVar[bool] = True

    def start(self, classes, kernels):
        return _CostState()


class _CostState(MetricState):
    def __init__(self):
        self.errors = np.zeros(2)

    def update(self, outputs, targets, weights):
        wrong = (outputs[:, 0] >= 0.5) != targets[:, 0]
        self.errors += [wrong[targets[:, 0] == label].sum() for label in (0, 1)]

    def result(self):
        return self.errors


@pytest.mark.parametrize("monitor", ["train_brier_score", "train_cost_1", "train_log_loss", "train_recall_1"])
def test_early_stopping_knows_the_direction_of_a_metric(monitor):
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = x[:, 0] > 0.5
    metrics = [BrierScore(), Cost(), LogLoss(), Recall()]
    model = Sequential(Dense(1), Sigmoid()).compile((3,), BinaryCrossEntropy(), SGD(0.5), metrics=metrics, seed=1)
    stop = EarlyStopping(patience=20, monitor=monitor)
    history = model.fit(x, y, epochs=20, policies=[stop], exact_training_metrics=True)
    better = np.argmax if monitor == "train_recall_1" else np.argmin
    values = history[monitor]
    assert values[0] != values[better(values)]
    assert history.best_epoch == 1 + int(better(values))
