"""The rows of a table as numbers, by columns that are known: the table's own, or those that a model was trained on."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Origin
from pellucid.data.storage import Rows
from pellucid.data.tables.columns import Column, Standardized
from pellucid.data.tables.csv import CSV, Block, is_missing, numbers
from pellucid.errors import ConfigError, DataError, did_you_mean

_EXAMPLES = 3


class Encoder:
    """Turns a file's rows into x (n, width) and y (n), in float64: NaN where a value is missing. Columns are found by name.

    A category that is none of its column's is counted in ``unknown``, and all the column's numbers are 0. With ``classes`` y
    are their numbers; without a ``target`` y is NaN. Raises ConfigError for columns that the file does not have, DataError for
    text where there are numbers and for classes that are none.
    """

    def __init__(self, file: CSV, columns: Sequence[Column], target: str | None, classes: Sequence[str] | None):
        self.file, self.columns, self.target = file, tuple(columns), target
        self.width = sum(column.width for column in columns)
        self.unknown: dict[str, Counter[str]] = {}
        wanted = [column.name for column in columns] + ([] if target is None else [target])
        absent = [name for name in wanted if name not in file.names]
        if absent:
            near = did_you_mean(absent[0], [name for name in file.names if name and name not in wanted])
            raise ConfigError(f"{file.path} lacks the column{'s' * (len(absent) > 1)} {', '.join(map(repr, absent))}: {near}")
        self._places = [file.names.index(column.name) for column in columns]
        self._index = [
            None if column.categories is None else {category: i for i, category in enumerate(column.categories)}
            for column in columns
        ]
        self._classes = None if classes is None else {name: i for i, name in enumerate(classes)}
        self._numeric = self._classes is not None and all(_number(name) is not None for name in self._classes)

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """(x, y) of some rows at a time."""
        for block in self.file.blocks():
            x, start = np.empty((len(block.lines), self.width)), 0
            for column, place, index in zip(self.columns, self._places, self._index, strict=True):
                stop = start + column.width
                if index is None:
                    x[:, start] = self._numbers(column.name, block.columns[place], block.lines)
                else:
                    x[:, start:stop] = self._one_hot(column.name, block.columns[place], index)
                start = stop
            yield x, self._goal(block)

    def _numbers(self, name: str, cells: Sequence[str], lines: Sequence[int]) -> Array:
        values, texts = numbers(cells, self.file.comma)
        if texts:
            raise DataError(f"{self.file.path}:{lines[texts[0]]}: {name} holds numbers, got {cells[texts[0]].strip()!r}")
        return values

    def _one_hot(self, name: str, cells: Sequence[str], index: dict[str, int]) -> Array:
        stripped = [cell.strip() for cell in cells]
        places = [index.get(cell, -1) for cell in stripped]
        rows = np.zeros((len(cells), len(index) + 1))
        rows[np.arange(len(cells)), places] = 1  # those without a category in the last column, which is cut off
        for i, place in enumerate(places):
            if place < 0 and is_missing(stripped[i]):
                rows[i] = math.nan
            elif place < 0:
                self.unknown.setdefault(name, Counter())[stripped[i]] += 1
        return rows[:, :-1]

    def _goal(self, block: Block) -> Array:
        if self.target is None:
            return np.full(len(block.lines), math.nan)
        cells = block.columns[self.file.names.index(self.target)]
        if self._classes is None:
            return self._numbers(self.target, cells, block.lines)
        y = np.full(len(cells), math.nan)
        for i, cell in enumerate(cells):
            if is_missing(cell):
                continue
            name = self._class_name(cell.strip())
            if name not in self._classes:
                hint = did_you_mean(name, self._classes)
                raise DataError(f"{self.file.path}:{block.lines[i]}: {self.target} has no class {cell.strip()!r}: {hint}")
            y[i] = self._classes[name]
        return y

    def _class_name(self, cell: str) -> str:
        """Classes that are numbers are called by their value: 1.0 and 1 are the same."""
        value = _number(cell.replace(",", ".") if self.file.comma else cell) if self._numeric else None
        return cell if value is None else class_name(value)


def read_like(path: str | os.PathLike[str], stage: Standardized, classes: Sequence[str] | None, *, labelled: bool) -> Dataset:
    """A table for a model that was trained on another one: its columns found by name, the others ignored. ``labelled``, the
    target is read, too, and rows with missing values are left out where they were for training; else every row is kept.

    Raises ConfigError for missing columns, DataError for values that the model has no number for.
    """
    # Without a header all columns were called 1, 2, …; with one, not all names are numbers.
    names = [column.name for column in stage.columns]
    file = CSV(path, header=not all(name.isdigit() for name in (stage.target, *names)), wanted=names)
    encoder = Encoder(file, stage.columns, stage.target if labelled else None, classes)
    labels, whole, n = list[Array](), list[Array](), 0
    with Rows((encoder.width,), np.float32) as rows:
        for x, y in encoder.blocks():
            there = ~np.isnan(y) if labelled else np.ones(len(x), bool)
            if stage.missing != "mean":
                gaps = np.isnan(x).any(axis=1)
                if gaps.any() and not (labelled and stage.missing == "drop"):
                    raise DataError(
                        f"{file.path}: row {n + int(np.flatnonzero(gaps)[0]) + 1} lacks a value, and this model was trained "
                        "without gaps: fill it, or train with missing='mean' (--missing mean)"
                    )
                there &= ~gaps
            rows.append(x[there])
            labels.append(y[there])
            whole.append(there)
            n += len(x)
        if not rows.count:
            raise DataError(f"{file.path} holds no rows that can be used")
        values, y = rows.array(), np.concatenate(labels)
    notes = [f"left out  {n - rows.count:,} of {n:,} rows, because of missing values"] if rows.count < n else []
    for name, found in encoder.unknown.items():
        shown = ", ".join(repr(text) for text, _ in found.most_common(_EXAMPLES))
        more = ", …" if len(found) > _EXAMPLES else ""
        notes.append(f"beware    {name}: {found.total():,} rows with categories that the model does not know ({shown}{more})")
    targets = None if not labelled else y.astype(np.int64) if classes else y.astype(np.float32)
    return Dataset(
        values,
        targets,
        classes=classes,
        name=Path(file.path).stem,
        origin=Origin(tuple(notes), (), stage.columns, stage.missing, stage.target),
    )


def class_name(value: float) -> str:
    """What a class is called that is a number: ``3``, ``0.5``."""
    return str(int(value)) if value == int(value) else repr(value)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
