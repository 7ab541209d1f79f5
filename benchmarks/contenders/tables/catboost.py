"""CatBoost's CatBoostClassifier and CatBoostRegressor."""

from __future__ import annotations

from functools import partial
from typing import Any

from catboost import CatBoostClassifier, CatBoostRegressor

from benchmarks.contenders import tables
from benchmarks.contenders.tables import runs
from benchmarks.contenders.tables.preparation import CATEGORIES

PACKAGES = tables.PACKAGES["catboost"]


class WithCategories:
    """A CatBoost estimator that is told which columns of the frame are categories when it is fitted."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @property
    def classes_(self) -> Any:
        """The classes."""
        return self.model.classes_

    def fit(self, x: Any, y: Any) -> WithCategories:
        """Fit the estimator."""
        self.model.fit(with_texts(x), y, cat_features=CATEGORIES(x))
        return self

    def predict(self, x: Any) -> Any:
        """Return the predictions."""
        return self.model.predict(with_texts(x))

    def predict_proba(self, x: Any) -> Any:
        """Return the probabilities of the classes."""
        return self.model.predict_proba(with_texts(x))


def with_texts(x: Any) -> Any:
    """Return the frame with a text for each missing category: CatBoost takes missing numbers, but only texts as categories."""
    return x.assign(**{name: x[name].astype(object).where(x[name].notna(), "missing") for name in CATEGORIES(x)})


def estimator(classifies: bool, seed: int) -> Any:
    """Return the estimator. Nothing is written to disk or printed."""
    kind = CatBoostClassifier if classifies else CatBoostRegressor
    return WithCategories(kind(random_seed=seed, verbose=False, allow_writing_files=False))


def describe() -> dict[str, Any]:
    """Return the preparation of the columns."""
    return {"preparation": "a missing category is the text 'missing'; cat_features names the columns of categories"}


run = partial(runs.run, estimator)
