"""LightGBM's LGBMClassifier and LGBMRegressor."""

from __future__ import annotations

from functools import partial
from typing import Any

from lightgbm import LGBMClassifier, LGBMRegressor

from benchmarks.contenders import tables
from benchmarks.contenders.tables import runs

PACKAGES = tables.PACKAGES["lightgbm"]


def estimator(classifies: bool, seed: int) -> Any:
    """Return the estimator, which knows categories by the types of the columns, as is its default."""
    return (LGBMClassifier if classifies else LGBMRegressor)(random_state=seed, verbosity=-1)


def describe() -> dict[str, Any]:
    """Return the preparation of the columns."""
    return {"preparation": "none: the frame as it is, categories by their type"}


run = partial(runs.run, estimator)
