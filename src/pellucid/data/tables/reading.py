"""Tables from files of comma-separated values, as data sets.

A file is read twice, some rows at a time: once for what its columns hold, once for the numbers themselves, which go to a memory
map. So a table may be larger than memory. What is decided on the way is said in the data set's ``origin``.

A column is numbers where all its cells are, but for those that are missing; else it is text with one number for each of its
categories. The target is classes where it is text, or a few whole numbers; else numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Origin
from pellucid.data.storage import Rows
from pellucid.data.tables.columns import MISSING, Column
from pellucid.data.tables.csv import CSV, is_missing, numbers
from pellucid.data.tables.encoding import Encoder, class_name
from pellucid.errors import ConfigError, DataError, did_you_mean

CATEGORIES = 100  # texts that a column may hold; more are names, or numbers of something
CLASSES = 1000  # classes that a target may have
FEW = 20  # different whole numbers that are taken for classes
TASKS = ("classification", "regression")
_STRAY = 0.1  # a column with no larger share of texts among its numbers has mistakes in it, and is not text


def from_csv(
    path: str | os.PathLike[str],
    target: str,
    *,
    task: str | None = None,
    missing: str = "error",
    ignore: Iterable[str] = (),
    header: bool = True,
) -> Dataset:
    """See :meth:`Dataset.from_csv`."""
    if missing not in MISSING:
        raise ConfigError(f"missing={missing!r}: {did_you_mean(missing, MISSING)}")
    if task is not None and task not in TASKS:
        raise ConfigError(f"task={task!r}: {did_you_mean(task, TASKS)}")
    file = CSV(path, header)
    ignored = tuple([ignore] if isinstance(ignore, str) else ignore)
    for name in (target, *ignored):
        if name not in file.names:
            raise ConfigError(
                f"{file.path} has no column {name!r}: {did_you_mean(name, [name for name in file.names if name])}"
            )
    if target in ignored:
        raise ConfigError(f"{target!r} cannot be the target and be ignored")
    seen, n = _surveyed(file, target)
    goal = seen.pop(target)
    classes, said = _classes(file, goal, task, n)
    columns, out = _columns(file, {name: one for name, one in seen.items() if name not in ignored})
    kept = {column.name for column in columns}
    gaps = [one for one in (goal, *seen.values()) if one.missing and (one is goal or one.name in kept)]
    if gaps and missing == "error":
        raise DataError(
            f"{file.path}: values are missing in {_counted(gaps)}: missing='mean' (--missing mean) lets the training set's "
            "mean stand for them, missing='drop' (--missing drop) leaves such rows out, ignore (--ignore) a whole column"
        )
    encoder = Encoder(file, columns, target, classes)
    labels = list[Array]()
    with Rows((encoder.width,), np.float32) as rows:
        for x, y in encoder.blocks():
            there = ~np.isnan(y)
            if missing == "drop":
                there &= ~np.isnan(x).any(axis=1)
            rows.append(x[there])
            labels.append(y[there])
        if not rows.count:
            raise DataError(f"{file.path}: no row is whole ({_counted(gaps)} are missing): use missing='mean' (--missing mean)")
        values, y = rows.array(), np.concatenate(labels)
    notes = [_described(columns, out, ignored), said]
    if gaps:
        notes.append(f"missing   {_counted(gaps)}" + ("; the training set's mean stands for them" if missing == "mean" else ""))
    if rows.count < n:
        notes.append(f"left out  {n - rows.count:,} of {n:,} rows, because of missing values")
    return Dataset(
        values,
        y.astype(np.int64) if classes else y.astype(np.float32),
        classes=classes,
        name=Path(file.path).stem,
        origin=Origin(tuple(notes), (), columns, missing, target),
    )


@dataclass
class _Seen:
    """What a file holds in one column."""

    name: str
    most: int  # different texts that are remembered
    comma: bool
    count: int = 0
    missing: int = 0
    texts: int = 0
    stray: tuple[int, str] = (0, "")  # the first text: line and cell
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    distinct: set[str] = field(default_factory=set)
    values: set[float] = field(default_factory=set)

    def add(self, cells: Sequence[str], lines: Sequence[int], path: str) -> None:
        values, texts = numbers(cells, self.comma)
        known = values[~np.isnan(values)]
        if len(known):
            if not np.isfinite(known).all():
                bad = int(np.flatnonzero(np.isinf(values))[0])
                raise DataError(f"{path}:{lines[bad]}: {self.name} is {cells[bad].strip()}: only finite numbers can be learned")
            self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))
            self.whole = self.whole and bool((known == np.floor(known)).all())
            if len(self.values) <= self.most:
                self.values.update(known.tolist())
        if texts and not self.texts:
            self.stray = lines[texts[0]], cells[texts[0]].strip()
        self.count += len(cells)
        self.texts += len(texts)
        self.missing += len(cells) - len(known) - len(texts)
        if len(self.distinct) <= self.most:
            self.distinct.update(cell.strip() for cell in cells if not is_missing(cell))

    def is_text(self, path: str) -> bool:
        """Raises DataError for a column of numbers with a few texts in it."""
        there = self.count - self.missing
        if self.texts and self.texts <= _STRAY * there:
            line, cell = self.stray
            raise DataError(
                f"{path}:{line}: {self.name} holds numbers, but {cell!r} here ({self.texts:,} of {there:,} are no numbers): "
                "correct them, leave the cells empty for missing, or leave the column out with ignore (--ignore)"
            )
        return self.texts > 0


def _surveyed(file: CSV, target: str) -> tuple[dict[str, _Seen], int]:
    """(what the columns with a name hold, the number of rows)."""
    places = [place for place, name in enumerate(file.names) if name]
    seen = {}
    for place in places:
        name = file.names[place]
        seen[name] = _Seen(name, CLASSES if name == target else CATEGORIES, file.comma)
    n = 0
    for block in file.blocks():
        for place in places:
            seen[file.names[place]].add(block.columns[place], block.lines, file.path)
        n += len(block.lines)
    if not n:
        raise DataError(f"{file.path} holds names and no rows" if file.header else f"{file.path} holds no rows")
    return seen, n


def _classes(file: CSV, goal: _Seen, task: str | None, n: int) -> tuple[tuple[str, ...] | None, str]:
    """(the names of the classes, None where numbers are predicted; the line that says so)."""
    where = f"{file.path}: the target {goal.name}"
    if goal.missing == goal.count:
        raise DataError(f"{where} has no value at all")
    text = goal.texts > 0 if task == "classification" else goal.is_text(file.path)
    different = len(goal.distinct if text else goal.values)
    few = goal.whole and different <= FEW
    task_found = "classification" if text or few else "regression"
    task = task_found if task is None else task
    if different == 1:
        raise DataError(f"{where} is always {next(iter(goal.distinct))}: there is nothing to learn")
    if task == "regression":
        if text:
            raise DataError(f"{where} holds text ({goal.stray[1]!r} in line {goal.stray[0]}): regression predicts numbers")
        way_out = "" if not goal.whole or different > CLASSES else "; --task classification takes each value for a class"
        return None, f"target    {goal.name}: numbers from {goal.low:g} to {goal.high:g} (regression{way_out})"
    there = goal.count - goal.missing
    if different > CLASSES or (there > FEW and different > there / 2):
        many = f"more than {CLASSES:,}" if different > CLASSES else f"{different:,}"
        advice = "regression (--task regression) predicts numbers" if not text else "is it a name or a number of something?"
        raise DataError(f"{where} has {many} different values in {there:,} rows, too many for classes; {advice}")
    names = tuple(sorted(goal.distinct) if text else (class_name(value) for value in sorted(goal.values)))
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    way_out = "" if text else "; --task regression predicts the number"
    return names, f"target    {goal.name}: {len(names)} classes: {shown} (classification{way_out})"


def _columns(file: CSV, seen: dict[str, _Seen]) -> tuple[tuple[Column, ...], list[str]]:
    """(the columns to learn from, those that are left out, each with the reason)."""
    columns, out = list[Column](), list[str]()
    for name, one in seen.items():
        there = one.count - one.missing
        text = one.is_text(file.path)
        if not there:
            out.append(f"{name} (empty)")
        elif (text and len(one.distinct) == 1) or (not text and one.low == one.high):
            out.append(f"{name} (always {next(iter(one.distinct))})")
        elif text and len(one.distinct) > CATEGORIES:
            out.append(f"{name} (more than {CATEGORIES} different texts)")
        elif text and there > FEW and len(one.distinct) > there / 2:
            out.append(f"{name} ({len(one.distinct)} different texts in {there} rows)")
        else:
            columns.append(Column(name, tuple(sorted(one.distinct)) if text else None))
    if "" in file.names:
        out.append("a column without a name")
    if not columns:
        raise DataError(f"{file.path}: there is no column to learn from; left out: {', '.join(out) or 'all that there are'}")
    return tuple(columns), out


def _described(columns: Sequence[Column], out: Sequence[str], ignored: Sequence[str]) -> str:
    text = [f"{column.name}: {column.width}" for column in columns if column.categories is not None]
    parts = [f"{len(columns) - len(text)} of numbers"] if len(text) < len(columns) else []
    if text:
        more = ", …" if len(text) > 10 else ""
        parts.append(f"{len(text)} of categories ({', '.join(text[:10])}{more})")
    line = f"columns   {', '.join(parts)}"
    left = [*out, *(f"{name} (as you wish)" for name in ignored)]
    return line + (f"; left out: {', '.join(left)}" if left else "")


def _counted(gaps: Sequence[_Seen]) -> str:
    """``age (177 of 891), embarked (2 of 891)``."""
    shown = [f"{one.name} ({one.missing:,} of {one.count:,})" for one in gaps[:10]]
    return ", ".join(shown) + (f" and {len(gaps) - 10} more columns" if len(gaps) > 10 else "")
