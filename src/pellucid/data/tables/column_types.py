"""The types of the columns of a CSV file: numbers or categories, and for the target a class or a number.

A column is numeric if all its cells are numbers or missing. Otherwise it is text, with one value for each of its categories.
The target is a class if it is text or has few distinct integers; otherwise it is a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pellucid.data.tables.columns import Column
from pellucid.data.tables.csv_file import CSVFile, is_missing, parse_numbers
from pellucid.data.tables.encoding import class_name
from pellucid.errors import DataError

TASKS = ("classification", "regression")
MAX_CATEGORIES = 100  # a column with more distinct texts probably holds names or identifiers
MAX_CLASSES = 1000
FEW = 20  # the target is taken for a class if it has at most this many distinct integers
_STRAY_TEXTS = 0.1  # a column with at most this fraction of texts is a column of numbers with mistakes


@dataclass
class ColumnContent:
    """What the cells of a column contain, collected block by block."""

    name: str
    limit: int  # distinct values beyond which no more are stored
    decimal_comma: bool
    count: int = 0
    missing: int = 0
    texts: int = 0
    first_text: tuple[int, str] = (0, "")  # line and cell
    low: float = np.inf
    high: float = -np.inf
    integers: bool = True  # whether all numbers are integers
    distinct_cells: set[str] = field(default_factory=set)
    distinct_numbers: set[float] = field(default_factory=set)

    @property
    def known(self) -> int:
        """The number of cells that are not missing."""
        return self.count - self.missing

    def add(self, cells: Sequence[str], lines: Sequence[int], path: str) -> None:
        """Add the cells of a block. Raises DataError for infinite numbers."""
        values, texts = parse_numbers(cells, self.decimal_comma)
        known = values[~np.isnan(values)]
        if len(known):
            if not np.isfinite(known).all():
                bad = int(np.flatnonzero(np.isinf(values))[0])
                raise DataError(f"{path}:{lines[bad]}: {self.name} is {cells[bad].strip()}: numbers must be finite")
            self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))
            self.integers = self.integers and bool((known == np.floor(known)).all())
            if len(self.distinct_numbers) <= self.limit:
                self.distinct_numbers.update(known.tolist())
        if texts and not self.texts:
            self.first_text = lines[texts[0]], cells[texts[0]].strip()
        self.count += len(cells)
        self.texts += len(texts)
        self.missing += len(cells) - len(known) - len(texts)
        if len(self.distinct_cells) <= self.limit:
            self.distinct_cells.update(cell.strip() for cell in cells if not is_missing(cell))

    def is_text(self, path: str) -> bool:
        """Return whether the column is text. Raises DataError for a column of numbers with a few texts in it."""
        if self.texts and self.texts <= _STRAY_TEXTS * self.known:
            line, cell = self.first_text
            raise DataError(
                f"{path}:{line}: {self.name} is a column of numbers, but has {cell!r} here ({self.texts:,} of {self.known:,} "
                "cells are not numbers): correct these cells, leave them empty for missing values, or leave the column out "
                "with ignore (--ignore)"
            )
        return self.texts > 0


def scan_columns(file: CSVFile, target: str) -> tuple[dict[str, ColumnContent], int]:
    """Return the content of the columns that have a name, and the number of rows. Raises DataError for a file without rows."""
    positions = [position for position, name in enumerate(file.names) if name]
    contents = {}
    for position in positions:
        name = file.names[position]
        contents[name] = ColumnContent(name, MAX_CLASSES if name == target else MAX_CATEGORIES, file.decimal_comma)
    n = 0
    for block in file.blocks():
        for position in positions:
            contents[file.names[position]].add(block.columns[position], block.lines, file.path)
        n += len(block.lines)
    if not n:
        raise DataError(f"{file.path} has column names but no rows" if file.header else f"{file.path} has no rows")
    return contents, n


def choose_task(file: CSVFile, target: ColumnContent, task: str | None) -> tuple[tuple[str, ...] | None, str]:
    """Return the names of the classes, or None for regression, and a note about the choice.

    Without a ``task`` the target decides. Raises DataError for a target that the task cannot predict.
    """
    where = f"{file.path}: the target {target.name}"
    if not target.known:
        raise DataError(f"{where} has no values")
    text = target.texts > 0 if task == "classification" else target.is_text(file.path)
    different = len(target.distinct_cells if text else target.distinct_numbers)
    few = target.integers and different <= FEW
    if task is None:
        task = "classification" if text or few else "regression"
    if different == 1:
        raise DataError(f"{where} is always {next(iter(target.distinct_cells))}: there is nothing to predict")
    if task == "regression":
        if text:
            line, cell = target.first_text
            raise DataError(f"{where} contains text ({cell!r} in line {line}), but regression predicts numbers")
        alternative = ""
        if target.integers and different <= MAX_CLASSES:
            alternative = "; --task classification makes each value a class"
        return None, f"target    {target.name}: numbers from {target.low:g} to {target.high:g} (regression{alternative})"
    if different > MAX_CLASSES or (target.known > FEW and different > target.known / 2):
        many = f"more than {MAX_CLASSES:,}" if different > MAX_CLASSES else f"{different:,}"
        advice = "is it a name or an identifier?" if text else "regression (--task regression) predicts numbers"
        raise DataError(f"{where} has {many} different values in {target.known:,} rows, too many for classes; {advice}")
    if text:
        names = tuple(sorted(target.distinct_cells))
    else:
        names = tuple(class_name(value) for value in sorted(target.distinct_numbers))
    listed = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    alternative = "" if text else "; --task regression predicts the number"
    return names, f"target    {target.name}: {len(names)} classes: {listed} (classification{alternative})"


def choose_columns(file: CSVFile, contents: Sequence[ColumnContent]) -> tuple[tuple[Column, ...], list[str]]:
    """Return the columns that can be used as inputs, and those that are left out, each with the reason.

    Raises DataError if there is no usable column.
    """
    columns, left_out = list[Column](), list[str]()
    for content in contents:
        name = content.name
        text = content.is_text(file.path)
        different = len(content.distinct_cells)
        if not content.known:
            left_out.append(f"{name} (empty)")
        elif (text and different == 1) or (not text and content.low == content.high):
            left_out.append(f"{name} (always {next(iter(content.distinct_cells))})")
        elif text and different > MAX_CATEGORIES:
            left_out.append(f"{name} (more than {MAX_CATEGORIES} different texts)")
        elif text and content.known > FEW and different > content.known / 2:
            left_out.append(f"{name} ({different} different texts in {content.known} rows)")
        else:
            columns.append(Column(name, tuple(sorted(content.distinct_cells)) if text else None))
    if "" in file.names:
        left_out.append("a column without a name")
    if not columns:
        raise DataError(f"{file.path}: no column can be used as an input; left out: {', '.join(left_out) or 'all columns'}")
    return tuple(columns), left_out
