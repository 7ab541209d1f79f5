"""The types of the columns of a table: numbers, dates or categories, and for the target a class or a number.

A column is numeric if all its cells are numbers or missing. If they are numbers with separators, percent signs or currencies,
or dates, it is numeric as well. Otherwise it is text: categories, or identifiers and free text, which are left out. The target
is a class if it is text or has few distinct integers; otherwise it is a number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.tables.columns import VALUE, Column
from pellucid.data.tables.csv_file import Cells, is_missing, parse_numbers, positions_of
from pellucid.data.tables.dates import FORMS, PARTS, moment, parse_dates
from pellucid.data.tables.encoding import Table, category_of, class_name, texts_of
from pellucid.data.tables.number_formats import DECIMALS, described, parse_cell
from pellucid.errors import DataError

TASKS = ("classification", "regression")
ONE_HOT = 9  # a column with more categories becomes a code
MAX_ONE_HOT = 100  # of the columns of a series, which have no codes
MAX_CATEGORIES = 10_000  # a column with more distinct texts probably holds names or identifiers
RARE = 3  # a category of a coded column with fewer rows has the code 0, like those that occur in other tables only
MAX_CLASSES = 1000
FEW = 20  # the target is taken for a class if it has at most this many distinct integers
_STRAY_TEXTS = 0.1  # a column with at most this fraction of texts is a column of numbers with mistakes
_WORDS = 4  # a text with as many words is a sentence
_IDENTIFIER = re.compile(  # "id", "Customer ID", "order_no", "PassengerId", "rownames"; not "paid"
    r"(?:.*[\s_.\-])?(?:id|ids|uid|uuid|guid|key|pk|index|idx|row|rownames?|no|nr|num|number|code|serial)"
    r"|.*[a-z]I[dD]|unnamed: 0",
)


@dataclass
class ColumnContent:
    """What the cells of a column contain, collected block by block.

    :meth:`decide` finds the form of cells that are text at first sight, ``decimal`` or ``date``; the cells are then added to
    another content, as numbers or dates. As long as all cells are numbers, few of them are stored, unless ``counts_all``.
    """

    name: str
    limit: int  # distinct values beyond which no more are stored
    decimal_comma: bool
    categorical: bool = False  # numbers are categories, too
    counts_all: bool = False
    incomplete: bool = False  # whether different cells have not been stored
    decimal: str | None = None
    date: str | None = None
    form: str = ""  # of such numbers, in words
    count: int = 0
    missing: int = 0
    texts: int = 0
    first_text: tuple[int, str] = (0, "")  # line and cell
    low: float = np.inf
    high: float = -np.inf
    integers: bool = True  # whether all numbers are integers
    distinct_cells: Counter[str] = field(default_factory=Counter)
    distinct_numbers: set[float] = field(default_factory=set)
    varying: set[str] = field(default_factory=set)  # parts of dates
    first_date: Array | None = None

    @property
    def known(self) -> int:
        """The number of cells that are not missing."""
        return self.count - self.missing

    def add(self, cells: Cells, lines: Sequence[int], path: str) -> None:
        """Add the cells of a block. Raises DataError for infinite numbers."""
        if self.categorical:
            cells = [category_of(cell, self.decimal_comma) for cell in texts_of(cells)]
        if self.date is not None:
            self._add_dates(texts_of(cells), lines)
            return
        values, texts = parse_numbers(cells, self.decimal_comma, self.decimal)
        known = values[~np.isnan(values)]
        if len(known):
            if not np.isfinite(known).all():
                bad = int(np.flatnonzero(np.isinf(values))[0])
                cell = f"{cells[bad]}".strip()
                raise DataError(f"{path}:{lines[bad]}: {self.name} is {cell}: numbers must be finite")
            self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))
            self.integers = self.integers and bool((known == np.floor(known)).all())
            if self.counts_all and len(self.distinct_numbers) <= self.limit:
                self.distinct_numbers.update(known.tolist())
        self._count(cells, lines, len(known), texts)

    def _count(self, cells: Cells, lines: Sequence[int], known: int, texts: Sequence[int]) -> None:
        if texts and not self.texts:
            self.first_text = lines[texts[0]], f"{cells[texts[0]]}".strip()
        self.count += len(cells)
        self.texts += len(texts)
        self.missing += len(cells) - known - len(texts)
        if self.incomplete or len(self.distinct_cells) > self.limit:
            return
        self.distinct_cells.update(cell.strip() for cell in texts_of(cells) if not is_missing(cell))
        if not (self.texts or self.counts_all or self.categorical) and len(self.distinct_cells) > MAX_ONE_HOT:
            self.incomplete = True
            self.distinct_cells.clear()

    def _add_dates(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        assert self.date is not None
        values, others = parse_dates(cells, self.date)
        known = values[~np.isnan(values[:, 0])]
        if len(known):
            first = known[0] if self.first_date is None else self.first_date
            self.first_date = first
            self.varying.update(part for part, varies in zip(PARTS, (known != first).any(axis=0), strict=True) if varies)
            self.low, self.high = min(self.low, float(known[:, 0].min())), max(self.high, float(known[:, 0].max()))
        self._count(cells, lines, len(known), [i for i in others if not is_missing(cells[i])])

    def is_text(self, path: str) -> bool:
        """Return whether the column is text. Raises DataError for a column of numbers or dates with a few texts in it."""
        if self.categorical:
            return True
        if self.texts and self.texts <= _STRAY_TEXTS * self.known:
            line, cell = self.first_text
            what = "numbers" if self.date is None else f"dates ({self.date})"
            raise DataError(
                f"{path}:{line}: {self.name} is a column of {what}, but has {cell!r} here ({self.texts:,} of {self.known:,} "
                f"cells are not {what.partition(' ')[0]}): correct these cells, leave them empty for missing values, or leave "
                "the column out with ignore (--ignore)"
            )
        return self.texts > 0

    def decide(self) -> ColumnContent | None:
        """Return an empty content for a column whose texts are numbers with separators or signs, or dates; otherwise None."""
        if not self.texts or self.categorical or self.decimal or self.date:
            return None
        cells = list(self.distinct_cells)
        enough = (1 - _STRAY_TEXTS) * len(cells)
        decimals = (",", ".") if self.decimal_comma else DECIMALS
        numbers = {mark: [found for cell in cells if (found := parse_cell(cell, mark)) is not None] for mark in decimals}
        mark = max(decimals, key=lambda one: len(numbers[one]))
        again = ColumnContent(self.name, self.limit, self.decimal_comma, counts_all=self.counts_all)
        if len(numbers[mark]) >= enough:
            again.decimal = mark
            signs, separators = {sign for _, sign, _ in numbers[mark]}, {separator for _, _, separator in numbers[mark]}
            again.form = described(signs, separators, mark)
            return again
        of_form = {form: sum(moment(cell, form) is not None for cell in cells) for form in FORMS}
        form = max(FORMS, key=of_form.__getitem__)
        if of_form[form] >= enough and of_form[form] > 0:
            again.date = form
            return again
        return None


def scan_columns(table: Table, targets: Sequence[str] = (), *, dates: bool = True) -> tuple[dict[str, ColumnContent], int]:
    """Return the content of the columns that have a name, and the number of rows. Raises DataError for a table without rows.

    The table is read once, and again for columns whose cells are text at first sight: numbers with separators or signs, or
    ``dates``; and for columns that begin with numbers and go on with text.
    """
    contents = {}
    for name in table.names:
        if name:
            target = name in targets
            limit, categorical = MAX_CLASSES if target else MAX_CATEGORIES, name in table.categorical and not target
            counts_all = target or has_name_of_identifier(name)
            contents[name] = ColumnContent(name, limit, table.decimal_comma, categorical, counts_all)
    n = _scan(table, contents)
    if not n:
        raise DataError(f"{table.path} has column names but no rows" if table.header else f"{table.path} has no rows")
    cut = [content for content in contents.values() if content.incomplete and content.texts]
    if cut:
        counted = {one.name: ColumnContent(one.name, one.limit, one.decimal_comma, counts_all=True) for one in cut}
        _scan(table, counted)
        contents |= counted
    decided = {name: content.decide() for name, content in contents.items()}
    again = {}
    for name, one in decided.items():
        if one is not None and (one.date is None or (dates and name not in targets)):
            again[name] = one
    if again:
        _scan(table, again)
        contents |= {name: one for name, one in again.items() if one.texts <= _STRAY_TEXTS * one.known}
    return contents, n


def _scan(table: Table, contents: dict[str, ColumnContent]) -> int:
    positions = positions_of(table.names, contents)
    n = 0
    for block in table.blocks():
        for name, position in positions.items():
            contents[name].add(block.columns[position], block.lines, table.path)
        n += len(block.lines)
    return n


def choose_task(file: Table, target: ColumnContent, task: str | None) -> tuple[tuple[str, ...] | None, str]:
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
    form = f", {target.form}" if target.form else ""
    if task == "regression":
        if text:
            line, cell = target.first_text
            raise DataError(f"{where} contains text ({cell!r} in line {line}), but regression predicts numbers")
        alternative = ""
        if target.integers and different <= MAX_CLASSES:
            alternative = "; --task classification makes each value a class"
        return None, f"target    {target.name}: numbers from {target.low:g} to {target.high:g}{form} (regression{alternative})"
    if different > MAX_CLASSES or (target.known > FEW and different > target.known / 2):
        many = f"more than {MAX_CLASSES:,}" if different > MAX_CLASSES else f"{different:,}"
        advice = "is it a name or an identifier?" if text else "regression (--task regression) predicts numbers"
        raise DataError(f"{where} has {many} different values in {target.known:,} rows, too many for classes; {advice}")
    if text or target.decimal is not None:
        names = tuple(sorted(target.distinct_cells))
    else:
        names = tuple(class_name(value) for value in sorted(target.distinct_numbers))
    listed = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    alternative = "" if text else "; --task regression predicts the number"
    return names, f"target    {target.name}: {len(names)} classes: {listed} (classification{alternative})"


def choose_columns(
    file: Table, contents: Sequence[ColumnContent], missing: str = VALUE, *, one_hot: int = ONE_HOT, codes: bool = True
) -> tuple[tuple[Column, ...], list[str]]:
    """Return the columns that can be used as inputs, and those that are left out, each with the reason.

    Text with at most ``one_hot`` categories is one-hot, and with more a code if ``codes`` are allowed, else left out. If
    ``missing`` is "value", columns with missing values have a value for them. Raises DataError if there is no usable column.
    """
    columns, left_out = list[Column](), list[str]()
    for content in contents:
        found = _column(file, content, missing == VALUE and content.missing > 0, one_hot, codes)
        if isinstance(found, str):
            left_out.append(f"{content.name} ({found})")
        else:
            columns.append(found)
    if "" in file.names:
        left_out.append("a column without a name")
    if not columns:
        raise DataError(f"{file.path}: no column can be used as an input; left out: {', '.join(left_out) or 'all columns'}")
    return tuple(columns), left_out


def _column(file: Table, content: ColumnContent, missing: bool, one_hot: int, codes: bool) -> Column | str:
    """Return what a column becomes, or the reason why it is left out."""
    name, known = content.name, content.known
    text, different = content.is_text(file.path), len(content.distinct_cells)
    if not known:
        return "empty"
    if content.date is not None:
        parts = tuple(part for part in PARTS if part in content.varying)
        if not parts and not missing:
            return f"always {next(iter(content.distinct_cells))}"
        return Column(name, missing=missing, date=content.date, parts=parts or PARTS[:1])
    if not missing and ((text and different == 1) or (not text and content.low == content.high)):
        return f"always {next(iter(content.distinct_cells))}"
    if not text:
        if _is_identifier(content):
            return f"an identifier: {known:,} different numbers in {known:,} rows"
        return Column(name, missing=missing, decimal=content.decimal)
    chosen = content.categorical  # by the user, or by the dtype
    if different > MAX_CATEGORIES:
        return f"{_words(content)}: more than {MAX_CATEGORIES:,} different texts"
    if known > FEW and different > known / 2 and not chosen:
        return f"{_words(content)}: {different} different texts in {known} rows"
    categories = tuple(sorted(content.distinct_cells))
    if different <= one_hot:
        return Column(name, categories, missing)
    if not codes:
        return f"more than {one_hot} different texts"
    frequent = tuple(category for category in categories if content.distinct_cells[category] >= RARE)
    if sum(content.distinct_cells[category] for category in frequent) <= known / 2 and not chosen:
        return f"{_words(content)}: {different} different texts in {known} rows, most of them rare"
    return Column(name, frequent or categories, missing, coded=True)


def has_name_of_identifier(name: str) -> bool:
    """Return whether a column with this name usually holds identifiers: ``id``, ``Customer ID``, ``PassengerId``, ``row``."""
    return any(_IDENTIFIER.fullmatch(one) is not None for one in (name.strip(), name.strip().lower()))


def _is_identifier(content: ColumnContent) -> bool:
    """Return whether a column of numbers has the name of an identifier, and another integer in every row."""
    if not has_name_of_identifier(content.name) or not content.integers or content.known <= FEW:
        return False
    distinct = len(content.distinct_numbers)
    return distinct == content.known or distinct > content.limit


def _words(content: ColumnContent) -> str:
    """Return what a column of many texts seems to hold."""
    cells = list(content.distinct_cells)[:1000]
    return "free text" if sum(len(cell.split()) for cell in cells) >= _WORDS * len(cells) else "names or identifiers"
