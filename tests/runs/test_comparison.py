"""Comparisons: McNemar's test equals SciPy's binomial test, and counts equal those by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from pellucid import ConfigError, ShapeError, plots
from pellucid.metrics import wilson
from pellucid.runs.comparison import Comparison, mcnemar_p_value, short_names

Y = np.array([0, 0, 1, 1, 2, 2, 2, 2])
PREDICTIONS = {
    "a": np.array([0, 1, 1, 1, 2, 2, 0, 0]),
    "b": np.array([0, 0, 1, 0, 2, 2, 2, 0]),
}


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 1), (5, 0), (3, 9), (40, 25), (700, 612), (5000, 5300)])
def test_mcnemar(one, other):
    expected = scipy.stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert mcnemar_p_value(one, other) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_p_value(one, other) == mcnemar_p_value(other, one)


def test_models_on_the_same_samples():
    comparison = Comparison(Y, PREDICTIONS)
    assert [comparison.correct(name) for name in "ab"] == [5, 6]
    assert comparison.interval("a") == wilson(5, 8)
    (pair,) = comparison.mcnemar_tests()
    assert (pair.only_first, pair.only_second, pair.disagree, pair.p) == (1, 2, 3, 1.0)
    assert str(pair) == "a and b: 1 right only in a, 2 only in b: the difference may be due to chance (p = 1)"
    assert comparison.confusions("a") == [(2, 0, 2), (0, 1, 1)]
    assert comparison.confusions("a", 1) == [(2, 0, 2)]
    assert comparison.disagreements().tolist() == [1, 3, 6]
    three = Comparison(Y, PREDICTIONS | {"c": np.array([1, 2, 2, 2, 0, 0, 0, 0])})
    assert [(pair.first, pair.second) for pair in three.mcnemar_tests()] == [("a", "b"), ("a", "c"), ("b", "c")]
    raw = sorted(pair.p for pair in three.mcnemar_tests())
    adjusted = sorted(pair.adjusted for pair in three.mcnemar_tests())
    assert adjusted == pytest.approx([min(1, 3 * raw[0]), min(1, max(3 * raw[0], 2 * raw[1])), 1.0]), "Holm's steps"
    assert three.disagreements().tolist() == [1, 3, 6, 0, 2, 4, 5], "samples that most models get wrong come first"


def test_a_real_difference_is_named():
    y = np.zeros(100, int)
    (pair,) = Comparison(y, {"bad": (np.arange(100) < 30).astype(int), "good": y}).mcnemar_tests()
    assert str(pair).startswith("good is better than bad: 0 right only in bad, 30 only in good (p = 1.9e-09)")


def test_inputs_that_are_refused():
    with pytest.raises(ConfigError, match="at least one"):
        Comparison(Y, {})
    with pytest.raises(ShapeError, match="expected one class for each sample"):
        Comparison(Y, {"a": np.zeros((8, 3))})


def test_short_names():
    assert short_names(["runs/mlp-1", "runs/cnn-1/"]) == ["mlp-1", "cnn-1"]
    assert short_names(["/tmp/a/x", "/tmp/b/x"]) == ["a/x", "b/x"]
    assert short_names(["runs/one"]) == ["one"]
    assert short_names(["a", "a/b"]) == ["a", "a/b"]


def test_the_figures():
    comparison = Comparison(Y, PREDICTIONS)
    shares = {name: comparison.correct(name) / 8 for name in "ab"}
    (ax,) = plots.accuracies(shares, {name: comparison.interval(name) for name in "ab"}, "two").axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in ax.texts] == ["62.50 %", "75.00 %"]
    x = np.zeros((8, 5, 4, 1), np.uint8)
    figure = plots.disagreements(
        x[:3], Y[[1, 3, 6]], {name: labels[[1, 3, 6]] for name, labels in PREDICTIONS.items()}, ("x", "y", "z")
    )
    assert [ax.get_title() for ax in figure.axes] == ["True: x", "True: y", "True: z"]
    assert [text.get_text() for text in figure.axes[1].texts] == ["a: y ✓", "b: x ✗"]
    with pytest.raises(ConfigError, match="no image on which"):
        plots.disagreements(x[:0], Y[:0], {})
