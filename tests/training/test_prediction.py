"""Prediction and evaluation: in chunks, from several threads, and after errors."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    GRU,
    SGD,
    Accuracy,
    Conv2D,
    CrossEntropy,
    Dense,
    Flatten,
    Layer,
    LayerSpec,
    MeanSquaredError,
    Recall,
    ReLU,
    Sequential,
    Softmax,
    kernels,
)
from pellucid.data.input_stage import Passthrough
from pellucid.training import prediction
from pellucid.training.inputs import Samples
from pellucid.training.prediction import Predictor, samples_at_once, start_scores
from pellucid.training.state import ModelState
from pellucid.training.threads import Threads

X = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
Y = np.arange(7) % 3


def state(*layers):
    model = ModelState(Sequential(*layers, Dense(3), Softmax()), (4,), CrossEntropy(), SGD(0.1), 0, kernels.load())
    model.metrics = (Accuracy(), Recall())
    return model


def count_executions(model, monkeypatch):
    """A list that grows with each execution that the state creates."""
    created, execution = [], model.execution
    monkeypatch.setattr(model, "execution", lambda *plan, **options: created.append(execution(*plan, **options)) or created[-1])
    return created


def test_results_do_not_depend_on_the_chunks(monkeypatch):
    model = state(Dense(5), ReLU())
    rows, weights = np.array([6, 0, 3, 3, 1]), np.array([1, 2, 0.5, 3, 1], np.float32)
    samples = Samples(X, rows, Y[rows], weights)
    whole = Predictor(model)
    outputs, scores = whole.outputs(X, Passthrough()), whole.evaluate(samples, Passthrough())
    monkeypatch.setattr(prediction, "CHUNK_SAMPLES", 2)
    chunked = Predictor(model)
    np.testing.assert_allclose(chunked.outputs(X, Passthrough()), outputs, rtol=1e-6)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-6)
    for name, value in chunked.evaluate(samples, Passthrough()).items():
        np.testing.assert_allclose(value, scores[name], rtol=1e-6)
    losses = -np.log(outputs[rows, Y[rows]])
    assert scores["loss"] == pytest.approx(np.average(losses, weights=weights), rel=1e-5)
    assert chunked.outputs(X[:0], Passthrough()).shape == (0, 3)


@pytest.mark.parametrize(
    ("layers", "shape", "samples"),
    [
        ((Flatten(), Dense(8)), (50, 50), 800),  # 2,500 inputs, and each weight is used once
        ((Dense(8), Flatten()), (50, 50), 128),  # a weight is used at 50 positions: 500,000 / 2,500 = 200
        ((GRU(40, return_sequences=True), Flatten()), (1000, 3), 32),  # 500,000 / 40,000 = 12; 2,000,000 / 40,000 = 50
        ((Conv2D(8, 3), ReLU(), Flatten()), (52, 50, 1), 16),  # 50 · 48 · 8 values
        ((Conv2D(2, 3), Flatten()), (1000, 1000, 1), 1),
    ],
)
def test_chunks_are_as_large_as_caches_and_calls_make_fastest(layers, shape, samples):
    model = ModelState(Sequential(*layers, Dense(2)), shape, MeanSquaredError(), SGD(0.1), 0, kernels.load())
    assert samples_at_once(model) == samples


@dataclass(frozen=True)
class Meeting(Layer):
    """y = x. Each forward pass waits in the middle for one in another thread."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        y = ctx.buffer("y", x.shape)
        y[...] = x
        BARRIER.wait(60)
        return y

    def backward(self, p, g, dy, ctx):
        return dy


BARRIER = threading.Barrier(2)


def test_two_threads_predict_at_the_same_time_with_separate_memory(monkeypatch):
    model = state(Meeting())
    created = count_executions(model, monkeypatch)
    plain = state()
    plain.parameters[:] = model.parameters
    predictor = Predictor(model)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            results = list(pool.map(lambda x: predictor.outputs(x, Passthrough()), (X, -X)))
            for x, y in zip((X, -X), results, strict=True):
                np.testing.assert_allclose(y, Predictor(plain).outputs(x, Passthrough()), rtol=1e-6)
    assert len(created) == 2, "executions are reused"


@dataclass(frozen=True)
class Fragile(Layer):
    """y = x. Raises an error for inputs above 100."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        if x.max(initial=0) > 100:
            raise ValueError("too large")
        return x

    def backward(self, p, g, dy, ctx):
        return dy


def test_an_execution_is_dropped_after_an_error_and_replaced(monkeypatch):
    model = state(Fragile())
    created = count_executions(model, monkeypatch)
    predictor = Predictor(model)
    before = predictor.outputs(X, Passthrough())
    predictor.outputs(X, Passthrough())
    assert len(created) == 1
    large = Samples(1000 * X, None, Y, None)
    for call in (lambda: predictor.outputs(large.x, Passthrough()), lambda: predictor.evaluate(large, Passthrough())):
        with pytest.raises(ValueError, match="too large"):
            call()
        np.testing.assert_array_equal(predictor.outputs(X, Passthrough()), before)
    assert len(created) == 3


def test_scores_of_nothing_are_not_numbers():
    model = state()
    scores = start_scores(model)
    assert math.isnan(scores.result()["loss"])
    scores.add(0.0, 0.0, np.eye(3)[:1], np.array([0]), np.zeros(1))
    assert math.isnan(scores.result()["loss"])
    scores.add(3.0, 2.0, np.eye(3)[:1], np.array([0]), np.full(1, 2.0))
    assert scores.result()["loss"] == 1.5
    assert scores.result()["accuracy"] == 1


def test_a_set_may_have_one_sample_and_the_weight_one():
    model = Sequential(Dense(2), Softmax()).compile((4,), CrossEntropy())
    one = model.evaluate(X[:1], Y[:1])["loss"]
    assert one == pytest.approx(-math.log(model.predict(X[:1])[0, Y[0]]), rel=1e-6)
    assert model.evaluate(X[:2], Y[:1].repeat(2), sample_weight=[1, 0])["loss"] == pytest.approx(one, rel=1e-6)
    assert model.predict(X[:0]).shape == (0, 2)


def test_predictions_use_the_threads_of_their_size(monkeypatch):
    model, used = state(), []
    monkeypatch.setattr(model.kernels, "set_num_threads", used.append)
    monkeypatch.setattr(model, "prediction_threads", lambda n: Threads(pool=n))
    predictor = Predictor(model)
    predictor.outputs(X[:3], Passthrough())
    predictor.evaluate(Samples(X, None, Y, None), Passthrough())
    assert used == [3, 7]


def test_only_the_ratios_of_weights_count():
    x, y = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32), np.arange(6) % 2
    model = Sequential(Dense(2), Softmax()).compile((3,), CrossEntropy(), metrics=[Accuracy()])
    weights = np.linspace(0.5, 1, 6)
    whole, tiny = (model.evaluate(x, y, sample_weight=weights * size) for size in (1, 2.0**-20))
    assert tiny == pytest.approx(whole, rel=1e-9)
    assert model.evaluate(x, y, sample_weight=np.full(6, 2.0**-20)) == pytest.approx(model.evaluate(x, y), rel=1e-9)
