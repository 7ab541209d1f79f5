"""Policies that slow down and that average: against what they should do, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    SGD,
    Accuracy,
    AverageWeights,
    BatchNorm,
    ConfigError,
    Control,
    CrossEntropy,
    Dense,
    EarlyStopping,
    EpochEvent,
    Exponential,
    FitOptions,
    Flatten,
    ReduceOnPlateau,
    ReLU,
    Sequential,
    Softmax,
    StepEvent,
    StochasticWeightAverage,
)
from pellucid.training import History
from pellucid.training.state import ModelState


def made(rule=None, *extra):
    network = Sequential(Flatten(), Dense(16), *extra, ReLU(), Dense(10), Softmax())
    return network.compile((7, 7, 1), CrossEntropy(), rule or SGD(0.1), [Accuracy()])


def rates(policy, losses, schedule=0.8, control=None):
    """The rate of each epoch, where the validation losses are these."""
    model = made(SGD(schedule))
    parts: ModelState = model.state

    def told():
        from pellucid.optim import Clock

        for epoch, loss in enumerate(losses, start=1):
            rate = parts.updater.rate(Clock(1, epoch - 1.0)) if control is None else control
            yield EpochEvent(epoch, 0.0, rate, {"loss": 1.0}, {"loss": loss, "accuracy": 1 - loss})

    found = [event.learning_rate for event in policy.wrap(told(), parts, History())]
    assert parts.updater.scale == 1.0, "the next fit begins at the full rate"
    return found


def test_the_rate_falls_where_the_loss_does_not():
    losses = [0.9, 0.8, 0.81, 0.8, 0.7, 0.75, 0.74, 0.73, 0.72, 0.71]
    assert rates(ReduceOnPlateau(0.5, 2), losses) == [0.8] * 4 + [0.4] * 3 + [0.2] * 2 + [0.1]
    assert rates(ReduceOnPlateau(0.5, 2, "validation_accuracy"), losses) == [0.8] * 4 + [0.4] * 3 + [0.2] * 2 + [0.1]
    assert rates(ReduceOnPlateau(0.5, 9), losses) == [0.8] * 10


def test_how_much_must_improve_and_how_low_it_goes():
    falling = [1.0, 0.99, 0.98, 0.97, 0.96, 0.95]
    assert rates(ReduceOnPlateau(0.5, 1), falling) == [0.8] * 6
    assert rates(ReduceOnPlateau(0.5, 1, min_delta=0.1), falling) == [0.8, 0.8, 0.4, 0.2, 0.1, 0.05]
    bounded = ReduceOnPlateau(0.5, 1, min_delta=0.1, lowest=0.15)
    assert rates(bounded, falling) == pytest.approx([0.8, 0.8, 0.4, 0.2, 0.15, 0.15])
    assert rates(ReduceOnPlateau(0.5, 1, min_delta=0.1, lowest=2.0), falling) == [0.8] * 6, "it never rises"


def test_a_schedule_goes_on_times_the_factors():
    found = rates(ReduceOnPlateau(0.1, 1), [1.0, 1.0, 1.0], Exponential(0.8, 0.5))
    assert found == pytest.approx([0.8, 0.4, 0.02])
    assert rates(ReduceOnPlateau(0.1, 1), [1.0, 1.0, 1.0], control=0.0) == [0, 0, 0]


def test_plateaus_of_a_training(images):
    model = made(SGD(0.1))
    control = Control()
    policies = [ReduceOnPlateau(0.5, 2, "train_loss", min_delta=100.0)]
    events = list(model.fit_events(images, options=FitOptions(epochs=6, batch_size=50, policies=policies), control=control))
    history = model.history["learning_rate"]
    assert history == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.025])
    steps = [event.learning_rate for event in events if isinstance(event, StepEvent)]
    assert steps == [rate for rate in history for _ in range(4)]
    assert made(SGD(0.1)).fit(images, epochs=1, batch_size=50)["train_loss"][0] == model.history["train_loss"][0]
    interrupted = model.fit_events(images, options=FitOptions(epochs=6, batch_size=50, policies=policies))
    while model.state.updater.scale == 1.0:
        next(interrupted)
    interrupted.close()
    assert model.state.updater.scale == 1.0


def averaged(images, policy, epochs=6, extra=()):
    """(model, θ and running statistics after each epoch's last step, its validation events)."""
    model = made(SGD(0.2), *extra)
    ends, scored = [], []
    for event in model.fit_events(
        images, options=FitOptions(epochs=epochs, batch_size=40, policies=policy), validation=images
    ):
        if isinstance(event, StepEvent) and event.batch == event.batches:
            ends.append((model.parameters.copy(), model.state.statistics.copy()))
        elif isinstance(event, EpochEvent):
            scored.append((event.validation["loss"], model.parameters.copy(), model.state.statistics.copy()))
    return model, ends, scored


@pytest.mark.parametrize(("start", "every"), [(1, 1), (3, 1), (2, 2), (6, 5)])
def test_the_plain_mean_of_epochs_ends(images, start, every):
    extra = (BatchNorm(),)
    model, ends, scored = averaged(images, [StochasticWeightAverage(start, every)], extra=extra)
    _, plain, unscored = averaged(images, [], extra=extra)
    for one, other in zip(ends, plain, strict=True):
        np.testing.assert_array_equal(one[0], other[0], err_msg="training goes on with what it had")
        np.testing.assert_array_equal(one[1], other[1])
    for epoch in range(1, 7):
        chosen = [plain[k - 1] for k in range(start, epoch + 1, every)]
        loss, theta, state = scored[epoch - 1]
        if not chosen:
            assert loss == unscored[epoch - 1][0]
            continue
        np.testing.assert_allclose(theta, np.mean([one[0] for one in chosen], axis=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(state, np.mean([one[1] for one in chosen], axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.parameters, scored[-1][1])
    assert model.evaluate(images)["loss"] == pytest.approx(scored[-1][0], rel=1e-6)


def test_an_average_that_never_begins_changes_nothing(images):
    model, ends, _ = averaged(images, [StochasticWeightAverage(start=9)])
    np.testing.assert_array_equal(model.parameters, ends[-1][0])


def test_what_goes_together(images):
    model = made()
    for policies, words in (
        ([EarlyStopping(2), StochasticWeightAverage()], "put StochasticWeightAverage before it"),
        ([AverageWeights(), StochasticWeightAverage()], "only one policy can average"),
        ([ReduceOnPlateau()], "ReduceOnPlateau monitors 'validation_loss': give fit a validation set"),
    ):
        with pytest.raises(ConfigError, match=words):
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
