"""Arrays and data frames in memory as a data set."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Origin
from pellucid.data.tables.columns import Column
from pellucid.data.tables.encoding import Table
from pellucid.data.tables.frame import ArrayTable, Frame, is_frame
from pellucid.data.tables.reading import encode_rows, encode_table
from pellucid.errors import DataError, did_you_mean


def from_arrays(
    x: Any,
    y: Any,
    *,
    classes: Iterable[str] | None = None,
    names: Iterable[str] | None = None,
    sample_weight: Any = None,
    name: str = "data",
    categorical: Iterable[str] = (),
) -> Dataset:
    """Return a data set of a data frame, or of everything that NumPy can convert to arrays.

    Labels may be text: then ``classes`` defaults to their distinct values in alphabetical order.

    A data frame (pandas, Polars, PyArrow) is a table, read like the CSV file that is written from it
    (:func:`~pellucid.data.tables.reading.read_csv`): numbers, categories, truth values and dates, each with missing values,
    become the values of a row. With ``names``, one for each column of x (n, d), an array is such a table too; the columns of an
    array of numbers are all kept, as numbers, and those of an array of objects are like those of a frame. A model scales them
    robustly by its training set. ``categorical`` names columns whose numbers are categories. Without names, bytes are divided
    by 255 and other values are used unchanged.

    Raises DataError for text labels that are not in ``classes`` and for names that do not match the columns, and the errors of
    :class:`Dataset`.
    """
    target = getattr(y, "name", None)
    if y is not None:
        y, classes = _encode_labels(np.asarray(y), classes, name)
    chosen = tuple([categorical] if isinstance(categorical, str) else categorical)
    if names is None and not is_frame(x):
        if chosen:
            raise DataError(f"{name}: categorical={chosen!r} names columns: give all names, one for each column, with names=…")
        return Dataset(x, y, sample_weight, classes, name)
    origin: Origin
    if is_frame(x):
        x, origin = _of_table(Frame(x, chosen, names), chosen)
    else:
        x, origin = _of_array(x, tuple(names or ()), chosen, name)
    origin = origin if not isinstance(target, str) else Origin(origin.notes, columns=origin.columns, target=target)
    return Dataset(x, y, sample_weight, classes, name, origin=origin)


def _of_array(x: Any, names: tuple[str, ...], categorical: Collection[str], name: str) -> tuple[Array, Origin]:
    """Return the values of an array (n, d) with named columns, and their description."""
    array = x if isinstance(x, np.memmap) else np.asarray(x)
    shape = array.shape[1:]
    if shape != (len(names),) or len(set(names)) < len(names):
        raise DataError(
            f"{name}: names must be different, one for each column; samples have the shape {shape}, got {len(names)} names"
        )
    table = ArrayTable(array, names, categorical, name)
    if array.dtype.kind not in "biuf" or categorical:
        return _of_table(table, categorical)
    gaps = [array.dtype.kind == "f" and bool(np.isnan(array[:, i]).any()) for i in range(len(names))]
    columns = tuple(Column(one, missing=gap) for one, gap in zip(names, gaps, strict=True))
    return encode_rows(table, columns) if any(gaps) else array, Origin(columns=columns)


def _of_table(table: Table, categorical: Collection[str]) -> tuple[Array, Origin]:
    unknown = [one for one in categorical if one not in table.names]
    if unknown:
        raise DataError(f"{table.path}: there is no column {unknown[0]!r}: {did_you_mean(unknown[0], table.names)}")
    x, columns, notes = encode_table(table)
    return x, Origin(tuple(notes), columns=columns)


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
