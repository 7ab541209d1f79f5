"""Summaries of scores: intervals against scipy, ranks and normalized scores by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks import table_scores

SCORES = {
    "one": {"a": {0: 0.5, 1: 0.7}, "b": {0: 0.4, 1: 0.7}, "c": {0: 0.9}},
    "two": {"a": {0: 0.1, 1: 0.1}, "b": {0: 0.3, 1: 0.2}},
}


@pytest.mark.parametrize("count", [2, 5, 21, 200])
def test_the_interval_over_splits_is_the_corrected_one(count):
    values = np.random.default_rng(count).normal(size=count)
    found = table_scores.over_splits(values.tolist())
    scale = values.std(ddof=1) * math.sqrt(1 / count + 0.25 / 0.75)
    low, high = stats.t.interval(0.95, count - 1, values.mean(), scale)
    assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), low, high), rel=0.01)
    assert found.half == pytest.approx((high - low) / 2, rel=0.01)


def test_one_split_has_no_interval():
    found = table_scores.over_splits([0.5])
    assert found.mean == 0.5
    assert math.isnan(found.half)
    assert math.isnan(table_scores.over_tables([0.5]).half)


def test_the_interval_over_tables_is_that_of_the_bootstrap():
    values = np.random.default_rng(0).random(10)
    found = table_scores.over_tables(values.tolist())
    bootstrap = stats.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    assert (found.low, found.high) == pytest.approx((bootstrap.low, bootstrap.high), abs=0.01)
    assert table_scores.over_tables([0.5, 0.5]).half == 0


def test_equal_means_share_their_rank():
    assert table_scores.ranks({"a": 0.3, "b": 0.9, "c": 0.3, "d": 0.1}) == {"a": 2.5, "b": 1, "c": 2.5, "d": 4}


def test_the_worst_is_normalized_to_0_and_the_best_to_1():
    assert table_scores.normalized({"a": -1.0, "b": 1.0, "c": 0.5}) == {"a": 0.0, "b": 1.0, "c": 0.75}
    assert table_scores.normalized({"a": 0.5, "b": 0.5}) == {"a": 1.0, "b": 1.0}


def test_comparisons_count_tables_with_all_splits():
    found = table_scores.compare(SCORES, "a", "b", [0, 1])
    assert [one.mean for one in found.differences.values()] == pytest.approx([0.05, -0.15])
    assert (found.as_good, found.worse) == (["one"], ["two"])
    assert found.mean_loss == pytest.approx(0.15)
    assert table_scores.compare(SCORES, "a", "c", [0, 1]).differences == {}
    assert table_scores.compare(SCORES, "a", "c", [0]).mean_loss == pytest.approx(0.4)
    assert table_scores.means_of(SCORES, [0, 1])["one"] == pytest.approx({"a": 0.6, "b": 0.55})
    assert table_scores.best_of(table_scores.means_of(SCORES, [0, 1]), ("a", "b")) == {"one": "a", "two": "b"}
    assert table_scores.Comparison({}).mean_loss == 0
