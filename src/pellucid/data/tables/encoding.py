"""The rows of a table as numbers, for known columns: those of the table itself, or those that a model was trained on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.tables.columns import Column
from pellucid.data.tables.csv_file import RowBlock, is_missing, parse_numbers
from pellucid.errors import ConfigError, DataError, did_you_mean


class Table(Protocol):
    """A table of text: a :class:`~pellucid.data.tables.csv_file.CSVFile` or a :class:`~pellucid.data.tables.frame.Frame`."""

    @property
    def path(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def header(self) -> bool: ...

    @property
    def decimal_comma(self) -> bool: ...

    def blocks(self) -> Iterator[RowBlock]: ...


class RowEncoder:
    """An encoder of the rows of a table as x (n, width) and y (n) in float64, with NaN for missing values.

    Columns are found by name. A row with an unknown category has 0 for every category of that column, and the
    category is counted in ``unknown``. With ``classes``, y contains their indices; without a ``target``, y is NaN.

    Raises ConfigError for columns that are not in the table, and DataError for text in a column of numbers and for unknown
    classes.
    """

    def __init__(self, table: Table, columns: Sequence[Column], target: str | None, classes: Sequence[str] | None):
        self.table, self.columns, self.target = table, tuple(columns), target
        self.width = sum(column.width for column in columns)
        self.unknown: dict[str, Counter[str]] = {}
        needed = [column.name for column in columns] + ([] if target is None else [target])
        absent = [name for name in needed if name not in table.names]
        if absent:
            others = [name for name in table.names if name and name not in needed]
            hint = did_you_mean(absent[0], others)
            if not hint.startswith("did you mean"):
                hint = f"its columns are {', '.join(map(repr, table.names[:10]))}{', …' * (len(table.names) > 10)}"
            raise ConfigError(f"{table.path} lacks the column{'s' * (len(absent) > 1)} {', '.join(map(repr, absent))}: {hint}")
        self._positions = [table.names.index(column.name) for column in columns]
        self._category_index = [
            None if column.categories is None else {category: i for i, category in enumerate(column.categories)}
            for column in columns
        ]
        self._class_index = None if classes is None else {name: i for i, name in enumerate(classes)}
        self._numeric_classes = self._class_index is not None and all(_number(name) is not None for name in self._class_index)

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """Yield (x, y) for blocks of rows."""
        for block in self.table.blocks():
            x, start = np.empty((len(block.lines), self.width)), 0
            for column, position, index in zip(self.columns, self._positions, self._category_index, strict=True):
                stop = start + column.width
                if index is None:
                    x[:, start] = self._numbers(column.name, block.columns[position], block.lines)
                else:
                    x[:, start:stop] = self._one_hot(column.name, block.columns[position], index)
                start = stop
            yield x, self._targets(block)

    def _numbers(self, name: str, cells: Sequence[str], lines: Sequence[int]) -> Array:
        values, texts = parse_numbers(cells, self.table.decimal_comma)
        if texts:
            raise DataError(f"{self.table.path}:{lines[texts[0]]}: {name} must be a number, got {cells[texts[0]].strip()!r}")
        return values

    def _one_hot(self, name: str, cells: Sequence[str], index: dict[str, int]) -> Array:
        stripped = [cell.strip() for cell in cells]
        codes = [index.get(cell, -1) for cell in stripped]
        rows = np.zeros((len(cells), len(index) + 1))
        rows[np.arange(len(cells)), codes] = 1  # unknown categories are in the last column, which is dropped below
        for i, code in enumerate(codes):
            if code < 0 and is_missing(stripped[i]):
                rows[i] = math.nan
            elif code < 0:
                self.unknown.setdefault(name, Counter())[stripped[i]] += 1
        return rows[:, :-1]

    def _targets(self, block: RowBlock) -> Array:
        if self.target is None:
            return np.full(len(block.lines), math.nan)
        cells = block.columns[self.table.names.index(self.target)]
        if self._class_index is None:
            return self._numbers(self.target, cells, block.lines)
        y = np.full(len(cells), math.nan)
        for i, cell in enumerate(cells):
            if is_missing(cell):
                continue
            name = self._class_name(cell.strip())
            if name not in self._class_index:
                hint = did_you_mean(name, self._class_index)
                raise DataError(f"{self.table.path}:{block.lines[i]}: {self.target} has no class {cell.strip()!r}: {hint}")
            y[i] = self._class_index[name]
        return y

    def _class_name(self, cell: str) -> str:
        """Return the class of a cell. Classes that are numbers are named by their value: 1.0 and 1 are the same class."""
        value = _number(cell.replace(",", ".") if self.table.decimal_comma else cell) if self._numeric_classes else None
        return cell if value is None else class_name(value)


def class_name(value: float) -> str:
    """Return the name of a class that is a number: ``3``, ``0.5``."""
    return str(int(value)) if value == int(value) else repr(value)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
