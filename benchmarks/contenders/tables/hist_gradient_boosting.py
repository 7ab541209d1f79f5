"""scikit-learn's boosted trees, HistGradientBoostingClassifier and HistGradientBoostingRegressor."""

from __future__ import annotations

from functools import partial
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from benchmarks.contenders import tables
from benchmarks.contenders.tables import runs

PACKAGES = tables.PACKAGES["hist-gradient-boosting"]


def estimator(classifies: bool, seed: int) -> Any:
    """Return the estimator, which knows categories by the types of the columns, as is its default."""
    return (HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor)(random_state=seed)


def describe() -> dict[str, Any]:
    """Return the preparation of the columns."""
    return {"preparation": "none: the frame as it is, categories by their type"}


run = partial(runs.run, estimator)
