"""The report of numbers that float32, in which networks compute, cannot tell apart.

Columns with names are standardized in float64 first, so that a time stamp loses nothing. What remains are columns in which a
few values are far larger than all others, and values that are used unchanged.
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import ImageScaling, InputStage, Passthrough
from pellucid.data.tables.columns import Standardization
from pellucid.errors import warn_user
from pellucid.training.state import ModelState

SAMPLES, VALUES = 512, 200_000  # at most so many are compared: enough to see whether most values of a column fall together
KEPT = 0.5  # of the different values: a column that keeps fewer is reported


def warn_of_rounding(data: Dataset, targets: Array, stage: InputStage, state: ModelState) -> None:
    """Warn with DataWarning of columns, and of numeric ``targets``, of which float32 merges most of the different values."""
    count = min(len(data), SAMPLES, max(2, VALUES // max(1, math.prod(data.shape))))
    rows = np.linspace(0, len(data) - 1, count).astype(np.int64)
    if state.loss.classifies or data.source_y is None:
        lost = []
    else:
        source = rows if data.rows is None else data.rows[rows]
        y, rounded = np.array(data.source_y[source]), targets[rows].copy()
        if data.source_sample_weight is not None:  # what does not count may have any value
            masked = data.source_sample_weight[source] == 0
            y[masked], rounded[masked] = 0, 0
        lost = _merged(y, rounded) if y.size == rounded.size else []  # labels may have become one-hot rows
    if lost:
        _, before, after = lost[0]
        _warn(data, "the targets", before, after, "subtract their mean")
    if isinstance(stage, ImageScaling) or (isinstance(stage, Passthrough) and data.source_x.dtype == np.float32):
        return
    rows = rows if data.rows is None else data.rows[rows]
    x = data.source_x[rows]
    seen = stage.transform(data.source_x, rows, np.empty(x.shape, np.float32), state.kernels)
    lost = _merged(x, seen)
    if not lost:
        return
    column, before, after = lost[0]
    if isinstance(stage, Standardization):
        advice = "a few of its values are far larger than the others: limit them, or take logarithms"
        _warn(data, f"the column {stage.names[column]}", before, after, advice)
    elif x.ndim == 2:
        advice = "give the columns names, from_arrays(x, y, names=…), so that the model standardizes them in float64"
        _warn(data, f"value {column} of the samples", before, after, advice)
    else:
        _warn(data, f"value {column} of the samples", before, after, "subtract their mean, in float64")


def _merged(exact: Array, rounded: Array) -> list[tuple[int, int, int]]:
    """Return (column, different values, different values after rounding) of the columns that lose most of their values."""
    before, after = _different(exact), _different(rounded)
    return [(int(i), int(before[i]), int(after[i])) for i in np.flatnonzero(after < KEPT * before)]


def _different(values: Array) -> Array:
    """Return the number of different values in each column of an array (n, …), without NaN."""
    ordered = np.sort(values.reshape(len(values), -1), axis=0)
    return 1 + np.asarray(np.diff(ordered, axis=0) > 0).sum(axis=0)  # differences to NaN, at the end, are not above 0


def _warn(data: Dataset, what: str, before: int, after: int, advice: str) -> None:
    text = f"{data.name}: in float32, {before:,} different values of {what} become {after:,}: {advice}"
    warn_user(text)
