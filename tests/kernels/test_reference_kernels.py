"""The reference kernels by hand, at the points where a formula changes: random values, with which both sets are compared, miss
them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from pellucid import kernels as kernel_sets
from pellucid.kernels import reference
from pellucid.kernels.reference import convolution
from pellucid.kernels.window import Window
from tests.kernels.dtypes import FLOAT64_KERNELS

KERNELS = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)


@FLOAT64_KERNELS
@pytest.mark.parametrize(
    ("name", "values", "settings", "wanted"),
    [
        ("relu_gradient", [-1, 0, 1], (), [0, 0, 1]),
        ("relu6_gradient", [0, 0.5, 5.5, 6], (), [0, 1, 1, 0]),
        ("leaky_relu_gradient", [-1, 0, 1], (0.25,), [0.25, 0.25, 1]),
        ("hard_sigmoid_gradient", [0, 0.25, 0.75, 1], (), [0, 1 / 6, 1 / 6, 0]),
        ("elu_gradient", [0, 1], (0.5,), [0.5, 1]),
        ("selu_gradient", [0, 1], (1.5, 2.0), [3, 2]),
    ],
)
def test_gradients_at_the_corners_of_activations(kernels, name, values, settings, wanted):
    values = np.array([values], float)
    out = getattr(kernels, name)(values, *settings, np.ones_like(values), np.empty_like(values))
    np.testing.assert_allclose(out, [wanted], rtol=1e-15)


@FLOAT64_KERNELS
def test_the_slope_of_a_prelu_learns_where_x_is_not_positive(kernels):
    x, dslope = np.array([[-2.0], [0.0], [3.0]]), np.empty(1)
    dx = kernels.prelu_backward(x, np.array([0.25]), np.ones_like(x), dslope, np.empty_like(x))
    assert dslope == -2
    np.testing.assert_array_equal(dx, [[0.25], [0.25], [1]])


@FLOAT64_KERNELS
def test_rules_leave_parameters_without_a_gradient_alone(kernels):
    theta, g = np.array([1.0, 2.0]), np.zeros(2)
    kernels.lion(theta, g, np.zeros(2), 0.1, 0.9, 0.99)
    np.testing.assert_array_equal(theta, [1, 2])
    factor = np.array([0.5, 4.0])
    kernels.rprop(
        theta, np.array([1.0, 1.0]), np.zeros(2), factor, 0.1, 0.5, 1.2, 1e-6, 50.0
    )  # the last change was a change of sign
    np.testing.assert_array_equal(factor, [0.5, 4])
    np.testing.assert_allclose(theta, [0.95, 1.6], rtol=1e-15)


@FLOAT64_KERNELS
def test_the_penalty_of_a_weight_of_zero(kernels):
    g = np.array([1.0, 1.0, 1.0])
    kernels.add_penalty(g, np.array([0.0, -2.0, 4.0]), 0.5, 0.25)
    np.testing.assert_array_equal(g, [1, 0, 2.5])


@KERNELS
def test_a_sum_over_many_rows_keeps_its_digits(kernels):
    dy = np.full((100_000, 1), 0.1, np.float32)
    dW, db = np.empty((1, 1), np.float32), np.empty(1, np.float32)
    kernels.affine_backward(np.zeros_like(dy), dy, dW, db)
    assert db[0] == pytest.approx(100_000 * float(np.float32(0.1)), rel=1e-7)


@pytest.mark.parametrize("block", [1, 54, 60, 110])
def test_the_size_of_blocks_of_images_changes_no_result(block, monkeypatch):
    random = np.random.default_rng(0)
    x, W, b = random.normal(size=(5, 4, 5, 1)), random.normal(size=(3, 3, 1, 2)), np.zeros(2)
    window, y = Window(3, 3, 1, 1, 0, 0, 1, 1), np.empty((5, 2, 3, 2))
    whole = reference.conv2d(x, W, b, window, 1, np.empty_like(y))
    blocks = []
    original = convolution._im2col
    monkeypatch.setattr(convolution, "BLOCK_SIZE", block)
    monkeypatch.setattr(convolution, "_im2col", lambda x, *rest: blocks.append(len(x)) or original(x, *rest))
    np.testing.assert_allclose(reference.conv2d(x, W, b, window, 1, y), whole, rtol=1e-14)
    assert blocks == {1: [1] * 5, 54: [1] * 5, 60: [1] * 5, 110: [2, 2, 1]}[block]  # an image has 54 elements in its patches


def test_upsampling_by_one_is_the_identity():
    x = np.array([np.inf, 1.0, -np.inf, np.nan]).reshape(1, 2, 2, 1)
    for kernel in (reference.upsample_linear, reference.upsample_linear_backward):
        np.testing.assert_array_equal(kernel(x, np.empty_like(x)), x)


@FLOAT64_KERNELS
def test_softmax_is_along_the_last_axis_of_any_array(kernels):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    out, logarithm = kernels.softmax(x, np.empty_like(x)), kernels.log_softmax(x, np.empty_like(x))
    np.testing.assert_allclose(out, scipy.special.softmax(x, axis=2), rtol=1e-12)
    np.testing.assert_allclose(logarithm, scipy.special.log_softmax(x, axis=2), rtol=1e-12)


@FLOAT64_KERNELS
def test_moments_are_those_of_the_last_axis_of_any_array(kernels):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    mean, m2 = np.empty(5), np.empty(5)
    kernels.moments(x, mean, m2)
    np.testing.assert_allclose(mean, x.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(m2, 24 * x.var(axis=(0, 1, 2)), rtol=1e-12)


@KERNELS
def test_layers_without_a_bias_have_no_gradient_of_it(kernels):
    dW = np.empty((2, 2))
    kernels.affine_backward(np.eye(2), np.eye(2), dW, np.empty(0))
    np.testing.assert_array_equal(dW, np.eye(2))
    dW, window = np.empty((1, 1, 2, 2)), Window(1, 1, 1, 1, 0, 0, 1, 1)
    kernels.conv2d_backward(np.eye(2).reshape(2, 1, 1, 2), np.eye(2).reshape(2, 1, 1, 2), window, 1, dW, np.empty(0))
    np.testing.assert_array_equal(dW[0, 0], np.eye(2))


@KERNELS
def test_moments_that_would_be_denormal_in_float32_become_zero(kernels):
    m = np.array([1e-31, -1e-31, 1e-29])
    kernels.lion(np.zeros(3), np.zeros(3), m, 0.1, 0.9, 0.5)
    np.testing.assert_array_equal(m, [0, 0, 0.5e-29])


@FLOAT64_KERNELS
def test_gradients_at_the_target_and_at_the_margin(kernels):
    y, dy = np.array([[1.0, 2.0, 3.0]]), np.empty((1, 3))
    kernels.pinball(y, np.full((1, 3), 2.0), np.ones(1), 1.0, np.full(3, 0.75), dy)
    np.testing.assert_allclose(3 * dy, [[-0.75, 0, 0.25]], rtol=1e-15)
    z, dz = np.array([[0.0], [1], [2]]), np.empty((3, 1))
    assert kernels.triplet(z, np.array([0, 0, 1]), np.ones(3), 1.0, 1.0, dz) == 1  # the first triplet is at its margin
    assert dz.ravel().tolist() == [-1, 2, -1]
