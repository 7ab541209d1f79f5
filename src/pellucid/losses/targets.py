"""Checks and conversions of targets that several losses share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import DataError, ShapeError


class InvalidTarget(DataError):
    """The error for a target with an invalid value. ``row`` is its number among the targets; in the message, it replaces {}.

    The caller knows what a row is: a sample, or a position of a sample.
    """

    def __init__(self, message: str, row: int = 0, place: str | None = None):
        super().__init__(message.replace("{}", place or f"sample {row}", 1))
        self.message, self.row = message, row

    def at(self, place: str) -> InvalidTarget:
        """Return the same error with ``place`` in place of the number of the row."""
        return InvalidTarget(self.message, self.row, place)


def targets_at(targets: Callable[[Array, Shape], Array], y: Array, positions: Shape, shape: Shape) -> Array:
    """Return ``targets(rows, shape)`` for the targets y (n, *positions, …) as rows (n·P, …), one for each position.

    An InvalidTarget has the sample and the position in its message.
    """
    try:
        return targets(y.reshape(-1, *y.shape[1 + len(positions) :]), shape)
    except InvalidTarget as error:
        if not positions:
            raise
        sample, *position = (int(i) for i in np.unravel_index(error.row, (len(y), *positions)))
        raise error.at(f"sample {sample} at position {', '.join(map(str, position))}") from None


def finite_targets(y: Array, what: str = "targets") -> Array:
    """Return ``y`` after a check of its values. ``what`` is its name in messages.

    Raises DataError unless it holds numbers, none of them NaN or infinite.
    """
    if y.dtype.kind not in "buif":
        hint = " (number the classes 0, 1, …)" if y.dtype.kind in "OUS" else ""
        raise DataError(f"{what} must be numbers, got {y.dtype}{hint}")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        bad = np.flatnonzero(~np.isfinite(y).reshape(len(y), -1).all(axis=1))
        raise InvalidTarget(f"{what} hold NaN or infinity in {len(bad)} places, first in {{}}", int(bad[0]))
    return y


def class_labels(y: Array, k: int) -> Array:
    """Return labels (n) as int64. Raises DataError unless they are integers from 0 to k − 1."""
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        raise DataError(
            f"labels must be integers 0 … {k - 1}, got {y[y != np.floor(y)][0]:g}; for numbers use MeanSquaredError()"
        )
    if len(y) and not _in_range(y, k):
        bad = int(np.flatnonzero((y < 0) | (y >= k))[0])
        raise InvalidTarget(f"label {int(y[bad])} in {{}} is out of range: {k} outputs take the labels 0 … {k - 1}", bad)
    return np.ascontiguousarray(y, np.int64)


def _in_range(y: Array, k: int) -> bool:
    """Return whether all labels are from 0 to k − 1."""
    if y.dtype == np.int64:
        return bool(np.maximum.reduce(y.view(np.uint64)) < k)  # one pass: as unsigned numbers, negative labels are the largest
    return bool(y.min() >= 0 and y.max() < k)


def numeric_targets(y: Array, shape: Shape, loss: str) -> Array:
    """Return numbers (n, k) as float32; (n) becomes (n, 1). Raises ShapeError, with the name of the loss, for other shapes."""
    numbers = y.reshape(len(y), 1) if y.ndim == 1 and shape[0] == 1 else y
    if numbers.shape[1:] != shape:
        raise ShapeError(
            f"{loss}: the outputs of a sample have the shape {shape}, the targets have {y.shape[1:] or 'one number'}"
        )
    return np.ascontiguousarray(numbers, np.float32)


def probability_targets(y: Array, shape: Shape, loss: str) -> Array:
    """Return distributions (n, k) as float32. Raises DataError unless each row is at least 0 and sums to 1."""
    rows = numeric_targets(y, shape, loss)
    if rows.size and (rows.min() < 0 or np.abs(rows.sum(axis=1) - 1).max() > 1e-3):
        bad = int(np.flatnonzero((rows.min(axis=1) < 0) | (np.abs(rows.sum(axis=1) - 1) > 1e-3))[0])
        raise InvalidTarget(
            f"the targets of {{}} are not a distribution: each row must be ≥ 0 and sum to 1, got {rows[bad]}", bad
        )
    return rows


def without_masked(y: Array, weights: Array) -> Array:
    """Return a copy of y in which the targets of weight 0 are equal to the first target of another weight.

    They then pass all checks. They are not used: their weight is 0. y is returned unchanged where no target counts.
    """
    if weights.all() or y.shape[: weights.ndim] != weights.shape:
        return y  # other shapes are refused by the checks, with a better message
    counted = np.flatnonzero(weights)
    if not counted.size:
        return y
    rows = y.reshape(weights.size, -1).copy()
    rows[weights.reshape(-1) == 0] = rows[counted[0]]
    return rows.reshape(y.shape)
