"""One set of samples, and the three sets that an experiment needs.

A :class:`Dataset` holds its arrays as they come: pictures stay bytes, a memory map stays on the disk. What chooses
samples (:meth:`Dataset.take`, :meth:`~Dataset.limit`, :meth:`~Dataset.split`) copies arrays in memory and only notes the
rows of a memory map, so that splitting a file larger than memory reads none of it.

Splits are shuffled and stratified, never the tail of the file: files are often sorted, and then the tail is another
world than the head.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.core.rng import generator
from pellucid.data.checks import check_classes, check_weights, numbers, row_numbers, stratified_by, whole
from pellucid.data.input_stage import Bytes, InputStage, stage_for
from pellucid.data.tables.columns import Column, standardized
from pellucid.errors import DataError, ShapeError


@dataclass(frozen=True)
class Origin:
    """How a set was read from somebody's own files: ``notes`` are lines for people about what was decided, ``skipped`` are
    files that could not be read, each with the reason. Of a table, ``columns`` say what the numbers of a sample mean,
    ``target`` which column is predicted, and ``missing`` what stands for values that are not there."""

    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    columns: tuple[Column, ...] | None = None
    missing: str = "error"
    target: str = "target"


class Dataset:
    """Samples ``x`` (n, ...), with targets ``y`` and ``sample_weight`` where there are any.

    ``y`` holds integer labels (n,), one-hot rows (n, k), numbers (n, ...) or is None; ``sample_weight`` (n,) are finite, not
    negative and not all zero. ``classes`` names the labels 0, 1, .... With ``rows`` the set is ``x[rows]``, ``y[rows]``,
    ``sample_weight[rows]``, and nothing is copied: ``source_x`` and ``rows`` (None for all) say what to gather. ``origin`` says how
    somebody's own files were read.

    Raises ShapeError where lengths or axes do not fit, DataError for an empty set and for values that mean nothing.
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
        self.source_x = numbers(x, "x", name)
        self.source_y = None if y is None else numbers(y, "y", name)
        self.source_sample_weight = None if sample_weight is None else numbers(sample_weight, "sample_weight", name)
        for what, values in (("y", self.source_y), ("sample_weight", self.source_sample_weight)):
            if values is not None and len(values) != len(self.source_x):
                raise ShapeError(f"{name}: {what} has {len(values):,} rows, x has {len(self.source_x):,}: one for each sample")
        if 0 in self.source_x.shape:
            raise DataError(f"{name}: the set is empty: x has the shape {self.source_x.shape}")
        self.rows = None if rows is None else row_numbers(rows, len(self.source_x), name)
        self.classes = None if classes is None else tuple(classes)
        check_weights(self.sample_weight, name)
        check_classes(self.classes, self.source_y, name)

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        y: Any,
        *,
        classes: Iterable[str] | None = None,
        names: Iterable[str] | None = None,
        sample_weight: Any = None,
        name: str = "data",
    ) -> Dataset:
        """A set from anything that NumPy makes arrays of. Labels may be text: then ``classes`` are its different values, in
        alphabetical order. With ``names``, one for each column of x (n, d), a model standardizes the columns by the training
        set's figures; else numbers are taken as they are. Raises what Dataset does."""
        from pellucid.data.arrays import from_arrays

        return from_arrays(x, y, classes, names, sample_weight, name)

    @classmethod
    def from_csv(
        cls,
        path: str | os.PathLike[str],
        target: str,
        *,
        task: str | None = None,
        missing: str = "error",
        ignore: Iterable[str] = (),
        header: bool = True,
    ) -> Dataset:
        """A table in a file of comma-separated values (or semicolons, tabs, bars), in UTF-8; ``target`` is what to predict.

        Columns of numbers become float32, columns of text one number for each category; ``ignore`` names columns to leave out,
        and without a ``header`` they are called 1, 2, …. The ``task`` is "classification" where the target is text or up to 20
        different whole numbers, else "regression", unless it is given. Empty cells, NA, N/A, NaN, null and ? are ``missing``:
        an "error", or the training set's "mean" stands for them, or "drop" leaves such rows out. What was decided is in
        ``origin.notes``. A model standardizes the columns by its training set's figures. The table may be larger than memory.

        Raises FileError, DataError and ConfigError, with the line where there is one.
        """
        from pellucid.data.tables.reading import from_csv

        return from_csv(path, target, task=task, missing=missing, ignore=ignore, header=header)

    @classmethod
    def from_folder(
        cls, path: str | os.PathLike[str], *, size: tuple[int, int] | None = None, colour: str | None = None
    ) -> Dataset:
        """Pictures in one folder a class, as bytes (height, width, 1 or 3); needs the extra ``images``.

        All are brought to the ``size`` (height, width), their aspect kept on a black ground; without one they must share it.
        ``colour`` is "grey" or "colour": without a wish grey, if all of them are. Cameras' notes on how they were held are
        respected, transparent parts are white. Files that cannot be read are left out and listed in ``origin.skipped``; more
        than half of them are an error. There may be more pictures than memory holds.

        Raises FileError, DataError and ConfigError.
        """
        from pellucid.data.images.folders import from_folder

        return from_folder(path, size=size, colour=colour)

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
    def sample_weight(self) -> Array | None:
        """What each sample counts (n,)."""
        return (
            self.source_sample_weight
            if self.source_sample_weight is None or self.rows is None
            else self.source_sample_weight[self.rows]
        )

    @property
    def shape(self) -> Shape:
        """The shape of one sample."""
        return tuple(self.source_x.shape[1:])

    def stage(self) -> InputStage:
        """The input stage of a model that is trained on these samples."""
        origin = self.origin
        if origin is None:
            return stage_for(self.source_x)
        if origin.columns is None:
            return Bytes(ink=False) if self.source_x.dtype == np.uint8 else stage_for(self.source_x)
        return standardized(origin.columns, self.source_x, self.rows, origin.missing, origin.target)

    def __len__(self) -> int:
        return len(self.source_x) if self.rows is None else len(self.rows)

    def __repr__(self) -> str:
        return f"Dataset({self._line()})"

    def _line(self) -> str:
        sample = "×".join(str(axis) for axis in self.shape) or "1"
        classes = f", {len(self.classes)} classes" if self.classes else ""
        weighted = ", weighted" if self.source_sample_weight is not None else ""
        return f"{self.name}: {len(self):,} × {sample} {self.source_x.dtype}{classes}{weighted}"

    def take(self, rows: Any) -> Dataset:
        """The samples with these row numbers, in this order. A memory map is not read."""
        chosen = row_numbers(rows, len(self), self.name)
        chosen = chosen if self.rows is None else self.rows[chosen]
        arrays = (self.source_x, self.source_y, self.source_sample_weight)
        if isinstance(self.source_x, np.memmap):
            return Dataset(*arrays, self.classes, self.name, chosen, self.origin)
        x, y, weight = (None if array is None else array[chosen] for array in arrays)
        return Dataset(x, y, weight, self.classes, self.name, origin=self.origin)

    def limit(self, count: int, seed: int = 0) -> Dataset:
        """``count`` samples, shuffled and with the classes in proportion; all, as they are, where there are no more."""
        if whole(count, self.name, "limit") < 1:
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
            part = whole(count, self.name, "split")
        if not 1 <= part < len(self):
            raise DataError(
                f"{self.name}: split({count!r}) of {len(self):,} samples: wants a whole number from 1 to {len(self) - 1:,}, "
                "or a fraction between 0 and 1 that leaves samples on both sides"
            )
        rest, chosen = self._choose(part, seed, "split")
        return self.take(rest), self.take(chosen)

    def splits(self, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Splits:
        """The three sets of an experiment: two parts of these sizes, split off as :meth:`split` does, and the rest to train
        on."""
        from pellucid.data.arrays import digest

        rest, tested = self.split(test, seed)
        wanted = round(validation * len(self)) if 0 < validation < 1 else int(validation)
        train, validated = rest.split(max(1, wanted), seed)
        for part, data in (("train", train), ("validation", validated), ("test", tested)):
            data.name = f"{self.name} {part}"
        return Splits(train, validated, tested, self.name, "memory", digest(train, validated, tested))

    def _choose(self, part: int, seed: int, purpose: str) -> tuple[Array, Array]:
        """Row numbers, shuffled: (the rest, ``part`` of them, stratified)."""
        random = generator(seed, purpose)
        n = len(self)
        order = random.permutation(n)
        labels = stratified_by(self.y)
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
        from pellucid.data import shown

        return shown.dataset(self, self._line())


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
    def notes(self) -> tuple[str, ...]:
        """Lines for people about how somebody's own files were read."""
        return () if self.train.origin is None else self.train.origin.notes

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Files of one's own that could not be read, each with the reason."""
        return () if self.train.origin is None else self.train.origin.skipped

    @property
    def sizes(self) -> dict[str, int]:
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}

    def __repr__(self) -> str:
        sizes = ", ".join(f"{what} {size:,}" for what, size in self.sizes.items())
        return f"Splits({self.name}: {sizes}; from {self.source})"

    def _repr_html_(self) -> str:
        from pellucid.data import shown

        return shown.splits(self)
