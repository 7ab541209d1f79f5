"""Tests of merges: values by hand, ties, zeros and NaN, shapes, and attributions through them."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    Add,
    Average,
    Concatenate,
    Dense,
    Graph,
    Identity,
    Maximum,
    MeanSquaredError,
    Multiply,
    Node,
    ReLU,
    Rescale,
    Sequential,
    ShapeError,
    Subtract,
)
from pellucid.core.memory import Layout
from pellucid.explain import deeplift
from pellucid.kernels import reference
from pellucid.layers import Context, ShardState
from pellucid.testing import asymmetric, run_layer


def merged(merge, *layers):
    """Return a graph that merges layers which all read the input."""
    nodes = [Node(f"x{i}", layer, "input") for i, layer in enumerate(layers)]
    return Graph(*nodes, Node("y", merge, *(node.name for node in nodes)))


LINES = Identity(), Rescale(2.0), Rescale(3.0, -4.0)  # x, 2x, 3x − 4


@pytest.mark.parametrize(
    ("merge", "y", "dx"),
    [
        (Average(), [2 / 3, -16 / 3, -4 / 3, 26 / 3], [2.0, 2.0, 2.0, 2.0]),
        (Multiply(), [-2.0, -80.0, 0.0, 550.0], [2.0, 104.0, 0.0, 370.0]),  # 6x³ − 8x², 18x² − 16x
        (Maximum(), [2.0, -2.0, 0.0, 11.0], [2.0, 1.0, 1.0, 3.0]),  # at 0, x and 2x are equal, and x comes first
    ],
    ids=repr,
)
def test_merges_by_hand(merge, y, dx):
    x = np.array([[1.0, -2.0, 0.0, 5.0]])
    out = run_layer(merged(merge, *LINES), x, np.ones_like(x))
    np.testing.assert_allclose(out.y, [y])
    np.testing.assert_allclose(out.dx, [dx])


def test_the_gradient_of_a_product_needs_no_division():
    x = np.array([[0.0, -2.0, 1.0]])  # two factors are zero, one, none
    out = run_layer(merged(Multiply(), Identity(), Identity(), Rescale(1.0, 2.0)), x, np.ones_like(x))
    assert out.y.tolist() == [[0.0, 0.0, 3.0]]  # x² (x + 2)
    assert out.dx.tolist() == [[0.0, 4.0, 7.0]]  # 3x² + 4x


def test_a_difference_by_hand_and_of_two_inputs_only():
    x = np.array([[1.0, -2.0, 0.0, 5.0]])
    out = run_layer(merged(Subtract(), LINES[1], LINES[2]), x, np.ones_like(x))
    np.testing.assert_array_equal(out.y, 4 - x)  # 2x − (3x − 4)
    np.testing.assert_array_equal(out.dx, -np.ones_like(x))
    with pytest.raises(ShapeError, match=r"expects two inputs, got 3: \(4,\) and"):
        merged(Subtract(), *LINES).build((4,))


def test_inputs_of_different_sizes_can_be_cropped():
    for shapes, message in (
        ([(4, 4, 2), (5, 5, 2)], r"\(5, 5, 2\); Crop2D or ZeroPad2D makes them equally large"),
        ([(4, 2), (5, 2)], "Crop1D or ZeroPad1D"),
        ([(4, 2), (5, 5, 2)], r"\(5, 5, 2\); Flatten\(\) before each"),
        ([(2, 4, 4, 2), (2, 5, 5, 2)], r"\(2, 5, 5, 2\); Flatten\(\) before each"),
    ):
        with pytest.raises(ShapeError, match=message):
            Concatenate().build(shapes)


def test_of_equal_maxima_the_first_receives_the_gradient():
    network = merged(Maximum(), Rescale(10.0, 1.0), Rescale(20.0, 1.0), Rescale(30.0, 1.0))
    x = np.zeros((1, 2))
    assert run_layer(network, x, np.ones((1, 2))).dx.tolist() == [[10.0, 10.0]]


def test_the_maximum_does_not_hide_nan():
    x, dy = np.array([[np.nan, 1.0]]), np.array([[5.0, 5.0]])
    out = run_layer(merged(Maximum(), Rescale(0.5), Identity()), x, dy)
    np.testing.assert_array_equal(out.y, x)
    assert out.dx.tolist() == [[2.5, 5.0]]
    dy[0, 0] = np.inf
    assert run_layer(merged(Maximum(), Rescale(0.5), Identity()), np.ones((1, 2)), dy).dx.tolist() == [[np.inf, 5.0]]


@pytest.mark.parametrize("merge", [Add(), Average(), Maximum(), Multiply()], ids=repr)
def test_inputs_of_several_shapes_are_refused(merge):
    network = Graph(Node("a", Dense(3), "input"), Node("y", merge, "a", "input"))
    with pytest.raises(
        ShapeError, match=rf"y, which reads a \(3,\) and input \(1,\): {type(merge).__name__}\(\) expects .*one shape"
    ):
        network.build((1,))


@pytest.mark.parametrize("merge", [Average(), Maximum(), Multiply()], ids=repr)
def test_a_merge_before_all_parameters_returns_no_gradient(merge):
    network = Sequential(merged(merge, Identity(), ReLU()), Dense(2))
    x, dy = asymmetric((4, 3)), asymmetric((4, 2))
    out = run_layer(network, x, dy, needs_dx=False)
    assert out.dx is None
    np.testing.assert_array_equal(out.gradient, run_layer(network, x, dy).gradient)


@pytest.mark.parametrize("merge", [Maximum(), Multiply(), Subtract()], ids=repr)
def test_a_merge_computes_no_gradient_that_nobody_reads(merge):
    run = ShardState(reference, dtype=np.float64)
    nothing = Layout({}).views(np.zeros(0))
    for needs_dx in (True, False):
        ctx = Context(run, nothing, "merge", needs_dx)
        run.backward_follows = True
        merge.forward(nothing, [asymmetric((4, 3)), asymmetric((4, 3), 1)], ctx)
        gradients = merge.backward(nothing, nothing, asymmetric((4, 3)), ctx)
        assert (gradients is None) == (not needs_dx)


@pytest.mark.parametrize("axis", [2, -3])
def test_inputs_are_joined_along_an_axis_that_they_have(axis):
    with pytest.raises(ShapeError, match=rf"Concatenate\(axis={axis}\) expects samples that have this axis, got \(3, 2\) and"):
        Concatenate(axis).build([(3, 2), (3, 2, 1, 1)])
    for inside in (1, -2):
        assert Concatenate(inside).build([(3, 3), (3, 3)]).shape == ((3, 6) if inside == 1 else (6, 3))


# -- attributions -----------------------------------------------------------------------------------------------------


def test_deeplift_of_a_product_by_hand():
    """Of x · 2x, from 1 to 3: each factor receives the mean of the other one. Together 2·(9 − 1) = 16."""
    model = Sequential(merged(Multiply(), Identity(), Rescale(2.0))).compile((1,), MeanSquaredError())
    attribution = deeplift(model, np.array([[3.0]]), 0, baseline=np.array([[1.0]]), dtype=np.float64)
    np.testing.assert_allclose(attribution.values, [[16.0]])


def test_deeplift_of_a_maximum_goes_to_the_larger_one():
    """The sample's maximum 5 is that of the second value, the baseline's maximum 2 that of the first."""
    first, second = Dense(1), Dense(1)
    model = Sequential(merged(Maximum(), first, second)).compile((2,), MeanSquaredError())
    model.weights["graph1.x0.W"][...] = [[1.0], [0.0]]
    model.weights["graph1.x1.W"][...] = [[0.0], [1.0]]
    x, base = np.array([[1.0, 5.0]]), np.array([[2.0, -1.0]])
    attribution = deeplift(model, x, 0, baseline=base, dtype=np.float64)
    np.testing.assert_allclose(attribution.values, [[0.0, 3.0]])
    attribution = deeplift(model, base, 0, baseline=x, dtype=np.float64)
    np.testing.assert_allclose(attribution.values, [[0.0, -3.0]])
