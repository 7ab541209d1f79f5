"""Targets that are learned in logarithms: when, in a run, in an estimator, in the outputs."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import Adam, Dense, Exp, LogSquaredError, Rescale, Sequential
from pellucid.data import read_csv
from pellucid.data.tables.target_scale import skewness, suits_logarithms, unit_of
from pellucid.errors import ConfigError, DataError
from pellucid.runs.recipe import Recipe
from pellucid.runs.task import Task
from pellucid.sklearn import NetworkRegressor
from pellucid.sklearn.preprocessing import mean_and_deviation
from pellucid.training import FitOptions

RANDOM = np.random.default_rng(0)
PRICES = np.exp(RANDOM.normal(5, 1, 400))


def test_the_skewness_is_that_of_the_distribution():
    assert skewness(RANDOM.exponential(size=200_000)) == pytest.approx(2, abs=0.1)
    assert skewness(RANDOM.normal(size=200_000)) == pytest.approx(0, abs=0.05)
    assert skewness(np.full(9, 0.1 + 0.2)) == 0
    y, w = RANDOM.gamma(2, size=50), RANDOM.integers(1, 4, 50)
    assert skewness(y, w) == pytest.approx(skewness(np.repeat(y, w)), rel=1e-12)


def test_each_column_has_a_unit_of_its_own():
    y = np.array([[3e200, 1.5, 0, 6e-200, 5e-324, np.inf], [-5e200, -2, 0, 1e-201, 0, np.nan], [1, 3, 0, 0, 0, 4e100]])
    units = unit_of(y)
    assert units.tolist() == [2.0**666, 1, 1, 2.0**-662, 5e-324, 2.0**334]
    assert all(unit_of(column) == unit for column, unit in zip(y.T, units, strict=True))
    assert unit_of(np.array([np.nan, np.inf])) == unit_of(np.empty(0)) == unit_of(np.array([-7])) == 1
    assert unit_of(np.ones((4, 2), np.float32)).dtype == np.float32
    mixed = np.stack([1e200 * RANDOM.normal(size=4000), 1000 * RANDOM.normal(size=4000) + 5], axis=1)
    mean, deviation = mean_and_deviation(mixed, None)
    np.testing.assert_allclose(deviation[1], mixed[:, 1].std())
    np.testing.assert_allclose(deviation[0], (mixed[:, 0] / 1e200).std() * 1e200)
    np.testing.assert_allclose(mean[1], mixed[:, 1].mean())
    np.testing.assert_allclose(mean_and_deviation(np.array([[1.7e308], [-1.7e308]]), None), [[0], [1.7e308]])


@pytest.mark.parametrize(
    ("y", "wanted"),
    [
        (PRICES, True),
        (PRICES[:19], False),  # too few
        (np.append(PRICES, 0), False),
        (-PRICES, False),
        (RANDOM.normal(100, 10, 400), False),
        (RANDOM.uniform(1, 2, 400), False),
        (np.append(np.full(400, 5.0), 6.0), False),  # the logarithms are as skewed
        (np.append(PRICES, np.inf), False),
    ],
)
def test_positive_skewed_targets_suit_logarithms(y, wanted):
    assert suits_logarithms(y) is wanted


@pytest.fixture
def table(tmp_path):
    x = RANDOM.normal(size=300)
    y = np.exp(2 + 1.5 * x)
    path = tmp_path / "t.csv"
    path.write_text("x,size,cost\n" + "".join(f"{a},{a / 2},{b}\n" for a, b in zip(x, y, strict=True)))
    return path


def test_a_run_learns_them_and_predicts_in_the_unit_of_the_target(table):
    data = read_csv(table, "cost")
    assert data.origin.logarithm
    assert data.origin.notes[-1].startswith("scale     the logarithms of cost are learned, as it is skewed (skewness ")
    recipe = Recipe("a line", lambda outputs: Sequential(Dense(outputs)), Adam(0.05), FitOptions())
    task = Task.of(recipe, data, "table")
    logs = np.log(data.y)
    assert isinstance(task.loss, LogSquaredError)
    assert task.loss.unit == pytest.approx(logs.std())
    assert task.network.layers[-1] == Exp()
    assert isinstance(task.network.layers[-2], Rescale)
    stage = data.input_stage()
    model = task.network.compile(data.shape, task.loss, recipe.optimizer, task.final_metrics, input_stage=stage)
    untrained = model.evaluate(data)
    assert untrained["mse"] == pytest.approx(((model.predict(data)[:, 0] - data.y) ** 2).mean(), rel=1e-4)
    model.fit(data, epochs=60)
    scores = model.evaluate(data)
    assert scores["loss"] < 0.03  # of the logarithms, in their deviations; the smooth limit bends the line
    predicted = model.predict(data)[:, 0]
    assert predicted.min() > 0
    assert scores["loss"] == pytest.approx((((np.log(predicted) - logs) / logs.std()) ** 2).mean(), rel=1e-3)


def test_it_can_be_asked_for_and_left_out(table):
    classes = table.with_name("classes.csv")
    classes.write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(30)))
    assert not read_csv(table, "cost", logarithm=False).origin.logarithm
    assert read_csv(table, ["cost"], logarithm=True).origin.notes[-1] == "scale     the logarithms of cost are learned"
    with pytest.raises(ConfigError, match=r"t\.csv: the target x has values down to -.*, which have no logarithms"):
        read_csv(table, ["cost", "x"], logarithm=True)
    with pytest.raises(ConfigError, match="of numbers, not of classes"):
        read_csv(classes, "y", logarithm=True)


def test_an_estimator_learns_them_and_predicts_in_the_unit_of_y():
    x = RANDOM.normal(size=(300, 2))
    y = np.exp(5 + 1.5 * x[:, 0])
    estimator = NetworkRegressor(random_state=0, learning_rate=0.01).fit(x, y)
    assert estimator.logarithm_
    predicted = estimator.predict(x)
    assert predicted.min() > 0
    assert np.median(np.abs(predicted / y - 1)) < 0.1
    assert not NetworkRegressor(epochs=1, logarithm=False).fit(x, y).logarithm_
    assert not NetworkRegressor(epochs=1).fit(x, np.log(y)).logarithm_
    assert NetworkRegressor(epochs=1).fit(x, np.stack([y, y**2], axis=1)).logarithm_
    assert not NetworkRegressor(epochs=1).fit(x, np.stack([y, np.log(y)], axis=1)).logarithm_
    with pytest.raises(DataError, match=r"y has the value -.*, and logarithms are learned"):
        NetworkRegressor(logarithm=True).fit(x, -y)
    with pytest.raises(DataError, match=r"set logarithm=False"):
        estimator.partial_fit(x[:5], np.zeros(5))
