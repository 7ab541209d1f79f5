"""Robust scaling with a smooth limit: quantiles, weights, missing values, constant columns, codes."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data import Dataset, from_arrays
from pellucid.data.tables import robust_scaling
from pellucid.data.tables.columns import Column
from pellucid.data.tables.robust_scaling import CONSTANT, RobustScaling, fit_robust_scaling
from pellucid.errors import ConfigError, DataError
from pellucid.kernels import load


def scaled(stage, x):
    x = np.asarray(x, np.float64)
    return stage.transform(x, slice(0, len(x)), np.empty(x.shape, np.float32), load())


def test_the_median_becomes_0_and_the_distance_of_the_quartiles_is_the_unit():
    random = np.random.default_rng(0)
    x = random.lognormal(3, 2, (1001, 2)) + np.array([0, 1e8])
    stage = fit_robust_scaling((Column("a"), Column("b")), x)
    np.testing.assert_array_equal(stage.center, np.median(x, axis=0))
    quartiles = np.quantile(x, [0.25, 0.75], axis=0, method="averaged_inverted_cdf")
    np.testing.assert_array_equal(stage.scale, quartiles[1] - quartiles[0])
    z = (x - stage.center) / stage.scale
    np.testing.assert_allclose(scaled(stage, x), z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-6, atol=1e-7)
    assert np.abs(scaled(stage, [[1e300, -1e300]])).max() == 3


@pytest.mark.parametrize(
    ("values", "center", "scale"),
    [
        ([1, 2, 3, 4], 2.5, 2.0),  # quartiles 1.5 and 3.5
        ([0, 0, 0, 0, 0, 0, 8], 0, 4.0),  # equal quartiles: half of the range
        ([5, 5, 5], 5, CONSTANT),
        ([0.1 + 0.2, 0.3, 0.3], 0.3, CONSTANT),  # rounding errors are no range
        ([np.nan, 7, 9, np.nan], 8, 2),
    ],
)
def test_the_scale_of_some_columns(values, center, scale):
    stage = fit_robust_scaling((Column("a"),), np.array(values, np.float64)[:, None])
    assert (stage.center[0], stage.scale[0]) == (pytest.approx(center), pytest.approx(scale))


def test_constant_columns_become_0_for_any_value():
    stage = fit_robust_scaling((Column("a"),), np.full((5, 1), 3.0))
    np.testing.assert_array_equal(scaled(stage, [[3.0], [-4.0], [1e30], [np.nan]]), 0)


def test_weights_count_like_repeated_rows():
    random = np.random.default_rng(1)
    x, w = random.normal(size=(40, 3)), random.integers(1, 5, 40)
    x[random.random(x.shape) < 0.2] = np.nan
    columns = tuple(Column(name) for name in "abc")
    repeated = fit_robust_scaling(columns, np.repeat(x, w, axis=0))
    assert fit_robust_scaling(columns, x, weights=w) == repeated
    assert fit_robust_scaling(columns, x, weights=w / 8) == repeated
    assert fit_robust_scaling(columns, x, rows=np.repeat(np.arange(40), w)) == repeated


def test_of_many_rows_evenly_spaced_ones_are_used(monkeypatch):
    monkeypatch.setattr(robust_scaling, "MAX_ROWS", 101)
    x = np.arange(10_001.0)[:, None]  # in order
    stage = fit_robust_scaling((Column("a"),), x)
    assert (stage.center, stage.scale) == ((5000.0,), (5000.0,))
    assert fit_robust_scaling((Column("a"),), x, rows=np.arange(5001)).center == (2500.0,)


def test_other_values_stay_as_they_are():
    columns = (Column("a", missing=True), Column("b", ("u", "v")), Column("c", tuple("pqrstuvwxyz"), missing=True, coded=True))
    x = np.array([[1.0, 0, 0, 1, 12], [np.nan, 1, 0, 0, 0], [3.0, 0, 1, 0, 7]])
    stage = fit_robust_scaling(columns, x)
    assert stage.value_kinds == ("number", "binary", "binary", "binary", 13)
    np.testing.assert_array_equal(scaled(stage, x)[:, 1:], x[:, 1:])
    assert scaled(stage, x)[1, 0] == 0


def test_infinity_and_gaps_that_are_errors_are_named():
    stage = from_arrays([[1.0, 2.0], [3.0, 4.0]], [0, 1], names=["a", "b"]).input_stage()
    with pytest.raises(DataError, match="contains infinity, first in sample 1, column b: correct the value"):
        stage.check_values(np.array([[1.0, 2.0], [1.0, -np.inf]]), None, load())
    strict = RobustScaling((Column("a"),), (0.0,), (1.0,), "error")
    with pytest.raises(
        DataError, match=r"contains NaN or infinity, first in sample 0, column a: fill the gap.*missing='value'"
    ):
        strict.check_values(np.array([[np.nan]]), None, load())
    with pytest.raises(DataError, match="no value in a: leave the column out"):
        fit_robust_scaling((Column("a"),), np.array([[np.nan]]), missing="drop")
    for missing in ("mean", "last", "zero"):
        with pytest.raises(ConfigError, match="missing="):
            RobustScaling((Column("a"),), (0.0,), (1.0,), missing)


def test_it_is_the_stage_of_named_columns():
    x = np.array([[1.0, 10], [2, 20], [3, 60], [4, 80]])
    stage = from_arrays(x, [0, 1, 0, 1], names=["a", "b"]).input_stage()
    assert isinstance(stage, RobustScaling)
    assert stage.center == (2.5, 40.0)
    assert not isinstance(Dataset(x, [0, 1, 0, 1]).input_stage(), RobustScaling)
