"""Partial dependence: what a model predicts if a column of a table had another value in every row, and all else were the same.

The curve of one row over the values of the column is its individual conditional expectation (Goldstein, Kapelner, Bleich and
Pitkin, 2015). The mean of the curves of all rows is the partial dependence (Friedman, 2001). Where the individual curves are
not parallel, the effect of the column depends on the other columns, which the mean does not show.

Both describe the model, not the world. And a column that depends on another is set to values that do not occur with it, such as
the rooms of a palace in a flat of 30 square metres; for these the model has seen no data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.config import Count, validate
from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.data.tables.frame import is_frame
from pellucid.errors import ConfigError
from pellucid.explain.estimator_columns import EstimatorColumn
from pellucid.explain.importance import column_names
from pellucid.explain.tables import (
    NEEDS_SCIKIT_LEARN,
    Cell,
    RowColumn,
    check_dense,
    check_estimator_like,
    columns_of,
    find_column,
    first_of,
    is_model,
    rows_of,
)
from pellucid.layers import Sigmoid, Softmax
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model

PERCENTILES = (0.05, 0.95)  # of the numbers in a column, between which the curves are drawn, as in scikit-learn
ROWS_AT_ONCE = 4096  # that are predicted together


@dataclass(frozen=True, eq=False)
class PartialDependence:
    """The predictions for n rows with g values of a ``column``.

    - ``values``: the numbers that the column is set to (g), or the names of the categories.
    - ``curves`` (n, g, k): the predictions for each row. k is 1 for a model that predicts numbers, and for two classes, where
      it is the probability (or score) of the second one; otherwise it is the number of classes.
    - ``outputs``: the names of the k outputs: the classes, or "prediction".
    - ``observed``: what the n rows have in the column; an array of numbers for a column of numbers, else a tuple of names.
    - ``days``: whether the numbers are days since 1970, a part of dates.
    - ``missing`` (n, k): the predictions if a number or date is missing; None where it is missing in none of the rows, or where
      the model takes no missing values. Of categories, a missing value is one of the ``values``.
    """

    column: str
    values: Array | tuple[str, ...]
    curves: Array
    outputs: tuple[str, ...]
    observed: Array | tuple[str, ...]
    days: bool = False
    missing: Array | None = None

    @property
    def average(self) -> Array:
        """(g, k): the partial dependence, the mean of the curves."""
        mean: Array = self.curves.mean(axis=0)
        return mean

    @property
    def average_missing(self) -> Array | None:
        """(k): the mean of the predictions with a missing value; None if there are none."""
        return None if self.missing is None else np.asarray(self.missing.mean(axis=0))

    @property
    def is_numeric(self) -> bool:
        """Whether the column holds numbers."""
        return isinstance(self.values, np.ndarray)

    @property
    def range(self) -> float:
        """The largest difference between two values of the average."""
        return float(np.ptp(self.average, axis=0).max())


def partial_dependence(
    model: Any,
    x: Any,
    column: str | int,
    *,
    points: int = 30,
    percentiles: tuple[float, float] = PERCENTILES,
) -> PartialDependence:
    """Return the partial dependence of the predictions on a column, with the individual curve of each of the rows x.

    - ``model``: a model or an ensemble of a table, or a trained scikit-learn estimator.
    - ``x``: a data set, rows (n, d), or a data frame. Its rows are predicted once for each value of the column: some hundreds
      are enough.
    - ``column``: its name or number.
    - ``points``: the number of values that a column of numbers is set to, at equal distances between two ``percentiles``
      (fractions) of those in x; if it has no more different values, those. Categories: all that occur in x. Where a number
      or date is missing in x, the rows are also predicted without it.

    For a model, a category is set with all of its values. Estimators with arrays of complete numbers are passed to
    scikit-learn's ``sklearn.inspection.partial_dependence``; in data frames and other arrays, which may have missing values,
    categories and dates, the column is set here.

    Raises ConfigError for models of other data than tables and for an unknown column, and what ``predict`` raises.
    """
    points = validate(points, Count, "partial_dependence", "points")
    low, high = percentiles
    if points < 2 or not 0 <= low < high <= 1:
        raise ConfigError(
            f"partial_dependence(points={points}, percentiles={percentiles}): expected at least 2 points, and two "
            "fractions from 0 to 1 in ascending order"
        )
    if not is_model(model):
        return _of_estimator(model, x, column, points, percentiles)
    chosen = find_column(columns_of(model, "partial_dependence"), column, "partial_dependence")
    rows = rows_of(model, x)
    values, settings = chosen.grid(rows, points, percentiles)
    if not len(values):
        raise ConfigError(f"partial_dependence: the column {chosen.name} has no value in these rows")
    curves = []
    changed = rows.copy()
    for setting in settings:
        changed[:, chosen.places] = setting
        curves.append(_predicted(model, changed))
    cells: list[Cell] = [chosen.cell(row) for row in rows]
    observed = np.array(cells, np.float64) if chosen.categories is None else tuple(map(str, cells))
    gaps = chosen.set_missing(rows)
    return PartialDependence(
        chosen.name,
        values,
        np.stack(curves, axis=1),
        _output_names(first_of(model)),
        observed,
        chosen.days,
        _without_value(_predicted, model, gaps),
    )


def _without_value(predicted: Callable[[Any, Any], Array], model: Any, rows: Any) -> Array | None:
    """Return the predictions (n, k) for rows in which a value is missing; None without rows, and where the model refuses them.

    The curves were predicted for the same rows, with values in place of what is missing.
    """
    if rows is None:
        return None
    try:
        return predicted(model, rows)
    except ValueError:
        return None


def _predicted(model: Model | Ensemble, rows: Array) -> Array:
    """Return the predictions (n, k) for raw rows, as :class:`PartialDependence` has them."""
    starts = range(0, len(rows), ROWS_AT_ONCE)
    parts = [model.predict(Dataset(rows[start : start + ROWS_AT_ONCE], None)) for start in starts]
    outputs = np.concatenate(parts).astype(np.float64)
    return outputs[:, 1:] if _second_class_only(first_of(model)) and outputs.shape[1] == 2 else outputs


def _second_class_only(model: Model) -> bool:
    """Return whether one output says everything: two classes with probabilities, which add up to 1."""
    k = model.output_shape[0]
    exclusive = isinstance(model.state.head, Softmax) and k == 2
    return exclusive or (isinstance(model.state.head, Sigmoid) and k == 1)


def _output_names(model: Model) -> tuple[str, ...]:
    k = model.output_shape[0]
    if not model.state.loss.classifies and model.classes is None:
        return ("prediction",) if k == 1 else tuple(f"prediction {i}" for i in range(k))
    names = model.classes or tuple(str(i) for i in range(max(2, k)))
    return names[1:2] if k == 1 or _second_class_only(model) else tuple(names)


def _of_estimator(
    estimator: Any, x: Any, column: str | int, points: int, percentiles: tuple[float, float]
) -> PartialDependence:
    check_estimator_like(estimator, "partial_dependence")
    check_dense(x, "partial_dependence")
    x = x if is_frame(x) else np.asarray(x)
    names, keys = column_names(estimator, x), list(x.columns) if is_frame(x) else range(np.shape(x)[1])
    known = [RowColumn(name, slice(i, i + 1)) for i, name in enumerate(names)]
    chosen = find_column(known, column, "partial_dependence")
    found = EstimatorColumn.of(x, keys[known.index(chosen)])
    values, settings = found.grid(points, percentiles)
    if _is_plain(x):
        values, curves = _by_scikit_learn(estimator, x, known.index(chosen), points, percentiles)
    else:
        curves = np.stack([_estimated(estimator, rows) for rows in found.rows(settings)], axis=1)
    classes, k = tuple(map(str, getattr(estimator, "classes_", ()))), curves.shape[-1]
    outputs = classes[1:2] if classes and k == 1 else classes if k == len(classes) else ("prediction",)
    observed = found.cells if found.numbers is None else found.numbers
    gaps = found.set_missing()
    missing = _without_value(_estimated, estimator, gaps)
    return PartialDependence(chosen.name, values, curves, outputs, observed, found.days, missing)


def _is_plain(x: Any) -> bool:
    """Return whether scikit-learn's function takes these rows: numbers in an array, none of them missing."""
    return not is_frame(x) and x.dtype.kind == "f" and not np.isnan(x).any()


def _by_scikit_learn(
    estimator: Any, x: Any, feature: int, points: int, percentiles: tuple[float, float]
) -> tuple[Array, Array]:
    """Return the values of the column (g) and the curves (n, g, k)."""
    try:
        from sklearn.inspection import partial_dependence as compute
    except ImportError:
        raise ConfigError(f"partial_dependence: {NEEDS_SCIKIT_LEARN}") from None
    found = compute(estimator, x, [feature], kind="individual", grid_resolution=points, percentiles=percentiles)
    curves = np.moveaxis(np.asarray(found["individual"], np.float64), 0, -1)
    return np.asarray(found["grid_values"][0], np.float64), curves


def _estimated(estimator: Any, x: Any) -> Array:
    """Return the predictions (n, k) for rows: of two classes only those of the second."""
    if not hasattr(estimator, "classes_"):
        outputs = np.asarray(estimator.predict(x), np.float64)
    elif callable(getattr(estimator, "predict_proba", None)):
        outputs = np.asarray(estimator.predict_proba(x), np.float64)
        outputs = outputs[:, 1:] if outputs.shape[1] == 2 else outputs
    else:
        outputs = np.asarray(estimator.decision_function(x), np.float64)
    return outputs[:, None] if outputs.ndim == 1 else outputs
