"""Series in CSV files: columns, times and missing values."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data import read_series
from pellucid.data.series.reading import next_times, read_windows
from pellucid.data.series.times import Times
from pellucid.errors import ConfigError, DataError

N = 120


def write(path, columns):
    """Write columns of cells, by name."""
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def columns():
    """Two numbers, a category, and months."""
    months = [f"{2000 + i // 12}-{i % 12 + 1:02d}" for i in range(N)]
    kinds = [("low", "high")[i % 2] for i in range(N)]
    return {"month": months, "a": [10 + i % 12 for i in range(N)], "b": [0.5 * i for i in range(N)], "kind": kinds}


def test_columns_of_a_series(tmp_path, columns):
    splits = read_series(write(tmp_path / "s.csv", columns), "a", window=12, horizon=3)
    assert splits.train.x.shape == (96 - 14, 12, 4)  # a, b and two kinds; months are no input
    assert splits.train.y.shape == (82, 3, 1)
    assert splits.sizes == {"train": 82, "validation": 10, "test": 10}
    stage = splits.train.input_stage()
    assert stage.names == ("a", "b", "kind=high", "kind=low")
    assert (stage.series.targets, stage.series.horizon, stage.series.time) == (("a",), 3, "month")
    assert "columns   targets: a; further inputs: b, kind" in splits.notes
    assert "time      month: from 2000-01 to 2009-12" in splits.notes
    assert "split     in time: rows 1 to 96 for training, to 108 for validation, to 120 for the test" in splits.notes
    both = read_series(tmp_path / "s.csv", ["b", "a"], window=12, horizon=3, ignore="kind")
    np.testing.assert_array_equal(both.test.y[-1, -1], [59.5, 21.0])


def test_a_missing_value_is_replaced_with_the_past_and_never_a_target(tmp_path, columns):
    columns["a"][50] = ""
    columns["b"][0] = ""
    path = write(tmp_path / "s.csv", columns)
    with pytest.raises(DataError, match=r"missing in a \(1 of 120\), b \(1 of 120\): missing='last'"):
        read_series(path, "a", window=12, horizon=3)
    splits = read_series(path, "a", window=12, horizon=3, missing="last")
    assert any("the first row is left out" in note for note in splits.notes)
    assert len(splits.train) == 95 - 14 - 3  # without the three windows whose targets contain row 50
    after_gap = np.flatnonzero(splits.train.x[:, -1, 1] == 0.5 * 50)
    assert splits.train.x[after_gap, -1, 0].tolist() == [columns["a"][49]]
    assert not np.isnan(splits.train.x).any()


def test_a_column_of_times(tmp_path, columns):
    columns["month"][5], columns["month"][6] = columns["month"][6], columns["month"][5]
    with pytest.raises(DataError, match=r"row 7 \(month 2000-06\) is earlier than the row before it \(2000-07\)"):
        read_series(write(tmp_path / "s.csv", columns), "a", window=12, horizon=3)
    columns["month"] = [3 * i for i in range(N)]
    columns["x"] = [i**2 for i in range(N)]
    splits = read_series(write(tmp_path / "n.csv", columns), "a", window=12, horizon=3)
    assert splits.train.origin.series.time == "month"  # it counts rows
    named = read_series(tmp_path / "n.csv", "a", window=12, horizon=3, time="x")
    assert named.train.origin.series.time == "x"
    assert any("steps differ" in note for note in named.notes)
    with pytest.raises(DataError, match="the time kind must be dates"):
        read_series(tmp_path / "n.csv", "a", window=12, horizon=3, time="kind")


@pytest.mark.parametrize(
    ("cells", "following"),
    [
        (["1", "3", "5"], ["7", "9"]),
        (["2024-11", "2024-12"], ["2025-01", "2025-02"]),
        (["2024-01-31", "2024-02-01"], ["2024-02-02", "2024-02-03"]),
        (["2024-01-15", "2024-02-15", "2024-03-15"], ["2024-04-15", "2024-05-15"]),
        (["2024-12-31 23:00", "2024-12-31 23:30"], ["2025-01-01 00:00", "2025-01-01 00:30"]),
        (["2024-03-31T00:30:00Z", "2024-03-31T01:00:00Z"], ["2024-03-31T01:30:00Z", "2024-03-31T02:00:00Z"]),
        (["2024-01-01", "2024-01-02", "2024-01-04"], None),
        (["1", "2", "5"], None),
    ],
)
def test_the_times_after_the_last_row(cells, following):
    times = Times.of(cells)
    assert times is not None
    assert times.next(2) == following


def test_other_cells_are_no_times():
    assert Times.of(["2024-01", "soon"]) is None
    assert Times.of(["1", "inf"]) is None


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ConfigError, "no column 'c'", {"targets": "c"}),
        (ConfigError, "missing='mean'", {"missing": "mean"}),
        (ConfigError, "both a target and ignored", {"ignore": "a"}),
        (ConfigError, "both a target and the time", {"time": "a"}),
        (DataError, r"the target kind contains text \('low' in|s\.csv:2: the target kind contains text", {"targets": "kind"}),
        (DataError, "too few", {"window": 100}),
    ],
)
def test_what_a_series_refuses(tmp_path, columns, error, message, arguments):
    path = write(tmp_path / "s.csv", columns)
    with pytest.raises(error, match=message):
        read_series(path, **{"targets": "a", "window": 12, "horizon": 3, **arguments})


def test_a_series_of_one_column_and_a_constant_target(tmp_path):
    path = write(tmp_path / "s.csv", {"a": [i % 7 for i in range(N)]})
    assert read_series(path, "a", window=12, horizon=3).train.x.shape[1:] == (12, 1)
    constant = write(tmp_path / "c.csv", {"a": [1] * N, "b": list(np.arange(N) % 5)})
    with pytest.raises(DataError, match="nothing to forecast"):
        read_series(constant, "a", window=12, horizon=3)


def test_dates_in_another_form_are_no_categories(tmp_path, columns):
    columns["month"] = [f"{month[5:]}/01/{month[:4]}" for month in columns["month"]]
    path = write(tmp_path / "s.csv", columns)
    with pytest.raises(DataError, match=r"s\.csv:2: month seems to hold dates \('01/01/2000'\).*ISO 8601.*--ignore month"):
        read_series(path, "a", window=12, horizon=3)
    assert read_series(path, "a", window=12, horizon=3, ignore="month").train.x.shape[2] == 3  # b counts the rows: the time


def test_dates_are_the_time_and_not_a_counter_before_them(tmp_path, columns):
    path = write(tmp_path / "s.csv", {"row": list(range(N)), **columns})
    assert read_series(path, "a", window=12, horizon=3).train.input_stage().series.time == "month"


def test_a_forecast_needs_the_last_rows_only(tmp_path, columns):
    stage = read_series(write(tmp_path / "s.csv", columns), "a", window=12, horizon=3).train.input_stage()
    columns["b"][50] = ""
    assert read_windows(write(tmp_path / "gap.csv", columns), stage, 12, labelled=False).x.shape == (1, 12, 4)
    columns["b"][-1] = ""
    path = write(tmp_path / "end.csv", columns)
    with pytest.raises(
        DataError, match=r"missing in b \(1 of 12\): fill the gaps, or use a model that was trained with missing="
    ):
        read_windows(path, stage, 12, labelled=False)


@pytest.mark.parametrize(
    "cells",
    [
        [f"9999-{month:02}" for month in range(1, 13)],
        [f"9999-12-{day}" for day in range(10, 32)],
        [f"9999-12-31T{hour:02}:00-23:59" for hour in range(24)],
    ],
)
def test_there_are_no_times_after_the_year_9999(cells):
    assert Times.of(cells).next(1) is None
    assert len(Times.of(cells[:-3]).next(1)) == 1


def test_a_column_without_cells_has_no_times(tmp_path, columns):
    assert Times.of([]) is None
    stage = read_series(write(tmp_path / "s.csv", columns), "a", window=12, horizon=3).train.input_stage()
    empty = write(tmp_path / "empty.csv", {name: [] for name in columns})
    with pytest.raises(DataError, match="rows are too few"):
        read_windows(empty, stage, 12, labelled=False)
    assert next_times(empty, stage, 2) is None
