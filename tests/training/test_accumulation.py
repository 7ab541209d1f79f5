"""Gradient accumulation: one update from several small batches equals an update from one large batch."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    SGD,
    Accuracy,
    BatchNorm,
    Chain,
    ClipNorm,
    ConfigError,
    Cosine,
    CrossEntropy,
    Dense,
    DivergedError,
    Dropout,
    EpochEvent,
    FitOptions,
    ReLU,
    Sequential,
    Softmax,
)

N = 103  # samples: the last batch of an epoch is smaller, and so is the last group of batches


def data():
    random = np.random.default_rng(0)
    return random.normal(size=(N, 6)).astype(np.float32), random.integers(0, 3, N), random.uniform(0.1, 3, N)


def new_model(*extra):
    network = Sequential(Dense(16), *extra, ReLU(), Dropout(0.3), Dense(3), Softmax())
    return network.compile((6,), CrossEntropy(), Chain(ClipNorm(1.0), SGD(Cosine(0.3), 0.9)), [Accuracy()])


def trained(batch_size, accumulate, model=None, **options):
    x, y, w = data()
    model = new_model() if model is None else model
    events = list(
        model.fit_events(x, y, FitOptions(epochs=3, batch_size=batch_size, accumulate=accumulate, **options), sample_weight=w)
    )
    return model, events


@pytest.mark.parametrize(("batch_size", "accumulate"), [(16, 2), (8, 4), (1, 32)])
def test_accumulated_batches_equal_one_large_batch(batch_size, accumulate):
    """This includes dropout, sample weights, clipping, the schedule and the scores."""
    whole, expected = trained(32, 1)
    parts, accumulated = trained(batch_size, accumulate)
    np.testing.assert_allclose(parts.parameters, whole.parameters, rtol=0, atol=2e-6)
    assert np.abs(whole.parameters - new_model().parameters).max() > 0.1
    for one, other in zip(accumulated, expected, strict=True):
        if isinstance(one, EpochEvent):
            assert one.train["accuracy"] == pytest.approx(other.train["accuracy"], rel=1e-6)
            assert one.train["loss"] == pytest.approx(other.train["loss"], rel=1e-5)
        else:
            for field in ("epoch", "batch", "batches", "step", "samples"):
                assert getattr(one, field) == getattr(other, field), field
            assert one.learning_rate == pytest.approx(other.learning_rate, rel=1e-12)
            assert one.loss == pytest.approx(other.loss, rel=1e-5)
    assert (whole.history.forward_passes, parts.history.forward_passes) == (3 * 4, 3 * -(-N // batch_size))


def test_accumulating_one_batch_is_plain_training():
    np.testing.assert_array_equal(trained(16, 1)[0].parameters, trained(16, 1)[0].parameters)
    x, y, w = data()
    plain = new_model()
    plain.fit(x, y, sample_weight=w, epochs=3, batch_size=16)
    np.testing.assert_array_equal(trained(16, 1)[0].parameters, plain.parameters)


def test_running_statistics_use_every_batch():
    """One update from two batches changes the statistics like two steps with constant parameters."""
    x, y, _ = data()
    accumulating, constant = new_model(BatchNorm()), new_model(BatchNorm())
    accumulating.fit(x[:64], y[:64], batch_size=32, accumulate=2, shuffle=False)
    events = constant.fit_events(x[:64], y[:64], FitOptions(batch_size=32, shuffle=False))
    theta = constant.parameters.copy()
    for _ in events:
        constant.parameters[:] = theta
    assert np.abs(constant.state.statistics).max() > 0
    np.testing.assert_allclose(accumulating.state.statistics, constant.state.statistics, rtol=1e-6, atol=1e-7)
    assert (accumulating.state.steps, constant.state.steps) == (1, 2)


def test_batches_without_weight_change_nothing_and_divergence_names_the_part():
    x, y, w = data()
    w[:] = 1
    w[:32] = 0
    model = new_model()
    before = model.parameters.copy()
    events = model.fit_events(x, y, FitOptions(batch_size=16, accumulate=2, shuffle=False), sample_weight=w)
    assert next(events).loss == 0.0
    np.testing.assert_array_equal(model.parameters, before)
    events.close()
    model.weights["dense1.W"][...] = 1e30
    with pytest.raises(DivergedError, match="epoch 1, batch 1, part 1:"):
        model.fit(x, y, batch_size=16, accumulate=2)
    assert model.state.steps == 1


def test_invalid_arguments_raise():
    x, y, _ = data()
    for accumulate, message in ((0, "accumulate must be at least 1"), (1.5, "accumulate must be an integer")):
        with pytest.raises(ConfigError, match=message):
            new_model().fit(x, y, accumulate=accumulate)
