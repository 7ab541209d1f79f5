"""Tests of the layers that add positions, in closed form, and of shapes that they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    Dense,
    Embedding,
    LearnedPositions,
    Sequential,
    ShapeError,
    SinusoidalPositions,
    kernels as kernel_sets,
)
from pellucid.layers.positions import sinusoids
from pellucid.testing import asymmetric, layouts, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)


@BOTH
@pytest.mark.parametrize("shape", [(3, 5, 4), (700, 2, 3), (2, 130, 300)])  # many sequences, and long ones: several tasks
def test_learned_positions(kernels, shape):
    x, dy = asymmetric(shape).astype(np.float32), asymmetric(shape, 1).astype(np.float32)
    out = run_layer(LearnedPositions(), x, dy, kernels=kernels)
    layout = layouts(LearnedPositions(), shape[1:])[0]
    W = run_layer(LearnedPositions(), np.zeros_like(x), kernels=kernels).y[0]
    assert 0.019 < W.std() < 0.021 or W.size < 1000
    np.testing.assert_array_equal(out.y, x + W)
    np.testing.assert_array_equal(out.dx, dy)
    np.testing.assert_allclose(layout.array(out.gradient, "W"), dy.sum(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-5)


@FLOAT64_KERNELS
def test_positions_that_no_sequence_has_have_no_gradient(kernels):
    dy = asymmetric((4, 3, 2))
    dW = np.full((5, 2), 7.0)
    kernels.positions_gradient(dy, dW)
    np.testing.assert_allclose(dW[:3], dy.sum(axis=0))
    assert (dW[3:] == 0).all()


@BOTH
def test_sinusoids_are_the_formula_of_the_paper(kernels):
    y = run_layer(SinusoidalPositions(), np.zeros((2, 50, 6)), kernels=kernels).y
    for s in (0, 1, 7, 49):
        for i in range(3):
            angle = s / 10_000 ** (2 * i / 6)
            np.testing.assert_allclose(y[1, s, 2 * i : 2 * i + 2], [np.sin(angle), np.cos(angle)], atol=1e-12)
    odd = run_layer(SinusoidalPositions(longest=100.0), np.zeros((1, 4, 3))).y
    np.testing.assert_allclose(odd[0, :, 2], np.sin(np.arange(4) / 100 ** (2 / 3)))


def test_a_later_position_is_a_rotation_of_an_earlier_one():
    w = sinusoids(40, 8, 10_000.0, np.float64)
    for k in (1, 5):
        turn = np.zeros((8, 8))
        for i in range(4):
            angle = k / 10_000 ** (2 * i / 8)
            c, s = np.cos(angle), np.sin(angle)
            turn[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, s], [-s, c]]
        np.testing.assert_allclose(w[k:], w[:-k] @ turn.T, atol=1e-12)


@pytest.mark.parametrize("layer", [LearnedPositions(), SinusoidalPositions()], ids=repr)
def test_positions_need_sequences_of_vectors(layer):
    for shape in ((), (4,), (4, 4, 2)):
        with pytest.raises(ShapeError, match=r"expects sequences \(time, features\).*put it after an Embedding"):
            layer.build(shape)
    assert Sequential(Embedding(5, 3), layer, Dense(2)).build((7,)).shape == (7, 2)
