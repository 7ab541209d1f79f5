"""The columns of a table, and the input stage of models that are trained on tables.

A column of numbers is one value of a sample. A column of text is one value for each of its categories: 1 for the category of
the sample, 0 for the others (one-hot). The model keeps the names and the categories, so that it finds the columns of another
table by name, in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array, Shape
from pellucid.data.input_stage import InputStage
from pellucid.data.series.layout import MISSING as SERIES_MISSING, SeriesLayout
from pellucid.errors import ConfigError, DataError, did_you_mean
from pellucid.kernels import Kernels

_CHUNK = 4096  # samples that are read together
_LISTED = 10  # categories in a message
MISSING = ("error", "mean", "drop")  # the treatments of missing values


@dataclass(frozen=True)
class Column(Config):
    """A column of a table: numbers, or text that is one of the ``categories``."""

    name: str
    categories: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """The number of values that the column has in a sample."""
        return 1 if self.categories is None else len(self.categories)

    @property
    def content(self) -> str:
        """What the column holds, in words: ``numbers``, or ``the categories Graz, Linz``."""
        if self.categories is None:
            return "numbers"
        more = ", …" if len(self.categories) > _LISTED else ""
        return f"the categories {', '.join(self.categories[:_LISTED])}{more}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of these values: ``age``, or ``city=Graz`` and ``city=Linz``."""
        return (self.name,) if self.categories is None else tuple(f"{self.name}={category}" for category in self.categories)


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


@dataclass(frozen=True)
class Standardization(InputStage):
    """The input stage of tables and series: x' = (x − mean) / scale for each value of a row.

    A sample is one row of a table (d), or for a series several consecutive rows (time, d). ``series`` is the layout of the
    series, or None for tables whose rows are independent samples.

    ``mean`` is that of the training set. ``scale`` is the standard deviation of the training set, or 1 for categories and for
    constant values. A missing value (NaN) becomes 0, which is the mean, if ``missing`` is "mean"; otherwise it raises
    DataError. ``target`` is the name of the predicted column. ``header`` is whether the table had column names in its first
    line; None in model files that do not say so.
    """

    columns: tuple[Column, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    missing: str = "error"
    target: str = "target"
    header: bool | None = None
    series: SeriesLayout | None = None

    expects: ClassVar[str] = "a table of real numbers"
    factor: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        width = sum(column.width for column in self.columns)
        if len(self.mean) != width or len(self.scale) != width:
            raise ConfigError(
                f"Standardization: the columns have {width} values, mean has {len(self.mean)} and scale {len(self.scale)}"
            )
        if any(not value > 0 for value in self.scale):
            raise ConfigError("Standardization: every scale must be above 0")
        if self.series is not None and (unknown := [name for name in self.series.targets if name not in self.names]):
            raise ConfigError(
                f"Standardization: the series has no column {unknown[0]!r}: {did_you_mean(unknown[0], self.names)}"
            )
        known = MISSING if self.series is None else SERIES_MISSING
        if self.missing not in known:
            raise ConfigError(f"Standardization(missing={self.missing!r}): expected one of {', '.join(known)}")

    @cached_property
    def _statistics(self) -> tuple[Array, Array]:
        return np.asarray(self.mean), np.asarray(self.scale)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the values of a sample."""
        return tuple(name for column in self.columns for name in column.names)

    def check_shape(self, shape: Shape) -> None:
        """Raise ConfigError unless a network for samples of ``shape`` reads as many values as these columns have."""
        width = len(self.mean)
        if shape[-1] != width:
            raise ConfigError(
                f"the input stage is for {width} values in each row, those of its columns, but the network reads samples of "
                f"the shape {shape}: give both the same columns"
            )

    def accepts(self, x: Array) -> bool:
        return x.dtype.kind in "biuf"

    def transform(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        mean, scale = self._statistics
        # In float64: a year or a time stamp is large compared with its scale.
        values = (x[rows] - mean) / scale
        if self.missing == "mean":
            values[np.isnan(values)] = 0
        with np.errstate(over="ignore"):  # values beyond float32 become infinite and raise DataError below
            out[...] = values
        if not kernels.all_finite(out):
            bad, *_, column = np.argwhere(~np.isfinite(out))[0]
            sample = int(rows.start or 0) + bad if isinstance(rows, slice) else rows[bad]
            raise DataError(
                f"x contains NaN or infinity, first in sample {sample}, column {self.names[column]}: fill the gap, or use "
                "missing='mean' to replace it with the mean of the training set"
            )
        return out

    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        n = len(x) if rows is None else len(rows)
        out = np.empty((min(n, _CHUNK), *x.shape[1:]), np.float32)
        for start in range(0, n, _CHUNK):
            part = slice(start, min(start + _CHUNK, n))
            self.transform(x, part if rows is None else rows[part], out[: part.stop - start], kernels)

    def _advice(self, x: Array) -> str:
        return "pass values of the same kind as the training data"


def fit_standardization(
    columns: Sequence[Column],
    x: Array,
    rows: Array | None,
    missing: str = "error",
    target: str = "target",
    header: bool | None = None,
    series: SeriesLayout | None = None,
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
    is_text = np.repeat([column.categories is not None for column in columns], [column.width for column in columns])
    constant = deviation <= 1e-12 * np.abs(mean)  # a smaller deviation is a rounding error
    scale = np.where(is_text | constant, 1.0, deviation)
    return Standardization(tuple(columns), tuple(mean.tolist()), tuple(scale.tolist()), missing, target, header, series)


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
