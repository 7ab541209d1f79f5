"""XGBoost's XGBClassifier and XGBRegressor."""

from __future__ import annotations

from functools import partial
from typing import Any

from xgboost import XGBClassifier, XGBRegressor

from benchmarks.contenders import tables
from benchmarks.contenders.tables import runs

PACKAGES = tables.PACKAGES["xgboost"]


def estimator(classifies: bool, seed: int) -> Any:
    """Return the estimator, told to read the columns of categories, as XGBoost's page on categorical data does."""
    return (XGBClassifier if classifies else XGBRegressor)(random_state=seed, enable_categorical=True)


def describe() -> dict[str, Any]:
    """Return the preparation of the columns."""
    return {"preparation": "none: the frame as it is, enable_categorical=True"}


run = partial(runs.run, estimator)
