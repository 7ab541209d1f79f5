"""The loop: events, scores, early stopping, what ends a training early, and what is left then."""

from __future__ import annotations

import csv
import json
import math
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pellucid import (
    SGD,
    Accuracy,
    Adam,
    AverageWeights,
    ConfigError,
    Control,
    Cosine,
    CrossEntropy,
    DataError,
    Dense,
    DivergedError,
    EarlyStopping,
    EpochEvent,
    FitOptions,
    Flatten,
    Layer,
    OneCycle,
    Precision,
    Recall,
    ReLU,
    Sequential,
    Softmax,
    StepDecay,
    StepEvent,
)
from pellucid.data import Dataset
from pellucid.layers import LayerSpec
from pellucid.optim import Clock
from pellucid.training import loop


def made(optimizer=None, *extra, metrics=None):
    network = Sequential(Flatten(), Dense(24), ReLU(), *extra, Dense(10), Softmax())
    return network.compile((7, 7, 1), CrossEntropy(), optimizer or Adam(0.01), metrics=metrics or [Accuracy()])


@pytest.fixture
def misleading(images):
    """Validation data whose labels are wrong, so that it gets worse while the training data gets better."""
    return Dataset(images.x[:100], (images.y[:100] + 1) % 10)


def test_events_count_from_one_and_the_last_batch_may_be_smaller(images):
    model = made()
    events = list(model.fit_events(images, options=FitOptions(epochs=2, batch_size=90, deterministic=True)))
    steps = [event for event in events if isinstance(event, StepEvent)]
    shown = [(event.epoch, event.batch, event.batches, event.step, event.samples) for event in steps]
    assert shown == [(1, 1, 3, 1, 90), (1, 2, 3, 2, 90), (1, 3, 3, 3, 20), (2, 1, 3, 4, 90), (2, 2, 3, 5, 90), (2, 3, 3, 6, 20)]
    assert [type(event) for event in events] == 2 * [StepEvent, StepEvent, StepEvent, EpochEvent]
    assert [event.epoch for event in events if isinstance(event, EpochEvent)] == [1, 2]


@pytest.mark.parametrize("batch_size", [1, 3, 64, 199, 200, 1000])
def test_training_scores_are_exact_over_uneven_batches(images, batch_size):
    model = made(SGD(1e-30), metrics=[Accuracy(), Precision(2), Recall()])
    weights = np.random.default_rng(0).uniform(0.1, 3, len(images))
    history = model.fit(images.x, images.y, sample_weight=weights, batch_size=batch_size)
    scores = model.evaluate(images.x, images.y, sample_weight=weights)  # the rate was too small to change anything
    for name in ("loss", "accuracy", "precision_2"):
        assert history[f"train_{name}"][0] == pytest.approx(scores[name], rel=1e-6, nan_ok=True)
    assert [history[f"train_recall_{i}"][0] for i in range(10)] == pytest.approx(list(scores["recall"]), rel=1e-6)


def test_exact_training_metrics_are_those_of_evaluate(images):
    exact, streamed = made(), made()
    exact.fit(images, epochs=3, batch_size=32, exact_training_metrics=True)
    streamed.fit(images, epochs=3, batch_size=32)
    assert np.array_equal(exact.parameters, streamed.parameters)
    scores = exact.evaluate(images)
    last = exact.history.rows[-1]
    assert last["train_loss"] == pytest.approx(scores["loss"], rel=1e-6)
    assert last["train_accuracy"] == scores["accuracy"]
    assert streamed.history["train_loss"][-1] > 1.05 * scores["loss"], "counted while the network still learned"


def test_history_as_a_table(images):
    history = made().fit(images, validation=images, epochs=3)
    rows = list(csv.DictReader(history.to_csv().splitlines()))
    named = "epoch,seconds,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy"
    assert ",".join(rows[0]) == named
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for name in named.split(","):
        assert [float(row[name]) for row in rows] == pytest.approx(history[name], rel=1e-5)
    with pytest.raises(KeyError, match=r"no column 'loss'.*train_loss"):
        history["loss"]


@pytest.mark.parametrize("schedule", [StepDecay(0.1, 0.5, every=1), Cosine(0.1, 0.02), OneCycle(0.1)], ids=str)
def test_schedules_are_followed(images, schedule):
    events = [
        e
        for e in made(SGD(schedule)).fit_events(images, options=FitOptions(epochs=3, batch_size=50))
        if isinstance(e, StepEvent)
    ]
    wanted = [schedule.at(Clock(step=k + 1, epoch=k / 4, progress=k / 12)) for k in range(12)]
    assert [event.learning_rate for event in events] == pytest.approx(wanted, rel=1e-12)
    assert len(set(wanted)) > 2


def test_early_stopping_puts_the_best_back(images, misleading):
    model = made()
    history = model.fit(images, validation=misleading, epochs=50, batch_size=20, policies=[EarlyStopping(patience=3)])
    losses = history["validation_loss"]
    assert history.best_epoch == 1 + int(np.argmin(losses))
    assert len(history) == history.best_epoch + 3 < 50
    assert losses[-1] > 1.1 * min(losses)
    assert model.evaluate(misleading)["loss"] == pytest.approx(min(losses), rel=1e-6)
    left = made()
    left.fit(images, validation=misleading, epochs=50, batch_size=20, policies=[EarlyStopping(3, restore_best=False)])
    assert left.evaluate(misleading)["loss"] == pytest.approx(losses[-1], rel=1e-6)


def test_what_early_stopping_watches(images, misleading):
    rising = made().fit(images, epochs=30, batch_size=20, policies=[EarlyStopping(2, "train_accuracy")])
    assert rising["train_accuracy"][rising.best_epoch - 1] == max(rising["train_accuracy"]) > 0.9
    demanding = EarlyStopping(2, "train_loss", min_delta=100)
    assert len(made().fit(images, epochs=30, batch_size=20, policies=[demanding])) == 3
    with pytest.raises(ConfigError, match="min_delta must be at least 0"):
        EarlyStopping(min_delta=-1)
    with pytest.raises(ConfigError, match="'validation_loss': give fit a validation set"):
        made().fit(images, policies=[EarlyStopping()])
    with pytest.raises(ConfigError, match=r"'validation_acuracy'.*did you mean 'validation_accuracy'"):
        made().fit(images, validation=misleading, policies=[EarlyStopping(monitor="validation_acuracy")])


@dataclass(frozen=True)
class Root(Layer):
    """y = √x: NaN below zero, and a derivative that is infinite at zero."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        ctx.keep(x)
        return np.sqrt(x)

    def backward(self, p, g, dy, ctx):
        return dy / (2 * np.sqrt(ctx.kept[0]))


@pytest.mark.parametrize(
    ("optimizer", "extra", "planted", "first"),
    [
        (None, (), {"dense2.W": np.inf}, "the parameter dense2.W"),
        (None, (), {"dense1.W": 3e38}, "the output of dense1"),
        (None, (Dense(4), Root()), {"dense2.b": -1e6}, "the output of root1"),
        (None, (Dense(4), Root()), {"dense2.W": 0}, "the gradient that reaches dense2"),
        (SGD(1e9), (), {}, "the output of dense1"),
    ],
)
def test_divergence_names_the_place_and_keeps_the_parameters(images, optimizer, extra, planted, first):
    model = made(optimizer, *extra)
    for path, value in planted.items():
        model.weights[path][...] = value
    seen = [model.parameters.copy()]
    with pytest.raises(DivergedError, match="the usual causes: a learning rate that is too high") as caught:
        seen.extend(model.parameters.copy() for _ in model.fit_events(images, options=FitOptions(epochs=1, batch_size=20)))
    assert f"diverged in epoch 1, batch {len(seen)}: {first} is the first" in str(caught.value)
    assert np.array_equal(model.parameters, seen[-1]), "those before the bad step"


INTERRUPTED = """
import json, signal, sys
import numpy as np
from pellucid import *

random = np.random.default_rng(0)
x, y = random.normal(size=(500, 20)), random.integers(0, 3, 500)
model = Sequential(Dense(16), ReLU(), Dense(3), Softmax()).compile((20,), CrossEntropy(), metrics=[Accuracy()])
before = model.parameters.copy()
try:
    model.fit(x, y, epochs=20_000, batch_size=10, progress=True)
except KeyboardInterrupt:
    changed = not np.array_equal(model.parameters, before)
    finite = bool(np.isfinite(model.parameters).all())
    print(json.dumps({"epochs": len(model.history), "finite": finite, "changed": changed, **model.evaluate(x, y)}))
    model.fit(x, y, epochs=1)  # and Ctrl-C works again as it did
    sys.exit(0 if signal.getsignal(signal.SIGINT) is signal.default_int_handler else 1)
"""


def test_an_interruption_keeps_what_was_trained():
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        while "epoch" not in (line := child.stderr.readline()):
            assert "compiling" in line
        child.send_signal(signal.SIGINT)
        out, rest = child.communicate(timeout=300)
    result = json.loads(out)
    assert child.returncode == 0, rest
    assert result["epochs"] >= 1
    assert result["finite"]
    assert result["changed"]
    assert math.isfinite(result["loss"])


def test_whoever_iterates_may_stop_pause_and_change_the_rate(images):
    model, control = made(SGD(0.1)), Control()
    events = model.fit_events(images, options=FitOptions(epochs=10, batch_size=50), control=control)
    assert next(events).learning_rate == 0.1
    paused = model.parameters.copy()
    model.predict(images.x)
    assert np.array_equal(model.parameters, paused), "nothing happens until the next event is asked for"
    control.learning_rate = 0.02
    assert next(events).learning_rate == 0.02
    assert not np.array_equal(model.parameters, paused)
    control.learning_rate = 0.0
    still = model.parameters.copy()
    assert next(events).learning_rate == 0.0
    assert np.array_equal(model.parameters, still)
    control.learning_rate = None
    assert next(events).learning_rate == 0.1
    events.close()
    assert list(events) == []
    assert len(model.history) == 0
    assert model.evaluate(images)["loss"] > 0
    with pytest.raises(DataError, match=r"label 1[0-9]+ in sample 0"):
        model.fit_events(images.x, images.y + 99)  # not even one event is asked for


def test_the_limit_on_blas_threads_ends_with_each_step(images, monkeypatch):
    def threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    inside, take_step = [], loop.take_step
    monkeypatch.setattr(loop, "take_step", lambda *given: (inside.append(min(threads())), take_step(*given))[1])
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        events = made().fit_events(images, options=FitOptions(epochs=2))
        next(events)
        assert inside == [1], "so small a step is over before a second thread wakes up"
        assert threads() == before, "whoever iterates has all of them in between"
        events.close()
        assert threads() == before
        broken = made()
        broken.weights["dense1.W"][...] = np.nan
        with pytest.raises(DivergedError):
            broken.fit(images)
        assert threads() == before


def test_averaged_weights_are_scored_and_kept(images):
    def follow(average):
        model = made()
        seen, mean, t = [], model.parameters.copy(), 0
        events = model.fit_events(images, options=FitOptions(epochs=2, batch_size=20, policies=average), validation=images)
        for event in events:
            if isinstance(event, StepEvent):
                seen.append(model.parameters.copy())
                t += 1
                d = min(0.9, (1 + t) / (10 + t))
                mean = d * mean + (1 - d) * model.parameters
            else:
                seen.append((event.validation["loss"], model.parameters.copy(), mean.copy()))
        return model, seen

    model, averaged = follow([AverageWeights(0.9)])
    _, plain = follow([])
    for one, other in zip(averaged, plain, strict=True):
        if isinstance(one, tuple):
            np.testing.assert_allclose(one[1], one[2], rtol=1e-4, atol=1e-6)  # at an epoch's end the average is in place
            assert one[0] != other[0]
        else:
            np.testing.assert_array_equal(one, other)  # training goes on with what it had
    np.testing.assert_array_equal(model.parameters, averaged[-1][1])
    assert model.evaluate(images)["loss"] == pytest.approx(averaged[-1][0], rel=1e-5)


def test_averaged_weights_go_with_early_stopping_and_interruptions(images):
    model = made()
    events = model.fit_events(
        images, options=FitOptions(epochs=2, batch_size=20, policies=[AverageWeights(0.5)]), validation=images
    )
    for event in events:
        if isinstance(event, EpochEvent):
            events.close()
    last = made()
    last.fit(images, epochs=1, batch_size=20)
    np.testing.assert_array_equal(model.parameters, last.parameters)  # interrupted: the last ones, not the average
    model = made()
    history = model.fit(
        images,
        validation=images,
        epochs=9,
        batch_size=20,
        policies=[AverageWeights(0.9), EarlyStopping(2, min_delta=100)],
    )
    assert history.best_epoch == 1
    assert model.evaluate(images)["loss"] == pytest.approx(history["validation_loss"][0], rel=1e-5)
    with pytest.raises(ConfigError, match="put AverageWeights before it"):
        model.fit(images, validation=images, policies=[EarlyStopping(2), AverageWeights(0.9)])
