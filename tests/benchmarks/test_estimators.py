"""The benchmark of the estimators: its data, one small run, its table."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import estimators


def test_the_houses_are_reproducible_and_can_be_learned():
    x, y = estimators.houses(500)
    assert x.shape == (500, 8)
    assert np.isfinite(x).all()
    np.testing.assert_array_equal(x, estimators.houses(500)[0])
    assert 0 < y.min() < y.max() == 5.0
    assert np.corrcoef(x[:, 0], y)[0, 1] > 0.3  # prices grow with the income


@pytest.mark.parametrize("contender", estimators.CONTENDERS)
def test_a_run_returns_scores_and_seconds(contender, monkeypatch):
    monkeypatch.setattr(estimators, "houses", lambda: (np.eye(40, 3), np.arange(40.0)))
    found = estimators.measure(contender, "houses", 0, 2)
    assert found["score"] <= 1
    assert min(found["first"], found["further"], found["predict"]) > 0
    assert found["epochs"] >= 1
    table = estimators.table({"houses": {name: [found] for name in estimators.CONTENDERS}})
    assert table.count("\n") == 4
    assert table.endswith("| 1.0 |")
