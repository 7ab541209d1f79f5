"""Windows of a series: the consecutive rows that a network reads, and the rows after them that it predicts.

For a series of m rows with d columns, a window of length w and a horizon of h rows, sample i is x = rows i … i + w − 1 with all
d columns, and y = rows i + w … i + w + h − 1 with the k target columns. The windows overlap. They are views of the series, so
they need no more memory than it does.

A series is split in time, never shuffled: the first rows are the training part, the next the validation part, the last the test
part. All targets of a window are in one part. Its inputs may be in the part before: the past is known when a forecast is made.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.habits import explain_arguments
from pellucid.core.memory import Array
from pellucid.data.checks import numeric_array
from pellucid.data.dataset import Dataset, Origin, Splits, digest
from pellucid.data.series.layout import SeriesLayout
from pellucid.data.tables.columns import Column
from pellucid.errors import ConfigError, DataError, ShapeError, did_you_mean

MIN_WINDOWS = 10  # of the training part


@explain_arguments
def windows(
    series: Any,
    window: int,
    horizon: int,
    *,
    targets: Sequence[str | int] | None = None,
    names: Sequence[str] | None = None,
    name: str = "series",
) -> Dataset:
    """Return all windows of a series (m, d), or (m) for one column, whose rows are in the order of time.

    The samples x are (n, window, d), with all columns, and y is (n, horizon, k), with the ``targets``, for
    n = m − window − horizon + 1. ``targets`` are names or positions of columns; without them every column is predicted.
    ``names`` are those of the columns, by default 0, 1, …. A model standardizes each column by the mean and standard deviation
    of the windows that it is trained on.

    Raises ConfigError for a window or horizon below 1 and for unknown columns, ShapeError for an array of another rank, and
    DataError for too few rows and for NaN or infinity.
    """
    rows = SeriesRows.of(series, horizon, targets, names, name)
    return rows.cut(checked_length(window, "window"), 0, len(rows.values), name)


@explain_arguments
def split_windows(
    series: Any,
    window: int,
    horizon: int,
    *,
    targets: Sequence[str | int] | None = None,
    names: Sequence[str] | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    name: str = "series",
) -> Splits:
    """Return the windows of a series, split in time: the last rows are the test part, those before the validation part.

    ``validation`` and ``test`` are fractions of the rows; the other arguments are those of :func:`windows`. The targets of a
    window are in one part; its inputs may reach back into the part before.

    Raises the errors of :func:`windows`, and DataError if a part is too short for a window.
    """
    rows = SeriesRows.of(series, horizon, targets, names, name)
    return rows.split(checked_length(window, "window"), validation, test, "memory")


@dataclass(frozen=True)
class SeriesRows:
    """The rows of a series: ``values`` (m, width), in which the targets are at ``positions``.

    ``usable`` (m) is false for rows with a missing target, which are in no target of a window; None means all.
    """

    values: Array
    positions: tuple[int, ...]
    origin: Origin
    layout: SeriesLayout
    name: str
    usable: Array | None = None

    @classmethod
    def of(
        cls, series: Any, horizon: int, targets: Sequence[str | int] | None, names: Sequence[str] | None, name: str
    ) -> SeriesRows:
        """Return the rows of an array, checked. The arguments and errors are those of :func:`windows`."""
        values = numeric_array(series, "the series", name)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or not values.shape[1]:
            raise ShapeError(f"{name}: a series has the shape (rows in the order of time, columns), got {values.shape}")
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            at = f"row {bad[0][0]:,}, column {bad[0][1]}"
            raise DataError(f"{name}: NaN or infinity in {at}: fill the gap, or leave the column out")
        columns = tuple(str(i) for i in range(values.shape[1])) if names is None else tuple(names)
        if len(columns) != values.shape[1] or len(set(columns)) < len(columns):
            raise ConfigError(f"{name}: names must be different, one for each of the {values.shape[1]} columns; got {columns}")
        positions = tuple(_position(target, columns, name) for target in (columns if targets is None else _listed(targets)))
        layout = SeriesLayout(tuple(columns[i] for i in positions), checked_length(horizon, "horizon"))
        origin = Origin(
            columns=tuple(Column(column) for column in columns),
            missing="error",
            target=", ".join(layout.targets),
            series=layout,
        )
        return cls(values, positions, origin, layout, name)

    def cut(self, window: int, first: int, last: int, name: str) -> Dataset:
        """Return the windows whose targets are in the rows from ``first`` to ``last`` (not included).

        Raises DataError if there is none.
        """
        horizon = self.layout.horizon
        first = max(first, window)
        count = last - first - horizon + 1
        if count < 1:
            raise DataError(
                f"{self.name}: {last:,} rows are too few for a window of {window} and a horizon of {horizon} rows: at least "
                f"{first + horizon:,} are needed"
            )
        x = _sliding(self.values[first - window : last - horizon], window)
        y = _sliding(self.values[first:last][:, list(self.positions)], horizon)
        rows = None
        if self.usable is not None:
            usable = _sliding(self.usable[first:last, None], horizon).all(axis=(1, 2))
            rows = np.flatnonzero(usable)
            if not len(rows):
                raise DataError(f"{name}: every window has a missing value among its targets")
        return Dataset(x, y, name=name, rows=rows, origin=self.origin)

    def split(self, window: int, validation: float, test: float, source: str) -> Splits:
        """Return the windows of the three parts. Raises ConfigError and DataError."""
        for what, fraction in (("validation", validation), ("test", test)):
            if not isinstance(fraction, (float, np.floating)) or not 0 < fraction < 1:
                raise ConfigError(f"{what}={fraction!r}: expected the fraction of the rows in this part, such as 0.1")
        if validation + test >= 1:
            raise ConfigError(f"validation={validation} and test={test} leave no rows for the training part")
        m, horizon = len(self.values), self.layout.horizon
        a, b = borders(m, validation, test)
        if not _long_enough(m, window, horizon, validation, test):
            # Near the least number: a part has at most half a row more than its fraction, the training part one row.
            least = (window + horizon + MIN_WINDOWS - 2) / (1 - validation - test), (horizon - 0.5) / min(validation, test)
            needed = max(m + 1, *map(int, least))
            while not _long_enough(needed, window, horizon, validation, test):
                needed += 1
            raise DataError(
                f"{self.name}: {m:,} rows are too few for a window of {window} and a horizon of {horizon} rows: at least "
                f"{needed:,} are needed, so that the training part has {MIN_WINDOWS} windows and the other parts have one each"
            )
        parts = {"train": (0, a), "validation": (a, b), "test": (b, m)}
        sets = {part: self.cut(window, *rows, f"{self.name} {part}") for part, rows in parts.items()}
        return Splits(**sets, name=self.name, source=source, sha256=digest(*sets.values()))


def checked_length(value: Any, what: str) -> int:
    """Return ``value`` as a number of rows. Raises ConfigError unless it is an integer of 1 or more."""
    try:
        length = operator.index(value)
    except TypeError:
        length = 0
    if length < 1:
        raise ConfigError(f"{what}={value!r}: expected a number of rows, 1 or more")
    return length


def borders(m: int, validation: float, test: float) -> tuple[int, int]:
    """Return the first row of the validation part and the first row of the test part, of m rows."""
    b = m - round(m * test)
    return b - round(m * validation), b


def _long_enough(m: int, window: int, horizon: int, validation: float, test: float) -> bool:
    a, b = borders(m, validation, test)
    return a >= window + horizon + MIN_WINDOWS - 1 and b - a >= horizon and m - b >= horizon


def _sliding(values: Array, length: int) -> Array:
    """Return all runs of ``length`` consecutive rows of values (m, d): a view (m − length + 1, length, d)."""
    return np.lib.stride_tricks.sliding_window_view(values, length, axis=0).swapaxes(1, 2)


def _listed(targets: Sequence[str | int] | str | int) -> Sequence[str | int]:
    return [targets] if isinstance(targets, (str, int)) else targets


def _position(target: str | int, columns: Sequence[str], name: str) -> int:
    if isinstance(target, str) and target in columns:
        return columns.index(target)
    if isinstance(target, (int, np.integer)) and -len(columns) <= target < len(columns):
        return int(target) % len(columns)
    hint = did_you_mean(target, columns) if isinstance(target, str) else f"positions are from 0 to {len(columns) - 1}"
    raise ConfigError(f"{name}: there is no column {target!r}: {hint}")
