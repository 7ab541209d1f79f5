"""Data frames as the rows of tables: read like the CSV file that they were written to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pellucid.data import from_arrays, read_csv
from pellucid.data.tables.columns import Column
from pellucid.data.tables.frame import Frame
from pellucid.data.tables.reading import read_rows
from pellucid.errors import ConfigError, DataError

pandas = pytest.importorskip("pandas")


@pytest.fixture
def table(tmp_path):
    """A file with a time stamp, a text, a number with gaps and an integer target, and the frame that was written to it."""
    random = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "time": 1.7e9 + random.normal(0, 50, 300),
            "city": random.choice(["Graz", "Linz", "Wien"], 300),
            "rooms": pandas.array(random.integers(1, 5, 300), "Int64"),
            "kind": random.integers(0, 3, 300),
        }
    )
    frame.loc[3, "city"], frame.loc[4, "rooms"], frame.loc[5, "time"] = None, pandas.NA, np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv", frame


def test_a_frame_is_read_like_its_file(table):
    path, frame = table
    data = read_csv(path, "kind", missing="mean")
    stage = data.input_stage()
    found = read_rows(frame[["kind", "rooms", "city", "time"]], stage, data.classes)
    np.testing.assert_array_equal(found.x, data.x)
    np.testing.assert_array_equal(found.y, data.y)
    assert np.isnan(found.x).sum() == 1 + 3 + 1  # a missing text is missing in all of its categories
    assert found.origin.columns == data.origin.columns
    assert found.classes == ("0", "1", "2")
    assert read_rows(frame.drop(columns="kind"), stage, data.classes).y is None
    assert read_rows(frame, stage, data.classes, labelled=False).y is None


def test_errors_name_the_frame_and_the_row(table):
    _, frame = table
    stage = dataclasses.replace(from_arrays([[1.0], [2.0]], [0, 1], names=["time"]).input_stage(), missing="error")
    with pytest.raises(DataError, match="data frame: row 6 has a missing value"):
        read_rows(frame, stage, None)
    with pytest.raises(ConfigError, match="data frame lacks the column 'time': did you mean 'times'"):
        read_rows(frame.rename(columns={"time": "times"}), stage, None)
    with pytest.raises(DataError, match="data frame:2: time must be a number, got 'noon'"):
        read_rows(pandas.DataFrame({"time": [1.5, "noon"]}), stage, None)
    dated = dataclasses.replace(stage, columns=(Column("time", date="year-month-day", parts=("days",)),))
    with pytest.raises(
        DataError, match=r"data frame:1: time must be a date \(year-month-day\), got '7' here and text in 1 more row"
    ):
        read_rows(pandas.DataFrame({"time": [7, 8.5]}), dated, None)
    with pytest.raises(DataError, match="two columns have the name 'a'"):
        Frame(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
