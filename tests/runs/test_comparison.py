"""Comparisons: McNemar's test is SciPy's binomial test, and counts are counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from pellucid import ConfigError, ShapeError, plots
from pellucid.runs.comparison import Comparison, mcnemar, short_names
from pellucid.metrics import wilson

Y = np.array([0, 0, 1, 1, 2, 2, 2, 2])
SAID = {
    "a": np.array([0, 1, 1, 1, 2, 2, 0, 0]),
    "b": np.array([0, 0, 1, 0, 2, 2, 2, 0]),
}


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 1), (5, 0), (3, 9), (40, 25), (700, 612), (5000, 5300)])
def test_mcnemar(one, other):
    wanted = scipy.stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert mcnemar(one, other) == pytest.approx(wanted, rel=1e-9)
    assert mcnemar(one, other) == mcnemar(other, one)


def test_what_models_say_of_the_same_samples():
    beside = Comparison(Y, SAID)
    assert [beside.correct(name) for name in "ab"] == [5, 6]
    assert beside.interval("a") == wilson(5, 8)
    (pair,) = beside.pairs()
    assert (pair.only_first, pair.only_second, pair.disagree, pair.p) == (1, 2, 3, 1.0)
    assert str(pair) == "a and b: 1 right only in a, 2 only in b: the difference may be chance (p = 1)"
    assert beside.confusions("a") == [(2, 0, 2), (0, 1, 1)]
    assert beside.confusions("a", 1) == [(2, 0, 2)]
    assert beside.disputed().tolist() == [1, 3, 6]
    three = Comparison(Y, SAID | {"c": np.array([1, 2, 2, 2, 0, 0, 0, 0])})
    assert [(pair.first, pair.second) for pair in three.pairs()] == [("a", "b"), ("a", "c"), ("b", "c")]
    raw = sorted(pair.p for pair in three.pairs())
    adjusted = sorted(pair.adjusted for pair in three.pairs())
    assert adjusted == pytest.approx([min(1, 3 * raw[0]), min(1, max(3 * raw[0], 2 * raw[1])), 1.0]), "Holm's steps"
    assert three.disputed().tolist() == [1, 3, 6, 0, 2, 4, 5], "what most get wrong comes first"


def test_a_real_difference_is_named():
    y = np.zeros(100, int)
    (pair,) = Comparison(y, {"bad": (np.arange(100) < 30).astype(int), "good": y}).pairs()
    assert str(pair).startswith("good is better than bad: 0 right only in bad, 30 only in good (p = 1.9e-09)")


def test_what_is_no_comparison():
    with pytest.raises(ConfigError, match="at least one"):
        Comparison(Y, {})
    with pytest.raises(ShapeError, match="one class for each sample"):
        Comparison(Y, {"a": np.zeros((8, 3))})


def test_short_names():
    assert short_names(["runs/mlp-1", "runs/cnn-1/"]) == ["mlp-1", "cnn-1"]
    assert short_names(["/tmp/a/x", "/tmp/b/x"]) == ["a/x", "b/x"]
    assert short_names(["runs/one"]) == ["one"]
    assert short_names(["a", "a/b"]) == ["a", "a/b"]


def test_the_figures():
    beside = Comparison(Y, SAID)
    shares = {name: beside.correct(name) / 8 for name in "ab"}
    (ax,) = plots.accuracies(shares, {name: beside.interval(name) for name in "ab"}, "two").axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in ax.texts] == ["62.50 %", "75.00 %"]
    x = np.zeros((8, 5, 4, 1), np.uint8)
    figure = plots.disagreements(x[:3], Y[[1, 3, 6]], {name: said[[1, 3, 6]] for name, said in SAID.items()}, ("x", "y", "z"))
    assert [ax.get_title() for ax in figure.axes] == ["true: x", "true: y", "true: z"]
    assert [text.get_text() for text in figure.axes[1].texts] == ["a: y ✓", "b: x ✗"]
    with pytest.raises(ConfigError, match="no picture"):
        plots.disagreements(x[:0], Y[:0], {})
