"""Series from CSV files: rows in the order of time, with targets, other columns and perhaps a column of times.

The whole series is held in memory, in float64. The decisions are recorded in the ``origin`` of the sets.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.habits import explain_arguments
from pellucid.data.dataset import Dataset, Origin, Splits
from pellucid.data.series.layout import MISSING, SeriesLayout
from pellucid.data.series.times import DATE, NAMES, Times
from pellucid.data.series.windows import SeriesRows, borders, checked_length
from pellucid.data.tables.column_types import MAX_ONE_HOT, ColumnContent, choose_columns, scan_columns
from pellucid.data.tables.columns import Column, Standardization
from pellucid.data.tables.csv_file import CSVFile, positions_of
from pellucid.data.tables.encoding import RowEncoder, Table, texts_of
from pellucid.data.tables.frame import Frame, is_frame
from pellucid.errors import ConfigError, DataError, did_you_mean, warn_user


@explain_arguments
def read_series(
    path: str | os.PathLike[str],
    targets: str | Sequence[str],
    *,
    window: int,
    horizon: int,
    validation: float = 0.1,
    test: float = 0.1,
    time: str | None = None,
    missing: str = "error",
    ignore: Iterable[str] = (),
    header: bool = True,
) -> Splits:
    """Return the windows of the series in a CSV file, split in time.

    The rows are in the order of time. The ``targets`` are the columns to predict, for the next ``horizon`` rows, from the last
    ``window`` rows of all columns. Columns of text become one value for each category. The split is that of
    :func:`~pellucid.data.series.windows.split_windows`.

    A column of times is no input. It is the column ``time``, or else the first column of dates in ISO 8601, or of numbers that
    grow by the same amount from row to row, or that have a name such as time, date or year and grow. Rows that are not in its
    order are an error.

    Missing values are an error, or with ``missing="last"`` they are replaced by the last known value of their column, which
    needs no value from the future. Then windows with a missing value among their targets are left out, and so are the first
    rows if a column has no value yet. ``ignore`` names columns to leave out. Without a ``header`` the columns are called
    1, 2, ….

    Raises FileError, DataError and ConfigError; messages about a cell name its line in the file.
    """
    if missing not in MISSING:
        raise ConfigError(f"missing={missing!r}: for a series, {did_you_mean(missing, MISSING)}")
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    ignored = tuple([ignore] if isinstance(ignore, str) else ignore)
    layout = SeriesLayout(targets, checked_length(horizon, "horizon"), time)
    window = checked_length(window, "window")
    file = CSVFile(path, header, expected=targets)
    for name in (*targets, *ignored, *([] if time is None else [time])):
        if name not in file.names:
            hint = did_you_mean(name, [name for name in file.names if name])
            raise ConfigError(f"{file.path} has no column {name!r}: {hint}")
    for name in targets:
        if name in ignored or name == time:
            raise ConfigError(f"{name!r} cannot be both a target and {'ignored' if name in ignored else 'the time'}")
    contents, _ = scan_columns(file, targets[:1], dates=False)
    for name in targets:
        if contents[name].is_text(file.path):
            line, cell = contents[name].first_text
            raise DataError(f"{file.path}:{line}: the target {name} contains text ({cell!r}); a forecast predicts numbers")
    times = _find_times(file, contents, layout, ignored)
    if times is not None:
        layout = dataclasses.replace(layout, time=times[0])
    used = [content for name, content in contents.items() if name not in ignored and name != layout.time]
    columns, left_out = choose_columns(file, used, missing, one_hot=MAX_ONE_HOT, codes=False)
    constant = [name for name in targets if name not in [column.name for column in columns]]
    if constant:
        raise DataError(f"{file.path}: the target {constant[0]} has no different values, so there is nothing to forecast")
    notes = [_columns_note(columns, left_out, ignored, layout)]
    if times is not None:
        notes += _times_notes(file, *times)
    origin = Origin((), (), columns, missing, ", ".join(targets), header, layout)
    rows, gaps = _read(file, origin, Path(file.path).stem)
    notes += gaps
    found = rows.split(window, validation, test, file.path)
    m = len(rows.values)
    a, b = borders(m, validation, test)
    notes.append(f"split     in time: rows 1 to {a:,} for training, to {b:,} for validation, to {m:,} for the test")
    found.train.origin = dataclasses.replace(origin, notes=tuple(notes))
    return found


def read_windows(source: Any, stage: Standardization, window: int, *, labelled: bool) -> Dataset:
    """Return a series, in a CSV file or a data frame, as input of a model that was trained on the windows of another one.

    If ``labelled``, these are all windows with their targets; otherwise the one window of the last rows, whose targets follow
    the end of the series.

    Raises FileError, ConfigError for missing columns, and DataError for too few rows and for values that the model cannot use.
    """
    table, layout = _open_for(source, stage)
    origin = Origin((), (), stage.columns, stage.missing, stage.target, table.header, layout)
    rows, notes = _read(table, origin, Path(table.path).stem, trained=True, last=None if labelled else window)
    if layout.time in table.names:
        notes += _times_notes(table, layout.time, Times.of(_cells(table, [layout.time])[layout.time]))
    origin = dataclasses.replace(origin, notes=tuple(notes))
    if labelled:
        return dataclasses.replace(rows, origin=origin).cut(window, 0, len(rows.values), rows.name)
    if len(rows.values) < window:
        raise DataError(f"{table.path}: {len(rows.values):,} rows are too few: the model reads the last {window} rows")
    return Dataset(rows.values[None, -window:], None, name=rows.name, origin=origin)


def next_times(source: Any, stage: Standardization, count: int) -> list[str] | None:
    """Return the times of the ``count`` rows after the last row of a series, or None if it has no times with equal steps."""
    table, layout = _open_for(source, stage)
    if layout.time not in table.names:
        return None
    times = Times.of(_cells(table, [layout.time])[layout.time])
    return None if times is None else times.next(count)


def _open_for(source: Any, stage: Standardization) -> tuple[Table, SeriesLayout]:
    """Return the table with a series, and the layout that the model was trained on."""
    if stage.series is None:
        raise ConfigError("the model was not trained on a series")
    if is_frame(source):
        return Frame(source), stage.series
    return CSVFile(source, bool(stage.header), [column.name for column in stage.columns]), stage.series


def _read(
    table: Table, origin: Origin, name: str, *, trained: bool = False, last: int | None = None
) -> tuple[SeriesRows, list[str]]:
    """Return the rows of a series, with missing values treated as ``origin`` says, and notes about them.

    ``trained`` means that a model has been trained on such a series, so that the treatment cannot be changed any more. Of a
    series with gaps that are an error, only the ``last`` rows are returned, if this is a number.
    """
    columns, layout = origin.columns or (), origin.series
    assert layout is not None
    encoder = RowEncoder(table, columns, missing=origin.missing)
    values = np.concatenate([x for x, _ in encoder.blocks()] or [np.empty((0, encoder.width))])
    for column, found in encoder.unknown.items():
        what = f"{found.total():,} rows have unknown categories, for which all inputs of the column are 0"
        warn_user(f"{table.path}: {column}: {what}")
    if origin.missing == "error" and last is not None:
        values = values[-last:]
    starts = dict(zip([column.name for column in columns], np.cumsum([0, *(column.width for column in columns)]), strict=False))
    positions = tuple(int(starts[target]) for target in layout.targets)
    gaps = np.isnan(values)
    if not gaps.any():
        return SeriesRows(values, positions, origin, layout, name), []
    counts = [(column.name, int(gaps[:, starts[column.name]].sum())) for column in columns]
    listed = ", ".join([f"{column} ({count:,} of {len(values):,})" for column, count in counts if count][:10])
    if origin.missing == "error":
        last_known = "missing='last' (--missing last)"
        treatment = f"{last_known} replaces each with the last known value of its column, ignore (--ignore) leaves a column out"
        if trained:
            treatment = f"fill the gaps, or use a model that was trained with {last_known}"
        raise DataError(f"{table.path}: values are missing in {listed}: {treatment}")
    empty = [column for column, count in counts if count == len(values)]
    if empty:
        raise DataError(f"{table.path}: {empty[0]} has no values")
    usable = ~gaps[:, list(positions)].any(axis=1)
    known = np.maximum.accumulate(np.where(gaps, 0, np.arange(len(values))[:, None]), axis=0)  # the row of the last known value
    filled = np.take_along_axis(values, known, axis=0)
    start = int(np.argmin(gaps, axis=0).max())  # before it, a column has no value yet
    note = f"missing   {listed}; replaced with the last known value, but not as targets"
    left_out = f"; the first {f'{start:,} rows are' if start > 1 else 'row is'} left out" if start else ""
    return SeriesRows(filled[start:], positions, origin, layout, name, usable[start:]), [note + left_out]


def _find_times(
    file: CSVFile, contents: Mapping[str, ColumnContent], layout: SeriesLayout, ignored: Sequence[str]
) -> tuple[str, Times] | None:
    """Return the name of the column of times and the times, or None if there is none.

    Raises DataError for a column that the user named and that holds neither dates nor numbers, and where no column holds dates
    in ISO 8601 but one of text seems to hold others.
    """
    if layout.time is not None:
        times = Times.of(_cells(file, [layout.time])[layout.time])
        if times is None:
            raise DataError(f"{file.path}: the time {layout.time} must be dates in ISO 8601, such as 2024-01-31, or numbers")
        return layout.time, times
    others = [
        name
        for name, content in contents.items()
        if name not in layout.targets and name not in ignored and not content.missing and content.texts in (0, content.count)
    ]
    candidates = {name: times for name, cells in _cells(file, others).items() if (times := Times.of(cells)) is not None}
    for name, times in candidates.items():
        if times.dates:
            return name, times
    for name in [name for name in contents if name not in layout.targets and name not in ignored]:
        line, cell = contents[name].first_text
        if DATE.match(cell):
            raise DataError(
                f"{file.path}:{line}: {name} seems to hold dates ({cell!r}), but not all of its cells are in ISO 8601, such as "
                f"2024-01-31 or 2024-01-31 12:30: convert them, or leave the column out with ignore (--ignore {name})"
            )
    for name, times in candidates.items():
        if times.is_counter or (name.lower() in NAMES and (times.steps >= 0).all()):
            return name, times
    return None


def _cells(table: Table, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the cells of the columns with these names."""
    positions = positions_of(table.names, names)
    cells = {name: list[str]() for name in names}
    for block in table.blocks():
        for name, position in positions.items():
            cells[name] += texts_of(block.columns[position])
    return cells


def _times_notes(table: Table, name: str, times: Times | None) -> list[str]:
    """Return lines of text about the times. Raises DataError for rows that are not in the order of time."""
    if times is None:
        return []
    steps = times.steps
    if (steps < 0).any():
        row = int(np.flatnonzero(steps < 0)[0]) + 1
        before, cell = times.cells[row - 1], times.cells[row]
        raise DataError(
            f"{table.path}: row {row + 1} ({name} {cell}) is earlier than the row before it ({before}): sort the rows by {name}"
        )
    note = f"time      {name}: from {times.cells[0]} to {times.cells[-1]}"
    if times.next(1) is None and len(steps):
        note += "; the steps differ, but a window counts rows, not time"
    return [note]


def _columns_note(columns: Sequence[Column], left_out: Sequence[str], ignored: Sequence[str], layout: SeriesLayout) -> str:
    """Return a line of text about the targets, the other inputs, and the columns that are left out."""
    others = [column.name for column in columns if column.name not in layout.targets]
    inputs = f"; further inputs: {', '.join(others[:10])}{', …' * (len(others) > 10)}" if others else ""
    reasons = [*left_out, *(f"{name} (ignored)" for name in ignored)]
    return f"columns   targets: {', '.join(layout.targets)}{inputs}" + (f"; left out: {', '.join(reasons)}" if reasons else "")
