"""The report of numbers that float32, in which networks compute, cannot tell apart.

Columns with names are standardized in float64 first, so that a time stamp loses nothing. What remains are columns in which a
few values are far larger than all others, and values that are used unchanged.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.named_arrays import NamedArrays
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import ImageScaling, InputStage, Passthrough
from pellucid.data.input_stages import InputStages
from pellucid.data.sparse import SparseMatrix
from pellucid.data.tables.columns import TableStage
from pellucid.errors import warn_user
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.state import ModelState

SAMPLES, VALUES = 512, 200_000  # at most so many are compared: enough to see whether most values of a column fall together
KEPT = 0.5  # of the different values: a column that keeps fewer is reported


def warn_of_rounding(data: Dataset, targets: Any, stage: Any, state: ModelState) -> None:
    """Warn with DataWarning of columns, and of numeric ``targets``, of which float32 merges most of the different values."""
    several_inputs, several_outputs = isinstance(stage, InputStages), isinstance(state.output, SeveralOutputs)
    sources = data.source_x.by_name if several_inputs else {"": data.source_x}
    count = max(1, *(math.prod(source.shape[1:]) for source in sources.values()))
    rows = np.linspace(0, len(data) - 1, min(len(data), SAMPLES, max(2, VALUES // count))).astype(np.int64)
    weights = data.source_sample_weight
    for name, output in (state.output.parts if several_outputs else {"": state.output}).items():
        y, own = (data.source_y[name], targets[name]) if several_outputs else (data.source_y, targets)
        own_weights = weights.by_name.get(name) if isinstance(weights, NamedArrays) else weights
        if not output.loss.classifies and y is not None:
            _warn_of_targets(data, y, own, own_weights, rows, f"the targets{f' of {name}' if several_outputs else ''}")
    for name, source in sources.items():
        _warn_of_samples(data, source, rows, stage[name] if several_inputs else stage, state)


def _warn_of_targets(data: Dataset, source_y: Array, targets: Array, weights: Array | None, rows: Array, what: str) -> None:
    source = rows if data.rows is None else data.rows[rows]
    y, rounded = np.array(source_y[source]), targets[rows].copy()
    if weights is not None:  # what does not count may have any value
        masked = weights[source] == 0
        y[masked], rounded[masked] = 0, 0
    lost = _merged(y, rounded) if y.size == rounded.size else []  # labels may have become one-hot rows
    if lost:
        _, before, after = lost[0]
        _warn(data, what, before, after, "subtract their mean")


def _warn_of_samples(data: Dataset, source: Array, rows: Array, stage: InputStage, state: ModelState) -> None:
    if (
        isinstance(source, SparseMatrix)
        or isinstance(stage, ImageScaling)
        or (isinstance(stage, Passthrough) and source.dtype == np.float32)
    ):
        return
    rows = rows if data.rows is None else data.rows[rows]
    x = source[rows]
    seen = stage.transform(source, rows, np.empty(x.shape, np.float32), state.kernels)
    lost = _merged(x, seen)
    if not lost:
        return
    column, before, after = lost[0]
    if isinstance(stage, TableStage):
        advice = "a few of its values are far larger than the others: limit them, or take logarithms"
        _warn(data, f"the column {stage.names[column % len(stage.names)]}", before, after, advice)
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
