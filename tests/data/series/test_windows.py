"""Windows of a series, and their split in time."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data import split_windows, windows
from pellucid.errors import ConfigError, DataError, ShapeError

ROWS = np.arange(200.0)[:, None] + [0.0, 1000.0]  # row i is (i, 1000 + i)


def test_windows_are_consecutive_rows_and_targets_the_rows_after_them():
    data = windows(ROWS, 5, 3, targets=["b"], names=["a", "b"])
    assert data.x.shape == (193, 5, 2)
    assert data.y.shape == (193, 3, 1)
    np.testing.assert_array_equal(data.x[10], ROWS[10:15])
    np.testing.assert_array_equal(data.y[10, :, 0], [1015, 1016, 1017])
    np.testing.assert_array_equal(data.y[-1, :, 0], [1197, 1198, 1199])
    assert np.shares_memory(data.x, ROWS)
    np.testing.assert_array_equal(windows(ROWS, 5, 3, targets=[1]).y, data.y)
    assert windows(ROWS[:, 0], 5, 3).y.shape == (193, 3, 1)


def test_no_target_is_in_two_parts_and_inputs_reach_back_only():
    splits = split_windows(ROWS, 20, 6, targets=[0], validation=0.2, test=0.15)
    parts = [np.asarray(part.y) for part in (splits.train, splits.validation, splits.test)]
    assert [(part.min(), part.max()) for part in parts] == [(20, 129), (130, 169), (170, 199)]
    assert splits.train.x[..., 0].max() < 129
    for part in (splits.train, splits.validation, splits.test):
        np.testing.assert_array_equal(part.x[:, -1, 0] + 1, part.y[:, 0, 0])
    np.testing.assert_array_equal(splits.validation.x[0, :, 0], np.arange(110, 130))


def test_the_input_stage_has_the_statistics_of_the_training_part():
    splits = split_windows(ROWS, 20, 6)
    stage = splits.train.input_stage()
    used = splits.train.x.reshape(-1, 2)
    assert stage.mean == pytest.approx(used.mean(axis=0))
    assert stage.scale == pytest.approx(used.std(axis=0))
    assert max(stage.mean) < 1000 + 0.8 * 200 / 2 + 1  # the later parts would raise the mean
    out = np.empty((3, 20, 2), np.float32)
    stage.transform(splits.train.x, slice(0, 3), out, None or _kernels())
    np.testing.assert_allclose(out, (splits.train.x[:3] - stage.mean) / stage.scale, rtol=1e-6)


def _kernels():
    from pellucid import kernels

    return kernels.load()


def test_too_few_rows_say_how_many_are_needed():
    with pytest.raises(DataError, match=r"40 rows are too few .* at least (\d+) are needed") as caught:
        split_windows(ROWS[:40], 20, 6)
    needed = int(str(caught.value).split("at least ")[1].split()[0])
    assert len(split_windows(ROWS[:needed], 20, 6).test) >= 1
    with pytest.raises(DataError, match="too few"):
        split_windows(ROWS[: needed - 1], 20, 6)
    with pytest.raises(DataError, match="at least 340,000,001 are needed"):  # found without trying each number of rows
        split_windows(ROWS[:40], 20, 6, validation=0.5, test=0.4999999)
    with pytest.raises(DataError, match="at least 26 are needed"):
        windows(ROWS[:25], 20, 6)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ConfigError, "window=0", {"window": 0}),
        (ConfigError, r"horizon=1\.5", {"horizon": 1.5}),
        (ConfigError, "no column 'c': did you mean|no column 'c'", {"targets": ["c"], "names": ["a", "b"]}),
        (ConfigError, "no column 2: positions are from 0 to 1", {"targets": [2]}),
        (ConfigError, "names must be different", {"names": ["a", "a"]}),
        (ConfigError, "different columns", {"targets": [0, 0]}),
        (ShapeError, r"got \(4, 3, 2\)", {"series": np.zeros((4, 3, 2))}),
        (DataError, "row 7, column 1", {"series": np.where(ROWS == 1007, np.nan, ROWS)}),
    ],
)
def test_what_windows_refuse(error, message, arguments):
    with pytest.raises(error, match=message):
        windows(**{"series": ROWS, "window": 5, "horizon": 3, **arguments})


@pytest.mark.parametrize("fraction", [0, 1, 0.0, 1.5, "a"])
def test_parts_are_fractions(fraction):
    with pytest.raises(ConfigError, match="test="):
        split_windows(ROWS, 5, 3, test=fraction)
