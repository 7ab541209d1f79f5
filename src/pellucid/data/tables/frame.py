"""Data frames and arrays in memory, read as tables: they have the columns of the CSV file that is written from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.sparse import SparseMatrix
from pellucid.data.tables.csv_file import BLOCK_ROWS, Cells, RowBlock, check_names as check_names
from pellucid.errors import DataError


def is_frame(source: Any) -> bool:
    """Return whether this is a data frame, such as one of pandas, Polars or PyArrow: an object with named columns."""
    return hasattr(source, "columns") and hasattr(source, "__getitem__") and not isinstance(source, SparseMatrix)


def frame_names(frame: Any) -> tuple[str, ...]:
    """Return the names of the columns of a data frame as text."""
    return tuple(map(str, _keys(frame)))


def is_categorical(column: Any) -> bool:
    """Return whether a column of a data frame has a dtype of categories: that of pandas, Polars or PyArrow."""
    dtype = str(getattr(column, "dtype", getattr(column, "type", ""))).lower()
    return dtype.startswith(("category", "categorical", "enum", "dictionary"))


class Frame:
    """A data frame as a table, like :class:`~pellucid.data.tables.csv_file.CSVFile`: the ``names`` of its columns, and its
    rows, numbered from 1.

    ``names`` replaces the names of the columns. Columns with a dtype of categories are ``categorical``, and those that are
    named. Truth values are the categories False and True, dates have the form of ISO 8601. Raises DataError for repeated names.
    """

    path, header, decimal_comma = "data frame", True, False  # as in CSVFile

    def __init__(
        self,
        frame: Any,
        categorical: Collection[str] = (),
        names: Iterable[str] | None = None,
        *,
        from_dtype: bool = True,
    ):
        keys = _keys(frame)
        self.names = tuple(map(str, keys if names is None else names))
        if len(self.names) != len(keys):
            raise DataError(f"{self.path}: it has {len(keys)} columns, got {len(self.names)} names")
        check_names(self.path, self.names)
        self._columns = [frame[key] for key in keys]
        found = [name for name, column in zip(self.names, self._columns, strict=True) if is_categorical(column)]
        self.categorical = frozenset((*categorical, *(found if from_dtype else ())))
        self._count = len(frame)

    def blocks(self) -> Iterator[RowBlock]:
        """Yield the rows in blocks."""
        yield from _blocks(self, [np.asarray(column) for column in self._columns], self._count)


class ArrayTable:
    """A matrix (n, d) as a table, whose columns have the ``names``; numbers of the ``categorical`` columns are categories."""

    header, decimal_comma = True, False

    def __init__(self, x: Array, names: Sequence[str], categorical: Collection[str] = (), path: str = "x"):
        self.path, self.names, self.categorical = path, tuple(names), frozenset(categorical)
        check_names(path, self.names)
        self._x = x

    def blocks(self) -> Iterator[RowBlock]:
        """Yield the rows in blocks."""
        yield from _blocks(self, [self._x[:, i] for i in range(self._x.shape[1])], len(self._x))


def _keys(frame: Any) -> list[Any]:
    """Return the keys of the columns of a data frame, which pandas allows to be anything."""
    return list(getattr(frame, "column_names", frame.columns))  # in PyArrow, columns are the values


def _blocks(table: Frame | ArrayTable, columns: Sequence[Array], count: int) -> Iterator[RowBlock]:
    for start in range(0, count, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, count)
        cells = [
            cells_of(column[start:stop], name in table.categorical, f"{table.path}: {name}")
            for name, column in zip(table.names, columns, strict=True)
        ]
        yield RowBlock(cells, list(range(start + 1, stop + 1)))


def cells_of(values: Array, categorical: bool, name: str = "a column") -> Cells:
    """Return values of a column: numbers as they are, everything else as the text that it has in a CSV file.

    Raises DataError for infinite numbers that are categories; ``name`` is that of the column in the message.
    """
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "f" and size < 8:  # a number of 32 bits has another value in float64 than its text, which a file holds
        values = values.astype(str).astype(np.float64)
    if kind in "iuf" and not categorical:
        return values.astype(np.float64)
    if kind == "f":  # whole numbers have no point, as in a column without missing values
        if np.isinf(values).any():
            raise DataError(f"{name} has an infinite number as a category: numbers must be finite; leave it empty if missing")
        return tuple("" if value != value else str(int(value) if value == int(value) else value) for value in values.tolist())
    if kind == "M":
        return tuple(np.where(np.isnat(values), "", np.datetime_as_string(values, "s")).tolist())
    return tuple(map(_cell, values))


def _cell(value: Any) -> str:
    """Return the value as the text that it has in a CSV file: empty for None, NaN and other missing values."""
    try:
        missing = value is None or bool(value != value)
    except TypeError:  # pandas.NA is neither equal to itself nor different
        missing = True
    return "" if missing else str(value)
