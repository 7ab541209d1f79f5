"""The task of a run."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import Adam, Dense, Sequential, Zeros
from pellucid.core.config import from_json, to_json
from pellucid.data import Dataset, split_windows
from pellucid.errors import ConfigError, DataError
from pellucid.layers import Flatten, Layer
from pellucid.runs.recipe import Recipe
from pellucid.runs.task import Task
from pellucid.training import FitOptions

RECIPE = Recipe("a line", lambda outputs: Sequential(Dense(outputs)), Adam(), FitOptions())


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3, 1e8 + 0.1])
def test_a_constant_target_is_refused_although_its_deviation_is_rounded(value):
    x = np.random.default_rng(0).normal(size=(7, 2))
    with pytest.raises(DataError, match=r"the target is always .*, so there is nothing to learn"):
        Task.of(RECIPE, Dataset(x, np.full(7, value)), "table")
    varying = np.append(np.full(6, value), 2 * value + 1)
    assert Task.of(RECIPE, Dataset(x, varying), "table").loss.unit == pytest.approx(varying.std())


def series(n=80):
    t = np.arange(n)
    return np.stack([5 * np.sin(t), 1000 + 3 * t, t % 7], axis=1)


@pytest.mark.parametrize(("targets", "window"), [([0], 6), ([1, 0], 6), ([0, 2], 6), ([0, 1, 2], 6), ([0, 2], 1)])
def test_a_forecast_whose_network_returns_0_is_the_last_value(targets, window):
    splits = split_windows(series(), window, 4, targets=targets)
    recipe = Recipe("nothing", lambda outputs: Sequential(Flatten(), Dense(outputs, Zeros())), Adam(), FitOptions())
    task = Task.of(recipe, splits.train, "zero")
    model = task.network.compile(splits.train.shape, task.loss, input_stage=splits.train.input_stage())
    assert model.output_shape == (4, len(targets))
    last = splits.test.x[:, -1:, targets]
    np.testing.assert_allclose(model.predict(splits.test), np.repeat(last, 4, axis=1), rtol=1e-5, atol=1e-4)
    stage = splits.train.input_stage()
    scale = np.array(stage.scale)[targets]
    expected = np.square((splits.test.y - last) / scale).mean()
    assert model.evaluate(splits.test)["loss"] == pytest.approx(expected, rel=1e-4)
    again = Task.of(
        Recipe("again", lambda outputs: from_json(to_json(task.network), Layer), Adam(), FitOptions()), splits.train, ""
    )
    assert again.network == task.network


def test_a_forecast_reads_the_targets_relative_to_their_last_values_and_other_columns_unchanged():
    splits = split_windows(series(), 6, 4, targets=[1])
    recipe = Recipe("a line", lambda outputs: Sequential(Flatten(), Dense(outputs)), Adam(), FitOptions())
    task = Task.of(recipe, splits.train, "line")
    model = task.network.compile(splits.train.shape, task.loss, input_stage=splits.train.input_stage())
    x = splits.test.x[:3] + np.array([0.0, 5000.0, 0.0])  # beyond the training part: the tangent of the level is 1
    moved = x + np.array([0.0, 500.0, 0.0])
    np.testing.assert_allclose(model.predict(moved), model.predict(x) + 500, rtol=1e-5)
    assert (
        np.abs(model.predict(splits.train.x[:3] + np.array([0.0, 9.0, 0.0])) - model.predict(splits.train.x[:3]) - 9).max()
        > 0.1
    )
    assert np.abs(model.predict(x + np.array([1.0, 0.0, 0.0])) - model.predict(x)).max() > 0.1


def test_a_network_without_an_output_for_each_step_is_refused():
    splits = split_windows(series(), 6, 4)
    recipe = Recipe("three numbers", lambda outputs: Sequential(Flatten(), Dense(3)), Adam(), FitOptions())
    with pytest.raises(ConfigError, match="use --model forecast"):
        Task.of(recipe, splits.train, "three")
