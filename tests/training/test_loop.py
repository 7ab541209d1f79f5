"""The training loop: events, scores, schedules, divergence and interruptions."""

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
    L2,
    SGD,
    Accuracy,
    Adam,
    BatchNorm,
    Chain,
    ClipNorm,
    Control,
    Conv2D,
    Cosine,
    CrossEntropy,
    DataError,
    Dense,
    DivergedError,
    EpochEvent,
    FitOptions,
    Flatten,
    Frozen,
    Layer,
    MeanSquaredError,
    OneCycle,
    Perturbation,
    Precision,
    Recall,
    ReLU,
    Sequential,
    Softmax,
    StepDecay,
    StepEvent,
    Tanh,
)
from pellucid.data import Dataset
from pellucid.layers import LayerSpec
from pellucid.optim import Clock
from pellucid.training import History, loop
from pellucid.training.divergence import first_failure


def new_model(optimizer=None, *layers, metrics=None):
    network = Sequential(Flatten(), Dense(24), ReLU(), *layers, Dense(10), Softmax())
    return network.compile((7, 7, 1), CrossEntropy(), optimizer or Adam(0.01), metrics=metrics or [Accuracy()])


def test_events_count_from_one_and_the_last_batch_may_be_smaller(images):
    model = new_model()
    events = list(model.fit_events(images, options=FitOptions(epochs=2, batch_size=90, deterministic=True)))
    steps = [event for event in events if isinstance(event, StepEvent)]
    fields = [(event.epoch, event.batch, event.batches, event.step, event.samples) for event in steps]
    assert fields == [
        (1, 1, 3, 1, 90),
        (1, 2, 3, 2, 90),
        (1, 3, 3, 3, 20),
        (2, 1, 3, 4, 90),
        (2, 2, 3, 5, 90),
        (2, 3, 3, 6, 20),
    ]
    assert [type(event) for event in events] == 2 * [StepEvent, StepEvent, StepEvent, EpochEvent]
    assert [event.epoch for event in events if isinstance(event, EpochEvent)] == [1, 2]


@pytest.mark.parametrize("batch_size", [1, 3, 64, 199, 200, 1000])
def test_training_scores_are_exact_over_uneven_batches(images, batch_size):
    model = new_model(SGD(1e-30), metrics=[Accuracy(), Precision(2), Recall()])
    weights = np.random.default_rng(0).uniform(0.1, 3, len(images))
    history = model.fit(images.x, images.y, sample_weight=weights, batch_size=batch_size)
    scores = model.evaluate(images.x, images.y, sample_weight=weights)  # the rate was too small to change anything
    for name in ("loss", "accuracy", "precision_2"):
        assert history[f"train_{name}"][0] == pytest.approx(scores[name], rel=1e-6, nan_ok=True)
    assert [history[f"train_recall_{i}"][0] for i in range(10)] == pytest.approx(list(scores["recall"]), rel=1e-6)


def test_exact_training_metrics_are_those_of_evaluate(images):
    exact, streamed = new_model(), new_model()
    exact.fit(images, epochs=3, batch_size=32, exact_training_metrics=True)
    streamed.fit(images, epochs=3, batch_size=32)
    assert np.array_equal(exact.parameters, streamed.parameters)
    scores = exact.evaluate(images)
    last = exact.history.rows[-1]
    assert last["train_loss"] == pytest.approx(scores["loss"], rel=1e-6)
    assert last["train_accuracy"] == scores["accuracy"]
    assert streamed.history["train_loss"][-1] > 1.05 * scores["loss"], "accumulated while the network still learned"


def test_a_history_is_a_table(images):
    history = new_model().fit(images, validation=images, epochs=3)
    rows = list(csv.DictReader(history.to_csv().splitlines()))
    columns = "epoch,seconds,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy"
    assert ",".join(rows[0]) == columns
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for name in columns.split(","):
        assert [float(row[name]) for row in rows] == pytest.approx(history[name], rel=1e-5)
    with pytest.raises(KeyError, match=r"no column 'loss'.*train_loss"):
        history["loss"]


@pytest.mark.parametrize("schedule", [StepDecay(0.1, 0.5, every=1), Cosine(0.1, 0.02), OneCycle(0.1)], ids=str)
def test_schedules_are_followed(images, schedule):
    events = list(new_model(SGD(schedule)).fit_events(images, options=FitOptions(epochs=3, batch_size=50)))
    rates = [event.learning_rate for event in events if isinstance(event, StepEvent)]
    expected = [schedule.at(Clock(step=k + 1, epoch=k / 4, progress=k / 11)) for k in range(12)]
    assert rates == pytest.approx(expected, rel=1e-12)
    assert len(set(expected)) > 2


def test_the_clock_of_a_schedule_counts_steps_over_all_trainings(images, monkeypatch):
    seen = []
    monkeypatch.setattr(Cosine, "at", lambda schedule, clock: seen.append(clock) or 0.01)
    model = new_model(SGD(Cosine(0.1)))
    for _ in range(2):
        model.fit(images, epochs=2, batch_size=100)
    n = len(seen)
    assert [clock.step for clock in seen] == list(range(1, n + 1))
    assert [clock.epoch for clock in seen] == pytest.approx(2 * list(np.arange(n // 2) / (n // 4)))
    assert [clock.progress for clock in seen] == pytest.approx(2 * list(np.linspace(0, 1, n // 2)))
    model.train_on_batch(images.x[:20], images.y[:20])
    y, pullback = model.forward(images.x[:20])
    model.update(pullback(y))
    assert [clock.step for clock in seen[n:]] == [n + 1, n + 2]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "options", [{}, {"deterministic": True}, {"method": Perturbation("parallel")}, {"accumulate": 2}], ids=str
)
def test_what_overflows_is_an_error_without_warnings(options):
    for value in (1e38, 3e19):
        model = Sequential(Dense(4), BatchNorm(), Dense(3)).compile((2,), MeanSquaredError())
        model.weights["dense1.W"][:] = value
        model.weights["dense2.W"][:] = value
        with pytest.raises(DivergedError):
            model.fit(np.linspace(-9, 9, 16).reshape(8, 2), np.ones((8, 3)), batch_size=4, **options)


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
    ("optimizer", "layers", "values", "first"),
    [
        (None, (), {"dense2.W": np.inf}, "the parameter dense2.W"),
        (None, (), {"dense1.W": 3e38}, "the output of dense1"),
        (None, (Dense(4), Root()), {"dense2.b": -1e6}, "the output of root1"),
        (None, (Dense(4), Root()), {"dense2.W": 0}, "the gradient that reaches dense2"),
        (SGD(1e9), (), {}, "the output of dense1"),
    ],
)
def test_divergence_names_the_layer_and_keeps_the_parameters(images, optimizer, layers, values, first):
    model = new_model(optimizer, *layers)
    for path, value in values.items():
        model.weights[path][...] = value
    seen = [model.parameters.copy()]
    with pytest.raises(DivergedError, match="the usual causes: a learning rate that is too high") as caught:
        seen.extend(model.parameters.copy() for _ in model.fit_events(images, options=FitOptions(epochs=1, batch_size=20)))
    assert f"diverged in epoch 1, batch {len(seen)}: {first} is the first" in str(caught.value)
    assert np.array_equal(model.parameters, seen[-1]), "those before the step that diverged"


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
    model.fit(x, y, epochs=1)  # and Ctrl-C is handled as before
    sys.exit(0 if signal.getsignal(signal.SIGINT) is signal.default_int_handler else 1)
"""


def test_an_interruption_keeps_the_parameters():
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


def test_the_caller_may_pause_change_the_rate_and_stop(images):
    model, control = new_model(SGD(0.1)), Control()
    events = model.fit_events(images, options=FitOptions(epochs=10, batch_size=50), control=control)
    assert next(events).learning_rate == 0.1
    paused = model.parameters.copy()
    model.predict(images.x)
    assert np.array_equal(model.parameters, paused), "nothing happens until the next event is requested"
    control.learning_rate = 0.02
    assert next(events).learning_rate == 0.02
    assert not np.array_equal(model.parameters, paused)
    control.learning_rate = 0.0
    before = model.parameters.copy()
    assert next(events).learning_rate == 0.0
    assert np.array_equal(model.parameters, before)
    control.learning_rate = None
    assert next(events).learning_rate == 0.1
    events.close()
    assert list(events) == []
    assert len(model.history) == 0
    assert model.evaluate(images)["loss"] > 0
    with pytest.raises(DataError, match=r"label 1[0-9]+ in sample 0"):
        model.fit_events(images.x, images.y + 99)  # before any event is requested


@dataclass(frozen=True)
class Own(Layer):
    """A layer of one's own, which may call BLAS."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        return x

    def backward(self, p, g, dy, ctx):
        return dy


def test_the_limit_on_blas_threads_ends_with_each_step(images, monkeypatch):
    import scipy.linalg  # noqa: F401 (Numba would load it, and its BLAS, with the first kernel)

    def threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    inside, take_step = [], loop.take_step
    monkeypatch.setattr(loop, "take_step", lambda *arguments: (inside.append(min(threads())), take_step(*arguments))[1])
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        events = new_model(None, Own()).fit_events(images, options=FitOptions(epochs=2))
        next(events)
        assert inside == [1], "such a small step is finished before a second thread has woken up"
        assert threads() == before, "between the steps, the caller may use all threads"
        events.close()
        assert threads() == before
        diverging = new_model(None, Own())
        diverging.weights["dense1.W"][...] = np.nan
        with pytest.raises(DivergedError):
            diverging.fit(images)
        assert threads() == before


def test_the_seconds_of_an_epoch_go_on_after_a_checkpoint(monkeypatch):
    now = 100.0
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now)
    state = new_model().state
    place = loop.Place(saved_seconds=5.0)
    place.begin_epoch(state)
    assert place.seconds == 0  # no batch is done
    place.batch, now = 1, 102.0
    assert place.seconds == 7
    assert place.end_epoch() == 7
    assert (place.epoch, place.batch, place.scores) == (2, 0, None)
    place.begin_epoch(state)
    place.batch, now = 1, 103.0
    assert place.seconds == 1


def test_a_training_begins_at_its_beginning():
    place = loop.Place()
    assert (place.epoch, place.batch, place.learning_rate, place.ended) == (1, 0, 0.0, None)
    assert (place.scores, place.saved_scores, place.saved_seconds, place.start_time) == (None, None, 0, 0)
    assert (Control().learning_rate, Control().stop, Control().record) == (None, False, {})


def test_data_without_labels_is_refused(images):
    model = new_model()
    for call, what in (
        (lambda data: model.fit(data), "training data"),
        (lambda data: model.fit(images, validation=data), "validation data"),
        (lambda data: model.evaluate(data), "data"),
    ):
        with pytest.raises(DataError, match=f"the {what} has no labels"):
            call(Dataset(images.x, None))


def test_the_first_failure_is_looked_for_in_the_layers_as_they_are_written():
    model = Sequential(Dense(2), ReLU(), Dense(2), Softmax()).compile((1,), CrossEntropy())
    model.weights["dense1.W"][:] = -3e38  # times 10 it is −inf, which the ReLU makes 0
    found = first_failure(model.state, np.full((2, 1), 10, np.float32), np.array([0, 1]), np.ones(2, np.float32), 1)
    assert found == "the output of dense1 is the first that is not finite"


def test_a_single_parameter_that_is_not_finite_is_named():
    model = Sequential(Dense(4), ReLU(), Dense(3), Softmax()).compile((2,), CrossEntropy())
    for path, value in (("dense2.W", np.nan), ("dense1.b", np.inf)):
        model.weights[path].flat[1] = value
        first = first_failure(model.state, np.ones((2, 2), np.float32), np.array([0, 1]), np.ones(2, np.float32), 1)
        assert first == f"the parameter {path} is the first that is not finite"


def test_a_gradient_that_is_not_finite_in_part_is_named():
    model = Sequential(Dense(2)).compile((3,), MeanSquaredError())
    model.weights["dense1.W"][0] = 0  # so the outputs are small
    x, y = np.ones((4, 3), np.float32), np.full((4, 2), 99, np.float32)
    x[:, 0] = 3e38
    found = first_failure(model.state, x, y, np.ones(4, np.float32), 1)
    assert found == "the gradient of dense1.W is the first that is not finite"


def test_a_network_that_ends_in_a_vector_names_no_position():
    network = Sequential(Conv2D(2, 1), Flatten(), Dense(2), Softmax())
    model = network.compile((2, 2, 1), CrossEntropy())
    model.weights["conv2d1.W"][:] = 3e38
    found = first_failure(model.state, np.full((2, 2, 2, 1), 10, np.float32), np.array([0, 1]), np.ones(2, np.float32), 1)
    assert found == "the output of conv2d1 is the first that is not finite"


def test_the_table_of_a_history_as_text():
    rows = [{"epoch": 1, "train_loss": 1 / 3}, {"epoch": 2, "train_loss": 1e-7, "validation_loss": 123456789.0}]
    assert History(rows).to_csv() == "epoch,train_loss,validation_loss\n1,0.333333,\n2,1e-07,1.23457e+08\n"
    history = History(rows)
    assert history.columns == ["epoch", "train_loss", "validation_loss"]
    assert math.isnan(history["validation_loss"][0])
    assert history["validation_loss"][1] == 123456789.0
    with pytest.raises(KeyError, match="no column 'loss'; the columns are epoch, train_loss, validation_loss"):
        history["loss"]
    assert (len(history), list(history)) == (2, rows)
    new = History()
    assert (new.rows, new.best_epoch, new.forward_passes, new.stopped, new.problems, new.findings) == (
        [],
        None,
        0,
        None,
        [],
        [],
    )
    assert new.rows is not History().rows


def test_the_row_of_an_epoch_has_numbers_and_the_entries_of_vectors():
    train = {"loss": np.float32(0.5), "recall": np.array([0.25, 0.75]), "confusion": np.eye(2)}
    event = EpochEvent(3, 1.5, 0.1, train, {"loss": 2})
    expected = {
        "epoch": 3,
        "seconds": 1.5,
        "learning_rate": 0.1,
        "train_loss": 0.5,
        "train_recall_0": 0.25,
        "train_recall_1": 0.75,
    }
    assert event.row() == {**expected, "validation_loss": 2.0}
    assert EpochEvent(3, 1.5, 0.1, train, None).row() == expected
    assert StepEvent(1, 1, 1, 1, 0.5, 8, 0.1, dict).forward_passes == 1


def test_the_chosen_epoch_of_a_history():
    rows = [{"epoch": float(e), "validation_loss": loss} for e, loss in ((1, 0.5), (2, 0.25), (3, 0.75))]
    assert History(rows).chosen_epoch() == 2
    assert History(rows, best_epoch=3).chosen_epoch() == 3
    assert History([{"epoch": 1.0}]).chosen_epoch() is None
    assert History([{"epoch": 1.0}], best_epoch=1).chosen_epoch() == 1
    assert History(rows).to_csv() == "epoch,validation_loss\n1,0.5\n2,0.25\n3,0.75\n"


def noting(kernel, known):
    """Return the kernel, which then appends to ``known`` whether it is given the sum of squares."""

    def noted(g, limit, squares):
        known.append(len(squares) == 1)
        kernel(g, limit, squares)

    return noted


@pytest.mark.parametrize("frozen", [False, True])
def test_the_norm_of_the_gradient_is_computed_once(frozen, monkeypatch):
    """ClipNorm before all else uses the sum of squares that the check of the gradient has computed."""
    first = Frozen(Dense(40), Tanh()) if frozen else Sequential(Dense(40), Tanh())
    network = Sequential(first, Dense(300), Tanh(), Dense(3), Softmax())
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(20, 30)).astype(np.float32), generator.integers(0, 3, 20)
    trained = []
    for optimizer, is_known in ((Chain(ClipNorm(0.1), SGD(0.5)), True), (Chain(L2(0.0), ClipNorm(0.1), SGD(0.5)), False)):
        model = network.compile(input_shape=(30,), loss=CrossEntropy(), optimizer=optimizer, seed=0)
        known, kernels = [], model.state.kernels
        with monkeypatch.context() as patch:
            patch.setattr(kernels, "clip_norm", noting(kernels.clip_norm, known))
            for _ in range(4):
                model.train_on_batch(x, y)
        assert known == 4 * [is_known]
        trained.append(model.parameters.copy())
    assert trained[0].tobytes() == trained[1].tobytes()
