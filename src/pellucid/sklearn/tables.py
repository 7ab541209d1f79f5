"""What is done to samples before a network sees them: equal ones become one, numbers are standardized."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.input_stage import InputStage, stage_for
from pellucid.data.tables.columns import Column, Standardized
from pellucid.layers import Rescale

ROUNDING = 1e-12  # of the mean: a column that spreads less than this is constant, but for rounding


def merged(x: Array, t: Array, w: Array | None) -> tuple[Array, Array, Array]:
    """The different samples among x (n, …) with targets t (n) or (n, k), sorted, each with the sum of its weights (None: one
    each). A sample of weight 2 and the same sample twice become the same arrays, bit for bit."""
    table = np.hstack([x.reshape(len(x), -1), t.reshape(len(t), -1)])
    _, first, which = np.unique(table, axis=0, return_index=True, return_inverse=True)
    weights = np.bincount(which.ravel(), weights=w, minlength=len(first))
    return x[first], t[first], weights.astype(np.float64)


def figures(x: Array, w: Array | None) -> tuple[Array, Array]:
    """(mean, standard deviation) of each column of x (n, k) with weights w (n), in float64; a constant's deviation is 1."""
    mean = np.average(x, axis=0, weights=w)
    deviation = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=w))
    return mean, np.where(deviation > ROUNDING * np.abs(mean), deviation, 1.0)


def stage_of(x: Array, w: Array | None, names: Sequence[str] | None) -> InputStage:
    """The stage that standardizes tables like x (n, features), whose columns have these names (None: x0, x1, …)."""
    mean, spread = figures(x, w)
    columns = (
        tuple(Column(str(name)) for name in names) if names is not None else tuple(Column(f"x{i}") for i in range(len(mean)))
    )
    return Standardized(columns, tuple(mean.tolist()), tuple(spread.tolist()))


def rescaled(x: Array, w: Array | None) -> Rescale:
    """The layer that standardizes pictures like x (n, pixels), all pixels alike: one by one, those of the rim, where there is
    little but noise, would become as loud as the others."""
    factor = stage_for(x).factor
    (mean,), (spread,) = figures(x.reshape(-1, 1), None if w is None else np.repeat(w, x.shape[1]))
    return Rescale(1 / float(spread * factor), -float(mean / spread))
