"""The columns of a table, and the input stages of models that are trained on tables.

What a column becomes in a row that a network reads:

- numbers: one value, and if the training data had missing ones, a second value that is 1 where the number is missing;
- dates: one such value for each of their parts that vary (:mod:`pellucid.data.tables.dates`);
- a few categories: one value for each, 1 for the category of the row and 0 for the others (one-hot);
- many categories: one value, the code of the category, for an :class:`~pellucid.Embedding`.

The model keeps the names and the categories, so that it finds the columns of another table by name, in any order. A category
that it does not know has 0 in every one-hot value, and the code 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array, Shape
from pellucid.data.input_stage import InputStage
from pellucid.data.series.layout import MISSING as SERIES_MISSING, SeriesLayout
from pellucid.data.tables.dates import FORMS, PARTS
from pellucid.data.tables.number_formats import DECIMALS
from pellucid.errors import ConfigError, DataError, did_you_mean
from pellucid.kernels import Kernels

_CHUNK = 4096  # samples that are read together
_LISTED = 10  # categories in a message
VALUE = "value"  # missing values are values of their own
MISSING = (VALUE, "error", "mean", "drop")  # the treatments of missing values
NUMBER, BINARY = "number", "binary"  # kinds of values; that of a code is the number of codes
_OPTIONAL = {"optional": True}  # fields that columns of earlier versions do not have


@dataclass(frozen=True)
class Column(Config):
    """A column of a table: numbers, dates, or text that is one of the ``categories``.

    ``missing`` is whether missing values have a value of their own: an indicator for numbers and dates, one more category for
    text. Categories are one-hot, or if ``coded`` the numbers 1, 2, … for an Embedding; 0 is every other text. ``decimal`` is
    the decimal mark of numbers that are written with separators or signs, as in € 1,234.50
    (:mod:`pellucid.data.tables.number_formats`), and None for plain numbers. ``date`` is the form of dates, and ``parts`` are
    the parts of them that are values.
    """

    name: str
    categories: tuple[str, ...] | None = None
    missing: bool = field(default=False, metadata=_OPTIONAL)
    coded: bool = field(default=False, metadata=_OPTIONAL)
    decimal: str | None = field(default=None, metadata=_OPTIONAL)
    date: str | None = field(default=None, metadata=_OPTIONAL)
    parts: tuple[str, ...] = field(default=(), metadata=_OPTIONAL)

    def __post_init__(self) -> None:
        super().__post_init__()
        for setting, allowed in (("decimal", DECIMALS), ("date", FORMS)):
            value = getattr(self, setting)
            if value is not None and value not in allowed:
                raise ConfigError(f"Column({setting}={value!r}): {did_you_mean(value, allowed)}")
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or bool(self.parts) != (self.date is not None):
            raise ConfigError(f"Column({self.name!r}): a date has parts out of {', '.join(PARTS)}, got {self.parts}")
        if self.categories is not None and (self.date is not None or self.decimal is not None):
            raise ConfigError(f"Column({self.name!r}): text with categories is neither a number nor a date")
        if self.coded and self.categories is None:
            raise ConfigError(f"Column({self.name!r}): only categories have codes")

    @property
    def width(self) -> int:
        """The number of values that the column has in a sample."""
        return len(self.kinds)

    @property
    def kinds(self) -> tuple[str | int, ...]:
        """The kind of each of these values: "number", "binary", or the number of codes of a code (its largest value + 1)."""
        if self.categories is None:
            return (NUMBER,) * max(1, len(self.parts)) + (BINARY,) * self.missing
        count = len(self.categories) + self.missing
        return (1 + count,) if self.coded else (BINARY,) * count

    @property
    def content(self) -> str:
        """What the column holds, in words: ``numbers``, or ``the categories Graz, Linz``."""
        if self.date is not None:
            found = f"dates ({self.date}; {', '.join(self.parts)})"
        elif self.categories is None:
            found = "numbers" if self.decimal is None else f"numbers with the decimal mark {self.decimal}"
        else:
            more = ", …" if len(self.categories) > _LISTED else ""
            coded = "codes of " if self.coded else ""
            found = f"{coded}the categories {', '.join(self.categories[:_LISTED])}{more}"
        return f"{found} and missing values" if self.missing else found

    @property
    def names(self) -> tuple[str, ...]:
        """The names of these values: ``age``, or ``city=Graz`` and ``city=Linz``; ``age is missing``; ``sold (month)``."""
        missing = (f"{self.name} is missing",) * self.missing
        if self.coded:
            return (self.name,)
        if self.categories is not None:
            return (*(f"{self.name}={category}" for category in self.categories), *missing)
        if self.date is not None:
            return (*(f"{self.name} ({part})" for part in self.parts), *missing)
        return (self.name, *missing)


def difference(columns: Sequence[Column], known: Sequence[Column]) -> str:
    """Return the first difference between the ``columns`` of a table and the ``known`` ones of a model, in words."""
    names, known_names = [column.name for column in columns], [column.name for column in known]
    lacking = [name for name in known_names if name not in names]
    if lacking or (more := [name for name in names if name not in known_names]):
        return f"it lacks the column {lacking[0]!r}" if lacking else f"the model has no column {more[0]!r}"
    if names != known_names:
        return f"its columns are in another order: {', '.join(names)} instead of {', '.join(known_names)}"
    own, other = next((own, other) for own, other in zip(columns, known, strict=True) if own != other)
    return f"the column {own.name!r} has {own.content} there and {other.content} in the model"


class TableStage(InputStage, ABC):
    """The base class of the input stages of tables. A sample is one row, or for a series several consecutive rows (time, d).

    ``columns`` describe the table. ``missing`` is the treatment of missing values: "value" makes them values of their own,
    "mean" replaces them with the mean of the training set, with "error" and "drop" they raise DataError. ``target`` is the name
    of the predicted column; ``targets`` describe the predicted columns, if there are several or their numbers have separators.
    ``header`` is whether the table had column names in its first line; None in model files that do not say so.
    """

    columns: tuple[Column, ...]
    missing: str
    target: str
    header: bool | None
    targets: tuple[Column, ...]

    expects: ClassVar[str] = "a table of real numbers"
    factor: ClassVar[float] = 1.0

    @property
    @abstractmethod
    def series(self) -> SeriesLayout | None:
        """The layout of a series, or None for tables whose rows are independent samples."""

    @property
    @abstractmethod
    def middle(self) -> tuple[float, ...]:
        """The middle of each value of a row in the training set, which is 0 in the rows that the network reads."""

    @property
    @abstractmethod
    def spread(self) -> tuple[float, ...]:
        """The number that each value, without its middle, is divided by."""

    @property
    def fills_missing(self) -> bool:
        """Whether missing values are replaced with the middle."""
        return self.missing in (VALUE, "mean")

    @property
    def target_columns(self) -> tuple[Column, ...]:
        """The predicted columns."""
        return self.targets or (Column(self.target),)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the values of a sample."""
        return tuple(name for column in self.columns for name in column.names)

    @property
    def value_kinds(self) -> tuple[str | int, ...]:
        """The kind of each value of a row: "number", "binary" for 0 and 1, or the number of codes of a code: 0 is any other
        category, and the largest code is this number − 1, so that it is ``entries`` of an Embedding.
        """
        return tuple(kind for column in self.columns for kind in column.kinds)

    def for_table(self, missing: str, target: str, header: bool | None, targets: tuple[Column, ...]) -> TableStage:
        """Return this input stage for a table with the same columns and other targets, or with other missing values.

        Raises ConfigError for a treatment of missing values that this stage does not have.
        """
        stage: Any = self  # the base class has no fields of its own
        changed: TableStage = replace(stage, missing=missing, target=target, header=header, targets=targets)
        return changed

    def _check_statistics(self, **of_values: Sequence[float]) -> None:
        """Raise ConfigError unless there is one number for each value of a row, and a scale above 0."""
        owner, width = type(self).__name__, sum(column.width for column in self.columns)
        if any(len(values) != width for values in of_values.values()):
            counts = " and ".join(f"{name} {len(values)}" for name, values in of_values.items())
            raise ConfigError(f"{owner}: the columns have {width} values, {counts.replace(' ', ' has ', 1)}")
        if any(not value > 0 for value in of_values["scale"]):
            raise ConfigError(f"{owner}: every scale must be above 0")

    def check_shape(self, shape: Shape) -> None:
        """Raise ConfigError unless a network for samples of ``shape`` reads as many values as these columns have."""
        width = sum(column.width for column in self.columns)
        if shape[-1] != width:
            raise ConfigError(
                f"the input stage is for {width} values in each row, those of its columns, but the network reads samples of "
                f"the shape {shape}: give both the same columns"
            )

    def accepts(self, x: Array) -> bool:
        return x.dtype.kind in "biuf"

    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        n = len(x) if rows is None else len(rows)
        out = np.empty((min(n, _CHUNK), *x.shape[1:]), np.float32)
        for start in range(0, n, _CHUNK):
            part = slice(start, min(start + _CHUNK, n))
            self.transform(x, part if rows is None else rows[part], out[: part.stop - start], kernels)

    def _check_finite(self, out: Array, rows: Array | slice, kernels: Kernels) -> None:
        if kernels.all_finite(out):
            return
        bad, *_, column = np.argwhere(~np.isfinite(out))[0]
        sample = int(rows.start or 0) + bad if isinstance(rows, slice) else rows[bad]
        where = f"first in sample {sample}, column {self.names[column]}"
        if self.fills_missing:
            raise DataError(f"x contains infinity, {where}: correct the value, or leave it out (NaN) as a missing one")
        raise DataError(
            f"x contains NaN or infinity, {where}: fill the gap, or use missing='value' to make missing values values of their "
            "own, or missing='mean' to replace them with the mean of the training set"
        )

    def _advice(self, x: Array) -> str:
        return "pass values of the same kind as the training data"


@dataclass(frozen=True)
class Standardization(TableStage):
    """The input stage of series, and of tables with missing="mean": x' = (x − mean) / scale for each value of a row.

    ``mean`` is that of the training set. ``scale`` is the standard deviation of the training set, or 1 for categories and for
    constant values. A missing value (NaN) becomes 0, which is the mean, if ``missing`` is "mean"; otherwise it raises
    DataError. The other settings are those of :class:`TableStage`.
    """

    columns: tuple[Column, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    missing: str = "error"
    target: str = "target"
    header: bool | None = None
    series: SeriesLayout | None = None
    targets: tuple[Column, ...] = field(default=(), metadata=_OPTIONAL)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_statistics(mean=self.mean, scale=self.scale)
        if self.series is not None and (unknown := [name for name in self.series.targets if name not in self.names]):
            raise ConfigError(
                f"Standardization: the series has no column {unknown[0]!r}: {did_you_mean(unknown[0], self.names)}"
            )
        known = tuple(one for one in MISSING if one != VALUE) if self.series is None else SERIES_MISSING
        if self.missing not in known:
            raise ConfigError(f"Standardization(missing={self.missing!r}): expected one of {', '.join(known)}")

    @cached_property
    def _statistics(self) -> tuple[Array, Array]:
        return np.asarray(self.mean), np.asarray(self.scale)

    @property
    def middle(self) -> tuple[float, ...]:
        return self.mean

    @property
    def spread(self) -> tuple[float, ...]:
        return self.scale

    def transform(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        mean, scale = self._statistics
        # In float64: a year or a time stamp is large compared with its scale.
        values = (x[rows] - mean) / scale
        if self.missing == "mean":
            values[np.isnan(values)] = 0
        with np.errstate(over="ignore"):  # values beyond float32 become infinite and raise DataError below
            out[...] = values
        self._check_finite(out, rows, kernels)
        return out


def fit_standardization(
    columns: Sequence[Column],
    x: Array,
    rows: Array | None,
    missing: str = "error",
    target: str = "target",
    header: bool | None = None,
    series: SeriesLayout | None = None,
    targets: tuple[Column, ...] = (),
) -> Standardization:
    """Return the input stage with the mean and scale of the training samples x (m, d) or (m, time, d), or of their ``rows``.

    Missing values do not count. ``missing``, ``target``, ``header`` and ``series`` are those of :class:`Standardization`.
    Raises DataError for a column without any value.
    """
    count, mean, deviation = _moments(x, rows)
    names = [name for column in columns for name in column.names]
    empty = [name for name, n in zip(names, count, strict=True) if n == 0]
    if empty:
        raise DataError(f"the training data has no value in {', '.join(empty)}: leave the column out")
    kinds: list[Any] = [kind for column in columns for kind in column.kinds]
    constant = deviation <= 1e-12 * np.abs(mean)  # a smaller deviation is a rounding error
    scale = np.where(np.array([kind != NUMBER for kind in kinds]) | constant, 1.0, deviation)
    mean = np.where([isinstance(kind, int) for kind in kinds], 0.0, mean)  # codes stay as they are
    statistics = tuple(mean.tolist()), tuple(scale.tolist())
    return Standardization(tuple(columns), *statistics, missing, target, header, series, targets)


def _moments(x: Array, rows: Array | None) -> tuple[Array, Array, Array]:
    """Return the number of values, the mean and the standard deviation of each column, in float64.

    This takes one pass over chunks, with the pairwise update of Chan, Golub and LeVeque (1979), which loses no digits when the
    mean is large compared with the deviation.
    """
    n = len(x) if rows is None else len(rows)
    count, mean, squares = np.zeros(x.shape[-1]), np.zeros(x.shape[-1]), np.zeros(x.shape[-1])
    for start in range(0, n, _CHUNK):
        part = slice(start, min(start + _CHUNK, n))
        values = np.asarray(x[part if rows is None else rows[part]], np.float64).reshape(-1, x.shape[-1])
        known = np.isfinite(values)
        chunk_count = known.sum(axis=0)
        chunk_mean = np.where(known, values, 0).sum(axis=0) / np.maximum(chunk_count, 1)
        chunk_squares = np.where(known, (values - chunk_mean) ** 2, 0).sum(axis=0)
        total = np.maximum(count + chunk_count, 1)
        squares += chunk_squares + (chunk_mean - mean) ** 2 * count * chunk_count / total
        mean += (chunk_mean - mean) * chunk_count / total
        count += chunk_count
    return count, mean, np.sqrt(squares / np.maximum(count, 1))
