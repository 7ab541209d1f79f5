"""The rows of a table as numbers, for known columns: those of the table itself, or those that a model was trained on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.tables.columns import VALUE, Column
from pellucid.data.tables.csv_file import Cells, RowBlock, is_missing, parse_numbers, positions_of
from pellucid.data.tables.dates import PARTS, parse_dates
from pellucid.data.tables.number_formats import DECIMALS, parse_cell
from pellucid.errors import ConfigError, DataError, did_you_mean

_TRUTH = {"true", "false"}


class Table(Protocol):
    """A table: a :class:`~pellucid.data.tables.csv_file.CSVFile`, or one in memory (:mod:`pellucid.data.tables.frame`)."""

    @property
    def path(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def header(self) -> bool: ...

    @property
    def decimal_comma(self) -> bool: ...

    @property
    def categorical(self) -> frozenset[str]: ...

    def blocks(self) -> Iterator[RowBlock]: ...


class RowEncoder:
    """An encoder of the rows of a table as x (n, width) and y (n, targets) in float64.

    Columns are found by name. Where ``missing`` is "value", a missing number is NaN, with 1 in its indicator if the column has
    one, and missing text is a category, or if the column has none, no category. Otherwise all values of a missing cell are NaN.
    A row with an unknown category has 0 for every category of that column, and the category is counted in ``unknown``. Missing
    numbers of columns that have no value for them are counted in ``gaps``. With ``classes``, y contains their indices; without
    ``targets``, y has no columns.

    Raises ConfigError for columns that are not in the table, and DataError for text in a column of numbers and for unknown
    classes.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[Column],
        targets: Sequence[Column] = (),
        classes: Sequence[str] | None = None,
        missing: str = VALUE,
    ):
        self.table, self.columns, self.targets = table, tuple(columns), tuple(targets)
        self.width, self.missing = sum(column.width for column in columns), missing
        self.unknown: dict[str, Counter[str]] = {}
        self.gaps: Counter[str] = Counter()
        needed = [column.name for column in (*columns, *targets)]
        present = set(table.names)
        absent = [name for name in needed if name not in present]
        if absent:
            others = [name for name in table.names if name and name not in needed]
            hint = did_you_mean(absent[0], others)
            if not hint.startswith("did you mean"):
                hint = f"its columns are {', '.join(map(repr, table.names[:10]))}{', …' * (len(table.names) > 10)}"
            raise ConfigError(f"{table.path} lacks the column{'s' * (len(absent) > 1)} {', '.join(map(repr, absent))}: {hint}")
        self._positions = positions_of(table.names, needed)
        self._codes = {column.name: _codes(column.categories) for column in columns if column.categories is not None}
        self._plain_codes = {
            column.name: _plain_codes(column.categories) for column in columns if column.categories is not None
        }
        self._class_index = None if classes is None else {name: i for i, name in enumerate(classes)}
        self._numeric_classes = self._class_index is not None and all(_number(name) is not None for name in self._class_index)

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """Yield (x, y) for blocks of rows."""
        for block in self.table.blocks():
            x, start = np.empty((len(block.lines), self.width)), 0
            for column in self.columns:
                cells, stop = block.columns[self._positions[column.name]], start + column.width
                if column.categories is not None:
                    x[:, start:stop] = self._categories(column, cells)
                else:
                    x[:, start:stop] = self._numbers(column, cells, block.lines)
                start = stop
            yield x, self._targets(block)

    def _numbers(self, column: Column, cells: Cells, lines: Sequence[int]) -> Array:
        """Return the values of a column of numbers or dates (n, width)."""
        if column.date is not None:
            of_cells = texts_of(cells)
            of_parts, others = parse_dates(of_cells, column.date)
            texts = [i for i in others if not is_missing(of_cells[i])]
            values, what = of_parts[:, [PARTS.index(part) for part in column.parts]], f"a date ({column.date})"
        else:
            numbers, texts = parse_numbers(cells, self.table.decimal_comma, column.decimal)
            values, what = numbers[:, None], "a number"
        if texts:
            cell, rest = texts_of(cells)[texts[0]].strip(), len(texts) - 1
            more = f" here and text in {rest:,} more row{'s' * (rest > 1)}" if rest else ""
            cure = "correct these cells, or leave them empty for missing values" if rest else ""
            raise DataError(
                f"{self.table.path}:{lines[texts[0]]}: {column.name} must be {what}, got {cell!r}{more}: "
                f"{cure or 'correct this cell, or leave it empty for a missing value'}{_on_signs(column, cell)}"
            )
        gaps = np.isnan(values[:, 0])
        if column.missing:
            return np.column_stack([values, gaps])
        if gaps.any():
            self.gaps[column.name] += int(gaps.sum())
        return values

    def _categories(self, column: Column, cells: Cells) -> Array:
        """Return the values of a column of categories (n, width): one-hot, or codes."""
        index, lower = self._codes[column.name]
        assert column.categories is not None
        plain, decimal_comma = self._plain_codes[column.name], self.table.decimal_comma
        count, own = len(column.categories), self.missing == VALUE
        found, texts = {}, texts_of(cells)
        for cell in dict.fromkeys(texts):
            text = cell.strip()
            code = index.get(text.lower() if lower else text) or plain.get(category_of(text, decimal_comma), 0)
            if not code and is_missing(text):
                code = -1 if not own else count + 1 if column.missing else 0
            found[cell] = code
        codes = np.array([found[cell] for cell in texts])
        for cell, code in found.items():
            if not code and not is_missing(cell):
                self.unknown.setdefault(column.name, Counter())[cell.strip()] += texts.count(cell)
        if column.coded:
            return np.where(codes < 0, math.nan, codes)[:, None]
        rows = np.zeros((len(codes), column.width + 1))
        rows[np.arange(len(codes)), codes] = 1  # others are in the first column, which is dropped below
        rows[codes < 0] = math.nan
        return rows[:, 1:]

    def _targets(self, block: RowBlock) -> Array:
        if self._class_index is not None and self.targets:
            return self._classes(block)
        y = np.empty((len(block.lines), len(self.targets)))
        for i, column in enumerate(self.targets):
            cells = block.columns[self._positions[column.name]]
            values, texts = parse_numbers(cells, self.table.decimal_comma, column.decimal)
            if texts:
                place, cell = f"{self.table.path}:{block.lines[texts[0]]}", f"{cells[texts[0]]}".strip()
                cure = "correct this cell, or leave it empty, and the row is left out"
                raise DataError(f"{place}: {column.name} must be a number, got {cell!r}: {cure}")
            y[:, i] = values
        return y

    def _classes(self, block: RowBlock) -> Array:
        (target,) = self.targets
        cells = texts_of(block.columns[self._positions[target.name]])
        assert self._class_index is not None
        y = np.full(len(cells), math.nan)
        for i, cell in enumerate(cells):
            if is_missing(cell):
                continue
            name = self._class_name(cell.strip())
            if name not in self._class_index:
                hint = did_you_mean(name, self._class_index)
                raise DataError(f"{self.table.path}:{block.lines[i]}: {target.name} has no class {cell.strip()!r}: {hint}")
            y[i] = self._class_index[name]
        return y[:, None]

    def _class_name(self, cell: str) -> str:
        """Return the class of a cell. Classes that are numbers are named by their value: 1.0 and 1 are the same class."""
        value = _number(cell.replace(",", ".") if self.table.decimal_comma else cell) if self._numeric_classes else None
        return cell if value is None else class_name(value)


def _on_signs(column: Column, cell: str) -> str:
    """Return a hint if the cell is a number that is written in a way that this column did not have in the training data."""
    if column.date is not None or all(parse_cell(cell, mark) is None for mark in DECIMALS):
        return ""
    return (
        "; separators and signs are read in columns that have them in the training data: write a plain number, such as 1234.5"
    )


def texts_of(cells: Cells) -> Sequence[str]:
    """Return the cells as text; numbers have the shortest form, and whole ones no point."""
    if not isinstance(cells, np.ndarray):
        return cells
    return tuple(
        "" if math.isnan(value) else class_name(value) if math.isfinite(value) else str(value) for value in cells.tolist()
    )


def _codes(categories: Sequence[str]) -> tuple[dict[str, int], bool]:
    """Return the code of each category, from 1, and whether they are truth values, which are the same in any case of
    letters."""
    lower = {category.lower() for category in categories}
    truth = lower <= _TRUTH and len(lower) == len(categories)
    return {category.lower() if truth else category: i for i, category in enumerate(categories, start=1)}, truth


def _plain_codes(categories: Sequence[str]) -> dict[str, int]:
    """Return the code of each category by its :func:`category_of`; of several with the same one, that of the first."""
    codes: dict[str, int] = {}
    for i, category in enumerate(categories, start=1):
        codes.setdefault(category_of(category), i)
    return codes


def category_of(cell: str, decimal_comma: bool = False) -> str:
    """Return the category in a cell: ``8010.0`` is 8010, as a column of whole numbers becomes floats where it has gaps.

    Other numbers keep their form, such as 01067 or 1.10.
    """
    text = cell.strip()
    number = text.replace(",", ".") if decimal_comma else text
    value = _number(number) if "." in number or "e" in number else None
    return class_name(value) if value is not None and repr(value) == number else text


def class_name(value: float) -> str:
    """Return the name of a class that is a number: ``3``, ``0.5``."""
    return str(int(value)) if value == int(value) else repr(value)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
