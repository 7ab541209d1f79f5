"""The helpers of experiments: the reference pass in float64, Newton descent, and the repeated unit."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import Dense, Sequential, Sigmoid, Tanh
from pellucid.lab.experiments.gradient_clipping import RepeatedUnit
from pellucid.lab.experiments.local_minima import newton_descent
from pellucid.lab.reference_pass import forward_backward
from pellucid.testing import check_layer, run_layer


def test_the_reference_pass_computes_output_and_gradients():
    network, x = Sequential(Dense(3), Tanh(), Dense(2), Sigmoid()), np.random.default_rng(0).normal(size=(4, 5))
    rng = np.random.default_rng(1)
    shapes = {"dense1.W": (5, 3), "dense1.b": (3,), "dense2.W": (3, 2), "dense2.b": (2,)}
    weights = {path: rng.normal(size=shape) for path, shape in shapes.items()}
    y, dx, g = forward_backward(network, weights, x, lambda y: 2 * y)
    hidden = np.tanh(x @ weights["dense1.W"] + weights["dense1.b"])
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-(hidden @ weights["dense2.W"] + weights["dense2.b"]))), rtol=1e-14)
    delta = 2 * y * y * (1 - y)
    np.testing.assert_allclose(g["dense2.W"], hidden.T @ delta, rtol=1e-12)
    back = (delta @ weights["dense2.W"].T) * (1 - hidden**2)
    np.testing.assert_allclose(dx, back @ weights["dense1.W"].T, rtol=1e-12)
    assert list(g) == list(shapes)


def test_newton_descent_finds_minima_and_recognizes_saddles():
    def valley(w):  # two minima, (±1, 0), with losses that differ by 0.4
        x, y = w["x"], w["y"]
        return float(((x**2 - 1) ** 2 + 0.2 * x + y**2)[0]), {"x": 4 * x * (x**2 - 1) + 0.2, "y": 2 * y}

    left, right = (newton_descent(valley, {"x": np.array([start]), "y": np.array([0.7])}) for start in (-0.8, 0.8))
    assert left.slope < 1e-9
    assert right.slope < 1e-9
    assert min(left.curvature, right.curvature) > 1
    assert right.loss - left.loss == pytest.approx(0.4, abs=0.01)
    assert left.weights["x"][0] < -1
    assert abs(left.weights["y"][0]) < 1e-6
    saddle = newton_descent(
        lambda w: (float((w["x"] * w["x"][::-1]).sum() / 2), {"x": w["x"][::-1].copy()}), {"x": np.zeros(2)}
    )
    assert saddle.curvature == pytest.approx(-1)


def test_the_repeated_unit():
    check_layer(RepeatedUnit(4), (2,))
    theta = np.zeros(32)
    theta[[0, 16]] = 5.0, -2.0  # w and b, each on a cache line
    one, three = (run_layer(RepeatedUnit(times), np.array([[0.5]]), theta=theta).y[0, 0] for times in (1, 3))
    x = 0.5
    for _ in range(3):
        x = 1 / (1 + np.exp(2.0 - 5.0 * x))
    assert one == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert three == pytest.approx(x)
