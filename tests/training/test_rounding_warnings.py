"""Warnings about numbers that float32 cannot tell apart."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from pellucid import CrossEntropy, DataWarning, Dense, MeanSquaredError, Sequential, Softmax
from pellucid.data import Dataset, from_arrays
from pellucid.sklearn import NetworkClassifier, NetworkRegressor

RANDOM = np.random.default_rng(0)
TIMES = 1.7e9 + RANDOM.normal(0, 50, 300)
LENGTHS = 2e4 + RANDOM.normal(0, 0.001, 300)  # as narrow as TIMES, but a network trains on them without scaling
LABELS = np.arange(300) % 2


def classifier(width):
    return Sequential(Dense(2), Softmax()).compile((width,), CrossEntropy())


def regressor():
    return Sequential(Dense(1)).compile((2,), MeanSquaredError())


def columns(*named):
    return np.stack([RANDOM.normal(size=300), *named], axis=1)


def test_only_the_chosen_rows_count():
    x = columns(np.concatenate([LENGTHS[:150], np.linspace(0, 1, 150)]))
    model, chosen = classifier(2), np.arange(150)
    with pytest.warns(DataWarning, match="150 different values of value 1 of the samples"):
        model.fit(Dataset(x, LABELS, rows=chosen))
    targets = np.concatenate([LENGTHS[:150], np.linspace(0, 1, 150)])
    with pytest.warns(DataWarning, match="150 different values of the targets"):
        regressor().fit(Dataset(columns(targets * 0).astype(np.float32), targets, rows=chosen))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(Dataset(x, LABELS, rows=chosen + 150))
        regressor().fit(Dataset(columns(targets * 0).astype(np.float32), targets, rows=chosen + 150))


def test_values_that_are_used_unchanged(tmp_path):
    with pytest.warns(DataWarning, match=r"300 different values of value 1 of the samples become \d: .*names=") as caught:
        classifier(2).fit(columns(LENGTHS), LABELS)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=(300, 2))
    mapped[:] = columns(TIMES)
    with pytest.warns(DataWarning, match="150 different values of value 1 of the samples"):
        classifier(2).fit_events(Dataset(mapped, LABELS).take(np.arange(150)))
    with pytest.warns(DataWarning, match="value 0"):
        classifier(1).fit_events(TIMES[:, None].astype(np.int64), LABELS)


def test_columns_that_remain_apart_are_not_reported():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(2).fit(from_arrays(columns(TIMES), LABELS, names=["a", "time"]))
        classifier(2).fit(columns(LENGTHS).astype(np.float32), LABELS)  # float32 has lost nothing that the user had
        classifier(3).fit(columns(LABELS, 7 * np.ones(300)), LABELS)
        classifier(1).fit(np.arange(300.0)[:, None] * 1e3, LABELS)
        NetworkClassifier(epochs=1).fit(columns(TIMES), LABELS)  # the estimators standardize columns and targets in float64
        NetworkRegressor(epochs=1).fit(columns(), TIMES)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_column_with_one_far_value(dtype):
    """Standardized, all other values lie in one point."""
    far = RANDOM.uniform(0, 1, 300)
    far[7] = 1e12
    with pytest.warns(
        DataWarning, match=r"\d+ different values of the column far become \d+: a few of its values are far larger"
    ):
        classifier(2).fit(from_arrays(columns(far).astype(dtype), LABELS, names=["a", "far"]))


def test_targets():
    with pytest.warns(DataWarning, match=r"300 different values of the targets become \d: subtract their mean"):
        regressor().fit(columns(LABELS), TIMES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor().fit(columns(LABELS), TIMES - TIMES.mean())


def test_probabilities_of_classes_are_not_reported():
    first = 0.5 + RANDOM.normal(0, 1e-9, 300)
    first[0] = 0.9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(2).fit(columns(LABELS).astype(np.float32), np.stack([first, 1 - first], axis=1))
