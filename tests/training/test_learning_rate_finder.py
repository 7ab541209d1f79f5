"""The learning-rate finder: its suggestion, that it changes nothing, and runs with ``--lr auto``."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from pellucid import (
    SGD,
    Accuracy,
    Adam,
    BatchNorm,
    Chain,
    ClipNorm,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    FitOptions,
    Flatten,
    MeanSquaredError,
    OneCycle,
    Poisson,
    RateSearch,
    ReLU,
    Rescale,
    Sequential,
    Softmax,
    StepEvent,
    Zeros,
    plots,
)
from pellucid.cli.train import learning_rate
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.run import run
from pellucid.training.learning_rate_finder import smoothed, suggested
from pellucid.training.trainer import Trainer


def new_model(rule, *extra):
    network = Sequential(Flatten(), Dense(32), *extra, ReLU(), Dense(10), Softmax())
    return network.compile((7, 7, 1), CrossEntropy(), rule, [Accuracy()])


@pytest.mark.parametrize("rule", [SGD(1e-9), SGD(1e-9, 0.9), Adam(1e-9)], ids=["sgd", "momentum", "adam"])
def test_the_suggested_rate_learns(images, rule):
    """Measured over four seeds: the accuracy is 1 after five epochs, with suggestions of about 1, 0.2 and 0.04. With ten times
    the rate it is at most a third, except once in twelve trainings; with SGD and a tenth of it, 0.78 to 0.95."""
    result = new_model(rule).find_learning_rate(images, batch_size=20)
    assert len(result.rates) == len(result.losses) == len(result.smoothed) <= 100
    assert result.suggestion == float(f"{result.suggestion:.2g}")
    np.testing.assert_allclose(np.diff(np.log10(result.rates)), 7 / 99, rtol=1e-9)
    model = new_model(dataclasses.replace(rule, learning_rate=result.suggestion))
    model.fit(images, epochs=5, batch_size=20)
    assert model.evaluate(images)["accuracy"] > 0.95


def test_the_model_is_unchanged(images):
    def parameters_after_training(search):
        model = new_model(Chain(ClipNorm(1.0), Adam(OneCycle(0.01))), BatchNorm(), Dropout(0.2))
        if search:
            model.find_learning_rate(images, batch_size=20)
            assert model.input_stage is None
            assert model.classes is None
        model.fit(images, epochs=1, batch_size=30)
        before = {name: vector.copy() for name, vector in model.state.updater.state.items()}
        saved = model.history, model.parameters.copy(), model.state.statistics.copy(), model.state.steps, model.state.epochs
        if search:
            model.find_learning_rate(images, batch_size=20, steps=40)
            assert model.history is saved[0]
            np.testing.assert_array_equal(model.parameters, saved[1])
            np.testing.assert_array_equal(model.state.statistics, saved[2])
            assert (model.state.steps, model.state.epochs) == saved[3:]
            for name, vector in model.state.updater.state.items():
                np.testing.assert_array_equal(vector, before[name])
        model.fit(images, epochs=1, batch_size=30)
        return model.parameters

    np.testing.assert_array_equal(parameters_after_training(True), parameters_after_training(False))


def test_the_steepest_descent_of_a_known_curve():
    """The loss falls from 2 to 1 along a sigmoid of the logarithm of the rate, around 10⁻², and explodes at 1."""
    rates = np.geomspace(1e-6, 10, 141)
    x = np.log10(rates)
    losses = 1 + 1 / (1 + np.exp(4 * (x + 2))) + 1e6 * (rates > 1)
    noisy = losses + np.random.default_rng(0).normal(0, 0.05, len(x))
    for curve in (losses, noisy):
        assert suggested(rates, smoothed(rates, curve)) == pytest.approx(1e-2, rel=0.35)
    assert smoothed(rates, losses).max() <= 8.01, "exploded losses count as four times the first loss"
    with pytest.raises(DataError, match="the loss is lowest at 1e-06, where the test begins"):
        suggested(rates, np.sort(losses))


def test_a_negative_loss_also_has_an_explosion_limit():
    """Poisson's loss for counts of about 20 is about -40 from the first step on. Ten seeds: 0.0034 to 0.0048."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3))
    counts = random.poisson(np.exp(x @ [0.3, -0.2, 0.1] + 3))
    network = Sequential(Dense(1, Zeros()), Rescale(offset=3.0))
    result = network.compile((3,), Poisson(), SGD(1e-9)).find_learning_rate(x, counts, batch_size=200)
    assert result.losses[0] < 0
    assert 1e-3 < result.suggestion < 1e-2


def test_invalid_arguments_raise(images):
    for options, message in (
        ({"low": 0.1, "high": 0.1}, r"low=0.1, high=0.1\): low must be less than high"),
        ({"low": 0}, "low must be above 0"),
        ({"steps": 9}, "steps must be at least 10"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            new_model(SGD(0.1)).find_learning_rate(images, **options)
    model = new_model(SGD(0.1))
    with pytest.raises(DataError, match="out of bounds already at 1e"):
        model.find_learning_rate(images, low=1e8, high=1e9)
    np.testing.assert_array_equal(model.parameters, new_model(SGD(0.1)).parameters)


def test_the_figure_shows_losses_and_suggestion():
    rates = np.geomspace(1e-4, 1, 30)
    losses = 2 - np.tanh(np.log10(rates) + 2)
    result = RateSearch(rates, losses + 0.1, losses, 0.01, True)
    figure = plots.learning_rate_finder(result, "a title")
    assert isinstance(figure, Figure)
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("Learning rate", "Training loss", "a title")
    assert ax.get_xscale() == "log"
    lines = {line.get_label(): line for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["Smoothed loss"].get_ydata(), losses)
    np.testing.assert_array_equal(lines["Loss of one step"].get_ydata(), losses + 0.1)
    marker = lines["Suggestion: 0.01"]
    assert (list(marker.get_xdata()), marker.get_marker()) == ([0.01], "s")
    assert marker.get_ydata()[0] == pytest.approx(2, abs=0.01)


def test_a_run_finds_its_rate_and_records_it(tmp_path, mnist_folder):
    settings, messages = RunSettings(model="mlp", hidden="8", epochs=1, batch_size=20, lr="auto"), []
    result = run(RunPlan.of(settings), tmp_path / "auto", notify=messages.append, progress=False)
    rate = result["settings"]["lr"]
    assert 0 < rate < 10
    assert any(line.startswith(f"rate      {rate:g}, found by ") for line in messages)
    config = json.loads((tmp_path / "auto" / "config.json").read_text())
    assert config["optimizer"]["learning_rate"] == rate
    repeated = dataclasses.replace(settings, lr=rate)
    run(RunPlan.of(repeated), tmp_path / "again", notify=messages.append, progress=False)
    one, other = ((tmp_path / name / "model.pellucid").read_bytes() for name in ("auto", "again"))
    assert one == other, "a run with the recorded rate has the same bits"
    with pytest.raises(ConfigError, match=r"'automatic': a learning rate is a number, as in 0\.01, or auto"):
        RunPlan.of(dataclasses.replace(settings, lr="automatic"))


def test_the_flag_is_a_number_or_auto():
    assert [learning_rate(text) for text in ("0.1", "auto", None)] == [0.1, "auto", None]


def test_a_new_rate_replaces_the_peak_of_nested_schedules():
    from pellucid import Cosine, MaxNorm, WarmRestarts, WarmUp
    from pellucid.optim import with_learning_rate

    for schedule in (WarmUp(Cosine(0.1), 2), WarmUp(0.1), WarmRestarts(0.1), OneCycle(0.1)):
        chain = with_learning_rate(Chain(ClipNorm(1.0), SGD(schedule), MaxNorm(2.0)), 0.5)
        assert str(chain) == str(Chain(ClipNorm(1.0), SGD(schedule), MaxNorm(2.0))).replace("0.1", "0.5")


def test_the_batches_of_the_range_test_are_shuffled(monkeypatch):
    asked, batches = [], Trainer._batches
    monkeypatch.setattr(
        Trainer, "_batches", lambda *args, **options: asked.append(options["shuffle"]) or batches(*args, **options)
    )
    model = Sequential(Dense(2), Softmax()).compile((3,), CrossEntropy())
    model.find_learning_rate(np.random.default_rng(0).normal(size=(64, 3)), np.arange(64) % 2)
    assert asked == [True]


def test_the_range_test_ends_at_the_first_step_whose_losses_have_exploded():
    x = np.random.default_rng(0).normal(size=(256, 3))
    model = Sequential(Dense(1)).compile((3,), MeanSquaredError(), SGD(0.1))
    found = model.find_learning_rate(x, x.sum(axis=1), low=1e-4, high=1e4, steps=400)
    assert found.diverged
    means = np.convolve(found.losses, np.full(10, 0.1), "valid")
    limits = 4 * np.minimum.accumulate(found.losses)[9:]
    assert (means[:-1] <= limits[:-1]).all()
    assert means[-1] > limits[-1]


def test_the_range_of_rates_and_the_number_of_steps():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)

    def search(**options):
        return Sequential(Dense(1)).compile((3,), MeanSquaredError(), SGD(0.1)).find_learning_rate(x, x.sum(axis=1), **options)

    found = search(low=1e-4, high=1e-2, steps=10, batch_size=64)
    np.testing.assert_allclose(found.rates, np.geomspace(1e-4, 1e-2, 10))
    assert len(found.losses) == len(found.smoothed) == 10
    assert not found.diverged
    assert len(set(found.losses)) == 10, "a new epoch begins where the batches end"
    for options, message in (
        ({"steps": 9}, "steps must be at least 10"),
        ({"low": 0.1, "high": 0.1}, "low must be less than high"),
        ({"low": 0.2, "high": 0.1}, "low must be less than high"),
        ({"low": 0}, "low must be above 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            search(**options)
    with pytest.raises(DataError, match=r"the loss is out of bounds already at 1e\+30; start with a lower rate"):
        search(low=1e30, high=1e31)


def test_the_same_batches_are_used_as_in_the_next_epoch():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    model = Sequential(Dense(1)).compile((3,), MeanSquaredError(), SGD(0.1))
    found = model.find_learning_rate(x, x.sum(axis=1), low=1e-9, high=1e-8, steps=10, batch_size=16)
    again = Sequential(Dense(1)).compile((3,), MeanSquaredError(), SGD(1e-9))
    losses = [
        event.loss
        for event in again.fit_events(x, x.sum(axis=1), FitOptions(epochs=3, batch_size=16))
        if isinstance(event, StepEvent)
    ]
    np.testing.assert_allclose(found.losses, losses[:10], rtol=1e-5)


def test_a_loss_that_is_not_finite_ends_the_range_test():
    x = np.random.default_rng(0).normal(size=(256, 3))
    model = Sequential(Dense(1)).compile((3,), MeanSquaredError(), SGD(0.1))
    found = model.find_learning_rate(x, x.sum(axis=1), low=1e-3, high=1e30, steps=10)
    assert found.diverged
    assert 2 <= len(found.losses) < 10
