"""Pellucid's NetworkClassifier and NetworkRegressor."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.contenders import tables
from benchmarks.contenders.tables import runs, sparse as sparse_texts
from benchmarks.contenders.tables.preparation import ENCODED, encoded
from pellucid.sklearn import NetworkClassifier, NetworkRegressor

PACKAGES = tables.PACKAGES["pellucid"]


def estimator(classifies: bool, seed: int) -> Any:
    """Return the estimator; it takes the frame as it is, in versions that read frames."""
    network = NetworkClassifier(random_state=seed) if classifies else NetworkRegressor(random_state=seed)
    return network if reads_frames() else encoded(network)


def reads_frames() -> bool:
    """Return whether the estimators of this version take categories and missing values."""
    return "categorical_features" in NetworkClassifier().get_params()


def describe() -> dict[str, Any]:
    """Return the preparation of the columns."""
    return {"preparation": "none: the frame as it is" if reads_frames() else ENCODED}


run = partial(runs.run, estimator)
sparse = partial(
    sparse_texts.run, lambda: NetworkClassifier(random_state=0), lambda fitted: 4 * int(fitted.model_.parameter_count)
)
