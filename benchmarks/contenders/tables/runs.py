"""Fitting and scoring an estimator on one split of a table, in the process of a contender."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

from benchmarks.public_tables import TABLES, Columns, is_number, load

TEST = 0.25  # of the rows
WARM_UP_ROWS = 200
PREDICTIONS = 3  # their median is the time of a prediction

#: Returns an estimator for classes or numbers, with the random state given.
Builder = Callable[[bool, int], Any]


def frame_of(columns: Columns) -> pd.DataFrame:
    """Return the inputs as a frame: numbers as float64 and NaN, categories as pandas' type for them."""
    return pd.DataFrame(
        {
            name: np.array(values, np.float64) if is_number(values) else pd.Categorical(values, sorted(set(values) - {None}))
            for name, values in columns.inputs.items()
        }
    )


@cache
def contents(table: str) -> tuple[pd.DataFrame, Any]:
    """Return the inputs and the targets of a table."""
    columns = load(table)
    return frame_of(columns), np.array(columns.target)


def parts(x: Any, y: Any, seed: int, classifies: bool) -> list[Any]:
    """Return the training inputs, test inputs, training targets and test targets of a split; classes are stratified."""
    return list(train_test_split(x, y, test_size=TEST, random_state=seed, stratify=y if classifies else None))


def run(builder: Builder, table: str, seed: int, warm_up: bool) -> dict[str, Any]:
    """Fit on three quarters of the rows and score on the rest. Return scores, seconds, and the facts of the table.

    ``score`` is the accuracy or R², ``loss`` the log-loss or the root of the mean squared error. Before the first measurement
    of a process, ``warm_up`` fits on a few rows, so that libraries load what they load on first use.
    """
    warnings.simplefilter("ignore")  # scikit-learn warns if 200 epochs are not enough
    classifies = TABLES[table].classifies
    x_train, x_test, y_train, y_test = parts(*contents(table), seed, classifies)
    if warm_up:
        few = {"train_size": WARM_UP_ROWS, "random_state": seed, "stratify": y_train if classifies else None}
        x_few, _, y_few, _ = train_test_split(x_train, y_train, **few)
        builder(classifies, seed).fit(x_few, y_few).predict(x_few)
    estimator = builder(classifies, seed)
    began = time.perf_counter()
    estimator.fit(x_train, y_train)
    fitted = time.perf_counter() - began
    predictions = []
    for _ in range(PREDICTIONS):
        began = time.perf_counter()
        predicted = np.asarray(estimator.predict(x_test)).reshape(len(x_test))  # CatBoost returns a column for classes
        predictions.append(time.perf_counter() - began)
    if classifies:
        score = accuracy_score(y_test, predicted)
        loss = log_loss(y_test, checked(estimator.predict_proba(x_test), estimator.classes_), labels=np.unique(y_train))
    else:
        score, loss = r2_score(y_test, predicted), root_mean_squared_error(y_test, predicted)
    return {
        "score": float(score),
        "loss": float(loss),
        "fit": fitted,
        "predict": statistics.median(predictions),
        "test_rows": len(x_test),
        "facts": load(table).facts(),
    }


def checked(probabilities: Any, classes: Any) -> Any:
    """Return the probabilities in float64, each row with the sum 1. Raises ValueError if they are none."""
    p = np.asarray(probabilities, np.float64)
    if p.shape[1] != len(classes) or not np.isfinite(p).all() or p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError(f"the outputs of shape {p.shape} for {len(classes)} classes are no probabilities")
    return p / p.sum(axis=1, keepdims=True)
