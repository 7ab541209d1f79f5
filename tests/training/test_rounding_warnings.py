"""Warnings about numbers that float32 cannot tell apart."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

from pellucid import (
    SGD,
    Concatenate,
    CrossEntropy,
    DataWarning,
    Dense,
    Flatten,
    Graph,
    MeanSquaredError,
    Node,
    Sequential,
    Softmax,
)
from pellucid.data import Dataset, from_arrays
from pellucid.sklearn import NetworkClassifier, NetworkRegressor
from pellucid.training.rounding import _different, _merged

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
    """Standardized by mean and deviation, all other values lie in one point; scaled by median and quartiles, they do not."""
    far = RANDOM.uniform(0, 1, 300)
    far[7] = 1e12
    data = from_arrays(columns(far).astype(dtype), LABELS, names=["a", "far"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(2).fit(data)
    data.origin = dataclasses.replace(data.origin, missing="mean")
    with pytest.warns(
        DataWarning, match=r"\d+ different values of the column far become \d+: a few of its values are far larger"
    ):
        classifier(2).fit(data)


def test_targets():
    with pytest.warns(DataWarning, match=r"300 different values of the targets become \d: subtract their mean"):
        regressor().fit(columns(LABELS), TIMES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor().fit(columns(LABELS), TIMES - TIMES.mean())


def test_targets_without_weight_are_not_looked_at():
    targets, weights = np.concatenate([LENGTHS[:200], np.arange(100.0)]), np.ones(300)
    with pytest.warns(DataWarning, match=r"300 different values of the targets become \d+: subtract their mean"):
        regressor().fit(columns(LABELS), targets, sample_weight=weights)
    weights[:200] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor().fit(columns(LABELS), targets, sample_weight=weights)
    targets[:200] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor().fit(columns(LABELS), targets, sample_weight=weights)


def test_inputs_and_outputs_are_named():
    nodes = (Node("both", Concatenate(), "a", "b"), Node("p", Dense(1), "both"), Node("q", Dense(1), "both"))
    network = Graph(*nodes, inputs=("a", "b"), outputs=("p", "q"))
    losses = {"p": MeanSquaredError(), "q": MeanSquaredError()}
    x = {"a": columns(), "b": columns(RANDOM.normal(size=300)).astype(np.float32)}
    y = {"p": RANDOM.normal(size=300), "q": LENGTHS}

    def trained(x, y, **options):
        model = network.compile({name: array.shape[1:] for name, array in x.items()}, losses, SGD(1e-12))
        model.fit(x, y, **options)

    with pytest.warns(DataWarning, match=r"300 different values of the targets of q become \d+: subtract their mean") as caught:
        trained(x, y)
    assert len(caught) == 1
    with pytest.warns(DataWarning, match=r"300 different values of value 1 of the samples become") as caught:
        trained({**x, "b": columns(LENGTHS)}, {**y, "q": y["p"]})
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(x, y, sample_weight={"q": np.arange(300) == 7})
        trained(x, {**y, "q": y["p"]})


def test_values_of_maps_are_reported_without_names():
    narrow = 2e4 + RANDOM.normal(0, 0.001, (300, 2, 2))
    model = Sequential(Flatten(), Dense(2), Softmax()).compile((2, 2), CrossEntropy())
    with pytest.warns(DataWarning, match=r"value 0 of the samples become \d+: subtract their mean, in float64"):
        model.fit(narrow, LABELS)
    tables = from_arrays(columns(np.zeros(300)), LABELS, names=["a", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(2).fit(tables)


def test_a_column_is_reported_if_it_keeps_fewer_than_half_of_its_values():
    exact = np.arange(8.0)[:, None]
    assert _merged(exact, exact) == []
    assert _merged(exact, exact // 2) == [], "half of them"
    assert _merged(exact, exact // 3) == [(0, 8, 3)]
    both = np.concatenate([exact, exact], axis=1)
    assert _merged(both, np.concatenate([exact, exact * 0], axis=1)) == [(1, 8, 1)]
    np.testing.assert_array_equal(_different(np.array([[3.0, np.nan], [1.0, 2.0], [3.0, np.nan]])), [2, 1])


def test_probabilities_of_classes_are_not_reported():
    first = 0.5 + RANDOM.normal(0, 1e-9, 300)
    first[0] = 0.9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(2).fit(columns(LABELS).astype(np.float32), np.stack([first, 1 - first], axis=1))
