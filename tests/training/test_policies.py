"""Policies: reduction of the learning rate, early stopping, and combinations of policies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pellucid import (
    LBFGS,
    SGD,
    Accuracy,
    Adam,
    AverageWeights,
    Checkpoint,
    ConfigError,
    Control,
    CrossEntropy,
    Dense,
    EarlyStopping,
    EpochEvent,
    Exponential,
    FitOptions,
    Flatten,
    KeepBest,
    Metric,
    Perturbation,
    ReduceOnPlateau,
    ReLU,
    Sequential,
    Softmax,
    StepEvent,
    StochasticWeightAverage,
    TimeBudget,
)
from pellucid.data import Dataset
from pellucid.optim import Clock
from pellucid.training import History, policies as policies_module
from pellucid.training.policies import Memory, _lower_is_better


def new_model(rule=None):
    network = Sequential(Flatten(), Dense(16), ReLU(), Dense(10), Softmax())
    return network.compile((7, 7, 1), CrossEntropy(), rule or SGD(0.1), [Accuracy()])


def adam_model():
    network = Sequential(Flatten(), Dense(24), ReLU(), Dense(10), Softmax())
    return network.compile((7, 7, 1), CrossEntropy(), Adam(0.01), [Accuracy()])


def rates(policy, losses, schedule=0.8, control=None):
    """Return the learning rate of each epoch of a training with these validation losses."""
    state = new_model(SGD(schedule)).state

    def events():
        for epoch, loss in enumerate(losses, start=1):
            rate = state.updater.rate(Clock(1, epoch - 1.0)) if control is None else control
            yield EpochEvent(epoch, 0.0, rate, {"loss": 1.0}, {"loss": loss, "accuracy": 1 - loss})

    result = [event.learning_rate for event in policy.wrap(events(), state, History(), {})]
    assert state.updater.scale == 1.0, "the next training starts with the full rate"
    return result


def test_the_rate_falls_where_the_loss_does_not():
    losses = [0.9, 0.8, 0.81, 0.8, 0.7, 0.75, 0.74, 0.73, 0.72, 0.71]
    assert rates(ReduceOnPlateau(0.5, 2), losses) == [0.8] * 4 + [0.4] * 3 + [0.2] * 2 + [0.1]
    assert rates(ReduceOnPlateau(0.5, 2, "validation_accuracy"), losses) == [0.8] * 4 + [0.4] * 3 + [0.2] * 2 + [0.1]
    assert rates(ReduceOnPlateau(0.5, 9), losses) == [0.8] * 10


def test_an_equal_value_is_no_improvement():
    assert rates(ReduceOnPlateau(0.5, patience=2), [1.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.9]) == pytest.approx(
        [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4]
    )


def test_min_delta_and_lowest_limit_the_reduction():
    falling = [1.0, 0.99, 0.98, 0.97, 0.96, 0.95]
    assert rates(ReduceOnPlateau(0.5, 1), falling) == [0.8] * 6
    assert rates(ReduceOnPlateau(0.5, 1, min_delta=0.1), falling) == [0.8, 0.8, 0.4, 0.2, 0.1, 0.05]
    bounded = ReduceOnPlateau(0.5, 1, min_delta=0.1, lowest=0.15)
    assert rates(bounded, falling) == pytest.approx([0.8, 0.8, 0.4, 0.2, 0.15, 0.15])
    assert rates(ReduceOnPlateau(0.5, 1, min_delta=0.1, lowest=2.0), falling) == [0.8] * 6, "the rate never rises"


def test_a_schedule_continues_times_the_factors():
    reduced = rates(ReduceOnPlateau(0.1, 1), [1.0, 1.0, 1.0], Exponential(0.8, 0.5))
    assert reduced == pytest.approx([0.8, 0.4, 0.02])
    assert rates(ReduceOnPlateau(0.1, 1), [1.0, 1.0, 1.0], control=0.0) == [0, 0, 0]


def test_plateaus_in_a_training(images):
    model = new_model(SGD(0.1))
    control = Control()
    policies = [ReduceOnPlateau(0.5, 2, "train_loss", min_delta=100.0)]
    events = list(model.fit_events(images, options=FitOptions(epochs=6, batch_size=50, policies=policies), control=control))
    history = model.history["learning_rate"]
    assert history == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.025])
    steps = [event.learning_rate for event in events if isinstance(event, StepEvent)]
    assert steps == [rate for rate in history for _ in range(4)]
    assert new_model(SGD(0.1)).fit(images, epochs=1, batch_size=50)["train_loss"][0] == model.history["train_loss"][0]
    interrupted = model.fit_events(images, options=FitOptions(epochs=6, batch_size=50, policies=policies))
    while model.state.updater.scale == 1.0:
        next(interrupted)
    interrupted.close()
    assert model.state.updater.scale == 1.0


@pytest.fixture
def misleading(images):
    """A validation set with wrong labels: its loss rises while the training loss falls."""
    return Dataset(images.x[:100], (images.y[:100] + 1) % 10)


def test_early_stopping_restores_the_best_parameters(images, misleading):
    model = adam_model()
    history = model.fit(images, validation=misleading, epochs=50, batch_size=20, policies=[EarlyStopping(patience=3)])
    losses = history["validation_loss"]
    assert history.best_epoch == 1 + int(np.argmin(losses))
    assert len(history) == history.best_epoch + 3 < 50
    assert history.stopped == "validation_loss has not improved by more than 0 for 3 epochs"
    assert losses[-1] > 1.1 * min(losses)
    assert model.evaluate(misleading)["loss"] == pytest.approx(min(losses), rel=1e-6)
    last = adam_model()
    last.fit(images, validation=misleading, epochs=50, batch_size=20, policies=[EarlyStopping(3, restore_best=False)])
    assert last.evaluate(misleading)["loss"] == pytest.approx(losses[-1], rel=1e-6)
    memory = Memory()
    assert list(EarlyStopping(3, restore_best=False).wrap((_ for _ in ()), last.state, History(), memory)) == []
    assert "parameters" not in memory  # a copy of the parameters is kept only for what is restored


def test_the_best_epoch_is_kept_of_all(images, misleading):
    model = adam_model()
    history = model.fit(images, validation=misleading, epochs=8, batch_size=20, policies=[KeepBest()])
    losses = history["validation_loss"]
    assert (len(history), history.best_epoch, history.stopped) == (8, 1 + int(np.argmin(losses)), None)
    assert losses[-1] > 1.1 * min(losses)
    assert model.evaluate(misleading)["loss"] == pytest.approx(min(losses), rel=1e-6)
    highest = adam_model().fit(images, epochs=3, batch_size=20, policies=[KeepBest("train_accuracy")])
    assert highest.best_epoch == 1 + int(np.argmax(highest["train_accuracy"]))
    with pytest.raises(ConfigError, match="KeepBest monitors 'validation_loss': give fit a validation set"):
        adam_model().fit(images, policies=[KeepBest()])
    with pytest.raises(ConfigError, match=r"KeepBest must keep the average, .* put AverageWeights before it"):
        FitOptions(policies=[KeepBest(), AverageWeights()])


def test_early_stopping_monitors_any_value(images, misleading):
    rising = adam_model().fit(images, epochs=30, batch_size=20, policies=[EarlyStopping(2, "train_accuracy")])
    assert rising["train_accuracy"][rising.best_epoch - 1] == max(rising["train_accuracy"]) > 0.9
    never_satisfied = EarlyStopping(2, "train_loss", min_delta=100)
    assert len(adam_model().fit(images, epochs=30, batch_size=20, policies=[never_satisfied])) == 3
    with pytest.raises(ConfigError, match="min_delta must be at least 0"):
        EarlyStopping(min_delta=-1)
    with pytest.raises(ConfigError, match="'validation_loss': give fit a validation set"):
        adam_model().fit(images, policies=[EarlyStopping()])
    model = adam_model()
    with pytest.raises(ConfigError, match=r"'validation_acuracy'.*did you mean 'validation_accuracy'"):
        model.fit(images, validation=misleading, policies=[EarlyStopping(monitor="validation_acuracy")])
    with pytest.raises(
        ConfigError, match="'train_accuracy_0', which is not computed"
    ):  # known after an epoch: it has no entries
        adam_model().fit(images, policies=[EarlyStopping(monitor="train_accuracy_0")])
    with pytest.raises(ConfigError, match="choose one of: epoch, seconds, learning_rate, train_loss, train_accuracy"):
        model.fit_events(images, options=FitOptions(policies=[EarlyStopping(monitor="x")]))
    assert (model.state.steps, model.input_stage) == (0, None)  # refused before the first step


def test_combinations_of_policies(images):
    model = new_model()
    for policies, message in (
        ([EarlyStopping(2), StochasticWeightAverage()], "put StochasticWeightAverage before it"),
        ([AverageWeights(), StochasticWeightAverage()], "only one policy can average"),
        ([ReduceOnPlateau()], "ReduceOnPlateau monitors 'validation_loss': give fit a validation set"),
    ):
        with pytest.raises(ConfigError, match=message):
            model.fit(images, policies=policies)
    with pytest.raises(ConfigError, match=r"ReduceOnPlateau monitors 'train_los'.*did you mean 'train_loss'"):
        model.fit(images, policies=[ReduceOnPlateau(monitor="train_los")])
    for factor in (0, 1):
        with pytest.raises(ConfigError, match="factor must be above 0 and below 1"):
            ReduceOnPlateau(factor)
    history = model.fit(
        images,
        validation=images,
        epochs=9,
        batch_size=40,
        policies=[StochasticWeightAverage(2), ReduceOnPlateau(0.5, 1, min_delta=100.0), EarlyStopping(3, min_delta=100.0)],
    )
    assert (history.best_epoch, len(history)) == (1, 4)
    assert history["learning_rate"] == [0.1, 0.1, 0.05, 0.025]
    assert model.evaluate(images)["loss"] == pytest.approx(history["validation_loss"][0], rel=1e-5)


def test_defaults():
    assert EarlyStopping() == EarlyStopping(patience=5, monitor="validation_loss", min_delta=0, restore_best=True)
    assert ReduceOnPlateau() == ReduceOnPlateau(factor=0.1, patience=5, monitor="validation_loss", min_delta=0, lowest=0)
    assert AverageWeights() == AverageWeights(decay=0.99)
    assert StochasticWeightAverage() == StochasticWeightAverage(start=1, every=1)
    settings = {"every_epochs": 1, "every_steps": None, "every_seconds": 60, "keep": 2, "cost": 0.01}
    assert Checkpoint("folder") == Checkpoint("folder", **settings) == Checkpoint(Path("folder"))
    assert Perturbation() == Perturbation(kind="one", sigma=0.01, trials=None)


@pytest.mark.parametrize(
    "settings",
    [{"every_steps": 0}, {"every_epochs": 0}, {"every_seconds": -1.0}, {"keep": 0}, {"cost": -0.1}, {"folder": 3}],
    ids=str,
)
def test_settings_of_checkpoints_are_checked(settings):
    with pytest.raises(ConfigError, match=f"Checkpoint.*{next(iter(settings))}"):
        Checkpoint(**{"folder": "folder", **settings})


def test_what_is_monitored_is_looked_for_before_the_training(images):
    validated = {"validation": images}
    for policy in (EarlyStopping, ReduceOnPlateau):
        name = policy.__name__
        for monitor, options, message in (
            ("validation_los", validated, "did you mean 'validation_loss'"),
            ("val_loss", validated, "did you mean 'validation_loss'"),
            ("val_loss", {}, "needs validation data"),
            ("validation_loss", {}, "give fit a validation set, or monitor train_loss"),
            ("validation_x", {}, "give fit a validation set, or monitor train_loss"),
            ("loss", validated, ""),
            ("train_x_1", validated, ""),
            ("train_1", validated, ""),
            ("train_accuracy_x", validated, "did you mean 'train_accuracy'"),
        ):
            model = new_model()
            with pytest.raises(ConfigError, match=f"{name} monitors '{monitor}'.*{message}"):
                model.fit(images, policies=[policy(monitor=monitor)], **options)
            assert model.state.steps == 0, monitor
        model = new_model()
        with pytest.raises(ConfigError, match=f"{name} monitors 'train_accuracy_1', which is not computed"):
            model.fit(images, policies=[policy(monitor="train_accuracy_1")])
        assert model.state.epochs == 1, "the number of entries is known after the first epoch"
        new_model().fit(images, policies=[policy(monitor="train_loss")])


def test_the_order_of_policies_is_checked(images):
    average, mean, stop = AverageWeights(), StochasticWeightAverage(), EarlyStopping(monitor="train_loss")
    for policies, message in (
        ([stop, average], "EarlyStopping must keep the average, which is what is evaluated: put AverageWeights before it"),
        ([ReduceOnPlateau(), stop, mean], "put StochasticWeightAverage before it"),
        ([average, mean], "only one policy can average"),
        ([average, AverageWeights(0.5)], "only one policy can average"),
    ):
        with pytest.raises(ConfigError, match=message):
            FitOptions(policies=policies)
    for policies in ([average, stop], [mean, stop], [average], [stop, stop]):
        assert FitOptions(policies=policies).policies == tuple(policies)


def test_the_direction_is_that_of_the_metric_of_a_column_or_of_its_entries():
    @dataclass(frozen=True)
    class Surprise(Metric):
        name = "surprise"
        lower_is_better = True

        def start(self, count, kernels):
            raise NotImplementedError

    metrics = {"surprise": Surprise(), "accuracy": Accuracy()}
    for column, lower in {
        "validation_surprise": True,
        "train_surprise": True,
        "train_surprise_3": True,  # of class 3
        "train_surprise_macro": False,  # another metric, whose name tells nothing
        "validation_accuracy": False,
        "validation_loss": True,
    }.items():
        assert _lower_is_better(column, metrics) == lower, column


class Clocked:
    """A clock that each event of a training takes forward: steps by 1 second, the ends of epochs by 0.5."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(policies_module.time, "perf_counter", lambda: self.now)

    def events(self, epochs, first=1):
        for epoch in range(first, epochs + 1):
            self.now += 1.0 if epoch > first else 30.0  # the first step loads the kernels
            yield StepEvent(epoch, 1, 2, 2 * epoch - 1, 1.0, 1, 0.1, dict)
            self.now += 1.0
            yield StepEvent(epoch, 2, 2, 2 * epoch, 1.0, 1, 0.1, dict)
            self.now += 0.5
            yield EpochEvent(epoch, 0.0, 0.1, {"loss": 1.0}, None, is_last=epoch == epochs)


@pytest.mark.parametrize(
    ("seconds", "epochs"), [(1e-9, 1), (32.9, 1), (33, 2), (36.4, 2), (36.5, 3), (39, 4), (45, 6), (100, 6)]
)
def test_a_time_budget_ends_a_training_before_the_epoch_that_would_exceed_it(monkeypatch, seconds, epochs):
    clock, history, memory = Clocked(monkeypatch), History(), {}
    events = TimeBudget(seconds).wrap(clock.events(6), new_model().state, history, Memory(memory))
    seen = [event.epoch for event in events if isinstance(event, EpochEvent)]
    assert len(seen) == epochs
    word = "epoch" if epochs == 1 else "epochs"
    expected = f"the time budget of {seconds:g} s has no room for another epoch after {epochs} {word}"
    assert history.stopped == (expected if epochs < 6 else None)


def test_a_time_budget_counts_the_seconds_before_a_training_was_resumed(monkeypatch):
    clock, memory = Clocked(monkeypatch), Memory()
    events = TimeBudget(80).wrap(clock.events(9), new_model().state, History(), memory)
    for event in events:
        if event == EpochEvent(2, 0.0, 0.1, {"loss": 1.0}, None):
            break
    next(events)  # now the memory has the seconds of two epochs
    events.close()
    assert memory == {"seconds": 34.0}
    resumed = list(TimeBudget(80).wrap(clock.events(9, first=3), new_model().state, History(), memory))
    assert memory["seconds"] == pytest.approx(78.0)
    assert resumed[-1].epoch == 8


def test_a_time_budget_does_not_claim_to_have_stopped_a_training_that_is_complete(images):
    for optimizer in (SGD(0.1), LBFGS()):
        model = new_model(optimizer)
        history = model.fit(images, epochs=1, policies=[TimeBudget(1e-6)])
        assert (len(history), history.stopped) == (1, None)


def test_the_policies_after_a_time_budget_see_the_end_of_the_training(images):
    model = new_model()
    history = model.fit(images, validation=images, epochs=50, policies=[TimeBudget(1e-6), KeepBest("validation_accuracy")])
    assert (len(history), history.best_epoch) == (1, 1)
    for keeper in (KeepBest(), EarlyStopping(2), AverageWeights(0.9)):
        with pytest.raises(
            ConfigError, match=f"{type(keeper).__name__} must see the end of the training.*put TimeBudget before"
        ):
            FitOptions(policies=[keeper, TimeBudget(3)])
    FitOptions(policies=[ReduceOnPlateau(), TimeBudget(3), AverageWeights(0.9), KeepBest()])
