"""Averages of the parameters, compared step by step with their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    SGD,
    Accuracy,
    Adam,
    AverageWeights,
    BatchNorm,
    ConfigError,
    CrossEntropy,
    Dense,
    EarlyStopping,
    EpochEvent,
    FitOptions,
    Flatten,
    ReLU,
    Sequential,
    Softmax,
    StepEvent,
    StochasticWeightAverage,
)
from pellucid.training import averaging


def adam_model():
    network = Sequential(Flatten(), Dense(24), ReLU(), Dense(10), Softmax())
    return network.compile((7, 7, 1), CrossEntropy(), Adam(0.01), [Accuracy()])


def test_the_moving_average_is_evaluated_and_kept(images):
    def parameters_by_event(policies):
        model = adam_model()
        seen, mean, t = [], model.parameters.copy(), 0
        events = model.fit_events(images, options=FitOptions(epochs=2, batch_size=20, policies=policies), validation=images)
        for event in events:
            if isinstance(event, StepEvent):
                seen.append(model.parameters.copy())
                t += 1
                d = min(0.9, (1 + t) / (10 + t))
                mean = d * mean + (1 - d) * model.parameters
            else:
                seen.append((event.validation["loss"], model.parameters.copy(), mean.copy()))
        return model, seen

    model, averaged = parameters_by_event([AverageWeights(0.9)])
    _, plain = parameters_by_event([])
    for actual, expected in zip(averaged, plain, strict=True):
        if isinstance(actual, tuple):
            loss, parameters, mean = actual
            np.testing.assert_allclose(parameters, mean, rtol=1e-4, atol=1e-6, err_msg="the average is evaluated")
            assert loss != expected[0]
        else:
            np.testing.assert_array_equal(actual, expected, err_msg="training continues with its own parameters")
    np.testing.assert_array_equal(model.parameters, averaged[-1][1])
    assert model.evaluate(images)["loss"] == pytest.approx(averaged[-1][0], rel=1e-5)


def test_averages_of_long_vectors_are_computed_in_pieces(images, monkeypatch):
    trained = []
    for piece in (averaging.PIECE, 7):
        monkeypatch.setattr(averaging, "PIECE", piece)
        model, _, evaluated = train_by_epochs(images, [AverageWeights(0.9)], BatchNorm())
        trained.append([model.parameters, model.state.statistics, *(array for epoch in evaluated for array in epoch[1:])])
    for one, other in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, other)


def test_averages_with_early_stopping_and_interruptions(images):
    model = adam_model()
    events = model.fit_events(
        images, options=FitOptions(epochs=2, batch_size=20, policies=[AverageWeights(0.5)]), validation=images
    )
    for event in events:
        if isinstance(event, EpochEvent):
            events.close()
    last = adam_model()
    last.fit(images, epochs=1, batch_size=20)
    np.testing.assert_array_equal(model.parameters, last.parameters)  # after an interruption not the average
    model = adam_model()
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


def train_by_epochs(images, policies, *layers):
    """Return the trained model, and for each of six epochs its vectors after the last step and during the evaluation.

    The former are (parameters, running statistics), the latter (validation loss, parameters, running statistics).
    """
    network = Sequential(Flatten(), Dense(16), *layers, ReLU(), Dense(10), Softmax())
    model = network.compile((7, 7, 1), CrossEntropy(), SGD(0.2), [Accuracy()])
    trained, evaluated = [], []
    for event in model.fit_events(images, options=FitOptions(epochs=6, batch_size=40, policies=policies), validation=images):
        if isinstance(event, StepEvent) and event.batch == event.batches:
            trained.append((model.parameters.copy(), model.state.statistics.copy()))
        elif isinstance(event, EpochEvent):
            evaluated.append((event.validation["loss"], model.parameters.copy(), model.state.statistics.copy()))
    return model, trained, evaluated


@pytest.mark.parametrize(("start", "every"), [(1, 1), (3, 1), (2, 2), (6, 5)])
def test_the_mean_of_the_parameters_of_several_epochs(images, start, every):
    model, trained, evaluated = train_by_epochs(images, [StochasticWeightAverage(start, every)], BatchNorm())
    _, plain, plain_evaluated = train_by_epochs(images, [], BatchNorm())
    for actual, expected in zip(trained, plain, strict=True):
        np.testing.assert_array_equal(actual[0], expected[0], err_msg="training continues with its own parameters")
        np.testing.assert_array_equal(actual[1], expected[1])
    for epoch in range(1, 7):
        chosen = [plain[k - 1] for k in range(start, epoch + 1, every)]
        loss, theta, statistics = evaluated[epoch - 1]
        if not chosen:
            assert loss == plain_evaluated[epoch - 1][0]
            continue
        np.testing.assert_allclose(theta, np.mean([parameters for parameters, _ in chosen], axis=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(statistics, np.mean([running for _, running in chosen], axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.parameters, evaluated[-1][1])
    assert model.evaluate(images)["loss"] == pytest.approx(evaluated[-1][0], rel=1e-6)


def test_an_average_that_never_begins_changes_nothing(images):
    model, trained, _ = train_by_epochs(images, [StochasticWeightAverage(start=9)])
    np.testing.assert_array_equal(model.parameters, trained[-1][0])
