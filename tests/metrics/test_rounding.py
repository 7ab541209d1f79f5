"""Ratios whose denominator is 0 but for rounding, and sums that would lose their digits."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from pellucid import R2, CohenKappa, Matthews, kernels as kernel_sets

CUTS = ([], [1, 7, 30], [0, 10, 20, 30, 40])


def streamed(metric, count, outputs, targets, weights, cuts):
    state = metric.start(count, kernel_sets.load())
    for rows in np.split(np.arange(len(outputs)), cuts):
        state.update(outputs[rows], targets[rows], weights[rows])
    return state.result()


def exact_r2(outputs, targets, weights):
    """Compute 1 − Σ w (ŷ − y)²/Σ w (y − ȳ)² in rational numbers."""
    z, y, w = ([Fraction(float(value)) for value in array.ravel()] for array in (outputs, targets, weights))
    mean = sum(a * b for a, b in zip(w, y, strict=True)) / sum(w)
    residual = sum(c * (a - b) ** 2 for a, b, c in zip(z, y, w, strict=True))
    return float(1 - residual / sum(c * (b - mean) ** 2 for b, c in zip(y, w, strict=True)))


@pytest.mark.parametrize("value", [0.1, -3.3, 1e8, 1.7e9, 1e-30, 3e38])
@pytest.mark.parametrize("weighted", [False, True])
def test_constant_targets_have_no_r2(value, weighted):
    random = np.random.default_rng(0)
    for cuts in CUTS:
        targets = np.full((50, 2), value, np.float32)
        targets[:, 1] = random.random(50)
        outputs = (0.9 * targets).astype(np.float32)
        w = random.random(50).astype(np.float32) if weighted else np.ones(50, np.float32)
        w[:2] = 0
        targets[0] = 5  # does not count
        assert math.isnan(streamed(R2(), 1, outputs[:, :1], targets[:, :1], w, cuts))
        assert math.isnan(streamed(R2(), 2, outputs, targets, w, cuts))
        varying = streamed(R2(), 1, outputs[:, 1:], targets[:, 1:], w, cuts)
        assert varying == pytest.approx(exact_r2(outputs[:, 1], targets[:, 1], w), rel=1e-12)


@pytest.mark.parametrize("value", [0.1, 1e8, 1e30])
def test_targets_that_differ_in_their_last_digit_have_an_exact_r2(value):
    random = np.random.default_rng(1)
    for cuts in CUTS:
        targets = np.full((50, 1), value, np.float32)
        targets[random.integers(0, 50, 3)] = np.nextafter(np.float32(value), np.float32(math.inf))
        outputs, w = np.full((50, 1), value, np.float32), (10 ** random.uniform(-6, 6, 50)).astype(np.float32)
        outputs[::2] = targets[::2]
        assert streamed(R2(), 1, outputs, targets, w, cuts) == pytest.approx(exact_r2(outputs, targets, w), rel=1e-9)


def test_one_class_alone_has_no_agreement_and_no_correlation_whatever_the_weights():
    random = np.random.default_rng(0)
    for k in (2, 3, 12):
        for _ in range(30):
            w = (random.random(40) * 10 ** random.uniform(-8, 8, 40)).astype(np.float32)
            only, any_class = np.full(40, k - 1), random.integers(0, k, 40)
            assert math.isnan(streamed(CohenKappa(), k, np.eye(k, dtype=np.float32)[only], only, w, [9]))
            assert streamed(Matthews(), k, np.eye(k, dtype=np.float32)[any_class], only, w, [9]) == 0
            assert streamed(Matthews(), k, np.eye(k, dtype=np.float32)[only], any_class, w, [9]) == 0


def test_one_sample_of_another_class_among_many():
    """The agreement of one mistake, and of one hit, beside a weight of 10¹² for the other class."""
    w = np.array([1e12, 1.0], np.float32)
    two = np.eye(2, dtype=np.float32)
    assert streamed(CohenKappa(), 2, two, np.array([0, 1]), w, []) == 1
    assert streamed(CohenKappa(), 2, two[[0, 0]], np.array([0, 1]), w, []) == 0
    assert streamed(Matthews(), 2, two, np.array([0, 1]), w, []) == pytest.approx(1, rel=1e-12)
