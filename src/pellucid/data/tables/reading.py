"""Data sets from CSV files.

A file is read twice, in blocks of rows: first to find the types of its columns, then for the values, which are written to a
memory map. So a table may need more space than the memory has. The decisions are recorded in the ``origin`` of the data set.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Origin
from pellucid.data.row_file import RowFile
from pellucid.data.tables.column_types import TASKS, ColumnContent, choose_columns, choose_task, scan_columns
from pellucid.data.tables.columns import MISSING, Column, Standardization
from pellucid.data.tables.csv_file import CSVFile
from pellucid.data.tables.encoding import RowEncoder, Table
from pellucid.data.tables.frame import Frame, is_frame
from pellucid.errors import ConfigError, DataError, did_you_mean, warn_user

_EXAMPLES = 3  # unknown categories in a message


def read_csv(
    path: str | os.PathLike[str],
    target: str,
    *,
    task: str | None = None,
    missing: str = "error",
    ignore: Iterable[str] = (),
    header: bool = True,
) -> Dataset:
    """Return the table in a file of values separated by commas, semicolons, tabs or vertical bars, in UTF-8.

    ``target`` is the name of the column to predict. Columns of numbers become float64, and columns of text become one value for
    each category. ``ignore`` names columns to leave out. Without a ``header`` the columns are called 1, 2, ….

    The default ``task`` is "classification" if the target is text or has up to 20 distinct integers, and otherwise
    "regression". Empty cells, NA, N/A, NaN, null and ? are missing values. For them, ``missing`` is "error", "mean" to use the
    mean of the training set, or "drop" to leave such rows out. The decisions are listed in ``origin.notes``.

    A model standardizes the columns by the mean and standard deviation of its training set. The table may need more space than
    the memory has.

    Raises FileError, DataError and ConfigError; messages about a cell name its line in the file.
    """
    if missing not in MISSING:
        raise ConfigError(f"missing={missing!r}: {did_you_mean(missing, MISSING)}")
    if task is not None and task not in TASKS:
        raise ConfigError(f"task={task!r}: {did_you_mean(task, TASKS)}")
    if not isinstance(target, str):
        raise ConfigError(
            f"target={target!r}: a table has one target, the name of a column. For several numbers give arrays, with y (n, k): "
            "from_arrays(x, y, names=…)"
        )
    file = CSVFile(path, header)
    ignored = tuple([ignore] if isinstance(ignore, str) else ignore)
    for name in (target, *ignored):
        if name not in file.names:
            hint = did_you_mean(name, [name for name in file.names if name])
            raise ConfigError(f"{file.path} has no column {name!r}: {hint}")
    if target in ignored:
        raise ConfigError(f"{target!r} cannot be both the target and ignored")
    contents, n = scan_columns(file, target)
    target_column = contents.pop(target)
    classes, task_note = choose_task(file, target_column, task)
    columns, left_out = choose_columns(file, [content for name, content in contents.items() if name not in ignored])
    used = {column.name for column in columns}
    gaps = [content for content in (target_column, *contents.values()) if content.missing and content.name in {target, *used}]
    if gaps and missing == "error":
        raise DataError(
            f"{file.path}: values are missing in {_counted(gaps)}: missing='mean' (--missing mean) replaces them with the mean "
            "of the training set, missing='drop' (--missing drop) leaves such rows out, ignore (--ignore) a whole column"
        )
    encoder = RowEncoder(file, columns, target, classes)
    targets = list[Array]()
    with RowFile((encoder.width,), np.float64) as rows:  # float32 would round time stamps before they are standardized
        for x, y in encoder.blocks():
            kept = ~np.isnan(y)
            if missing == "drop":
                kept &= ~np.isnan(x).any(axis=1)
            rows.append(x[kept])
            targets.append(y[kept])
        if not rows.count:
            raise DataError(
                f"{file.path}: every row has a missing value ({_counted(gaps)}): use missing='mean' (--missing mean)"
            )
        values, y = rows.array(), np.concatenate(targets)
    notes = [_columns_note(columns, left_out, ignored), task_note]
    if gaps:
        mean = "; replaced with the mean of the training set" if missing == "mean" else ""
        notes.append(f"missing   {_counted(gaps)}{mean}")
    if rows.count < n:
        notes.append(f"left out  {n - rows.count:,} of {n:,} rows, because of missing values")
    return Dataset(
        values,
        y.astype(np.int64) if classes else y,
        classes=classes,
        name=Path(file.path).stem,
        origin=Origin(tuple(notes), (), columns, missing, target, header),
    )


def read_rows(
    source: str | os.PathLike[str] | Any,
    stage: Standardization,
    classes: Sequence[str] | None,
    *,
    labelled: bool | None = None,
) -> Dataset:
    """Return a CSV file or a data frame as input of a model that was trained on another table.

    The columns are found by name, and other columns are ignored. If ``labelled``, the target is read too; rows without a target
    are left out, and so are rows with missing values if they were left out for training. Otherwise every row is kept. None
    stands for whether the table has a column of the target's name.

    Raises FileError, ConfigError for missing columns, and DataError for values that the model cannot use. Warns with
    DataWarning of unknown categories, of which the model sees none.
    """
    table = Frame(source) if is_frame(source) else _open_for(source, stage)
    if labelled is None:
        labelled = stage.target in table.names
    encoder = RowEncoder(table, stage.columns, stage.target if labelled else None, classes)
    targets, n = list[Array](), 0
    with RowFile((encoder.width,), np.float64) as rows:
        for x, y in encoder.blocks():
            kept = ~np.isnan(y) if labelled else np.ones(len(x), bool)
            if stage.missing != "mean":
                gaps = np.isnan(x).any(axis=1)
                if gaps.any() and not (labelled and stage.missing == "drop"):
                    raise DataError(
                        f"{table.path}: row {n + int(np.flatnonzero(gaps)[0]) + 1} has a missing value, and this model was "
                        "trained without any: fill it, or train with missing='mean' (--missing mean)"
                    )
                kept &= ~gaps
            rows.append(x[kept])
            targets.append(y[kept])
            n += len(x)
        if not rows.count:
            raise DataError(f"{table.path} has no rows that can be used")
        values, y = rows.array(), np.concatenate(targets)
    notes = [f"left out  {n - rows.count:,} of {n:,} rows, because of missing values"] if rows.count < n else []
    for name, found in encoder.unknown.items():
        listed = ", ".join(repr(text) for text, _ in found.most_common(_EXAMPLES))
        more = ", …" if len(found) > _EXAMPLES else ""
        what = f"{found.total():,} rows have unknown categories ({listed}{more}), for which all inputs of the column are 0"
        warn_user(f"{table.path}: {name}: {what}")
    return Dataset(
        values,
        (y.astype(np.int64) if classes else y) if labelled else None,
        classes=classes,
        name=Path(table.path).stem,
        origin=Origin(tuple(notes), (), stage.columns, stage.missing, stage.target, table.header),
    )


def _open_for(path: str | os.PathLike[str], stage: Standardization) -> Table:
    """Return the CSV file, with the header that the table for this input stage had."""
    names, header = [column.name for column in stage.columns], stage.header
    if header is None:  # a model file that does not say so: without a header all columns were called 1, 2, …
        header = not all(name.isdigit() for name in (stage.target, *names))
    return CSVFile(path, header, expected=names)


def _columns_note(columns: Sequence[Column], left_out: Sequence[str], ignored: Sequence[str]) -> str:
    """Return a line of text about the columns that are used and those that are left out."""
    text = [f"{column.name}: {column.width}" for column in columns if column.categories is not None]
    parts = [f"{len(columns) - len(text)} of numbers"] if len(text) < len(columns) else []
    if text:
        more = ", …" if len(text) > 10 else ""
        parts.append(f"{len(text)} of categories ({', '.join(text[:10])}{more})")
    note = f"columns   {', '.join(parts)}"
    reasons = [*left_out, *(f"{name} (ignored)" for name in ignored)]
    return note + (f"; left out: {', '.join(reasons)}" if reasons else "")


def _counted(gaps: Sequence[ColumnContent]) -> str:
    """Return the columns with the number of their missing values: ``age (177 of 891), embarked (2 of 891)``."""
    listed = [f"{content.name} ({content.missing:,} of {content.count:,})" for content in gaps[:10]]
    return ", ".join(listed) + (f" and {len(gaps) - 10} more columns" if len(gaps) > 10 else "")
