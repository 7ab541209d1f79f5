"""Checks of the parts of a data set: arrays, row numbers, weights, class names and counts."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.named_arrays import NamedArrays
from pellucid.data.sparse import SparseMatrix, is_sparse
from pellucid.errors import DataError, ShapeError


def numeric_array(values: Any, what: str, name: str = "data") -> Array:
    """Return ``values`` as a numeric array with at least one axis. An array is returned unchanged, without a copy, and a sparse
    matrix as a SparseMatrix.

    Raises DataError for values that are not numbers, and ShapeError for a single number.
    """
    if isinstance(values, SparseMatrix):
        return values  # type: ignore[return-value]  # it takes the place of an array
    if is_sparse(values):
        return SparseMatrix.of(values, what, name)  # type: ignore[return-value]
    if isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{name}: {what} is a masked array; fill the masked values or leave these samples out")
    try:
        array: Array = values if isinstance(values, np.memmap) else np.asarray(values)
    except ValueError as error:
        several = isinstance(values, (list, tuple)) and all(isinstance(one, np.ndarray) for one in values)
        hint = "; for several inputs or outputs give a dictionary by name" if several else ""
        raise DataError(f"{name}: {what} cannot be converted to an array: {error}{hint}") from None
    if array.dtype.kind not in "biuf":
        hint = "; for labels: classes, y = np.unique(y, return_inverse=True)" if what == "y" else ""
        if array.dtype == object and what == "x":
            hint = "; for numbers that are stored as objects: x.astype(np.float32), for a table of several kinds a data frame"
        raise DataError(f"{name}: {what} must hold numbers, got {array.dtype} of shape {array.shape}{hint}")
    if array.ndim == 0:
        raise ShapeError(f"{name}: {what} must have one row for each sample, got a single number")
    return array


def numeric_arrays(values: Any, what: str, name: str = "data") -> Any:
    """Return ``values`` as a numeric array, or a dictionary of them as NamedArrays.

    Raises what :func:`numeric_array` raises, with the name of the entry, and ShapeError for entries of different lengths.
    """
    if isinstance(values, np.ndarray) or not isinstance(values, Mapping):
        return numeric_array(values, what, name)
    if not values or not all(isinstance(key, str) for key in values):
        raise DataError(f"{name}: {what} is a dictionary whose keys must be the names of inputs or outputs, got {list(values)}")
    arrays = NamedArrays({key: numeric_array(array, f"{what}[{key!r}]", name) for key, array in values.items()})
    lengths = {key: len(array) for key, array in arrays.items()}
    for key, length in lengths.items():
        if length != len(arrays):
            first = next(iter(lengths))
            raise ShapeError(f"{name}: {what}[{key!r}] has {length:,} rows and {what}[{first!r}] has {len(arrays):,}")
    return arrays


def row_indices(rows: Any, n: int, name: str) -> Array:
    """Return the row numbers ``rows`` as int64. Raises DataError unless all are from 0 to n − 1 and there is at least one."""
    array = np.asarray(rows)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        got = f"{array.dtype} of shape {array.shape}"
        raise DataError(f"{name}: rows must be a vector of row numbers, got {got}; for a mask: np.flatnonzero(mask)")
    if not array.size:
        raise DataError(f"{name}: rows is empty; a set needs at least 1 sample")
    if array.min() < 0 or array.max() >= n:
        raise DataError(f"{name}: rows must be from 0 to {n - 1:,}, got {array.min():,} to {array.max():,}")
    return np.asarray(array, np.int64)


def check_sample_weight(sample_weight: Array | None, name: str) -> None:
    """Raise DataError unless the weights, (n) or one for each position (n, …), are finite, not negative and not all zero."""
    if sample_weight is None:
        return
    wrong = np.argwhere(~(np.isfinite(sample_weight) & (sample_weight >= 0)))
    if wrong.size:
        row, *position = wrong[0]
        at = f"row {row:,}" + (f", position {', '.join(map(str, position))}" if position else "")
        raise DataError(f"{name}: sample_weight must be finite and not negative, got {sample_weight[tuple(wrong[0])]} at {at}")
    if not sample_weight.any():
        raise DataError(f"{name}: all weights are zero; at least one sample must count")


def check_classes(classes: tuple[str, ...] | None, y: Array | None, name: str) -> None:
    """Raise DataError or ShapeError unless the class names match the labels."""
    if classes is None:
        return
    if not classes or not all(isinstance(label, str) for label in classes) or len(set(classes)) < len(classes):
        raise DataError(f"{name}: classes must be different names, one for each label, got {classes!r}")
    if y is not None and y.ndim == 1 and y.dtype.kind in "iu" and not (y.min() >= 0 and y.max() < len(classes)):
        raise DataError(
            f"{name}: with {len(classes)} classes the labels must be from 0 to {len(classes) - 1}, got {y.min()} to {y.max()}"
        )
    if y is not None and y.ndim == 2 and y.shape[1] not in (1, len(classes)) and not _labels_of_steps(y):
        raise ShapeError(f"{name}: y has {y.shape[1]} columns for {len(classes)} classes")


def _labels_of_steps(y: Array) -> bool:
    """Return whether y (n, T) holds labels of T steps, whose values the loss checks, rather than rows of 0 and 1."""
    return y.dtype.kind in "iu" and not (((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


def class_labels(y: Array | None) -> Array | None:
    """Return the labels that a split is stratified by: integers (n,) or (n, 1), or the positions of the ones in one-hot rows.

    Returns None for other targets.
    """
    if y is None or y.ndim > 2:
        return None
    if y.ndim == 1 or y.shape[1] == 1:
        return y.reshape(-1) if y.dtype.kind in "biu" else None
    one_hot = ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
    return y.argmax(axis=1) if one_hot else None


def sample_count(value: Any, name: str, method: str) -> int:
    """Return ``value`` as an int. Raises DataError unless it is an integer."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise DataError(f"{name}: {method}({value!r}): expected a number of samples") from None
