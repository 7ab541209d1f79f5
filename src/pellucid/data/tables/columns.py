"""What the columns of a table mean, and the input stage of models that learn from tables.

A column of numbers is one number a sample. A column of text is one number for each of its categories: 1 for the one that is
there, 0 for the others (one-hot). Names and categories travel with the model, so that another table's columns are found by
name, in whatever order they stand there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array
from pellucid.data.input_stage import InputStage
from pellucid.errors import ConfigError, DataError
from pellucid.kernels import Kernels

_STRETCH = 4096  # samples looked at together
MISSING = ("error", "mean", "drop")


@dataclass(frozen=True)
class Column(Config):
    """One column of a table: numbers, or text that is one of the ``categories``."""

    name: str
    categories: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """How many numbers it is."""
        return 1 if self.categories is None else len(self.categories)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its numbers: ``age``, or ``city=Graz``, ``city=Linz``."""
        return (self.name,) if self.categories is None else tuple(f"{self.name}={one}" for one in self.categories)


@dataclass(frozen=True)
class Standardized(InputStage):
    """Tables: x' = (x − mean)/spread for each number of a sample, with the training set's figures.

    ``spread`` is the standard deviation, and 1 for categories and for what is always the same. A missing value (NaN) becomes
    0, which is the mean, where ``missing`` is "mean"; else it is refused. ``target`` is the name of the column that is
    predicted.
    """

    columns: tuple[Column, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    missing: str = "error"
    target: str = "target"

    wants: ClassVar[str] = "a table of real numbers"
    factor: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        width = sum(column.width for column in self.columns)
        if len(self.mean) != width or len(self.spread) != width:
            raise ConfigError(f"Standardized: its columns are {width} numbers, mean and spread {len(self.mean)}")
        if any(not value > 0 for value in self.spread):
            raise ConfigError("Standardized: every spread must be above 0")
        if self.missing not in MISSING:
            raise ConfigError(f"Standardized(missing={self.missing!r}): it is one of {', '.join(MISSING)}")

    @cached_property
    def _figures(self) -> tuple[Array, Array]:
        return np.asarray(self.mean), np.asarray(self.spread)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of a sample's numbers."""
        return tuple(name for column in self.columns for name in column.names)

    def accepts(self, x: Array) -> bool:
        return x.dtype.kind in "biuf"

    def batch(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        mean, spread = self._figures
        # In float64: a year or a time stamp is large against its spread.
        values = (x[rows] - mean) / spread
        if self.missing == "mean":
            values[np.isnan(values)] = 0
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
            out[...] = values
        if not kernels.all_finite(out):
            bad, column = np.argwhere(~np.isfinite(out))[0]
            sample = int(rows.start or 0) + bad if isinstance(rows, slice) else rows[bad]
            raise DataError(
                f"x holds NaN or infinity, first seen in sample {sample}, column {self.names[column]}: fill the gap, or let "
                "the training set's mean stand for it with missing='mean'"
            )
        return out

    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        n = len(x) if rows is None else len(rows)
        out = np.empty((min(n, _STRETCH), *x.shape[1:]), np.float32)
        for start in range(0, n, _STRETCH):
            part = slice(start, min(start + _STRETCH, n))
            self.batch(x, part if rows is None else rows[part], out[: part.stop - start], kernels)

    def _advice(self, x: Array) -> str:
        return "give it numbers as the training data had them"


def standardized(
    columns: Sequence[Column], x: Array, rows: Array | None, missing: str = "error", target: str = "target"
) -> Standardized:
    """The stage for training samples x (m, d), or the ``rows`` of them, with their mean and spread; missing values do not
    count. Raises DataError for a column without a single value."""
    count, mean, spread = _moments(x, rows)
    names = [name for column in columns for name in column.names]
    empty = [name for name, n in zip(names, count, strict=True) if n == 0]
    if empty:
        raise DataError(f"the training data has no value in {', '.join(empty)}: leave the column out")
    text = np.repeat([column.categories is not None for column in columns], [column.width for column in columns])
    spread = np.where(text | (spread <= 1e-12 * np.abs(mean)), 1.0, spread)  # below is rounding
    return Standardized(tuple(columns), tuple(mean.tolist()), tuple(spread.tolist()), missing, target)


def _moments(x: Array, rows: Array | None) -> tuple[Array, Array, Array]:
    """(number of values, mean, standard deviation) of each column, in one pass over stretches, in float64: the pairwise update
    of Chan, Golub and LeVeque (1979), which loses no digits where the mean is large against the spread."""
    n = len(x) if rows is None else len(rows)
    count, mean, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for start in range(0, n, _STRETCH):
        part = slice(start, min(start + _STRETCH, n))
        values = np.asarray(x[part if rows is None else rows[part]], np.float64)
        there = np.isfinite(values)
        more = there.sum(axis=0)
        own = np.where(there, values, 0).sum(axis=0) / np.maximum(more, 1)
        own_squares = np.where(there, (values - own) ** 2, 0).sum(axis=0)
        both = np.maximum(count + more, 1)
        squares += own_squares + (own - mean) ** 2 * count * more / both
        mean += (own - mean) * more / both
        count += more
    return count, mean, np.sqrt(squares / np.maximum(count, 1))
