"""scikit-learn's MLPClassifier and MLPRegressor."""

from __future__ import annotations

from functools import partial
from typing import Any

from sklearn.compose import TransformedTargetRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from benchmarks.contenders import tables
from benchmarks.contenders.tables import runs, sparse as sparse_texts
from benchmarks.contenders.tables.preparation import ENCODED, encoded

PACKAGES = tables.PACKAGES["mlp"]


def estimator(classifies: bool, seed: int) -> Any:
    """Return the pipeline. The target is standardized, without which prices in dollars are hardly learned at all."""
    if classifies:
        return encoded(MLPClassifier(random_state=seed))
    return encoded(TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler()))


def describe() -> dict[str, Any]:
    """Return the preparation of the columns."""
    return {"preparation": f"{ENCODED}; the target of regressions: StandardScaler"}


run = partial(runs.run, estimator)
sparse = partial(
    sparse_texts.run,
    lambda: MLPClassifier(random_state=0),
    lambda fitted: sum(array.nbytes for array in (*fitted.coefs_, *fitted.intercepts_)),
)
