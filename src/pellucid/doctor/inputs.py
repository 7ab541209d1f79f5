"""What the findings on data read: the inputs and the targets of a data set, part by part.

Samples of several inputs are examined input by input. Rows are read in chunks, so that a memory map may be larger than memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.named_arrays import NamedArrays
from pellucid.data.checks import class_labels
from pellucid.data.dataset import Dataset, Origin, Splits
from pellucid.data.input_stage import ImageScaling
from pellucid.data.tables.columns import Column
from pellucid.doctor import data_kinds as kinds

CHUNK = 2048  # samples that are read together
MAX_UNNAMED = 20  # different integers that are labels without names of classes, as in read_csv
MAX_FLOAT32 = float(np.finfo(np.float32).max)
MAX_FLOAT64 = 1e150  # whose square is finite, too


@dataclass(frozen=True)
class Rows:
    """The rows of an array that belong to a part of the data."""

    source: Array
    rows: Array | None = None

    def __len__(self) -> int:
        return len(self.source) if self.rows is None else len(self.rows)

    def chunks(self) -> Iterator[Array]:
        """Return the samples, in chunks."""
        for start in range(0, len(self), CHUNK):
            part = slice(start, start + CHUNK)
            yield np.asarray(self.source[part if self.rows is None else self.rows[part]])

    def spread(self, count: int) -> tuple[Array, Array]:
        """Return up to ``count`` samples, evenly spread, and their indices."""
        n = len(self)
        chosen = np.arange(n) if n <= count else np.linspace(0, n - 1, max(count, 1)).astype(np.int64)
        return np.asarray(self.source[chosen if self.rows is None else self.rows[chosen]]), chosen


@dataclass(frozen=True)
class Input:
    """One input in all parts of the data; ``parts`` maps the name of a part to its samples, the training set first.

    ``kind`` is "columns" for samples (d,), "positions" for samples whose last axis has the same meaning at every position, such
    as time steps, and "images" for bytes and for (h, w, 1 or 3). ``columns`` names the values along the last axis, and
    ``groups`` has the number of the table's column that each of them belongs to. ``standardized`` is whether the input stage
    brings all columns to the same scale, and ``series`` whether samples are windows of one series.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    groups: tuple[int, ...]
    named: bool
    standardized: bool
    series: bool
    missing: bool  # whether missing values (NaN) are replaced with the mean
    parts: Mapping[str, Rows]

    @classmethod
    def of(cls, name: str, sets: Mapping[str, Dataset], origin: Origin | None) -> Input:
        arrays = {part: Rows(_array(data.source_x, name), data.rows) for part, data in sets.items()}
        source = next(iter(arrays.values())).source
        shape, described = source.shape[1:], None if origin is None else origin.columns
        image = source.dtype == np.uint8 or (len(shape) == 3 and shape[-1] in (1, 3))
        kind = "images" if image and described is None else "columns" if len(shape) < 2 else "positions"
        columns = described or tuple(Column(str(i)) for i in range(shape[-1] if shape else 1))
        return cls(
            name,
            kind,
            tuple(name for column in columns for name in column.names),
            tuple(i for i, column in enumerate(columns) for _ in range(column.width)),
            described is not None,
            described is not None,
            origin is not None and origin.series is not None,
            origin is not None and origin.missing != "error",
            arrays,
        )

    @property
    def train(self) -> Rows:
        """The samples of the training set."""
        return next(iter(self.parts.values()))

    @property
    def factor(self) -> float:
        """The factor of the input stage of images."""
        return ImageScaling.factor if self.train.source.dtype == np.uint8 and not self.standardized else 1.0

    @property
    def limit(self) -> float:
        """The absolute value above which numbers count as infinite: those that float32 cannot hold, unless standardized."""
        return MAX_FLOAT64 if self.standardized else MAX_FLOAT32

    def place(self, text: str) -> str:
        """Return where a finding is: ``text``, with the name of the input where there are several."""
        return f"{text} of the input {self.name}" if self.name else text

    def matrix(self, part: str, max_rows: int | None = None) -> tuple[Array, Array]:
        """Return values (m, d) of a part in float64, one row for each position, and the index of the sample of each row.

        Values that are infinite, or too large, are NaN. Of a large part, evenly spread samples are read.
        """
        rows = self.parts[part]
        size = int(np.prod(rows.source.shape[1:], dtype=np.int64))
        count = max(1, kinds.MAX_VALUES // max(size, 1))
        x, chosen = rows.spread(count if max_rows is None else min(count, max_rows))
        values = np.asarray(x, np.float64).reshape(-1, len(self.columns))
        values = np.where(np.abs(values) <= self.limit, values, np.nan)
        return values, np.repeat(chosen, len(values) // len(chosen))


@dataclass(frozen=True)
class Target:
    """One target in all parts of the data.

    ``labels`` maps each part to its labels (n,), if there is one class for each sample; ``values`` to real numbers (n, k);
    ``maps`` to labels at every position. Two of the three are None. ``classes`` names the labels.
    """

    name: str
    classes: tuple[str, ...] | None
    labels: Mapping[str, Array] | None = None
    values: Mapping[str, Array] | None = None
    maps: Mapping[str, Array] | None = None

    @classmethod
    def of(cls, name: str, sets: Mapping[str, Dataset]) -> Target | None:
        """Return the target with this name, or None for targets that are neither labels nor a few numbers."""
        arrays = {part: np.asarray(_array(data.y, name)) for part, data in sets.items() if data.source_y is not None}
        first = next(iter(sets.values()))
        classes = first.classes.get(name) if isinstance(first.classes, dict) else first.classes
        if next(iter(sets)) not in arrays:
            return None
        found = {part: class_labels(y) for part, y in arrays.items()}
        if all(y is not None for y in found.values()):
            labels = {part: np.asarray(y).astype(np.int64) for part, y in found.items()}
            if _are_labels(list(labels.values()), classes):
                return cls(name, classes, labels=labels)
        y = next(iter(arrays.values()))
        if classes is not None and y.ndim > 1 and y.dtype.kind in "iu":
            return cls(name, classes, maps=arrays)
        several = y.ndim == 2 and y.shape[1] > 1
        labels_of_steps = several and (y.dtype.kind != "f" or ((y == 0) | (y == 1)).all())  # or independent labels
        if classes is None and y.ndim <= 2 and not labels_of_steps:
            return cls(name, None, values={part: np.asarray(y, np.float64).reshape(len(y), -1) for part, y in arrays.items()})
        return None

    def class_name(self, label: int) -> str:
        """Return the name of a class."""
        return self.classes[label] if self.classes is not None and label < len(self.classes) else str(label)

    def place(self, text: str) -> str:
        """Return where a finding is: ``text``, with the name of the output where there are several."""
        return f"{text} of the output {self.name}" if self.name else text


def _are_labels(parts: list[Array], classes: tuple[str, ...] | None) -> bool:
    """Return whether integers are labels: numbers of the classes. Without classes, 0 … k − 1, each of them several times."""
    if min(labels.min() for labels in parts) < 0:
        return False
    largest = max(int(labels.max()) for labels in parts)
    if classes is not None:
        return largest < len(classes)
    found = np.unique(parts[0])
    few = len(found) <= MAX_UNNAMED and largest < 10 * MAX_UNNAMED
    return few or (largest == len(found) - 1 and 5 * len(found) <= len(parts[0]))


def _array(arrays: Any, name: str) -> Array:
    array: Array = arrays[name] if isinstance(arrays, (NamedArrays, dict)) else arrays
    return array


def parts_of(data: Dataset | Splits) -> dict[str, Dataset]:
    """Return the sets of the data by the names of the parts; a data set alone is a training set."""
    if isinstance(data, Dataset):
        return {"training": data}
    return {"training": data.train, "validation": data.validation, "test": data.test}


def inputs_of(sets: Mapping[str, Dataset]) -> list[Input]:
    """Return the inputs of the data."""
    train = next(iter(sets.values()))
    if isinstance(train.source_x, NamedArrays):
        return [Input.of(name, sets, train.origins.get(name)) for name in train.source_x]
    return [Input.of("", sets, train.origin)]


def targets_of(sets: Mapping[str, Dataset]) -> list[Target]:
    """Return the targets of the data that can be examined."""
    train = next(iter(sets.values()))
    names = list(train.source_y) if isinstance(train.source_y, NamedArrays) else [""]
    return [target for name in names if (target := Target.of(name, sets)) is not None]


def fingerprints(inputs: list[Input], part: str) -> Array:
    """Return a number of 64 bits for each sample of a part. Equal samples have equal numbers.

    It is a part of the BLAKE2 digest of all inputs. Different samples have the same number with a probability of 2⁻⁶⁴ for each
    pair, that is 3·10⁻⁸ for a million samples.
    """
    result = list[bytes]()
    for chunk in zip(*(one.parts[part].chunks() for one in inputs), strict=True):
        rows = [_bytes_of_rows(x) for x in chunk]
        for i in range(len(rows[0])):
            sha = hashlib.blake2b(digest_size=8)
            for x in rows:
                sha.update(x[i])
            result.append(sha.digest())
    return np.frombuffer(b"".join(result), np.uint64)


def _bytes_of_rows(x: Array) -> Array:
    if x.dtype.kind == "f":
        x = x + 0.0  # −0 becomes 0, which is equal to it
    return np.ascontiguousarray(x).reshape(len(x), -1).view(np.uint8)
