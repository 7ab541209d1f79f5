"""What a set of samples is made of, checked: arrays, row numbers, weights, class names and counts."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError, ShapeError


def numbers(values: Any, what: str, name: str = "data") -> Array:
    """``values`` as an array of numbers with a first axis; an array stays the object it is."""
    if isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{name}: {what} is a masked array: put numbers where the mask is, or leave those samples out")
    try:
        array: Array = values if isinstance(values, np.memmap) else np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name}: {what} is no array: {error}") from None
    if array.dtype.kind not in "biuf":
        hint = "; for labels: classes, y = np.unique(y, return_inverse=True)" if what == "y" else ""
        raise DataError(f"{name}: {what} must hold numbers, got {array.dtype} of shape {array.shape}{hint}")
    if array.ndim == 0:
        raise ShapeError(f"{name}: {what} must have one row for each sample, got a single number")
    return array


def row_numbers(rows: Any, n: int, name: str) -> Array:
    """The numbers of existing rows, as int64."""
    array = np.asarray(rows)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        got = f"{array.dtype} of shape {array.shape}"
        raise DataError(f"{name}: rows must be a vector of row numbers, got {got}; for a mask: np.flatnonzero(mask)")
    if not array.size:
        raise DataError(f"{name}: no rows are chosen: a set needs at least 1 sample")
    if array.min() < 0 or array.max() >= n:
        raise DataError(f"{name}: rows must lie in 0 … {n - 1:,}, got {array.min():,} … {array.max():,}")
    return np.asarray(array, np.int64)


def check_weights(weights: Array | None, name: str) -> None:
    """Refuses weights that are no weights."""
    if weights is None:
        return
    if weights.ndim != 1:
        raise ShapeError(f"{name}: weights must be one number for each sample, got the shape {weights.shape}")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if wrong.size:
        raise DataError(f"{name}: weights must be finite and not negative, got {weights[wrong[0]]} at row {wrong[0]:,}")
    if not weights.any():
        raise DataError(f"{name}: all weights are zero: no sample would count")


def check_classes(classes: tuple[str, ...] | None, y: Array | None, name: str) -> None:
    """Refuses names that do not go with the labels."""
    if classes is None:
        return
    if not classes or not all(isinstance(label, str) for label in classes) or len(set(classes)) < len(classes):
        raise DataError(f"{name}: classes must be different names, one for each label, got {classes!r}")
    if y is not None and y.ndim == 1 and y.dtype.kind in "iu" and not (y.min() >= 0 and y.max() < len(classes)):
        raise DataError(f"{name}: {len(classes)} classes take labels 0 … {len(classes) - 1}, got {y.min()} … {y.max()}")
    if y is not None and y.ndim == 2 and y.shape[1] not in (1, len(classes)):
        raise ShapeError(f"{name}: y has {y.shape[1]} columns for {len(classes)} classes")


def stratified_by(y: Array | None) -> Array | None:
    """What a split is stratified by: integer labels, (n,) or (n, 1), or the column of the one in one-hot rows."""
    if y is None or y.ndim > 2:
        return None
    if y.ndim == 1 or y.shape[1] == 1:
        return y.reshape(-1) if y.dtype.kind in "biu" else None
    one_hot = ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
    return y.argmax(axis=1) if one_hot else None


def whole(value: Any, name: str, what: str) -> int:
    """A whole number."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise DataError(f"{name}: {what}({value!r}): wants a number of samples") from None
