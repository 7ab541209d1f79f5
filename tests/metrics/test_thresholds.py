"""The threshold of yes-or-no answers, and the names of metrics in results."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics

from pellucid import (
    F1,
    Accuracy,
    BinaryCrossEntropy,
    CalibrationError,
    CohenKappa,
    ConfigError,
    ConfusionMatrix,
    CrossEntropy,
    Dense,
    Dice,
    ExactMatch,
    FBeta,
    IntersectionOverUnion,
    Matthews,
    Precision,
    Recall,
    Sequential,
    Sigmoid,
    Softmax,
    Specificity,
    kernels as kernel_sets,
)
from pellucid.core.config import from_json, to_json
from pellucid.metrics import DecisionMetric
from pellucid.training.evaluation import Evaluation, is_fraction

KERNELS = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)

# metric of a single output -> scikit-learn's value from labels, answers and weights
SINGLE = {
    Accuracy: sklearn.metrics.accuracy_score,
    ConfusionMatrix: sklearn.metrics.confusion_matrix,
    CohenKappa: sklearn.metrics.cohen_kappa_score,
    Matthews: sklearn.metrics.matthews_corrcoef,
    Precision: sklearn.metrics.precision_score,
    Recall: sklearn.metrics.recall_score,
    F1: sklearn.metrics.f1_score,
    Specificity: lambda y, a, sample_weight: sklearn.metrics.recall_score(1 - y, 1 - a, sample_weight=sample_weight),
    Dice: sklearn.metrics.f1_score,
    IntersectionOverUnion: sklearn.metrics.jaccard_score,
    FBeta: lambda y, a, sample_weight: sklearn.metrics.fbeta_score(y, a, beta=2, sample_weight=sample_weight),
}


def with_threshold(kind, threshold):
    first = {"beta": 2} if kind is FBeta else {}
    label = {"label": 1} if kind in (Precision, Recall, F1, Specificity, Dice, IntersectionOverUnion, FBeta) else {}
    return kind(**first, **label, threshold=threshold)


@KERNELS
@pytest.mark.parametrize("kind", SINGLE)
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.75])
def test_a_single_output_is_a_yes_from_the_threshold(kind, threshold, kernels):
    random = np.random.default_rng(0)
    p, y, w = random.random((300, 1)).round(2).astype(np.float32), random.integers(0, 2, 300), random.random(300)
    state = with_threshold(kind, threshold).start(2, kernels)
    for rows in np.split(np.arange(300), [1, 17, 200]):
        state.update(p[rows], y[rows, None].astype(np.float32), w[rows].astype(np.float32))
    answers = (p[:, 0] >= np.float32(threshold)).astype(int)
    assert (p == np.float32(threshold)).any()
    np.testing.assert_allclose(
        state.result(), SINGLE[kind](y, answers, sample_weight=w.astype(np.float32).astype(float)), rtol=1e-9
    )


def test_each_label_is_a_yes_from_the_threshold():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(300, 3)), random.integers(0, 2, (300, 2))
    model = Sequential(Dense(2), Sigmoid()).compile((3,), BinaryCrossEntropy())
    kinds = (Accuracy, ExactMatch, ConfusionMatrix, Recall, CohenKappa)
    scores = model.evaluate(x, y, metrics=[kind(threshold=t) for kind in kinds for t in (0.3, 0.5)])
    p = model.predict(x)
    for threshold, suffix in ((0.3, "_at_0.3"), (0.5, "")):
        answers = p >= np.float32(threshold)
        assert scores[f"accuracy{suffix}"] == pytest.approx((answers == y).mean())
        assert scores[f"exact_match{suffix}"] == pytest.approx((answers == y).all(axis=1).mean())
        tables = sklearn.metrics.multilabel_confusion_matrix(y, answers)
        np.testing.assert_array_equal(scores[f"confusion_matrix{suffix}"], tables)
        recall = sklearn.metrics.recall_score(y, answers, average=None)
        np.testing.assert_allclose(scores[f"recall{suffix}"], recall)
        kappa = [sklearn.metrics.cohen_kappa_score(y[:, i], answers[:, i]) for i in range(2)]
        assert scores[f"cohen_kappa{suffix}"] == pytest.approx(np.mean(kappa))
    assert scores["accuracy"] != scores["accuracy_at_0.3"]


def test_names_state_the_threshold_unless_it_is_one_half():
    assert [with_threshold(kind, 0.5).name for kind in SINGLE] == [
        "accuracy",
        "confusion_matrix",
        "cohen_kappa",
        "matthews",
        "precision_1",
        "recall_1",
        "f1_1",
        "specificity_1",
        "dice_1",
        "iou_1",
        "f2_1",
    ]
    assert Recall(average="macro", threshold=0.3).name == "recall_macro_at_0.3"
    assert Accuracy(threshold=0.1).name != Accuracy(threshold=0.1 + 1e-12).name
    metric = FBeta(0.5, average="macro", threshold=0.3)
    assert metric.name == "f0.5_macro_at_0.3"
    assert repr(metric) == "FBeta(threshold=0.3, beta=0.5, average='macro')"
    assert from_json(to_json(metric), DecisionMetric) == metric
    assert from_json({"class": "Accuracy"}, DecisionMetric) == Accuracy()  # as files of earlier versions have it


def test_two_metrics_of_the_same_name_are_refused():
    network = Sequential(Dense(3), Softmax())
    message = r"CalibrationError\(bins=10\) and CalibrationError\(\) have the same name in the results, 'calibration_error'"
    with pytest.raises(ConfigError, match=message):
        network.compile((4,), CrossEntropy(), metrics=[Accuracy(), CalibrationError(10), CalibrationError()])
    model = network.compile((4,), CrossEntropy(), metrics=[Accuracy(), Accuracy()])
    with pytest.raises(ConfigError, match="have the same name"):
        model.evaluate(np.zeros((2, 4)), np.arange(2), metrics=[FBeta(1), F1()])


def test_fractions_are_shown_in_percent():
    for name in (
        "accuracy",
        "top_5_accuracy",
        "accuracy_at_0.3",
        "recall_3",
        "f1",
        "iou_0",
        "dice_macro",
        "accuracy_by_position",
        "f0.5_macro",
        "f2_at_0.3",
        "exact_match",
        "mape",
    ):
        assert is_fraction(name), name
    for name in ("loss", "brier_score", "average_precision", "roc_auc", "mae", "features", "recaller"):
        assert not is_fraction(name), name
    page = Evaluation({"accuracy_at_0.3": 0.75, "brier_score": 0.1}, samples=8)._repr_html_()
    assert "75.00 %" in page
    assert "40.93 to 92.85 %" in page  # Wilson's interval of 6 of 8
