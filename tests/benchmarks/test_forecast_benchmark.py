"""The benchmark of forecasts: its rivals and its intervals."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import forecast
from pellucid.data import split_windows


@pytest.fixture(autouse=True)
def few_repeats(monkeypatch):
    monkeypatch.setattr(forecast, "REPEATS", 300)


def test_the_interval_of_a_difference_covers_chance_and_nothing_else():
    random = np.random.default_rng(0)
    theirs = random.normal(size=(400, 12))
    half = forecast.comparison(np.stack([theirs / 2, -theirs / 2]), theirs, 20)
    assert half["mae"] == pytest.approx([-50, -50, -50])
    assert half["rmse"] == pytest.approx([-50, -50, -50])
    assert (half["won"], half["blocks"]) == (20, 20)
    change, low, high = forecast.comparison(random.normal(size=(3, 400, 12)), theirs, 20)["mae"]
    assert low < change < high
    assert low < 0 < high
    worse = forecast.comparison(1.2 * random.normal(size=(3, 400, 12)), theirs, 20)
    assert worse["mae"][1] > 5


def test_the_linear_forecast_continues_a_line_and_an_oscillation():
    pytest.importorskip("sklearn")
    t = np.arange(300.0)
    splits = split_windows(np.sin(t / 3) + t / 50, 24, 6)
    predicted, chosen = forecast.linear(splits, splits.test.x[..., 0])
    assert np.abs(predicted - splits.test.y[..., 0]).max() < 0.05
    assert chosen.startswith("penalty ")
