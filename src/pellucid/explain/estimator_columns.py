"""A column of an array or a data frame that is set to other values, for estimators of scikit-learn's kind.

scikit-learn's ``partial_dependence`` refuses missing values among texts, and integers and nullable types of data frames, and it
sees no numbers in dates. Here a column keeps its type: a category is set by repeating a cell that has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.tables.csv_file import parse_numbers
from pellucid.data.tables.frame import cells_of, is_categorical, is_frame
from pellucid.errors import ConfigError
from pellucid.explain.tables import MISSING, grid_of

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class EstimatorColumn:
    """The column ``key`` of rows ``x``, which are a data frame or an array (n, d).

    ``numbers`` (n) are its numbers, NaN where they are missing; of dates they are the days since 1970, and ``days`` is true.
    Other columns have ``cells`` (n), text.
    """

    x: Any
    key: Any
    numbers: Array | None
    cells: tuple[str, ...]
    days: bool = False

    @classmethod
    def of(cls, x: Any, key: Any) -> EstimatorColumn:
        """Return the column of a data frame by its name, or of an array by its number."""
        source = x[key] if is_frame(x) else x[:, key]
        values = np.asarray(source)
        if values.dtype.kind == "M":
            return cls(x, key, np.where(np.isnat(values), np.nan, (values - np.datetime64(0, "D")) / _DAY), (), days=True)
        found = cells_of(values, is_categorical(source))
        numbers, texts = parse_numbers(found, decimal_comma=False)
        if not texts and not is_categorical(source) and not np.isnan(numbers).all():
            return cls(x, key, numbers, ())
        return cls(x, key, None, tuple(MISSING if not cell else str(cell) for cell in found))

    def grid(self, points: int, percentiles: tuple[float, float]) -> tuple[Array | tuple[str, ...], list[Any]]:
        """Return values to set the column to, as :meth:`~pellucid.explain.tables.RowColumn.grid` does, and what sets them: a
        number, a date, or the number of a row that has the category.
        """
        if self.numbers is not None:
            values = grid_of(self.numbers, points, percentiles)
            if self.days:
                return values, [np.datetime64(0, "s") + np.timedelta64(round(86_400 * value), "s") for value in values]
            return values, values.tolist()
        names, first, counts = np.unique(np.array(self.cells), return_index=True, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return tuple(names[order].tolist()), first[order].tolist()

    def rows(self, settings: list[Any]) -> Iterator[Any]:
        """Yield the rows with the column set to each of these settings."""
        for setting in settings:
            yield self._with(np.full(len(self.x), setting)) if self.numbers is not None else self._repeating(setting)

    def set_missing(self) -> Any:
        """Return the rows with a number or date missing in each; None if it is missing in none of them."""
        if self.numbers is None or not (gaps := np.isnan(self.numbers)).any():
            return None
        return self._repeating(int(gaps.argmax()))

    def _repeating(self, row: int) -> Any:
        """Return the rows with the column set to its cell in one of them."""
        rows = [row] * len(self.x)
        if not is_frame(self.x):
            return self._with(self.x[rows, self.key])
        cells = self.x[self.key]
        return self._with(cells.array.take(rows) if hasattr(cells, "array") else cells[rows])

    def _with(self, values: Any) -> Any:
        """Return a copy of the rows in which the column has these values."""
        if hasattr(self.x, "with_columns"):  # Polars
            return self.x.with_columns(type(self.x[self.key])(self.key, values))
        if not is_frame(self.x):
            changed = np.array(self.x, np.result_type(self.x, values) if self.numbers is not None else None)
            changed[:, self.key] = values
            return changed
        if not hasattr(self.x, "copy"):
            raise ConfigError(
                f"partial_dependence takes arrays, and data frames of pandas and Polars, got {type(self.x).__name__}"
            )
        changed = self.x.copy()
        changed[self.key] = values
        return changed
