"""One set of samples, and the three sets that an experiment needs.

A :class:`Dataset` holds its arrays as they come: pictures stay bytes, a memory map stays on the disk. What chooses
samples (:meth:`Dataset.take`, :meth:`~Dataset.limit`, :meth:`~Dataset.split`) copies arrays in memory and only notes the
rows of a memory map, so that splitting a file larger than memory reads none of it.

Splits are shuffled and stratified, never the tail of the file: files are often sorted, and then the tail is another
world than the head.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.errors import DataError, ShapeError
from pellucid.memory import Array, Shape
from pellucid.rng import generator

_SHOWN = 20  # pictures in a notebook's preview


class Dataset:
    """Samples ``x`` (n, ...), with targets ``y`` and ``weights`` where there are any.

    ``y`` holds integer labels (n,), one-hot rows (n, k), numbers (n, ...) or is None; ``weights`` (n,) are finite, not
    negative and not all zero. ``classes`` names the labels 0, 1, .... With ``rows`` the set is ``x[rows]``, ``y[rows]``,
    ``weights[rows]``, and nothing is copied: ``source_x`` and ``rows`` (None for all) say what to gather.

    Raises ShapeError where lengths or axes do not fit, DataError for an empty set and for values that mean nothing.
    """

    def __init__(
        self, x: Any, y: Any, weights: Any = None, classes: Iterable[str] | None = None, name: str = "data", rows: Any = None
    ):
        self.name = name
        self.source_x = numbers(x, "x", name)
        self.source_y = None if y is None else numbers(y, "y", name)
        self.source_weights = None if weights is None else numbers(weights, "weights", name)
        for what, values in (("y", self.source_y), ("weights", self.source_weights)):
            if values is not None and len(values) != len(self.source_x):
                raise ShapeError(f"{name}: {what} has {len(values):,} rows, x has {len(self.source_x):,}: one for each sample")
        if 0 in self.source_x.shape:
            raise DataError(f"{name}: the set is empty: x has the shape {self.source_x.shape}")
        self.rows = None if rows is None else _row_numbers(rows, len(self.source_x), name)
        self.classes = None if classes is None else tuple(classes)
        _check_weights(self.weights, name)
        _check_classes(self.classes, self.source_y, name)

    # With rows, these three gather into memory, every time they are asked.

    @property
    def x(self) -> Array:
        """The samples (n, ...)."""
        return self.source_x if self.rows is None else self.source_x[self.rows]

    @property
    def y(self) -> Array | None:
        """The targets (n, ...)."""
        return self.source_y if self.source_y is None or self.rows is None else self.source_y[self.rows]

    @property
    def weights(self) -> Array | None:
        """What each sample counts (n,)."""
        return self.source_weights if self.source_weights is None or self.rows is None else self.source_weights[self.rows]

    @property
    def shape(self) -> Shape:
        """The shape of one sample."""
        return tuple(self.source_x.shape[1:])

    def __len__(self) -> int:
        return len(self.source_x) if self.rows is None else len(self.rows)

    def __repr__(self) -> str:
        return f"Dataset({self._line()})"

    def _line(self) -> str:
        sample = "×".join(str(axis) for axis in self.shape) or "1"
        classes = f", {len(self.classes)} classes" if self.classes else ""
        weighted = ", weighted" if self.source_weights is not None else ""
        return f"{self.name}: {len(self):,} × {sample} {self.source_x.dtype}{classes}{weighted}"

    def take(self, rows: Any) -> Dataset:
        """The samples with these row numbers, in this order. A memory map is not read."""
        chosen = _row_numbers(rows, len(self), self.name)
        chosen = chosen if self.rows is None else self.rows[chosen]
        arrays = (self.source_x, self.source_y, self.source_weights)
        if isinstance(self.source_x, np.memmap):
            return Dataset(*arrays, self.classes, self.name, chosen)
        x, y, weights = (None if array is None else array[chosen] for array in arrays)
        return Dataset(x, y, weights, self.classes, self.name)

    def limit(self, count: int, seed: int = 0) -> Dataset:
        """``count`` samples, shuffled and with the classes in proportion; all, as they are, where there are no more."""
        if _count(count, self.name, "limit") < 1:
            raise DataError(f"{self.name}: limit({count!r}): a set needs at least 1 sample")
        return self if count >= len(self) else self.take(self._choose(count, seed, "limit")[1])

    def split(self, count: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """(the rest, a part of ``count`` samples); a ``count`` strictly between 0 and 1 is a fraction of the set.

        Both are shuffled. With labels the part has of every class n_class · count / n samples, rounded down, and the
        samples still wanted go to the classes with the largest remainders, equal ones in random order. The same seed
        gives the same split. Raises DataError where either side would be empty.
        """
        if isinstance(count, (float, np.floating)):
            part = round(float(count) * len(self)) if 0 < count < 1 else 0
        else:
            part = _count(count, self.name, "split")
        if not 1 <= part < len(self):
            raise DataError(
                f"{self.name}: split({count!r}) of {len(self):,} samples: wants a whole number from 1 to {len(self) - 1:,}, "
                "or a fraction between 0 and 1 that leaves samples on both sides"
            )
        rest, chosen = self._choose(part, seed, "split")
        return self.take(rest), self.take(chosen)

    def _choose(self, part: int, seed: int, purpose: str) -> tuple[Array, Array]:
        """Row numbers, shuffled: (the rest, ``part`` of them, stratified)."""
        random = generator(seed, purpose)
        n = len(self)
        order = random.permutation(n)
        labels = _labels(self.y)
        if labels is None:
            return order[part:], order[:part]
        _, codes, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
        quota, remainder = np.divmod(counts * part, n)  # whole numbers: nothing is rounded
        # Ties in random order: with integer targets that hardly repeat, the smallest would be chosen otherwise.
        largest = np.lexsort((random.random(len(counts)), -remainder))
        quota[largest[: part - int(quota.sum())]] += 1
        by_class = np.argsort(codes, kind="stable")
        rank = np.empty(n, np.int64)  # of each sample within its class, in shuffled order
        rank[by_class] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
        chosen = rank < quota[codes]
        # Shuffled again: what is left would begin with the classes whose quota was full first.
        return random.permutation(order[~chosen]), order[chosen]

    def _repr_html_(self) -> str:
        import html

        from pellucid.data.pictures import preview

        line = f"<div>{html.escape(self._line())}</div>"
        if self.source_x.dtype != np.uint8 or len(self.shape) != 3 or self.shape[2] not in (1, 3):
            return line
        return line + preview(self.source_x[:_SHOWN] if self.rows is None else self.source_x[self.rows[:_SHOWN]])


@dataclass(frozen=True)
class Splits:
    """The three sets of an experiment. ``source`` says where the files came from, ``sha256`` what they held."""

    train: Dataset
    validation: Dataset
    test: Dataset
    name: str
    source: str
    sha256: str

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.train.classes

    @property
    def sizes(self) -> dict[str, int]:
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}

    def __repr__(self) -> str:
        sizes = ", ".join(f"{what} {size:,}" for what, size in self.sizes.items())
        return f"Splits({self.name}: {sizes}; from {self.source})"

    def _repr_html_(self) -> str:
        import html

        return f"<div>{html.escape(repr(self))}</div>{self.train._repr_html_()}"


def numbers(values: Any, what: str, name: str = "data") -> Array:
    """``values`` as an array of numbers with a first axis; an array stays the object it is."""
    if isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{name}: {what} is a masked array: put numbers where the mask is, or leave those samples out")
    try:
        array: Array = values if isinstance(values, np.memmap) else np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name}: {what} is no array: {error}") from None
    if array.dtype.kind not in "biuf":
        labels = "; for labels: classes, y = np.unique(y, return_inverse=True)" if what == "y" else ""
        raise DataError(f"{name}: {what} must hold numbers, got {array.dtype} of shape {array.shape}{labels}")
    if array.ndim == 0:
        raise ShapeError(f"{name}: {what} must have one row for each sample, got a single number")
    return array


def _row_numbers(rows: Any, n: int, name: str) -> Array:
    array = np.asarray(rows)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        got = f"{array.dtype} of shape {array.shape}"
        raise DataError(f"{name}: rows must be a vector of row numbers, got {got}; for a mask: np.flatnonzero(mask)")
    if not array.size:
        raise DataError(f"{name}: no rows are chosen: a set needs at least 1 sample")
    if array.min() < 0 or array.max() >= n:
        raise DataError(f"{name}: rows must lie in 0 … {n - 1:,}, got {array.min():,} … {array.max():,}")
    return np.asarray(array, np.int64)


def _check_weights(weights: Array | None, name: str) -> None:
    if weights is None:
        return
    if weights.ndim != 1:
        raise ShapeError(f"{name}: weights must be one number for each sample, got the shape {weights.shape}")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if wrong.size:
        raise DataError(f"{name}: weights must be finite and not negative, got {weights[wrong[0]]} at row {wrong[0]:,}")
    if not weights.any():
        raise DataError(f"{name}: all weights are zero: no sample would count")


def _check_classes(classes: tuple[str, ...] | None, y: Array | None, name: str) -> None:
    if classes is None:
        return
    if not classes or not all(isinstance(label, str) for label in classes) or len(set(classes)) < len(classes):
        raise DataError(f"{name}: classes must be different names, one for each label, got {classes!r}")
    if y is not None and y.ndim == 1 and y.dtype.kind in "iu" and not (y.min() >= 0 and y.max() < len(classes)):
        raise DataError(f"{name}: {len(classes)} classes take labels 0 … {len(classes) - 1}, got {y.min()} … {y.max()}")
    if y is not None and y.ndim == 2 and y.shape[1] not in (1, len(classes)):
        raise ShapeError(f"{name}: y has {y.shape[1]} columns for {len(classes)} classes")


def _labels(y: Array | None) -> Array | None:
    """What a split is stratified by: integer labels, (n,) or (n, 1), or the column of the one in one-hot rows."""
    if y is None or y.ndim > 2:
        return None
    if y.ndim == 1 or y.shape[1] == 1:
        return y.reshape(-1) if y.dtype.kind in "biu" else None
    one_hot = ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
    return y.argmax(axis=1) if one_hot else None


def _count(value: Any, name: str, what: str) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise DataError(f"{name}: {what}({value!r}): wants a number of samples") from None
