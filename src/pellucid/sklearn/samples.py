"""The samples X of an estimator as rows of numbers: data frames, arrays with missing values and categories, sparse matrices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.sparse import SparseMatrix, is_sparse
from pellucid.data.tables.column_types import choose_columns, scan_columns
from pellucid.data.tables.columns import NUMBER, Column
from pellucid.data.tables.encoding import Table
from pellucid.data.tables.frame import ArrayTable, Frame, is_frame
from pellucid.data.tables.reading import encode_rows, warn_of_gaps
from pellucid.errors import ConfigError, did_you_mean, warn_user

FROM_DTYPE = "from_dtype"


@dataclass(frozen=True)
class SampleEncoding:
    """How the samples of an estimator become rows of numbers: the columns of the first training.

    ``categorical`` names the columns whose numbers are categories, ``from_dtype`` is whether a dtype of categories in a data
    frame says so as well. If the first samples were a sparse matrix, ``sparse`` is the number of its columns, all of numbers:
    stored descriptions of many thousand would take as much memory as some of the parameters.
    """

    described: tuple[Column, ...]
    categorical: tuple[str, ...]
    from_dtype: bool
    sparse: int = 0

    @classmethod
    def fit(cls, x: Any, features: int, names: Sequence[str] | None, categorical: Any, owner: str) -> SampleEncoding:
        """Return the encoding for the samples of a first training: a data frame, an array (n, features) or a sparse matrix.

        ``names`` are those of the features, or None. Warns with DataWarning of columns of a data frame that are left out.
        """
        known = _names(features, names)
        from_dtype = isinstance(categorical, str) and categorical == FROM_DTYPE
        chosen = () if from_dtype or categorical is None else _named(categorical, known, owner)
        if is_sparse(x):
            if chosen:
                raise ConfigError(f"{owner}(categorical_features=…): a sparse matrix has no categories; use a dense array")
            return cls((), (), from_dtype, sparse=features)
        if is_frame(x):
            table = Frame(x, chosen, known, from_dtype=from_dtype)
            contents, _ = scan_columns(table)
            columns, left_out = choose_columns(table, list(contents.values()))
            if left_out:
                warn_user(f"{owner}: columns that are left out: {', '.join(left_out)}")
            return cls(columns, chosen, from_dtype)
        columns = tuple(
            _category(x, i, name) if name in chosen else Column(name, missing=bool(np.isnan(x[:, i]).any()))
            for i, name in enumerate(known)
        )
        return cls(columns, chosen, from_dtype)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What the columns of the samples become in a row."""
        return tuple(map(Column, _names(self.sparse, None))) if self.sparse else self.described

    @property
    def of_numbers(self) -> bool:
        """Whether the rows are the samples themselves: every column is a number without missing values."""
        return all(column.kinds == (NUMBER,) and column.decimal is None and column.date is None for column in self.columns)

    @property
    def kinds(self) -> tuple[str | int, ...]:
        """The kind of each value of a row, as in the ``value_kinds`` of an input stage."""
        return (NUMBER,) * self.sparse if self.sparse else tuple(kind for column in self.columns for kind in column.kinds)

    def encode(self, x: Any, names: Sequence[str] | None) -> Any:
        """Return the rows (n, values) of samples; a sparse matrix stays sparse."""
        if is_sparse(x):
            matrix = SparseMatrix.of(x, "X")
            return matrix if self.sparse else self.encode(matrix.toarray(), names)
        if is_frame(x):
            frame = Frame(x, self._categorical, _names(x.shape[1], names), from_dtype=False)
            return encode_rows(frame, self.columns)
        if self.sparse or (self.of_numbers and len(self.columns) == x.shape[1]):
            self._warn_of_gaps(x)
            return x
        known = _names(x.shape[1], names)
        table: Table = ArrayTable(np.asarray(x, np.float64), known, self._categorical)
        return encode_rows(table, self.columns)

    def _warn_of_gaps(self, x: Array) -> None:
        """Warn of missing values in an array of numbers, of which the first samples had none."""
        if self.sparse or x.dtype.kind != "f" or not (gaps := np.isnan(x)).any():
            return
        counts = {column.name: int(count) for column, count in zip(self.columns, gaps.sum(axis=0), strict=True) if count}
        warn_of_gaps("x", Counter(counts), len(x))

    @property
    def _categorical(self) -> Collection[str]:
        return [column.name for column in self.columns if column.categories is not None]


def _names(features: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the features: x0, x1, … if they have none, as in scikit-learn, where only text is a name."""
    return tuple(f"x{i}" for i in range(features)) if names is None else tuple(map(str, names))


def _named(categorical: Any, names: Sequence[str], owner: str) -> tuple[str, ...]:
    """Return the names of the categorical features: names, indices or a mask, as in scikit-learn. Raises ConfigError."""
    where = f"{owner}(categorical_features={categorical!r})"
    if isinstance(categorical, str):
        raise ConfigError(f"{where}: expected {FROM_DTYPE!r}, None, or names, indices or a mask of the features")
    given = np.asarray(categorical)
    if given.ndim != 1:
        raise ConfigError(f"{where}: expected {FROM_DTYPE!r}, None, or names, indices or a mask of the features")
    if given.dtype == bool:
        if len(given) != len(names):
            raise ConfigError(f"{where}: the mask has {len(given)} entries for {len(names)} features")
        return tuple(name for name, is_chosen in zip(names, given, strict=True) if is_chosen)
    if given.dtype.kind in "iu":
        if given.size and (given.min() < 0 or given.max() >= len(names)):
            raise ConfigError(f"{where}: the indices must be from 0 to {len(names) - 1}")
        return tuple(names[i] for i in given)
    for name in given.tolist():
        if name not in names:
            raise ConfigError(f"{where}: there is no feature {name!r}: {did_you_mean(str(name), names)}")
    return tuple(map(str, given.tolist()))


def _category(x: Array, i: int, name: str) -> Column:
    """Return the column of categories in a column of numbers."""
    table = ArrayTable(np.asarray(x[:, [i]], np.float64), (name,), (name,))
    contents, _ = scan_columns(table)
    if len(contents[name].distinct_cells) < 2:
        return Column(name, missing=bool(contents[name].missing))
    (column,), _ = choose_columns(table, list(contents.values()))
    return column
