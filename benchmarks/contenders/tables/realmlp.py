"""RealMLP-TD (Holzmüller, Grinsztajn and Steinwart, 2024), of the package pytabkit."""

from __future__ import annotations

from functools import partial
from typing import Any

from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

from benchmarks.contenders import tables
from benchmarks.contenders.tables import runs
from benchmarks.contenders.tables.preparation import CATEGORIES, NUMBERS, imputer

PACKAGES = tables.PACKAGES["realmlp"]


def estimator(classifies: bool, seed: int) -> Any:
    """Return the pipeline. pytabkit's readme says that missing numbers have to be filled in before."""
    network = (RealMLP_TD_Classifier if classifies else RealMLP_TD_Regressor)(random_state=seed, device="cpu")
    columns = make_column_transformer((imputer(), NUMBERS), ("passthrough", CATEGORIES), verbose_feature_names_out=False)
    return make_pipeline(columns.set_output(transform="pandas"), network)


def describe() -> dict[str, Any]:
    """Return the preparation of the columns."""
    return {"preparation": "numbers: the median for missing values, with an indicator; categories by their type"}


run = partial(runs.run, estimator)
