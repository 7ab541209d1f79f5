"""Predictions of few samples by one replay have the bits of interpreted ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    LSTM,
    BatchNorm,
    BinaryCrossEntropy,
    Conv2D,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LayerSpec,
    MaxPool2D,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Softmax,
    kernels,
)
from pellucid.data.input_stage import ImageScaling, Passthrough
from pellucid.training.recording import MAX_PREDICTED

KERNELS = kernels.load("compiled") if kernels.load().__name__.endswith("compiled") else None
pytestmark = pytest.mark.skipif(KERNELS is None or KERNELS.recorder(KERNELS) is None, reason="nothing is recorded here")


@dataclass(frozen=True)
class Fresh(Layer):
    """A layer of one's own, in NumPy: each pass returns new memory, in another order of axes."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        return np.asfortranarray(x * 1.5)

    def backward(self, p, g, dy, ctx):
        return dy * 1.5


MODELS = {
    "softmax": (Sequential(Flatten(), Dense(16), BatchNorm(), ReLU(), Dropout(), Dense(3), Softmax()), CrossEntropy()),
    "sigmoid": (Sequential(Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(2), Sigmoid()), BinaryCrossEntropy()),
    "no head": (Sequential(Flatten(), Dense(5)), MeanSquaredError()),
    "own layer last": (Sequential(Flatten(), Dense(4), Fresh(), Softmax()), CrossEntropy()),
    "own layer alone": (Sequential(Flatten(), Fresh()), MeanSquaredError()),
    "samples themselves": (Sequential(Flatten(), Dropout()), MeanSquaredError()),
    "positions": (Sequential(Reshape((6, 6)), LSTM(5, return_sequences=True), Dense(3), Softmax()), CrossEntropy()),
}


def model_of(name):
    network, loss = MODELS[name]
    return network.compile((6, 6, 1), loss, seed=0)


def samples(n, seed=0):
    return np.random.default_rng(seed).random((n, 6, 6, 1)).astype(np.float32)


def interpreted(model, x):
    """What the layers and the head return, without the recorder."""
    z = model.state.execution(model.state.prediction_plan).forward(np.ascontiguousarray(x, np.float32))
    outputs = np.empty(z.shape, z.dtype)
    model.state.output.apply_head(z, outputs)
    return outputs


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("logits_first", [False, True])
def test_replayed_predictions_have_the_bits_of_interpreted_ones(name, logits_first):
    model = model_of(name)
    if logits_first:  # recorded without the head
        model.predict(samples(3), logits=True)
    for k, n in enumerate([3, 3, 1, 3, 1, MAX_PREDICTED, MAX_PREDICTED + 1, 3, MAX_PREDICTED, 0]):
        x = samples(n, seed=k)
        assert np.array_equal(model.predict(x), interpreted(model, x)), (k, n)
        model.parameters[...] = np.roll(model.parameters, 1)


def test_each_prediction_is_a_new_array():
    model = model_of("softmax")
    results = [model.predict(samples(2, seed)) for seed in range(4)]
    assert not any(np.shares_memory(one, other) for k, one in enumerate(results) for other in results[:k])
    for seed, one in enumerate(results):
        assert np.array_equal(one, interpreted(model, samples(2, seed)))


def test_samples_in_any_memory_are_replayed():
    model, x = model_of("softmax"), samples(4)
    expected = model.predict(x)
    for form in (x.astype(np.float64), np.asfortranarray(x), samples(8)[::2].copy() * 0 + x, x[::-1][::-1], x.tolist()):
        assert np.array_equal(model.predict(form), expected)


def test_bytes_are_replayed():
    model = model_of("sigmoid")
    for seed in range(3):
        x = np.random.default_rng(seed).integers(0, 256, (2, 6, 6, 1), np.uint8)
        assert np.array_equal(model.predict(x), interpreted(model, np.multiply(x, np.float32(1 / 255))))


def test_samples_that_are_not_finite_are_refused_in_a_replay():
    model, x = model_of("softmax"), samples(2)
    expected = model.predict(x)
    broken = x.copy()
    broken[1, 2, 3, 0] = np.nan
    with pytest.raises(DataError, match="sample 1"):
        model.predict(broken)
    assert np.array_equal(model.predict(x), expected)


def test_the_same_prediction_again_is_one_native_call(monkeypatch):
    model, x = model_of("softmax"), samples(2)
    again = model._predictor.repeated
    assert again(x, None) is None, "nothing is known of this shape"
    expected = model.predict(x)
    monkeypatch.setattr(model._predictor, "outputs", None)  # what is not repeated fails now
    assert np.array_equal(model.predict(x), expected)
    other = samples(2, seed=1)
    assert np.array_equal(model.predict(other), interpreted(model, other))


def test_only_what_needs_no_other_check_is_repeated():
    model, x = model_of("softmax"), samples(2)
    model.predict(x)
    again = model._predictor.repeated
    infinite = x.copy()
    infinite[0, 1, 1, 0] = -np.inf
    shifted = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
    others = [x[:1], x.astype(np.float64), x.astype(">f4"), np.asfortranarray(x), shifted, infinite, x.tolist(), np.ma.array(x)]
    others.append(np.array(1, np.float32))
    assert not any(again(one, None) is not None for one in others)
    assert again(x, ImageScaling()) is None
    assert again(x, Passthrough()) is not None
    own = model_of("own layer last")
    own.predict(x)
    assert own._predictor.repeated(x, None) is None, "a layer runs in Python"


def test_repeated_predictions_in_several_threads():
    model, xs = model_of("softmax"), [samples(2, seed) for seed in range(8)]
    expected = [interpreted(model, x) for x in xs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            for one, other in zip(pool.map(model.predict, xs), expected, strict=True):
                assert np.array_equal(one, other)
