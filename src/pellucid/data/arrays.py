"""Arrays in memory as a data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Origin
from pellucid.data.tables.columns import Column
from pellucid.errors import DataError


def from_arrays(
    x: Any,
    y: Any,
    *,
    classes: Iterable[str] | None = None,
    names: Iterable[str] | None = None,
    sample_weight: Any = None,
    name: str = "data",
) -> Dataset:
    """Return a data set of everything that NumPy can convert to arrays.

    Labels may be text: then ``classes`` defaults to their distinct values in alphabetical order. With ``names``, one for each
    column of x (n, d), a model standardizes the columns by the mean and standard deviation of the training set. Without them
    bytes are divided by 255 and other values are used unchanged.

    Raises DataError for text labels that are not in ``classes`` and for names that do not match the columns, and the errors of
    :class:`Dataset`.
    """
    if y is not None:
        y, classes = _encode_labels(np.asarray(y), classes, name)
    if names is None:
        return Dataset(x, y, sample_weight, classes, name)
    columns = tuple(Column(column_name) for column_name in names)
    shape = np.shape(x)[1:]
    if shape != (len(columns),) or len({column.name for column in columns}) < len(columns):
        raise DataError(
            f"{name}: names must be different, one for each column; samples have the shape {shape}, got {len(columns)} names"
        )
    return Dataset(x, y, sample_weight, classes, name, origin=Origin(columns=columns))


def _encode_labels(y: Array, classes: Iterable[str] | None, name: str) -> tuple[Array, Iterable[str] | None]:
    """Return labels that are text as integers, and the names of the classes."""
    is_text = y.dtype.kind in "US" or (y.dtype == object and all(isinstance(label, str) for label in y.flat))
    if not is_text or not y.size:
        return y, classes
    found, codes = np.unique(y.astype(str), return_inverse=True)
    known = tuple(found.tolist()) if classes is None else tuple(classes)
    unknown = [label for label in found.tolist() if label not in known]
    if unknown:
        raise DataError(f"{name}: y contains the unknown class {unknown[0]!r}; the classes are {', '.join(known)}")
    return np.array([known.index(label) for label in found.tolist()])[codes].reshape(y.shape), known
