"""Arrays as data sets, and what data sets hold as a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Origin
from pellucid.data.tables.columns import Column
from pellucid.errors import DataError

_STRETCH = 1024  # samples read together


def from_arrays(
    x: Any, y: Any, classes: Iterable[str] | None, names: Iterable[str] | None, sample_weight: Any, name: str
) -> Dataset:
    """See :meth:`Dataset.from_arrays`."""
    if y is not None:
        y, classes = _numbered(np.asarray(y), classes, name)
    if names is None:
        return Dataset(x, y, sample_weight, classes, name)
    columns, shape = tuple(Column(one) for one in names), np.shape(x)[1:]
    if shape != (len(columns),) or len({column.name for column in columns}) < len(columns):
        raise DataError(f"{name}: names are different ones, one for each column; x has {shape}, there are {len(columns)} names")
    return Dataset(x, y, sample_weight, classes, name, origin=Origin(columns=columns))


def _numbered(y: Array, classes: Iterable[str] | None, name: str) -> tuple[Array, Iterable[str] | None]:
    """Labels that are text as numbers, with what they are called."""
    text = y.dtype.kind in "US" or (y.dtype == object and all(isinstance(one, str) for one in y.flat))
    if not text or not y.size:
        return y, classes
    found, codes = np.unique(y.astype(str), return_inverse=True)
    known = tuple(found.tolist()) if classes is None else tuple(classes)
    unknown = [one for one in found.tolist() if one not in known]
    if unknown:
        raise DataError(f"{name}: y says {unknown[0]!r}, the classes are {', '.join(known)}")
    return np.array([known.index(one) for one in found.tolist()])[codes].reshape(y.shape), known


def digest(*sets: Dataset) -> str:
    """SHA-256 over the samples and targets of some sets, in their order; reads them some at a time."""
    sha = hashlib.sha256()
    for data in sets:
        sha.update(f"{len(data)} {data.shape} {data.source_x.dtype} {data.classes}".encode())
        for start in range(0, len(data), _STRETCH):
            part = slice(start, start + _STRETCH)
            rows = part if data.rows is None else data.rows[part]
            sha.update(np.ascontiguousarray(data.source_x[rows]).data)
        if data.y is not None:
            sha.update(np.ascontiguousarray(data.y).data)
    return sha.hexdigest()
