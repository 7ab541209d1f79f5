"""Data frames in memory, read as tables of text: numbers and text are as in a CSV file that is written from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pellucid.data.tables.csv_file import BLOCK_ROWS, RowBlock
from pellucid.errors import DataError


def is_frame(source: Any) -> bool:
    """Return whether this is a data frame, such as one of pandas, Polars or PyArrow: an object with named columns."""
    return hasattr(source, "columns") and hasattr(source, "__getitem__")


def frame_names(frame: Any) -> tuple[str, ...]:
    """Return the names of the columns of a data frame as text."""
    return tuple(map(str, _keys(frame)))


class Frame:
    """A data frame as a table of text, like :class:`~pellucid.data.tables.csv_file.CSVFile`: the ``names`` of its columns, and
    its rows, numbered from 1.

    So a frame has the same columns and categories as the file that it was read from. Raises DataError for repeated names.
    """

    path, header, decimal_comma = "data frame", True, False  # as in CSVFile

    def __init__(self, frame: Any):
        self.names = frame_names(frame)
        repeated = {name for name in self.names if self.names.count(name) > 1}
        if repeated:
            raise DataError(f"{self.path}: two columns have the name {sorted(repeated)[0]!r}")
        self._frame = frame

    def blocks(self) -> Iterator[RowBlock]:
        """Yield the rows in blocks."""
        columns = [np.asarray(self._frame[key], object) for key in _keys(self._frame)]
        for start in range(0, len(self._frame), BLOCK_ROWS):
            cells = [tuple(map(_cell, column[start : start + BLOCK_ROWS])) for column in columns]
            yield RowBlock(cells, list(range(start + 1, start + 1 + len(cells[0]))))


def _keys(frame: Any) -> list[Any]:
    """Return the keys of the columns of a data frame, which pandas allows to be anything."""
    return list(getattr(frame, "column_names", frame.columns))  # in PyArrow, columns are the values


def _cell(value: Any) -> str:
    """Return the value as the text that it has in a CSV file: empty for None, NaN and other missing values."""
    try:
        missing = value is None or bool(value != value)
    except TypeError:  # pandas.NA is neither equal to itself nor different
        missing = True
    return "" if missing else str(value)
