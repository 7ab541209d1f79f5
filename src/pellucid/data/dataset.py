"""A set of samples, and the three sets of an experiment: training, validation and test.

A :class:`Dataset` stores its arrays unchanged: images stay bytes, and a memory map stays on the disk. The methods that choose
samples (:meth:`Dataset.take`, :meth:`~Dataset.limit`, :meth:`~Dataset.split`) copy arrays in memory, but for a memory map they
only store the row numbers. So splitting a file larger than memory reads none of it.

Splits are shuffled and stratified. A split never simply takes the last rows: files are often sorted by class, and then their
end has other classes than their beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.named_arrays import Arrays, NamedArrays, unwrapped
from pellucid.core.rng import generator
from pellucid.data.checks import (
    check_classes,
    check_sample_weight,
    class_labels,
    numeric_arrays,
    row_indices,
    sample_count,
)
from pellucid.data.input_stage import ImageScaling, InputStage, input_stage_for
from pellucid.data.input_stages import InputStages
from pellucid.data.series.layout import SeriesLayout
from pellucid.data.sparse import SparseMatrix
from pellucid.data.tables.columns import VALUE, Column, fit_standardization
from pellucid.data.tables.robust_scaling import fit_robust_scaling
from pellucid.data.text.stage import Tokens
from pellucid.errors import DataError, ShapeError, did_you_mean

_CHUNK = 1024  # samples that digest reads together


@dataclass(frozen=True)
class Origin:
    """How a set was read from user files.

    ``notes`` are lines of text about the decisions that were made, and ``skipped`` lists the files that could not be read,
    each with the reason. For a table, ``columns`` describes the values of a row, ``target`` is the name of the predicted
    column, ``missing`` is the treatment of missing values ("value", "error", "mean" or "drop"), and ``header`` is whether the
    table had column names in its first line; ``targets`` describe the predicted columns, if there are several or their numbers
    have separators, and ``logarithm`` is whether a run learns their logarithms. ``kept`` are the rows of the table that became
    samples, from 0, if others were left out; a set's ``rows`` are places in it. For a series, ``series`` is its layout. For a
    text, ``tokens`` is the input stage of its samples.
    """

    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    columns: tuple[Column, ...] | None = None
    missing: str = VALUE
    target: str = "target"
    header: bool = True
    series: SeriesLayout | None = None
    tokens: Tokens | None = None
    targets: tuple[Column, ...] = ()
    logarithm: bool = False
    kept: Array | None = field(default=None, compare=False)


class Dataset:
    """A set of samples ``x`` (n, ...), with optional targets ``y`` and optional ``sample_weight``.

    ``y`` holds integer labels (n,), one-hot rows (n, k) or real values (n, ...); for outputs at several positions, labels or
    values of each position (n, …). The values of ``sample_weight``, (n,) or one for each position (n, …), are finite, not
    negative and not all zero; they count in losses and metrics, while splits and the standardization of tables
    count every sample once. ``classes`` names the labels 0, 1, .... With ``rows`` the set consists of
    ``x[rows]``, ``y[rows]`` and ``sample_weight[rows]``. Nothing is copied: a data loader gathers the samples from
    ``source_x`` by their ``rows`` (None for all). ``origin`` describes how user files were read. If the samples are the
    consecutive windows of a text, ``passage`` holds its tokens, and training draws windows from it at random places
    (:mod:`pellucid.data.text.running_text`); a part of such a set has only its own samples.

    For a network with several inputs, ``x`` is a dictionary of arrays by the names of the inputs; an entry may be a data set
    without targets, such as one with named columns, whose ``origin`` is then that of the input (``origins``). For a network
    with several outputs, ``y`` is a dictionary of targets by the names of the outputs, and ``classes`` one of class names.
    ``sample_weight`` is one array for all outputs, or a dictionary.

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
        self.passage: Array | None = None
        self.origins: dict[str, Origin] = {}  # of the inputs that have one, where there are several
        if isinstance(x, Mapping):
            self.origins = {key: part.origin for key, part in x.items() if isinstance(part, Dataset) and part.origin}
            x = {key: part.x if isinstance(part, Dataset) else part for key, part in x.items()}
        self.source_x: Any = numeric_arrays(x, "x", name)
        self.source_y: Any = None if y is None else numeric_arrays(y, "y", name)
        self.source_sample_weight: Any = None if sample_weight is None else numeric_arrays(sample_weight, "sample_weight", name)
        for what, values in (("y", self.source_y), ("sample_weight", self.source_sample_weight)):
            if values is not None and len(values) != len(self.source_x):
                lengths = f"{len(values):,} rows and x has {len(self.source_x):,}"
                raise ShapeError(f"{name}: {what} has {lengths}; expected one row for each sample")
        if isinstance(self.source_sample_weight, NamedArrays) and not isinstance(self.source_y, NamedArrays):
            raise DataError(f"{name}: sample_weight is a dictionary, but there is one target: give the array alone")
        for part, weights, y in _pairs(self.source_sample_weight, self.source_y):
            if weights is not None and weights.ndim > 1 and (y is None or weights.shape != y.shape[: weights.ndim]):
                targets = "no targets" if y is None else f"the targets {y.shape}"
                raise ShapeError(
                    f"{name}{part}: sample_weight must hold one number for each sample, or one for each position of its "
                    f"target; got the shape {weights.shape} for {targets}"
                )
        for key, array in _parts(self.source_x).items():
            if 0 in array.shape:
                raise DataError(f"{name}: the set is empty: x{f'[{key!r}]' if key else ''} has the shape {array.shape}")
        self.rows = None if rows is None else row_indices(rows, len(self.source_x), name)
        self.classes: Any = _named_classes(classes, self.source_y, name)
        for part, weights, _ in _pairs(self._rows_of(self.source_sample_weight), self.source_y):
            check_sample_weight(weights, f"{name}{part}")
        if not isinstance(self.source_y, NamedArrays):
            check_classes(self.classes, self.source_y, name)

    # With rows, each access to one of these three properties gathers the rows into a new array.

    def _rows_of(self, source: Any) -> Any:
        return source if source is None or self.rows is None else source[self.rows]

    @property
    def x(self) -> Any:
        """The samples (n, ...), or a dictionary of them by input."""
        return unwrapped(self._rows_of(self.source_x))

    @property
    def y(self) -> Any:
        """The targets (n, ...), or a dictionary of them by output, or None."""
        return unwrapped(self._rows_of(self.source_y))

    @property
    def sample_weight(self) -> Any:
        """The weights in the loss and the metrics, (n,) or one for each position (n, …), or None; may be a dictionary."""
        return unwrapped(self._rows_of(self.source_sample_weight))

    @property
    def shape(self) -> Any:
        """The shape of one sample, or a dictionary of shapes by input."""
        shapes = {key: tuple(array.shape[1:]) for key, array in _parts(self.source_x).items()}
        return shapes if isinstance(self.source_x, NamedArrays) else shapes[""]

    def input_stage(self) -> InputStage | InputStages:
        """Return the input stage of a model that is trained on these samples; with several inputs, one for each."""
        if isinstance(self.source_x, NamedArrays):
            return InputStages({key: self._stage(array, self.origins.get(key)) for key, array in self.source_x.items()})
        return self._stage(self.source_x, self.origin)

    def _stage(self, x: Array, origin: Origin | None) -> InputStage:
        if origin is None:
            return input_stage_for(x)
        if origin.tokens is not None:
            return origin.tokens
        if origin.columns is not None:
            described = origin.missing, origin.target, origin.header
            if origin.series is None and origin.missing != "mean":
                return fit_robust_scaling(origin.columns, x, self.rows, *described, origin.targets)
            return fit_standardization(origin.columns, x, self.rows, *described, origin.series, origin.targets)
        if x.dtype == np.uint8:
            return ImageScaling(invert_light_background=False)
        return input_stage_for(x)

    def __len__(self) -> int:
        return len(self.source_x) if self.rows is None else len(self.rows)

    def __repr__(self) -> str:
        return f"Dataset({self._summary()})"

    def _summary(self) -> str:
        samples = [
            f"{f'{key} ' if key else ''}{'×'.join(str(axis) for axis in array.shape[1:]) or '1'} {array.dtype}"
            for key, array in _parts(self.source_x).items()
        ]
        named = self.classes if isinstance(self.classes, dict) else {"": self.classes} if self.classes else {}
        classes = "".join(f", {len(names)} classes{f' of {key}' if key else ''}" for key, names in named.items())
        weighted = ", weighted" if self.source_sample_weight is not None else ""
        return f"{self.name}: {len(self):,} × {' and '.join(samples)}{classes}{weighted}"

    def take(self, rows: Any) -> Dataset:
        """Return the samples with these row numbers, in this order. A memory map is not read."""
        chosen = row_indices(rows, len(self), self.name)
        chosen = chosen if self.rows is None else self.rows[chosen]
        arrays = (self.source_x, self.source_y, self.source_sample_weight)
        if any(isinstance(array, (np.memmap, SparseMatrix)) for array in _parts(self.source_x).values()):
            return self._with(arrays, chosen)
        return self._with([None if array is None else array[chosen] for array in arrays])

    def _with(self, arrays: Sequence[Any], rows: Any = None) -> Dataset:
        """Return a set of these arrays x, y and sample_weight with the names and origins of this one."""
        x, y, sample_weight = map(unwrapped, arrays)
        result = Dataset(x, y, sample_weight, self.classes, self.name, rows, self.origin)
        result.origins = self.origins
        return result

    def limit(self, count: int, seed: int = 0) -> Dataset:
        """Return ``count`` samples, shuffled and stratified as in :meth:`split`, or the set itself if it is not larger."""
        if sample_count(count, self.name, "limit") < 1:
            raise DataError(f"{self.name}: limit({count!r}): a set needs at least 1 sample")
        return self if count >= len(self) else self.take(self._choose(count, seed, "limit")[1])

    def split(self, count: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Return two sets: the remaining samples, and a part of ``count`` samples.

        A ``count`` strictly between 0 and 1 is a fraction of the set. Both sets are shuffled. If the set has labels, the part
        contains n_class · count / n samples of each class, rounded down. The classes with the largest remainders contribute one
        more sample each until there are ``count``; ties are broken at random. The same seed gives the same split. Of several
        targets, the labels count if exactly one of them has labels; otherwise the split is not stratified.

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
        of_targets = [class_labels(y) for y in _parts(self._rows_of(self.source_y)).values()]
        found = [labels for labels in of_targets if labels is not None]
        labels = found[0] if len(found) == 1 else None
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
        several = isinstance(self.source_x, NamedArrays) or isinstance(self.source_y, NamedArrays)
        html = []
        for key, array in _parts(self.source_x).items():
            origin = self.origins.get(key, self.origin) if key else self.origin
            columns = None
            if origin is not None and origin.columns is not None:
                columns = [name for column in origin.columns for name in column.names]
            html.append(
                datasets.dataset(
                    f"{key}:" if key else self._summary(),
                    np.asarray(array[rows]) if isinstance(array, SparseMatrix) else array[rows],
                    None if self.source_y is None or several else self.source_y[rows],
                    columns=columns,
                    target="target" if origin is None else origin.target,
                    classes=None if several else self.classes,
                )
            )
        if len(html) == 1 and not isinstance(self.source_x, NamedArrays):
            return html[0]
        from pellucid.notebook.tables import paragraph

        return paragraph(self._summary()) + "".join(html)


def _parts(arrays: Any) -> dict[str, Array]:
    """Return the arrays by name; a single array has the empty name."""
    return arrays.by_name if isinstance(arrays, NamedArrays) else {"": arrays}


def _pairs(weights: Any, y: Any) -> list[tuple[str, Array | None, Array | None]]:
    """Return (where, weights, targets) for each array of weights and what it weights; ``where`` is empty for a single one."""
    if isinstance(weights, NamedArrays):
        targets = y.by_name if isinstance(y, NamedArrays) else {}
        return [(f", {key}", array, targets.get(key)) for key, array in weights.items()]
    return [("", weights, None if isinstance(y, NamedArrays) else y)]


def _named_classes(classes: Any, y: Arrays | None, name: str) -> Any:
    """Return the class names as a tuple, or of several outputs as a dictionary of tuples. Raises DataError and ShapeError."""
    if classes is None:
        return None
    if isinstance(classes, Mapping) != isinstance(y, NamedArrays) and y is not None:
        one, other = ("one output", "a list") if isinstance(classes, Mapping) else ("several outputs", "a dictionary by output")
        raise DataError(f"{name}: y is of {one}, so classes must be {other}, not {type(classes).__name__}")
    if not isinstance(classes, Mapping):
        return tuple(classes)
    by_output = {key: tuple(names) for key, names in classes.items()}
    for key, names in by_output.items():
        if isinstance(y, NamedArrays) and key not in y.by_name:
            raise DataError(f"{name}: classes has {key!r}, but y has no such output: {did_you_mean(key, y)}")
        check_classes(names, y[key] if isinstance(y, NamedArrays) else None, f"{name}, {key}")
    return by_output


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
    """Return the SHA-256 of the samples and targets of the sets, in their order. Samples are read in chunks.

    Several inputs and outputs are taken in the order of their names.
    """
    sha = hashlib.sha256()
    for data in sets:
        for name, x in sorted(_parts(data.source_x).items()):
            sha.update(f"{name}{len(data)} {tuple(x.shape[1:])} {x.dtype} {data.classes}".encode())
            for start in range(0, len(data), _CHUNK):
                part = slice(start, start + _CHUNK)
                rows = part if data.rows is None else data.rows[part]
                part_x = x[rows]
                arrays = (part_x.values, part_x.columns, part_x.starts) if isinstance(part_x, SparseMatrix) else (part_x,)
                for array in arrays:
                    sha.update(np.ascontiguousarray(array).data)
        if data.source_y is not None:
            for name, y in sorted(_parts(data.source_y).items()):
                sha.update(name.encode())
                sha.update(np.ascontiguousarray(y if data.rows is None else y[data.rows]).data)
    return sha.hexdigest()
