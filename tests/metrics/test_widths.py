"""Metrics that do not fit the number of outputs, and outputs and targets that NumPy would broadcast, are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from pellucid import (
    F1,
    R2,
    ROCAUC,
    AbsoluteError,
    AbsolutePercentageError,
    Accuracy,
    AveragePrecision,
    BrierScore,
    CalibrationError,
    ConfigError,
    ConfusionMatrix,
    Dense,
    LogLoss,
    Loss,
    MeanSquaredError,
    Metric,
    Sequential,
    SquaredError,
    TopKAccuracy,
    kernels as kernel_sets,
)
from pellucid.errors import ShapeError
from pellucid.metrics import MetricState

ONES = np.ones(4, np.float32)


@dataclass(frozen=True)
class WorstError(Metric):
    """A user's metric: the largest absolute error of each of ``outputs`` outputs, or of all."""

    outputs: int | None = None

    name: ClassVar[str] = "worst"
    needs: ClassVar[str] = "numbers"
    lower_is_better: ClassVar[bool] = True

    def start(self, outputs, kernels):
        if self.outputs not in (None, outputs):
            raise ConfigError(f"{self} is for {self.outputs} outputs, but the network has {outputs}")
        return _WorstState(outputs)


class _WorstState(MetricState):
    def __init__(self, outputs):
        self.largest = np.zeros(outputs)

    def update(self, outputs, targets, weights):
        self.largest = np.maximum(self.largest, np.abs(outputs - targets).max(axis=0))

    def result(self):
        return self.largest


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_metric_of_numbers_is_told_the_number_of_outputs(k):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 4)), random.normal(size=(30, k))
    model = Sequential(Dense(k)).compile((4,), MeanSquaredError(), metrics=[WorstError(k)])
    assert model.evaluate(x, y)["worst"].shape == (k,)
    np.testing.assert_allclose(model.evaluate(x, y)["worst"], np.abs(model.predict(x) - y).max(axis=0), rtol=1e-5)


def test_a_metric_for_another_number_of_outputs_is_refused_when_the_model_is_put_together():
    for k in (1, 2):
        with pytest.raises(ConfigError, match=f"is for 3 outputs, but the network has {k}"):
            Sequential(Dense(k)).compile((4,), MeanSquaredError(), metrics=[WorstError(3)])
        model = Sequential(Dense(k)).compile((4,), MeanSquaredError())
        with pytest.raises(ConfigError, match=f"is for 3 outputs, but the network has {k}"):
            model.evaluate(np.zeros((2, 4)), np.zeros((2, k)), metrics=[WorstError(3)])


@dataclass(frozen=True)
class FlatTargets(Loss):
    """A user's loss for one output that forgets that targets must be (n, 1)."""

    def targets(self, y, shape):
        return np.asarray(y, np.float32)

    def compute(self, z, targets, weights, scale, outputs, dz, kernels):
        outputs[...] = z
        dz[...] = 0
        return 0.0


@pytest.mark.parametrize("metric", [R2(), SquaredError(), AbsoluteError(), AbsolutePercentageError()], ids=repr)
def test_outputs_and_targets_of_different_shapes_are_not_broadcast(metric):
    model = Sequential(Dense(1)).compile((4,), FlatTargets())
    with pytest.raises(ShapeError, match=r"outputs of the shape \(5, 1\) and targets of the shape \(5,\)"):
        model.evaluate(np.zeros((5, 4)), np.arange(5.0), metrics=[metric])
    state = metric.start(3, kernel_sets.load())
    with pytest.raises(ShapeError, match=r"\(4, 3\) and targets of the shape \(4, 1\)"):
        state.update(np.zeros((4, 3), np.float32), np.zeros((4, 1), np.float32), ONES)


@pytest.mark.parametrize(
    "metric",
    [
        Accuracy(),
        ConfusionMatrix(),
        F1(),
        ROCAUC(),
        AveragePrecision(),
        LogLoss(),
        BrierScore(),
        CalibrationError(),
        TopKAccuracy(1),
    ],
    ids=repr,
)
def test_classes_are_not_broadcast(metric):
    kernels = kernel_sets.load()
    three = np.full((4, 3), 1 / 3, np.float32)
    for targets in (np.zeros((4, 1), np.float32), np.eye(2, dtype=np.float32)[[0, 0, 1, 1]], np.zeros(3, int)):
        with pytest.raises(ShapeError, match=r"outputs of the shape \(4, 3\)"):
            metric.start(3, kernels).update(three, targets, ONES)
    one = np.full((4, 1), 0.5, np.float32)
    for targets in (np.zeros((4, 3), np.float32), np.zeros(3, np.float32)):
        with pytest.raises(ShapeError, match=r"outputs of the shape \(4, 1\)"):
            metric.start(2, kernels).update(one, targets, ONES)
    if not isinstance(metric, TopKAccuracy):
        with pytest.raises(ShapeError, match=r"outputs of the shape \(4, \d\)"):
            metric.start_multi_label(3, kernels).update(three, one, ONES)


def test_states_for_another_number_of_outputs_are_refused():
    kernels = kernel_sets.load()
    with pytest.raises(ShapeError, match=r"R2 of 3 outputs has outputs of the shape \(4, 1\)"):
        R2().start(3, kernels).update(np.zeros((4, 1)), np.zeros((4, 1)), ONES)
    with pytest.raises(ShapeError, match=r"a metric of 3 classes has outputs of the shape \(4, 4\)"):
        F1().start(3, kernels).update(np.eye(4, dtype=np.float32), np.arange(4), ONES)
    with pytest.raises(ShapeError, match=r"a metric of 3 labels has outputs of the shape \(4, 2\)"):
        F1().start_multi_label(3, kernels).update(np.zeros((4, 2)), np.zeros((4, 2)), ONES)
