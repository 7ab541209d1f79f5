"""Tests of the layers for tables in closed form: learned scales, waves and bins of numbers, weights per position, columns."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    Columns,
    ConfigError,
    Dense,
    DensePerPosition,
    Embedding,
    LearnedScale,
    Mish,
    Normal,
    Parametric,
    Periodic,
    PiecewiseLinear,
    PReLU,
    ReLU,
    Sequential,
    ShapeError,
    Take,
    Tanh,
    kernels as kernel_sets,
)
from pellucid.initializers import Constant, initial_values
from pellucid.testing import asymmetric, layouts, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)
SHAPES = pytest.mark.parametrize("shape", [(5, 3), (3000, 30), (2, 700)])  # one task and several, narrow rows and wide ones


def slots_of(layer, shape):
    """Return the initial parameters of a layer as a vector, and as a dictionary of views."""
    layout = layouts(layer, shape)[0]
    theta = initial_values(layout, 0, np.float64)
    return theta, layout.arrays(theta), layout


@FLOAT64_KERNELS
@SHAPES
def test_learned_scales(kernels, shape):
    x, dy = asymmetric(shape), asymmetric(shape, 1)
    theta, p, layout = slots_of(LearnedScale(Normal(1.0)), shape[1:])
    out = run_layer(LearnedScale(Normal(1.0)), x, dy, theta=theta, kernels=kernels)
    np.testing.assert_allclose(out.y, x * p["scale"], rtol=1e-14)
    np.testing.assert_allclose(out.dx, dy * p["scale"], rtol=1e-14)
    np.testing.assert_allclose(layout.array(out.gradient, "scale"), (x * dy).sum(axis=0), rtol=1e-9, atol=1e-9)


def test_scales_are_one_at_first():
    x = asymmetric((4, 2, 3))
    np.testing.assert_array_equal(run_layer(LearnedScale(), x).y, x)


@FLOAT64_KERNELS
@SHAPES
def test_waves_of_numbers(kernels, shape):
    x, dy = 3 * asymmetric(shape), asymmetric((*shape, 5), 1)
    layer = Periodic(5, 0.7)
    theta, p, layout = slots_of(layer, shape[1:])
    f, phases = p["frequencies"], p["phases"]
    out = run_layer(layer, x, dy, theta=theta, kernels=kernels)
    turns = x[:, :, None] * f + phases
    slope = -2 * np.pi * np.sin(2 * np.pi * turns) * dy
    np.testing.assert_allclose(out.y, np.cos(2 * np.pi * turns), atol=1e-13)
    np.testing.assert_allclose(out.dx, (slope * f).sum(axis=2), atol=1e-11)
    np.testing.assert_allclose(layout.array(out.gradient, "frequencies"), (slope * x[:, :, None]).sum(axis=0), atol=1e-9)
    np.testing.assert_allclose(layout.array(out.gradient, "phases"), slope.sum(axis=0), atol=1e-9)
    assert phases.min() >= -0.5
    assert phases.max() <= 0.5


@BOTH
def test_waves_in_float32_have_all_digits(kernels):
    turns = np.linspace(-4, 4, 4097, dtype=np.float32)[:, None]
    y = kernels.periodic(turns, np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32), np.empty((4097, 1, 1), np.float32))
    np.testing.assert_allclose(y[:, 0], np.cos(2 * np.pi * turns.astype(np.float64)), atol=2e-6)


@FLOAT64_KERNELS
def test_bins_by_hand(kernels):
    layer = PiecewiseLinear(((0.0, 1.0, 3.0, 4.0), (-2.0, 2.0)))
    x = np.array([[-1.0, -4.0], [0.25, 0.0], [2.0, 3.0], [5.0, 1.0]])
    out = run_layer(layer, x, np.array([[1.0, 10.0, 100.0, 1000.0]] * 4), kernels=kernels)
    np.testing.assert_allclose(out.y, [[-1, 0, 0, -0.5], [0.25, 0, 0, 0.5], [1, 0.5, 0, 1.25], [1, 1, 2, 0.75]])
    np.testing.assert_allclose(out.dx, [[1, 250], [1, 250], [5, 250], [100, 250]])


def test_bins_at_quantiles():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.exponential(size=1000), rng.integers(0, 3, 1000), np.full(1000, 7.0)])
    layer = PiecewiseLinear.at_quantiles(x, 4)
    assert [len(edges) for edges in layer.edges] == [5, 3, 2]
    assert layer.edges[1:] == ((0.0, 1.0, 2.0), (7.0, 8.0))
    counts, _ = np.histogram(x[:, 0], layer.edges[0])
    assert abs(counts - 250).max() <= 2
    assert layer.build((3,)).shape == (7,)
    # the weights of a dense layer are the rises over the bins: a function through given points
    values = np.array([1.0, 5.0, 2.0, 2.0, -3.0])
    points = np.array(layer.edges[0])
    y = run_layer(PiecewiseLinear(layer.edges[:1]), points[:, None]).y @ np.diff(values) + values[0]
    np.testing.assert_allclose(y, values, atol=1e-9)


def test_invalid_bins_are_refused():
    with pytest.raises(ConfigError, match=r"the edges of feature 1 are \(1.0, 1.0\); two or more in rising order"):
        PiecewiseLinear(((0.0, 1.0), (1.0, 1.0)))
    with pytest.raises(ShapeError, match="edges for 1 features, the samples have 3"):
        PiecewiseLinear(((0.0, 1.0),)).build((3,))


@FLOAT64_KERNELS
@pytest.mark.parametrize("shape", [(4, 3, 2), (1000, 20, 16), (3, 1, 300)])
@pytest.mark.parametrize("units", [1, 3, 17])
def test_dense_layers_per_position(kernels, shape, units):
    layer = DensePerPosition(units)
    x, dy = asymmetric(shape), asymmetric((*shape[:2], units), 1)
    theta, p, layout = slots_of(layer, shape[1:])
    p["b"][...] = asymmetric(p["b"].shape, 2)
    out = run_layer(layer, x, dy, theta=theta, kernels=kernels)
    for s in range(shape[1]):
        W, b = p["W"][s], p["b"][s]
        np.testing.assert_allclose(out.y[:, s], x[:, s] @ W + b, atol=1e-12)
        np.testing.assert_allclose(out.dx[:, s], dy[:, s] @ W.T, atol=1e-12)
        np.testing.assert_allclose(layout.array(out.gradient, "W")[s], x[:, s].T @ dy[:, s], atol=1e-9)
        np.testing.assert_allclose(layout.array(out.gradient, "b")[s], dy[:, s].sum(axis=0), atol=1e-9)


def test_each_position_has_the_fan_in_of_its_own():
    _, p, _ = slots_of(DensePerPosition(100), (50, 25))
    assert p["W"].std() == pytest.approx(1 / 5, rel=0.01)  # LeCun with 25 inputs, not 50 · 25


@FLOAT64_KERNELS
@SHAPES
def test_parametric_activations(kernels, shape):
    x, dy = asymmetric(shape), asymmetric(shape, 1)
    layer = Parametric(Tanh(), Normal(1.0))
    theta, p, layout = slots_of(layer, shape[1:])
    w, a = p["weight"], np.tanh(x)
    out = run_layer(layer, x, dy, theta=theta, kernels=kernels)
    np.testing.assert_allclose(out.y, (1 - w) * x + w * a, atol=1e-14)
    np.testing.assert_allclose(out.dx, dy * (1 - w + w * (1 - a * a)), atol=1e-13)
    np.testing.assert_allclose(layout.array(out.gradient, "weight"), (dy * (a - x)).sum(axis=0), atol=1e-9)


def test_parametric_activations_are_the_activation_at_first():
    x = asymmetric((4, 6))
    np.testing.assert_allclose(run_layer(Parametric(Mish()), x).y, run_layer(Mish(), x).y, atol=1e-15)
    ours, prelu = run_layer(Parametric(ReLU(), Constant(0.75)), x), run_layer(PReLU(), x)
    np.testing.assert_allclose(ours.y, prelu.y, atol=1e-15)


@FLOAT64_KERNELS
def test_take(kernels):
    x, dy = asymmetric((700, 6)), asymmetric((700, 4), 1)
    out = run_layer(Take((5, 0, 2, 0)), x, dy, kernels=kernels)
    np.testing.assert_array_equal(out.y, x[:, [5, 0, 2, 0]])
    zero = np.zeros(700)
    np.testing.assert_allclose(out.dx, np.column_stack([dy[:, 1] + dy[:, 3], zero, dy[:, 2], zero, zero, dy[:, 0]]))
    with pytest.raises(ConfigError, match="needs the numbers of the features"):
        Take(())
    with pytest.raises(ShapeError, match="have 3 features, 0 … 2; there is no feature 3"):
        Take((0, 3)).build((3,))


def test_columns_go_their_own_ways():
    numbers = Sequential(Dense(3), Tanh())
    layer = Columns(("binary", 4, "number", "number", "binary", 3), numbers, width=2)
    rng = np.random.default_rng(0)
    kinds = [rng.integers(0, 2, 9), rng.integers(0, 4, 9), rng.normal(size=9), rng.normal(size=9), np.ones(9)]
    x = np.column_stack([*kinds, rng.integers(0, 3, 9)]).astype(float)
    theta, p, _ = slots_of(layer, (6,))
    y = run_layer(layer, x, theta=theta).y
    assert y.shape == (9, *layer.build((6,)).shape) == (9, 9)
    np.testing.assert_allclose(y[:, :3], np.tanh(x[:, 2:4] @ p["numbers.dense1.W"]))
    np.testing.assert_array_equal(y[:, 3:5], x[:, [0, 4]])
    np.testing.assert_array_equal(y[:, 5:7], p["code1.W"][x[:, 1].astype(int)])
    np.testing.assert_array_equal(y[:, 7:], p["code5.W"][x[:, 5].astype(int)])
    out = run_layer(layer, x, asymmetric((9, 9)), theta=theta)
    np.testing.assert_array_equal(out.dx[:, [0, 4]], asymmetric((9, 9))[:, 3:5])
    assert (out.dx[:, [1, 5]] == 0).all()
    assert set(p) == {"numbers.dense1.W", "numbers.dense1.b", "code1.W", "code5.W"}
    assert repr(layer) == f"Columns(('binary', 4, 'number', 'number', 'binary', 3), numbers={numbers!r}, width=2)"


def test_columns_of_one_kind():
    x = asymmetric((3, 2))
    np.testing.assert_array_equal(run_layer(Columns(("number", "number")), x).y, x)
    np.testing.assert_array_equal(run_layer(Columns(("binary", "binary")), x).y, x)
    assert isinstance(Columns((5,)).ordered_nodes()[1].layer, Embedding)


@pytest.mark.parametrize("kinds", [(), ("number", "word"), (True,), (0,)])
def test_unknown_kinds_are_refused(kinds):
    with pytest.raises(ConfigError, match="kinds"):
        Columns(kinds)
