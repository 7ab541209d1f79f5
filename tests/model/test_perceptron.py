"""The perceptron: it converges within its bound if a hyperplane separates the classes, and never otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import ConfigError, DataError, Perceptron, ShapeError
from pellucid.data import planar
from pellucid.model.perceptron import margin_bound

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def separable(seed, n=400, gap=0.1):
    """Return (x, y, w, b): n points in space on both sides of a random plane, with a gap of that width between them."""
    random = np.random.default_rng(seed)
    w, b = random.normal(size=3), 0.3
    x = random.uniform(-2, 2, (4 * n, 3))
    score = (x @ w + b) / np.linalg.norm(w)
    x = x[np.abs(score) > gap / 2][:n]
    return x, (x @ w + b > 0).astype(int), w, b


def by_hand(x, y, rate=1.0):
    """Apply the rule to one sample after the other. Return w, b and the mistakes of each pass."""
    w, b, passes = [0.0] * x.shape[1], 0.0, []
    while not passes or passes[-1]:
        passes.append(0)
        for row, label in zip(x.tolist(), y.tolist(), strict=True):
            s = 1 if label == 1 else -1
            if s * (sum(a * c for a, c in zip(w, row, strict=True)) + b) <= 0:
                w, b = [a + rate * s * c for a, c in zip(w, row, strict=True)], b + rate * s
                passes[-1] += 1
    return w, b, passes


@pytest.mark.parametrize("seed", range(5))
def test_it_converges_within_the_bound(seed):
    x, y, w, b = separable(seed)
    perceptron = Perceptron().fit(x, y)
    assert perceptron.converged
    assert 0 < perceptron.updates <= margin_bound(x, y, w, b)
    assert perceptron.updates <= margin_bound(x, y, perceptron.weights, perceptron.bias)
    np.testing.assert_array_equal(perceptron.predict(x), y)
    assert len(perceptron.mistakes) > 2, "the samples were visited more than once"


def test_the_weights_are_those_of_the_rule():
    x, y, *_ = separable(1, n=300)
    w, b, passes = by_hand(x, y, 0.5)
    perceptron = Perceptron(0.5).fit(x, y)
    np.testing.assert_allclose(perceptron.weights, w, rtol=1e-12)
    assert perceptron.bias == pytest.approx(b, rel=1e-12)
    assert perceptron.mistakes == passes


def test_and_or_and_both_kinds_of_labels():
    for y in ([0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0]):
        y = np.array(y)
        perceptron = Perceptron().fit(CORNERS, y)
        assert perceptron.predict(CORNERS).tolist() == y.tolist()
        signed = Perceptron().fit(CORNERS, 2 * y - 1)
        assert signed.predict(CORNERS).tolist() == (2 * y - 1).tolist()
        np.testing.assert_array_equal(signed.weights, perceptron.weights)


def test_xor_is_never_learned():
    perceptron = Perceptron().fit(CORNERS, np.array([0, 1, 1, 0]), max_epochs=200)
    assert not perceptron.converged
    assert len(perceptron.mistakes) == 200
    assert min(perceptron.mistakes) > 0
    assert (perceptron.predict(CORNERS) != [0, 1, 1, 0]).any()


def test_the_rate_changes_only_the_length_and_a_second_fit_starts_again():
    x, y, *_ = separable(3)
    one, other = Perceptron().fit(x, y), Perceptron(0.125).fit(x[::-1], y[::-1])
    other.fit(x, y)
    np.testing.assert_array_equal(other.weights, one.weights / 8)
    assert other.mistakes == one.mistakes
    assert repr(other) == "Perceptron(0.125)"


def test_planar_data_sets():
    blobs = planar.blobs(200, 0.2, classes=2)
    perceptron = Perceptron().fit(blobs.x, blobs.y)
    assert perceptron.converged
    assert (perceptron.predict(blobs.x) == blobs.y).all()
    assert not Perceptron().fit(*(lambda d: (d.x, d.y))(planar.circles(100, 0.1)), max_epochs=50).converged


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: p.fit(CORNERS[0], [0, 1]), ShapeError, r"\(n, features\), got \(2,\)"),
        (lambda p: p.fit(CORNERS, [0, 1]), ShapeError, "y must hold one label for each of 4 samples"),
        (lambda p: p.fit(CORNERS, [0, 1, 2, 0]), DataError, r"samples of two classes, .*got \[0 1 2\]"),
        (lambda p: p.fit(CORNERS, [1, 1, 1, 1]), DataError, r"samples of two classes, .*got \[1\]"),
        (lambda p: p.fit(CORNERS * np.nan, [0, 1, 1, 0]), DataError, "NaN or infinity"),
        (lambda p: p.fit([["a"]], [0]), DataError, "x must hold numbers"),
        (lambda p: p.fit(CORNERS, [0, 0, 0, 1], max_epochs=0), ConfigError, "max_epochs must be at least 1"),
        (lambda p: p.predict(CORNERS), ShapeError, r"needs a call of fit\(x, y\) first"),
        (lambda p: p.fit(CORNERS, [0, 0, 0, 1]).predict(np.ones((3, 5))), ShapeError, "needs samples of 2 features"),
        (lambda p: Perceptron(0), ConfigError, "learning_rate must be above 0"),
        (lambda p: margin_bound(CORNERS, [0, 1, 1, 0], [1, 1], -0.5), DataError, "do not separate"),
        (lambda p: margin_bound(CORNERS, [0, 0, 0, 1], [0, 0]), DataError, "do not separate"),
        (lambda p: margin_bound(CORNERS, [0, 0, 0, 1], [1, 1, 1]), ShapeError, "one number for each of 2 features, got 3"),
    ],
)
def test_invalid_arguments_raise(call, error, message):
    with pytest.raises(error, match=message):
        call(Perceptron())


def test_the_bound_for_and():
    """AND with w = (1, 1), b = −1.5: R² = 3, the nearest corners are ½ away along w̃, whose length is √4.25."""
    assert margin_bound(CORNERS, [0, 0, 0, 1], [1, 1], -1.5) == pytest.approx(3 / (0.5**2 / 4.25))
