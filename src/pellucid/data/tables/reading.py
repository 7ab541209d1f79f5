"""Data sets from CSV files and data frames.

A file is read twice, in blocks of rows: first to find the types of its columns, then for the values, which are written to a
memory map. So a table may need more space than the memory has. A table with numbers that are written with separators or signs,
or with dates, is read once more. The decisions are recorded in the ``origin`` of the data set.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Origin
from pellucid.data.row_file import RowFile
from pellucid.data.tables.column_types import TASKS, ColumnContent, choose_columns, choose_task, scan_columns
from pellucid.data.tables.columns import MISSING, VALUE, Column, TableStage
from pellucid.data.tables.csv_file import CSVFile
from pellucid.data.tables.encoding import RowEncoder, Table, class_name
from pellucid.data.tables.frame import ArrayTable, Frame, frame_names, is_frame
from pellucid.data.tables.target_scale import skewness, suits_logarithms
from pellucid.errors import ConfigError, DataError, did_you_mean, warn_user

_EXAMPLES = 3  # unknown categories in a message
_LISTED = 10  # columns in a note
_TREATED = {VALUE: "values of their own", "mean": "replaced with the mean of the training set"}


def read_csv(
    path: str | os.PathLike[str],
    target: str | Sequence[str],
    *,
    task: str | None = None,
    missing: str = VALUE,
    ignore: Iterable[str] = (),
    header: bool = True,
    categorical: Iterable[str] = (),
    logarithm: bool | None = None,
    columns: Sequence[Column] | None = None,
) -> Dataset:
    """Return the table in a file of values separated by commas, semicolons, tabs or vertical bars.

    Its text is in UTF-8, or in UTF-16 with a byte order mark.

    ``target`` is the name of the column to predict; several columns of numbers are predicted together. Columns of numbers
    become float64. They may have thousands separators, a decimal comma, percent signs or a currency. Dates become their parts.
    Columns of text become one value for each of up to 9 categories, and with more categories a code for an
    :class:`~pellucid.Embedding`, in which 0 is any text that occurs in fewer than 3 rows. Identifiers and free text are left
    out. ``categorical`` names columns whose numbers are categories, ``ignore`` columns to leave out. ``columns`` are those of a
    model, ``model.input_stage.columns``, in place of columns that are chosen for this table. Without a ``header`` the columns
    are called 1, 2, ….

    The default ``task`` is "classification" if the target is text or has up to 20 distinct integers, and otherwise
    "regression". Empty cells, NA, N/A, NaN, null, ?, <NA> and the errors of spreadsheets such as #N/A are missing values. With
    ``missing="value"`` they are values of their own: an indicator for numbers and dates, a category for text. "mean" replaces
    them with the mean of the training set, "drop" leaves such rows out, and "error" raises DataError. The decisions are listed
    in ``origin.notes``.

    ``origin.logarithm`` is whether a run learns the logarithms of a target of numbers, and predicts their exponentials. By
    default it is so if the target is positive and skewed to the right, and its logarithms are not
    (:mod:`~pellucid.data.tables.target_scale`); ``logarithm`` says it.

    A model scales the numbers by the median and the quartiles of its training set
    (:class:`~pellucid.data.tables.robust_scaling.RobustScaling`), or with ``missing="mean"`` by mean and standard deviation.
    The table may need more space than the memory has.

    Raises FileError, DataError and ConfigError; messages about a cell name its line in the file.
    """
    if missing not in MISSING:
        raise ConfigError(f"missing={missing!r}: {did_you_mean(missing, MISSING)}")
    if task is not None and task not in TASKS:
        raise ConfigError(f"task={task!r}: {did_you_mean(task, TASKS)}")
    names = (target,) if isinstance(target, str) else tuple(target)
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ConfigError(f"target={target!r}: expected the name of a column, or several different names")
    file = CSVFile(path, header)
    ignored = tuple([ignore] if isinstance(ignore, str) else ignore)
    file.categorical = frozenset([categorical] if isinstance(categorical, str) else categorical)
    for name in (*names, *ignored, *sorted(file.categorical)):
        if name not in file.names:
            hint = did_you_mean(name, [name for name in file.names if name])
            raise ConfigError(f"{file.path} has no column {name!r}: {hint}")
    for name in names:
        if name in ignored:
            raise ConfigError(f"{name!r} cannot be both the target and ignored")
    contents, n = scan_columns(file, names)
    target_contents = [contents.pop(name) for name in names]
    classes, task_notes = _choose_tasks(file, target_contents, task)
    targets = tuple(Column(one.name, decimal=None if classes else one.decimal) for one in target_contents)
    kept = [content for name, content in contents.items() if name not in ignored]
    left_out = list[str]()
    for name in (column.name for column in columns or ()):
        if name in names:
            raise ConfigError(f"{file.path}: {name} is a target, and a column that the model reads: choose another target")
        if name in ignored:
            raise ConfigError(f"{file.path}: {name} is ignored, and a column that the model reads: it cannot be left out")
    of_model = columns is not None
    if columns is None:
        columns, left_out = choose_columns(file, kept, missing)
    used = {column.name for column in columns}
    gaps = [content for content in (*target_contents, *kept) if content.missing and content.name in {*names, *used}]
    if gaps and missing == "error" and of_model:
        raise DataError(
            f"{file.path}: values are missing in {_counted(gaps)}, and the model was trained without any: missing='drop' "
            "(--missing drop) leaves such rows out; missing='mean' (--missing mean) puts the mean in their place, or "
            "missing='value' (--missing value) the median, for a model that scales by it"
        )
    if gaps and missing == "error":
        raise DataError(
            f"{file.path}: values are missing in {_counted(gaps)}: missing='value' (--missing value) makes them values of "
            "their own, missing='mean' (--missing mean) replaces them with the mean of the training set, missing='drop' "
            "(--missing drop) leaves such rows out, ignore (--ignore) a whole column"
        )
    encoder = RowEncoder(file, columns, targets, classes, missing)
    of_targets, kept_rows, read = list[Array](), list[Array](), 0
    with RowFile((encoder.width,), np.float64) as rows:  # float32 would round time stamps before they are scaled
        for x, y in encoder.blocks():
            usable = ~np.isnan(y).any(axis=1)
            if missing == "drop":
                usable &= ~np.isnan(x).any(axis=1)
            rows.append(x[usable])
            of_targets.append(y[usable])
            kept_rows.append(read + np.flatnonzero(usable))
            read += len(x)
        if not rows.count:
            raise DataError(
                f"{file.path}: every row has a missing value ({_counted(gaps)}): use missing='value' (--missing value)"
            )
        values, labels = rows.array(), _targets(of_targets, targets, classes)
    if of_model:
        _warn_of_unknown(file, encoder)
        _warn_of_gaps(file, encoder, n)
    notes = [*columns_notes(columns, kept, left_out, ignored), *task_notes]
    with_median = encoder.gaps if missing == VALUE else ()
    inputs = [content for content in gaps if content.name in used and content.name not in with_median]
    if gaps:
        treated = f"; {_TREATED[missing]}" if missing in _TREATED and inputs else ""
        notes.append(f"missing   {_counted(gaps)}{treated}")
    if rows.count < n:
        notes.append(f"left out  {n - rows.count:,} of {n:,} rows, because of missing values")
    in_logarithms = _learns_logarithms(labels, classes, names, logarithm, file.path)
    if in_logarithms:
        found = "" if logarithm else f", as it is skewed ({_skewness(labels)}; --no-logarithm learns the numbers themselves)"
        notes.append(f"scale     the logarithms of {', '.join(names)} are learned{found}")
    special = targets if len(targets) > 1 or targets[0].decimal else ()
    origin = Origin(
        tuple(notes),
        (),
        tuple(columns),
        missing,
        ", ".join(names),
        header,
        targets=special,
        logarithm=in_logarithms,
        kept=np.concatenate(kept_rows) if rows.count < n else None,
    )
    return Dataset(values, labels, classes=classes, name=Path(file.path).stem, origin=origin)


def _choose_tasks(file: Table, targets: Sequence[ColumnContent], task: str | None) -> tuple[tuple[str, ...] | None, list[str]]:
    """Return the names of the classes, or None for regression, and notes. Raises DataError for several targets with classes."""
    if len(targets) == 1:
        classes, note = choose_task(file, targets[0], task)
        return classes, [note]
    if task == "classification":
        raise ConfigError(
            f"several targets ({', '.join(one.name for one in targets)}) are predicted as numbers: leave the task out, or "
            "train one model for each of them"
        )
    notes = [choose_task(file, one, "regression")[1] for one in targets]
    return None, [note.partition("; --task")[0].removesuffix(")") + ")" for note in notes]


def _learns_logarithms(
    y: Array, classes: Sequence[str] | None, names: Sequence[str], logarithm: bool | None, path: str
) -> bool:
    """Return whether the logarithms of the targets are learned. Raises ConfigError where that is asked for and not possible."""
    if classes is not None or logarithm is False:
        if logarithm:
            raise ConfigError("logarithms are learned of numbers, not of classes: leave logarithm out")
        return False
    columns = y.reshape(len(y), -1).T
    if logarithm and not y.min() > 0:
        name = next(name for name, values in zip(names, columns, strict=True) if not values.min() > 0)
        raise ConfigError(f"{path}: the target {name} has values down to {y.min():g}, which have no logarithms")
    return bool(logarithm) or all(suits_logarithms(values) for values in columns)


def _skewness(y: Array) -> str:
    """Return the skewness of a target, or of the first one, in words."""
    first = y.reshape(len(y), -1)[:, 0]
    return f"skewness {skewness(first):.1f}, of the logarithms {skewness(np.log(first)):.1f}"


def _targets(blocks: Sequence[Array], targets: Sequence[Column], classes: Sequence[str] | None) -> Array:
    """Return y (n), or (n, targets) of several targets."""
    y: Array = np.concatenate(blocks)
    if len(targets) > 1:
        return y
    return y[:, 0].astype(np.int64) if classes else y[:, 0]


def encode_table(table: Table, missing: str = VALUE) -> tuple[Array, tuple[Column, ...], list[str]]:
    """Return the rows of a table in memory as x (n, width), its columns, and notes about the decisions. Raises DataError."""
    contents, _ = scan_columns(table)
    columns, left_out = choose_columns(table, list(contents.values()), missing)
    x = encode_rows(table, columns, missing)
    gaps = [content for content in contents.values() if content.missing]
    notes = columns_notes(columns, list(contents.values()), left_out, ())
    if gaps:
        notes.append(f"missing   {_counted(gaps)}; {_TREATED[missing]}")
    return x, columns, notes


def encode_rows(table: Table, columns: Sequence[Column], missing: str = VALUE) -> Array:
    """Return the rows of a table in memory as x (n, width), for its columns.

    Warns with DataWarning of missing values in columns that have no value for them.
    """
    encoder = RowEncoder(table, columns, missing=missing)
    x: Array = np.concatenate([x for x, _ in encoder.blocks()] or [np.empty((0, encoder.width))])
    _warn_of_gaps(table, encoder, len(x))
    return x


def read_rows(
    source: str | os.PathLike[str] | Any,
    stage: TableStage,
    classes: Sequence[str] | None,
    *,
    labelled: bool | None = None,
    warn: bool = True,
) -> Dataset:
    """Return a CSV file or a data frame, or a table that is open, as input of a model that was trained on another table.

    The columns are found by name, and other columns are ignored. If ``labelled``, the targets are read too; rows without a
    target are left out, and so are rows with missing values if they were left out for training. Otherwise every row is kept.
    If it is None, the targets are read if the table has columns of their names.

    Raises FileError, ConfigError for missing columns, and DataError for values that the model cannot use. Warns with
    DataWarning of unknown categories, of which the model sees none, and of missing values in columns that had none in training,
    unless ``warn`` is false.
    """
    table = source if isinstance(source, (CSVFile, Frame)) else open_for(source, stage)
    targets = stage.target_columns
    if labelled is None:
        labelled = all(target.name in table.names for target in targets)
    encoder = RowEncoder(table, stage.columns, targets if labelled else (), classes, stage.missing)
    of_targets, kept_rows, n = list[Array](), list[Array](), 0
    with RowFile((encoder.width,), np.float64) as rows:
        for x, y in encoder.blocks():
            kept = ~np.isnan(y).any(axis=1)
            if not stage.fills_missing:
                gaps = np.isnan(x).any(axis=1)
                if gaps.any() and not (labelled and stage.missing == "drop"):
                    raise DataError(
                        f"{table.path}: row {n + int(np.flatnonzero(gaps)[0]) + 1} has a missing value, and this model was "
                        "trained without any: fill it, or train with missing='value' (--missing value)"
                    )
                kept &= ~gaps
            rows.append(x[kept])
            of_targets.append(y[kept])
            kept_rows.append(n + np.flatnonzero(kept))
            n += len(x)
        if not rows.count:
            raise DataError(f"{table.path} has no rows that can be used")
        values = rows.array()
    labels = _targets(of_targets, targets, classes) if labelled else None
    notes = [f"left out  {n - rows.count:,} of {n:,} rows, because of missing values"] if rows.count < n else []
    if warn:
        _warn_of_unknown(table, encoder)
        _warn_of_gaps(table, encoder, n)
    origin = Origin(
        tuple(notes),
        (),
        stage.columns,
        stage.missing,
        stage.target,
        table.header,
        targets=stage.targets,
        kept=np.concatenate(kept_rows) if rows.count < n else None,
    )
    return Dataset(values, labels, classes=classes, name=Path(table.path).stem, origin=origin)


def rows_for(x: Any, stage: TableStage) -> Any:
    """Return x as the rows that a model with this input stage reads.

    The columns of a data frame are found by name. An array (n, columns) holds the columns of the table in their order; an array
    of numbers where each column is one value, and any other array, holds the rows already and is returned as it is. Its values
    in a coded column are codes: other numbers raise DataError, and numbers that are categories, too, give a warning. Raises
    DataError and ConfigError for values that the model cannot use.
    """
    names = tuple(column.name for column in stage.columns)
    if is_frame(x):
        if frame_names(x) == stage.names and stage.names != names:  # a frame of the values themselves
            return np.asarray(x)
        return _joined(RowEncoder(open_for(x, stage), stage.columns, missing=stage.missing))
    array = x if isinstance(x, np.ndarray) else np.asarray(x)
    of_numbers = array.dtype.kind in "biuf" and len(stage.middle) == len(stage.columns)
    if array.ndim != 2 or array.shape[1] != len(stage.columns):
        return x
    if of_numbers:
        _check_codes(array, stage.columns)
        return x
    return _joined(RowEncoder(ArrayTable(array, names, _categorical(stage.columns)), stage.columns, missing=stage.missing))


def _check_codes(x: Array, columns: Sequence[Column]) -> None:
    """Check that an array of rows (n, columns) has codes in the columns that are coded, and no categories.

    Raises DataError for a number that is no code. Warns where the numbers of a column are all codes and all categories.
    """
    cure = "for categories, pass a data frame with the names of the columns, or an array of objects, x.astype(object)"
    for i, column in enumerate(columns):
        if not column.coded:
            continue
        count = 1 + len(column.categories or ()) + column.missing
        values = np.asarray(x[:, i], np.float64)
        known = values[~np.isnan(values)]
        wrong = ~((known >= 0) & (known < count) & (known == np.floor(known)))
        what = f"x: an array of numbers has codes from 0 to {count - 1} in the column {column.name}"
        if wrong.any():
            raise DataError(f"{what}, got {known[wrong][0]:g}: {cure}")
        if len(known) and {class_name(value) for value in np.unique(known).tolist()} <= set(column.categories or ()):
            warn_user(f"{what}; the numbers in it are read as codes, and are the names of categories, too: {cure}")


def _joined(encoder: RowEncoder) -> Array:
    """Return all rows of a table in memory, and warn of unknown categories and missing values."""
    x: Array = np.concatenate([x for x, _ in encoder.blocks()] or [np.empty((0, encoder.width))])
    _warn_of_unknown(encoder.table, encoder)
    _warn_of_gaps(encoder.table, encoder, len(x))
    return x


def _warn_of_unknown(table: Table, encoder: RowEncoder) -> None:
    coded = {column.name for column in encoder.columns if column.coded}
    for name, found in encoder.unknown.items():
        listed = ", ".join(repr(text) for text, _ in found.most_common(_EXAMPLES))
        more = ", …" if len(found) > _EXAMPLES else ""
        seen = "which have the code of rare categories" if name in coded else "for which all inputs of the column are 0"
        warn_user(f"{table.path}: {name}: {found.total():,} rows have unknown categories ({listed}{more}), {seen}")


def _warn_of_gaps(table: Table, encoder: RowEncoder, n: int) -> None:
    """Warn of missing numbers, out of n rows, in columns that had none in training, if the median takes their place."""
    if encoder.missing == VALUE and encoder.gaps:
        warn_of_gaps(table.path, encoder.gaps, n)


def warn_of_gaps(path: str, gaps: Counter[str], n: int) -> None:
    """Warn that values are missing in columns that had none in training: how many of n, by column."""
    listed = ", ".join(f"{name} ({count:,} of {n:,})" for name, count in gaps.most_common(_LISTED))
    warn_user(f"{path}: values are missing in {listed}, which had none in training: the median takes their place")


def _categorical(columns: Collection[Column]) -> list[str]:
    return [column.name for column in columns if column.categories is not None]


def open_for(source: str | os.PathLike[str] | Any, stage: TableStage, name: str | None = None) -> CSVFile | Frame:
    """Return the data frame, or the CSV file with the header that the table for this input stage had, as a table.

    ``name`` is that of the file in messages.
    """
    if is_frame(source):
        return Frame(source, _categorical(stage.columns))
    names, header = [column.name for column in stage.columns], stage.header
    if header is None:  # a model file that does not say so: without a header all columns were called 1, 2, …
        header = not all(name.isdigit() for name in (stage.target, *names))
    return CSVFile(source, header, names, name)


def columns_notes(
    columns: Sequence[Column], contents: Sequence[ColumnContent], left_out: Sequence[str], ignored: Sequence[str]
) -> list[str]:
    """Return lines of text about the columns that are used, those that are left out, and numbers with separators or signs."""
    text = [column for column in columns if column.categories is not None]
    dates = [f"{column.name}: {', '.join(column.parts)}" for column in columns if column.date is not None]
    numbers = len(columns) - len(text) - len(dates)
    parts = [f"{numbers} of numbers"] if numbers else []
    for found, what in ((dates, "dates"), ([_counted_categories(column) for column in text], "categories")):
        if found:
            more = ", …" if len(found) > _LISTED else ""
            parts.append(f"{len(found)} of {what} ({', '.join(found[:_LISTED])}{more})")
    reasons = [*left_out, *(f"{name} (ignored)" for name in ignored)]
    notes = [f"columns   {', '.join(parts)}" + (f"; left out: {', '.join(reasons)}" if reasons else "")]
    used = {column.name for column in columns}
    forms = [f"{content.name} ({content.form})" for content in contents if content.form and content.name in used]
    forms += [f"{content.name} ({content.date})" for content in contents if content.date and content.name in used]
    if forms:
        notes.append(f"read as   {', '.join(forms[:_LISTED])}{', …' if len(forms) > _LISTED else ''}")
    return notes


def _counted_categories(column: Column) -> str:
    count = len(column.categories or ())
    return f"{column.name}: {count} codes" if column.coded else f"{column.name}: {count}"


def _counted(gaps: Sequence[ColumnContent]) -> str:
    """Return the columns with the number of their missing values: ``age (177 of 891), embarked (2 of 891)``."""
    listed = [f"{content.name} ({content.missing:,} of {content.count:,})" for content in gaps[:_LISTED]]
    return ", ".join(listed) + (f" and {len(gaps) - _LISTED} more columns" if len(gaps) > _LISTED else "")
