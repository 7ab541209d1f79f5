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


def test_whole_numbers_are_the_same_categories_in_files_and_frames(tmp_path):
    """A column of integers with gaps is one of floats in pandas, which writes 8010.0."""
    frame = pandas.DataFrame({"zip": [8010, 4020, None, 8010, 4020, 1010.5] * 4, "y": range(24)})
    frame.to_csv(tmp_path / "floats.csv", index=False)
    assert "8010.0" in (tmp_path / "floats.csv").read_text()
    semicolons = (tmp_path / "floats.csv").read_text().replace(",", ";").replace(".", ",")
    (tmp_path / "commas.csv").write_text(semicolons)
    for name in ("floats.csv", "commas.csv"):
        data = read_csv(tmp_path / name, "y", categorical="zip")
        of_frame = from_arrays(frame[["zip"]], frame["y"], categorical="zip")
        assert data.origin.columns[0].categories[-2:] == ("4020", "8010")
        for source in (tmp_path / "floats.csv", frame, frame.astype({"zip": "float32"})):
            for known in (data, of_frame):
                np.testing.assert_array_equal(read_rows(source, known.input_stage(), None).x, of_frame.x)
    written = dataclasses.replace(data.input_stage(), columns=(Column("zip", ("1010.5", "4020.0", "8010.0"), True),))
    np.testing.assert_array_equal(read_rows(frame, written, None, labelled=False).x, of_frame.x)  # of an earlier version
    (tmp_path / "text.csv").write_text("zip,y\n" + "".join(f"{text},{i}\n" for i, text in enumerate(["01067", "1.10"] * 12)))
    assert read_csv(tmp_path / "text.csv", "y", categorical="zip").origin.columns[0].categories == ("01067", "1.10")


def test_an_infinite_number_is_no_category():
    frame = pandas.DataFrame({"zip": [8010.0, np.inf] * 12})
    with pytest.raises(DataError, match="data frame: zip has an infinite number as a category"):
        from_arrays(frame, np.arange(24), categorical="zip")
