"""A set of samples, and the three sets of an experiment: training, validation and test.

A :class:`Dataset` stores its arrays unchanged: images stay bytes, and a memory map stays on the disk. The methods that choose
samples (:meth:`Dataset.take`, :meth:`~Dataset.limit`, :meth:`~Dataset.split`) copy arrays in memory, but for a memory map they
only store the row numbers. So splitting a file larger than memory reads none of it.

Splits are shuffled and stratified. A split never simply takes the last rows: files are often sorted by class, and then their
end has other classes than their beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.core.rng import generator
from pellucid.data.checks import (
    check_classes,
    check_sample_weight,
    class_labels,
    numeric_array,
    row_indices,
    sample_count,
)
from pellucid.data.input_stage import ImageScaling, InputStage, input_stage_for
from pellucid.data.tables.columns import Column, fit_standardization
from pellucid.errors import DataError, ShapeError

_CHUNK = 1024  # samples that digest reads together


@dataclass(frozen=True)
class Origin:
    """How a set was read from user files.

    ``notes`` are lines of text about the decisions that were made, and ``skipped`` lists the files that could not be read,
    each with the reason. For a table, ``columns`` describes the values of a sample, ``target`` is the name of the predicted
    column, ``missing`` is the treatment of missing values ("error", "mean" or "drop"), and ``header`` is whether the table had
    column names in its first line.
    """

    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    columns: tuple[Column, ...] | None = None
    missing: str = "error"
    target: str = "target"
    header: bool = True


class Dataset:
    """A set of samples ``x`` (n, ...), with optional targets ``y`` and optional ``sample_weight``.

    ``y`` holds integer labels (n,), one-hot rows (n, k) or real values (n, ...); for outputs at several positions, labels or
    values of each position (n, …). The values of ``sample_weight``, (n,) or one for each position (n, …), are finite, not
    negative and not all zero; they count in losses and metrics, while splits and the standardization of tables
    count every sample once. ``classes`` names the labels 0, 1, .... With ``rows`` the set consists of
    ``x[rows]``, ``y[rows]`` and ``sample_weight[rows]``. Nothing is copied: a data loader gathers the samples from
    ``source_x`` by their ``rows`` (None for all). ``origin`` describes how user files were read.

    Raises ShapeError where lengths or axes do not match, and DataError for an empty set or for values that are not valid.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        classes: Iterable[str] | None = None,
        name: str = "data",
        rows: Any = None,
        origin: Origin | None = None,
    ):
        self.name, self.origin = name, origin
        self.source_x = numeric_array(x, "x", name)
        self.source_y = None if y is None else numeric_array(y, "y", name)
        self.source_sample_weight = None if sample_weight is None else numeric_array(sample_weight, "sample_weight", name)
        for what, values in (("y", self.source_y), ("sample_weight", self.source_sample_weight)):
            if values is not None and len(values) != len(self.source_x):
                lengths = f"{len(values):,} rows and x has {len(self.source_x):,}"
                raise ShapeError(f"{name}: {what} has {lengths}; expected one row for each sample")
        weights, y = self.source_sample_weight, self.source_y
        if weights is not None and weights.ndim > 1 and (y is None or weights.shape != y.shape[: weights.ndim]):
            targets = "no targets" if y is None else f"the targets {y.shape}"
            raise ShapeError(
                f"{name}: sample_weight must hold one number for each sample, or one for each position of its target; got the "
                f"shape {weights.shape} for {targets}"
            )
        if 0 in self.source_x.shape:
            raise DataError(f"{name}: the set is empty: x has the shape {self.source_x.shape}")
        self.rows = None if rows is None else row_indices(rows, len(self.source_x), name)
        self.classes = None if classes is None else tuple(classes)
        check_sample_weight(self.sample_weight, name)
        check_classes(self.classes, self.source_y, name)

    # With rows, each access to one of these three properties gathers the rows into a new array.

    @property
    def x(self) -> Array:
        """The samples (n, ...)."""
        return self.source_x if self.rows is None else self.source_x[self.rows]

    @property
    def y(self) -> Array | None:
        """The targets (n, ...), or None."""
        return self.source_y if self.source_y is None or self.rows is None else self.source_y[self.rows]

    @property
    def sample_weight(self) -> Array | None:
        """The weights in the loss and the metrics, (n,) or one for each position (n, …), or None."""
        weight = self.source_sample_weight
        return weight if weight is None or self.rows is None else weight[self.rows]

    @property
    def shape(self) -> Shape:
        """The shape of one sample."""
        return tuple(self.source_x.shape[1:])

    def input_stage(self) -> InputStage:
        """Return the input stage of a model that is trained on these samples."""
        origin = self.origin
        if origin is None:
            return input_stage_for(self.source_x)
        if origin.columns is not None:
            return fit_standardization(origin.columns, self.source_x, self.rows, origin.missing, origin.target, origin.header)
        if self.source_x.dtype == np.uint8:
            return ImageScaling(invert_light_background=False)
        return input_stage_for(self.source_x)

    def __len__(self) -> int:
        return len(self.source_x) if self.rows is None else len(self.rows)

    def __repr__(self) -> str:
        return f"Dataset({self._summary()})"

    def _summary(self) -> str:
        sample = "×".join(str(axis) for axis in self.shape) or "1"
        classes = f", {len(self.classes)} classes" if self.classes else ""
        weighted = ", weighted" if self.source_sample_weight is not None else ""
        return f"{self.name}: {len(self):,} × {sample} {self.source_x.dtype}{classes}{weighted}"

    def take(self, rows: Any) -> Dataset:
        """Return the samples with these row numbers, in this order. A memory map is not read."""
        chosen = row_indices(rows, len(self), self.name)
        chosen = chosen if self.rows is None else self.rows[chosen]
        arrays = (self.source_x, self.source_y, self.source_sample_weight)
        if isinstance(self.source_x, np.memmap):
            return Dataset(*arrays, self.classes, self.name, chosen, self.origin)
        x, y, weight = (None if array is None else array[chosen] for array in arrays)
        return Dataset(x, y, weight, self.classes, self.name, origin=self.origin)

    def limit(self, count: int, seed: int = 0) -> Dataset:
        """Return ``count`` samples, shuffled and stratified by class, or the set itself if it is not larger."""
        if sample_count(count, self.name, "limit") < 1:
            raise DataError(f"{self.name}: limit({count!r}): a set needs at least 1 sample")
        return self if count >= len(self) else self.take(self._choose(count, seed, "limit")[1])

    def split(self, count: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Return two sets: the remaining samples, and a part of ``count`` samples.

        A ``count`` strictly between 0 and 1 is a fraction of the set. Both sets are shuffled. If the set has labels, the part
        contains n_class · count / n samples of each class, rounded down. The classes with the largest remainders contribute one
        more sample each until there are ``count``; ties are broken at random. The same seed gives the same split.

        Raises DataError if either set would be empty.
        """
        rest, chosen = self._choose(self._part_size(count, "split"), seed, "split")
        return self.take(rest), self.take(chosen)

    def splits(self, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Splits:
        """Return the three sets of an experiment.

        ``validation`` and ``test`` are numbers of samples or fractions of this set. Both parts are split off as in
        :meth:`split`; the remaining samples are the training set. Raises DataError if a set would be empty.
        """
        test_size = self._part_size(test, "splits", "test=")
        validation_size = self._part_size(validation, "splits", "validation=")
        if validation_size + test_size >= len(self):
            raise DataError(
                f"{self.name}: splits(validation={validation!r}, test={test!r}) leaves no training set of {len(self):,} samples"
            )
        rest, test_set = self.split(test_size, seed)
        train_set, validation_set = rest.split(validation_size, seed)
        for name, data in (("train", train_set), ("validation", validation_set), ("test", test_set)):
            data.name = f"{self.name} {name}"
        return Splits(train_set, validation_set, test_set, self.name, "memory", digest(train_set, validation_set, test_set))

    def _part_size(self, count: float, method: str, argument: str = "") -> int:
        """Return the number of samples in a part of ``count`` samples, or of this fraction of the set.

        Raises DataError unless at least one sample is in the part and one outside it; ``method`` and ``argument`` are what the
        user called, for the message.
        """
        if isinstance(count, (float, np.floating)):
            part = round(float(count) * len(self)) if 0 < count < 1 else 0
        else:
            part = sample_count(count, self.name, method)
        if not 1 <= part < len(self):
            raise DataError(
                f"{self.name}: {method}({argument}{count!r}) of {len(self):,} samples: expected an integer from 1 to "
                f"{len(self) - 1:,}, or a fraction between 0 and 1 that leaves samples in both sets"
            )
        return part

    def _choose(self, part: int, seed: int, purpose: str) -> tuple[Array, Array]:
        """Return shuffled row numbers: those of the remaining samples, and ``part`` of them, stratified."""
        random = generator(seed, purpose)
        n = len(self)
        order = random.permutation(n)
        labels = class_labels(self.y)
        if labels is None:
            return order[part:], order[:part]
        _, codes, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
        quota, remainder = np.divmod(counts * part, n)  # in integers, without rounding
        # Ties are broken at random: otherwise, if nearly all integer targets are different, the smallest ones would be chosen.
        largest = np.lexsort((random.random(len(counts)), -remainder))
        quota[largest[: part - int(quota.sum())]] += 1
        by_class = np.argsort(codes, kind="stable")
        rank = np.empty(n, np.int64)  # of each sample within its class, in shuffled order
        rank[by_class] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
        chosen = rank < quota[codes]
        # Shuffled again: otherwise the remaining rows would begin with the classes whose quota was reached first.
        return random.permutation(order[~chosen]), order[chosen]

    def _repr_html_(self) -> str:
        from pellucid.notebook import datasets

        first = slice(datasets.SAMPLES)  # of a memory map, no more is read
        rows = first if self.rows is None else self.rows[first]
        columns = None
        if self.origin is not None and self.origin.columns is not None:
            columns = [name for column in self.origin.columns for name in column.names]
        return datasets.dataset(
            self._summary(),
            self.source_x[rows],
            None if self.source_y is None else self.source_y[rows],
            columns=columns,
            target="target" if self.origin is None else self.origin.target,
            classes=self.classes,
        )


@dataclass(frozen=True)
class Splits:
    """The three sets of an experiment.

    ``source`` says where the data comes from, and ``sha256`` is the digest of its content.
    """

    train: Dataset
    validation: Dataset
    test: Dataset
    name: str
    source: str
    sha256: str

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the labels, or None."""
        return self.train.classes

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines of text about how user files were read."""
        return () if self.train.origin is None else self.train.origin.notes

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """The user files that could not be read, each with the reason."""
        return () if self.train.origin is None else self.train.origin.skipped

    @property
    def sizes(self) -> dict[str, int]:
        """The number of samples in each set."""
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {size:,}" for name, size in self.sizes.items())
        return f"Splits({self.name}: {sizes}; from {self.source})"

    def _repr_html_(self) -> str:
        from pellucid.notebook import datasets

        return datasets.splits(self.name, self.sizes, self.source, self.train._repr_html_())


def digest(*sets: Dataset) -> str:
    """Return the SHA-256 of the samples and targets of the sets, in their order. Samples are read in chunks."""
    sha = hashlib.sha256()
    for data in sets:
        sha.update(f"{len(data)} {data.shape} {data.source_x.dtype} {data.classes}".encode())
        for start in range(0, len(data), _CHUNK):
            part = slice(start, start + _CHUNK)
            rows = part if data.rows is None else data.rows[part]
            sha.update(np.ascontiguousarray(data.source_x[rows]).data)
        if data.y is not None:
            sha.update(np.ascontiguousarray(data.y).data)
    return sha.hexdigest()
