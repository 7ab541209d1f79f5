"""Permutation importance: how much worse the predictions become when a column of a table is shuffled.

Shuffling a column among the rows keeps its values and takes away what they say about the target and the other columns
(Breiman, 2001; Fisher, Rudin and Dominici, 2019). The importance of a column is the score without shuffling minus the score
with it; it is measured several times, with other shuffles.

A column that the model ignores, or that is independent of everything else, has an importance of 0, up to chance: the unshuffled
score is then one more draw of what the shuffled scores are draws of. So the importance differs from 0 by about one standard
deviation of the shuffled scores, and not by less with more repeats. Columns that say the same share their importance: if one of
them is shuffled, the model still reads the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid import notebook
from pellucid.core.config import Count, validate
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.data.dataset import Dataset
from pellucid.errors import ConfigError, DataError
from pellucid.explain.tables import (
    NEEDS_SCIKIT_LEARN,
    check_dense,
    check_estimator_like,
    columns_of,
    dataset_of,
    first_of,
    is_model,
)
from pellucid.metrics import R2, Accuracy, Metric
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model

CLEAR = 2.0  # deviations of the shuffled scores above 0: for a column without any effect, that happens in one case of forty


@dataclass(frozen=True, eq=False)
class Importance:
    """The permutation importance of c columns, measured with r shuffles of each.

    - ``values`` (c, r): by how much the score is worse with each shuffle, in units of the ``metric``; positive is worse, also
      where the metric is an error.
    - ``score``: the score without shuffling.
    """

    columns: tuple[str, ...]
    values: Array
    score: float
    metric: str

    @property
    def mean(self) -> Array:
        """(c): the mean over the shuffles."""
        mean: Array = self.values.mean(axis=1)
        return mean

    @property
    def spread(self) -> Array:
        """(c): the standard deviation over the shuffles."""
        deviation: Array = self.values.std(axis=1)
        return deviation

    @property
    def order(self) -> Array:
        """The columns from the most to the least important one, by number."""
        return np.argsort(-self.mean, kind="stable")

    @property
    def clear(self) -> Array:
        """(c): whether the mean is more than two spreads above 0, which chance alone seldom gives."""
        above: Array = (self.mean > CLEAR * self.spread) & (self.mean > 0)
        return above

    def _repr_html_(self) -> str:
        rows = [(self.columns[i], f"{self.mean[i]:.4g}", f"{self.spread[i]:.2g}") for i in self.order]
        caption = f"{self.metric} without shuffling: {self.score:.4g}"
        return notebook.section(
            "Permutation importance", notebook.table(("column", f"{self.metric} lost", "± spread"), rows, caption=caption)
        )


def permutation_importance(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    metric: Any = None,
    repeats: int = 10,
    seed: int = 0,
) -> Importance:
    """Return the permutation importance of each column, measured on the rows x with their targets y.

    - ``model``: a model or an ensemble of a table, or a trained scikit-learn estimator.
    - ``x``: a data set, rows (n, d) with ``y``, or a data frame. For the importance in new data, give rows that the model was
      not trained on.
    - ``metric``: a :class:`~pellucid.Metric` with one value; by default R² for numbers and the accuracy for classes. For an
      estimator, what scikit-learn calls ``scoring``; by default the estimator's own score.

    For a model, a category is shuffled with all of its values. Estimators are passed to scikit-learn's
    ``sklearn.inspection.permutation_importance``.

    Raises ConfigError for models of other data than tables and for a metric with several values, and what ``evaluate`` raises.
    """
    repeats = validate(repeats, Count, "permutation_importance", "repeats")
    if not is_model(model):
        return _by_scikit_learn(model, x, y, sample_weight, metric, repeats, seed)
    columns, data = columns_of(model, "permutation_importance"), dataset_of(model, x, y, sample_weight)
    first = first_of(model)
    if metric is None:
        metric = Accuracy() if first.state.loss.classifies or first.classes is not None else R2()
    if not isinstance(metric, Metric):
        raise ConfigError(f"permutation_importance(metric={metric!r}): expected a metric, such as LogLoss()")
    sign = -1.0 if metric.lower_is_better else 1.0
    rows = np.array(data.x)
    shuffled = _same_rows(data, rows)

    score, values = _score(model, shuffled, metric), np.empty((len(columns), repeats))
    for i, column in enumerate(columns):
        kept = rows[:, column.places].copy()
        for k in range(repeats):
            order = generator(seed, "permutation_importance", i * repeats + k).permutation(len(rows))
            rows[:, column.places] = kept[order]
            values[i, k] = sign * (score - _score(model, shuffled, metric))
        rows[:, column.places] = kept
    return Importance(tuple(column.name for column in columns), values, score, metric.name)


def _same_rows(data: Dataset, rows: Array) -> Dataset:
    """Return a data set of these rows, which are not copied, with the targets of ``data``."""
    return Dataset(rows, data.y, data.sample_weight, data.classes, data.name, origin=data.origin)


def _score(model: Model | Ensemble, data: Dataset, metric: Metric) -> float:
    value = model.evaluate(data, metrics=[metric])[metric.name]
    if np.ndim(value):
        raise ConfigError(f"permutation_importance: {metric} has several values; choose one with a single value")
    return float(value)


def _by_scikit_learn(estimator: Any, x: Any, y: Any, sample_weight: Any, metric: Any, repeats: int, seed: int) -> Importance:
    check_estimator_like(estimator, "permutation_importance")
    check_dense(x, "permutation_importance")
    if y is None:
        raise DataError("permutation_importance: an estimator needs the targets, permutation_importance(estimator, x, y)")
    if isinstance(metric, Metric):
        raise ConfigError(
            "permutation_importance: for an estimator, give the name of one of scikit-learn's scores as the metric"
        )
    try:
        from sklearn.inspection import permutation_importance as measure
        from sklearn.metrics import check_scoring
    except ImportError:
        raise ConfigError(f"permutation_importance: {NEEDS_SCIKIT_LEARN}") from None

    found = measure(estimator, x, y, scoring=metric, n_repeats=repeats, random_state=seed, sample_weight=sample_weight)
    scorer = check_scoring(estimator, scoring=metric)
    weighted = {} if sample_weight is None else {"sample_weight": sample_weight}
    default = "accuracy" if hasattr(estimator, "classes_") else "r2"
    name = default if metric is None else str(metric)
    return Importance(column_names(estimator, x), found.importances, float(scorer(estimator, x, y, **weighted)), name)


def column_names(estimator: Any, x: Any) -> tuple[str, ...]:
    """Return the names of the columns of x, those that the estimator was trained with, or their numbers."""
    names = getattr(x, "columns", getattr(estimator, "feature_names_in_", range(np.shape(x)[1])))
    return tuple(map(str, names))
