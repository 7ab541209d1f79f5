"""Preprocessing of samples: equal ones are merged, and inputs are standardized."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.input_stage import input_stage_for
from pellucid.data.sparse import SparseMatrix
from pellucid.data.tables.target_scale import unit_of
from pellucid.layers import Rescale

ROUNDING = 1e-12  # relative to the mean: a column with a smaller deviation is constant but for rounding errors


def merge_duplicates(x: Array, t: Array, w: Array | None) -> tuple[Array, Array, Array]:
    """Return the distinct samples of x (n, …) with targets t (n) or (n, k), sorted, and the sum of the weights of each.

    Without weights w (None) each sample counts once. A sample of weight 2 and the same sample twice therefore give the same
    arrays, bit for bit.
    """
    table = np.hstack([x.reshape(len(x), -1), t.reshape(len(t), -1)])
    if table.dtype.kind == "f":  # NaN differs from NaN; infinity does not occur
        table = np.where(np.isnan(table), np.inf, table)
    _, first, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
    weights = np.bincount(inverse.ravel(), weights=w, minlength=len(first))
    return x[first], t[first], weights.astype(np.float64)


def balancing_weights(t: Array, w: Array | None) -> Array:
    """Return for each sample (n) the weight n/(k n_c) of its class c, one of the k classes that occur in the labels t (n).

    n and n_c are the sums of the sample weights w (n), 1 without them, over all samples and over the class, so that all classes
    have the same total weight. For a matrix of labels t (n, m), the weights for its columns are multiplied.
    """
    weights = np.ones(len(t))
    for column in t.reshape(len(t), -1).T:
        _, codes = np.unique(column, return_inverse=True)
        totals = np.bincount(codes, w)
        weights *= (totals.sum() / (len(totals) * totals))[codes]
    return weights


def mean_and_deviation(x: Array, w: Array | None) -> tuple[Array, Array]:
    """Return mean and standard deviation of each column of x (n, k) with weights w (n), in float64; 1 for constant columns."""
    unit = unit_of(x)
    x = x / unit
    mean = np.average(x, axis=0, weights=w)
    deviation = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=w)) * unit
    mean = mean * unit
    return mean, np.where(deviation > ROUNDING * np.abs(mean), deviation, 1.0)


def rescaling_of(x: Array, w: Array | None) -> Rescale:
    """Return the layer that standardizes images such as x (n, pixels), all pixels with the same mean and deviation.

    With its own deviation, a pixel at the edge, which holds little but noise, would count as much as the others.
    """
    factor = input_stage_for(x).factor
    (mean,), (deviation,) = mean_and_deviation(x.reshape(-1, 1), None if w is None else np.repeat(w, x.shape[1]))
    return Rescale(1 / float(deviation * factor), -float(mean / deviation))


def size_of_values(x: Any) -> float:
    """Return the root of the mean square of sparse samples, zeros included, by which they are divided.

    A mean is not subtracted, as the zeros would become other numbers, and columns keep their proportions: those of rare words
    would become large.
    """
    values = x.values if isinstance(x, SparseMatrix) else x[x != 0]
    size = math.sqrt(float(values @ values) / math.prod(x.shape)) if len(values) else 0.0
    return size if size > 0 else 1.0
