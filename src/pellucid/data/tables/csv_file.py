"""Files of comma-separated values (RFC 4180, 2005): their column names, their rows, and the meaning of a cell.

The separator is detected: a comma, semicolon, tab or vertical bar. In files with semicolons a comma is a decimal point, as
spreadsheets write it in much of Europe.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import math
import os
import re
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.files import open_regular
from pellucid.core.memory import Array
from pellucid.data.tables.number_formats import parse_written
from pellucid.errors import DataError, FileError

MISSING_CELLS = frozenset(  # in lower case; the last seven are what spreadsheets write for a formula that has failed
    ("", "na", "n/a", "nan", "null", "?", "<na>", "#n/a", "#div/0!", "#name?", "#null!", "#num!", "#ref!", "#value!")
)
BLOCK_ROWS = 2048
_SEPARATORS = ",;\t|"
_SAMPLE = 1 << 16  # characters that the separator is detected from
_NAMED_SEPARATOR = re.compile(rf'"?sep=([{re.escape(_SEPARATORS)}])"?\s*', re.IGNORECASE)  # the first line, for spreadsheets
_MAX_CELL = 1 << 24  # characters of a cell; a missing quotation mark would make one of the rest of the file


_limits: list[int] = []  # the limits on cells before each file that is being read
_limit_lock = threading.Lock()

Cells = Sequence[str] | Array  # the text of cells, or for a column of numbers in memory float64 with NaN where one is missing


@dataclass(frozen=True)
class RowBlock:
    """Consecutive rows of a table: the cells of each column, and the line of the file in which each row begins."""

    columns: list[Cells]
    lines: list[int]


class CSVFile:
    """A file of comma-separated values: the ``names`` of its columns, and its rows, which can be read repeatedly.

    The text is in UTF-8, or in UTF-16 with a byte order mark, as spreadsheets save "Unicode text". Without a ``header`` the
    columns are called 1, 2, …. ``name`` replaces the path in messages. A first line such as ``sep=;``,
    which names the separator for spreadsheets, is none of the table. Nor are empty lines, and rows of empty cells before the
    header and after the last row; elsewhere such rows are missing values. If the first row ends in a separator that the header
    does not have, or the header alone ends in one, it is not a cell; all rows then have the form of the first one.

    Raises FileError for a file that is not text, and DataError for an empty file, for repeated names and for malformed rows.
    Unless the file has the ``expected`` names, it also raises DataError for a single column and for names that are all numbers.
    """

    def __init__(
        self, path: str | os.PathLike[str], header: bool = True, expected: Collection[str] = (), name: str | None = None
    ):
        self._file, self.path, self.header = path, os.fspath(path) if name is None else name, header
        self.separator, self._names_separator = self._detect_separator()
        self.names: tuple[str, ...] = ()
        cells = next((cells for _, cells in self._rows() if _has_content(cells)), None)
        if cells is None:
            raise DataError(f"{self.path} is empty")
        self.names = tuple(cell.strip() for cell in cells) if header else tuple(str(i + 1) for i in range(len(cells)))
        as_expected = bool(expected) and set(expected) <= set(self.names)
        if len(self.names) < 2 and not as_expected:
            raise DataError(
                f"{self.path} has only one column; a table needs a target and at least one other column (separators: , ; tab |)"
            )
        if header and not as_expected and all(is_number(name, self.decimal_comma) for name in self.names):
            raise DataError(
                f"{self.path}: the first line has numbers instead of names; for a file without names use header=False "
                "(--no-header)"
            )
        check_names(self.path, [name for name in self.names if name])

    categorical: frozenset[str] = frozenset()  # columns whose numbers are categories, too

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers have a comma as their decimal point."""
        return self.separator == ";"

    def blocks(self) -> Iterator[RowBlock]:
        """Yield the rows of the table in blocks."""
        width = len(self.names)
        rows, form = self._rows_of_table(), None
        while chunk := list(itertools.islice(rows, BLOCK_ROWS)):
            for line, cells in chunk:
                if form is None:
                    form = self._extra_cells(cells)
                if form == 1 and len(cells) == width + 1 and not cells[-1].strip():
                    cells.pop()
                elif form == -1 and len(cells) == width - 1:
                    cells.append("")
                elif form or len(cells) != width:
                    fields = f"{len(cells)} field{'s' * (len(cells) != 1)}"
                    first = f", and the first row has {width + form}{', the last one empty' * (form > 0)}" if form else ""
                    raise DataError(f"{self.path}:{line}: {fields}, but the table has {width} columns{first}")
            yield RowBlock(list(zip(*(cells for _, cells in chunk), strict=True)), [line for line, _ in chunk])

    def _extra_cells(self, first: list[str]) -> int:
        """Return how many cells more than names the first row has: 1 for a separator at its end, -1 for one in the header."""
        if len(first) == len(self.names) + 1 and not first[-1].strip():
            return 1
        return -1 if len(first) == len(self.names) - 1 and not self.names[-1] else 0

    def _rows_of_table(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells) of the rows after the header, without rows of empty cells at the end."""
        rows = self._rows()
        if self.header:
            rows = itertools.islice(itertools.dropwhile(lambda row: not _has_content(row[1]), rows), 1, None)
        empty: list[tuple[int, int]] = []  # the last rows, as lines and numbers of cells
        for line, cells in rows:
            if _has_content(cells) or len(self.names) == 1:  # a column alone may miss its last value
                for before, count in empty:
                    yield before, [""] * count
                empty.clear()
                yield line, cells
            elif len(cells) > 1:  # a line of spaces is an empty line
                empty.append((line, len(cells)))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells) of all lines that are not empty."""
        with _long_cells(), self._opened() as text:
            before = 1 if self._names_separator else 0
            try:
                if before:
                    text.readline()
                reader, line = csv.reader(text, delimiter=self.separator, skipinitialspace=True), before + 1
                for cells in reader:
                    if cells:
                        yield line, cells
                    line = before + reader.line_num + 1
            except csv.Error as error:
                why = f"a cell has more than {csv.field_size_limit():,} characters; is a quotation mark missing?"
                raise DataError(
                    f"{self.path}:{line}: the row is malformed: {why if 'limit' in str(error) else error}"
                ) from None

    def _detect_separator(self) -> tuple[str, bool]:
        """Return the separator, and whether the first line of the file names it."""
        with self._opened() as text:
            sample = text.read(_SAMPLE)
        lines = sample.splitlines(keepends=True)
        if lines and (named := _NAMED_SEPARATOR.fullmatch(lines[0])):
            return named[1], True
        lines = lines[:-1] if len(sample) == _SAMPLE else lines  # the last one may be incomplete

        def fit(separator: str) -> tuple[float, int]:
            """Return the fraction of the first rows that have as many cells as the first one, and this number of cells."""
            try:
                reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
                widths = [len(cells) for cells in itertools.islice(reader, 50) if _has_content(cells)]
            except csv.Error:
                return 0.0, 1
            if not widths or widths[0] < 2:
                return 0.0, 1
            return widths.count(widths[0]) / len(widths), widths[0]

        return max(_SEPARATORS, key=fit), False

    @contextlib.contextmanager
    def _opened(self) -> Iterator[io.TextIOWrapper]:
        """Open the text, without its byte order mark. Raises FileError where bytes that are read are no text."""
        with open_regular(self._file) as raw:
            mark = raw.peek(4)[:4]
            is_utf_16 = mark.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and mark != codecs.BOM_UTF32_LE
            with io.TextIOWrapper(raw, "utf-16" if is_utf_16 else "utf-8-sig", newline="") as text:
                try:
                    yield text
                except UnicodeDecodeError as error:
                    name = "UTF-16" if is_utf_16 else "UTF-8"
                    raise FileError(
                        f"{self.path}: not a text in {name} ({error.reason}): save the table as CSV in UTF-8"
                    ) from None


def _has_content(cells: Sequence[str]) -> bool:
    return any(map(str.strip, cells))


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Allow cells of _MAX_CELL characters while a file is read. The limit of the module csv is one of the whole process.

    Several files may be read at once: the limit is what it was when the last one is closed.
    """
    with _limit_lock:
        _limits.append(csv.field_size_limit())
        csv.field_size_limit(max(_MAX_CELL, _limits[-1]))
    try:
        yield
    finally:
        with _limit_lock:
            before = _limits[0]
            _limits.pop()
            if not _limits:
                csv.field_size_limit(before)


def check_names(path: str, names: Iterable[str]) -> None:
    """Raise DataError for two columns of the same name; ``path`` is what has them, for the message."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"{path}: two columns have the name {min(repeated)!r}")


def positions_of(names: Sequence[str], wanted: Iterable[str]) -> dict[str, int]:
    """Return the positions of the ``wanted`` names among those of a table, in the order in which they are wanted."""
    positions = {name: i for i, name in enumerate(names)}
    return {name: positions[name] for name in wanted}


def is_missing(cell: str) -> bool:
    """Return whether the cell is a missing value."""
    return cell.strip().lower() in MISSING_CELLS


def is_number(cell: str, decimal_comma: bool) -> bool:
    """Return whether the cell is a number."""
    values, texts = parse_numbers([cell], decimal_comma)
    return not texts and not math.isnan(values[0])


def parse_numbers(cells: Cells, decimal_comma: bool, decimal: str | None = None) -> tuple[Array, list[int]]:
    """Return the cells as float64 (n), NaN for those that are not numbers, and the indices of the cells that are text.

    With a ``decimal`` mark, the numbers may have separators and signs (:mod:`pellucid.data.tables.number_formats`).
    """
    if isinstance(cells, np.ndarray):
        return cells, []
    if decimal is not None:
        return _parse_written(cells, decimal_comma, decimal)
    if "_" not in "".join(cells):  # Python would read 2024_01 as a number
        try:
            return np.array(list(map(float, cells))), []
        except ValueError:
            pass
    values, texts = np.full(len(cells), math.nan), []
    for i, cell in enumerate(cells):
        if is_missing(cell):
            continue
        try:
            values[i] = float(cell.replace(",", ".") if decimal_comma else cell)
            if "_" in cell:
                raise ValueError
        except ValueError:
            values[i] = math.nan
            texts.append(i)
    return values, texts


def _parse_written(cells: Sequence[str], decimal_comma: bool, decimal: str) -> tuple[Array, list[int]]:
    values, others = parse_written(cells, decimal), []
    for i in np.flatnonzero(np.isnan(values)).tolist():
        if not is_missing(cells[i]):
            plain, texts = parse_numbers([cells[i]], decimal_comma)  # as another file may have it
            values[i] = plain[0]
            others += [i] if texts else []
    return values, others
