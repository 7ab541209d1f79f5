"""Files of comma-separated values (RFC 4180, 2005) as names and blocks of columns; what a cell of such a file is.

The separator is found out: comma, semicolon, tab or bar. In files with semicolons a comma is a decimal point, as spreadsheets
write in much of Europe.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.sources.idx import open_file
from pellucid.errors import DataError, FileError

NOT_THERE = frozenset(("", "na", "n/a", "nan", "null", "?"))  # in lower case: cells that stand for a missing value
BLOCK = 2048  # rows at a time
_SEPARATORS = ",;\t|"
_PROBE = 1 << 16  # characters that the separator is found out from


@dataclass(frozen=True)
class Block:
    """Some rows: the cells by column, and the line of the file that each row begins in."""

    columns: list[tuple[str, ...]]
    lines: list[int]


class CSV:
    """A file of comma-separated values, in UTF-8: the ``names`` of its columns, and its rows as often as they are asked for.
    Without a ``header`` the columns are called 1, 2, ….

    Raises FileError for what is no text file, DataError for an empty one, for names that repeat and for broken rows; and,
    unless the ``wanted`` names are there, for a single column and for names that are all numbers.
    """

    def __init__(self, path: str | os.PathLike[str], header: bool = True, wanted: Collection[str] = ()):
        self.path, self.header = os.fspath(path), header
        self.separator = self._separator()
        first = next(self._rows(), None)
        if first is None:
            raise DataError(f"{self.path} is empty")
        cells = first[1]
        self.names = tuple(cell.strip() for cell in cells) if header else tuple(str(i + 1) for i in range(len(cells)))
        there = bool(wanted) and set(wanted) <= set(self.names)
        if len(self.names) < 2 and not there:
            raise DataError(f"{self.path} has one column: what is to be predicted needs another one (separators: , ; tab |)")
        if header and not there and all(is_number(name, self.comma) for name in self.names):
            raise DataError(f"{self.path}: the first line holds numbers, not names: header=False (--no-header) if it has none")
        repeated = {name for name in self.names if name and self.names.count(name) > 1}
        if repeated:
            raise DataError(f"{self.path}: two columns are called {sorted(repeated)[0]!r}")

    @property
    def comma(self) -> bool:
        """Whether a comma is a decimal point."""
        return self.separator == ";"

    def blocks(self) -> Iterator[Block]:
        """The rows below the header, some at a time; empty lines are left out."""
        rows = self._rows()
        if self.header:
            next(rows)
        wide = len(self.names)
        while chunk := list(itertools.islice(rows, BLOCK)):
            for line, cells in chunk:
                if len(cells) != wide:
                    fields = f"{len(cells)} field{'s' * (len(cells) != 1)}"
                    raise DataError(f"{self.path}:{line}: {fields}, the table has {wide} columns")
            yield Block(list(zip(*(cells for _, cells in chunk), strict=True)), [line for line, _ in chunk])

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of all rows that are not empty."""
        with open_file(self.path) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
            reader, line = csv.reader(text, delimiter=self.separator), 1
            try:
                for cells in reader:
                    if cells:
                        yield line, cells
                    line = reader.line_num + 1
            except UnicodeDecodeError as error:
                raise self._no_text(error) from None
            except csv.Error as error:
                raise DataError(f"{self.path}:{line}: the row is broken: {error}") from None

    def _separator(self) -> str:
        with open_file(self.path) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
            try:
                probe = text.read(_PROBE)
            except UnicodeDecodeError as error:
                raise self._no_text(error) from None
        lines = probe.splitlines(keepends=True)
        lines = lines[:-1] if len(probe) == _PROBE else lines  # the last one may be cut

        def fits(separator: str) -> tuple[float, int]:
            """How many of the first rows are as wide as the first, and how wide that is."""
            try:
                widths = [len(cells) for cells in itertools.islice(csv.reader(lines, delimiter=separator), 50) if cells]
            except csv.Error:
                return 0.0, 1
            if not widths or widths[0] < 2:
                return 0.0, 1
            return widths.count(widths[0]) / len(widths), widths[0]

        return max(_SEPARATORS, key=fits)

    def _no_text(self, error: UnicodeDecodeError) -> FileError:
        return FileError(f"{self.path}: is no text in UTF-8 ({error.reason}): save the table as CSV in UTF-8")


def is_missing(cell: str) -> bool:
    """Whether the cell stands for a value that is not there."""
    return cell.strip().lower() in NOT_THERE


def is_number(cell: str, comma: bool) -> bool:
    """Whether the cell is a number."""
    values, texts = numbers([cell], comma)
    return not texts and not math.isnan(values[0])


def numbers(cells: Sequence[str], comma: bool) -> tuple[Array, list[int]]:
    """(the numbers (n) in float64, NaN where none is; the places of cells that are neither a number nor missing)."""
    if "_" not in "".join(cells):  # Python reads 2024_01 as a number
        try:
            return np.array(list(map(float, cells))), []
        except ValueError:
            pass
    values, texts = np.full(len(cells), math.nan), []
    for place, cell in enumerate(cells):
        if is_missing(cell):
            continue
        try:
            values[place] = float(cell.replace(",", ".") if comma else cell)
            if "_" in cell:
                raise ValueError
        except ValueError:
            values[place] = math.nan
            texts.append(place)
    return values, texts
