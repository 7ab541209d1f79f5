"""Forecasts beside simple methods."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import Dense, Flatten, Sequential
from pellucid.data import split_windows
from pellucid.errors import ConfigError
from pellucid.runs.forecasts import Forecasts, LinearForecast
from pellucid.runs.presets import preset
from pellucid.runs.task import Task


@pytest.fixture(scope="module")
def splits():
    """A season of 5 rows, noise, and a second column that the first one follows a row later."""
    random = np.random.default_rng(0)
    t, lead = np.arange(300), random.normal(size=300)
    return split_windows(np.stack([np.tile([1.0, 4, 2, 8, 5], 60) + np.roll(lead, 1), lead + t / 100], axis=1), 10, 7)


@pytest.fixture(scope="module")
def model(splits):
    task = Task.of(preset("forecast"), splits.train, "forecast")
    return task.network.compile(splits.train.shape, task.loss, input_stage=splits.train.input_stage())


def test_the_naive_and_the_seasonal_forecast(splits, model):
    found = Forecasts.of(model, splits.test, season=5)
    naive, seasonal = found.predicted["naive"], found.predicted["seasonal"]
    np.testing.assert_array_equal(naive[:, 3], splits.test.x[:, -1])
    np.testing.assert_array_equal(seasonal[:, :5], splits.test.x[:, -5:])
    np.testing.assert_array_equal(seasonal[:, 5:], splits.test.x[:, -5:-3])
    assert list(found.predicted) == ["model", "naive", "seasonal"]
    record = found.record()
    assert list(record) == ["0", "1"]
    steps = np.abs(naive - splits.test.y).mean(axis=0)
    assert record["1"]["naive"]["by_step"] == pytest.approx(steps[:, 1].tolist())
    assert record["1"]["naive"]["mae"] == pytest.approx(steps[:, 1].mean())
    with pytest.raises(ConfigError, match="no value one season of 11 rows before"):
        Forecasts.of(model, splits.test, season=11)


def test_the_linear_forecast_is_ridge_regression(splits):
    from sklearn.linear_model import Ridge

    stage = splits.train.input_stage()
    chosen = LinearForecast.fit(splits.train, splits.validation, stage)

    def inputs(x):
        rows = (x - stage.mean) / stage.scale
        last = rows[:, -1]
        rows = (rows - last[:, None]).reshape(len(x), -1)
        return np.concatenate([rows, last], axis=1) if chosen.levels else rows

    changes = ((splits.train.y - splits.train.x[:, -1:]) / stage.scale).reshape(len(splits.train), -1)
    errors = []
    for penalty in np.logspace(-7, 1, 9) * len(splits.train):
        ridge = Ridge(penalty).fit(inputs(splits.train.x), changes)
        predicted = ridge.predict(inputs(splits.test.x)).reshape(-1, 7, 2) * stage.scale + splits.test.x[:, -1:]
        errors.append(np.abs(predicted - chosen.predict(splits.test.x)).max())
    assert min(errors) < 1e-6
    assert chosen.levels  # a step of the noise says that the next one goes back
    step = np.abs(chosen.predict(splits.test.x) - splits.test.y).mean(axis=(0,))
    assert step[0, 0] < 0.4 * step[1, 0]  # the first step of the first column follows from the second column


def test_outputs_that_are_no_forecasts_are_refused(splits):
    other = Sequential(Flatten(), Dense(3)).compile(splits.train.shape, input_stage=splits.train.input_stage())
    with pytest.raises(ConfigError, match=r"outputs of the shape \(3,\), but the forecasts .* the shape \(7, 2\)"):
        Forecasts.of(other, splits.test)
