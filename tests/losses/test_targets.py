"""Targets: the forms that each loss takes, and which sample and value the messages name."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pellucid import (
    BinaryCrossEntropy,
    BinaryFocalCrossEntropy,
    ConfigError,
    CosineDistance,
    CrossEntropy,
    DataError,
    Dense,
    FunctionLoss,
    GaussianNLL,
    Hinge,
    MeanSquaredError,
    Poisson,
    Sequential,
    ShapeError,
    Sigmoid,
    Triplet,
)
from pellucid.losses.targets import InvalidTarget, numeric_targets, targets_at, without_masked

# -- accepted forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "y", "shape", "wanted"),
    [
        (MeanSquaredError(), [0, 1, 1], (2,), np.eye(2, dtype=np.float32)[[0, 1, 1]]),
        (CrossEntropy(), [[0, 0.5, 0.5], [0, 1, 0]], (3,), np.float32([[0, 0.5, 0.5], [0, 1, 0]])),
        (Hinge(), [[0], [2]], (3,), np.array([0, 2])),
        (Hinge(), [[0, 0, 1], [1, 0, 0], [0, 1, 0]], (3,), np.array([2, 0, 1])),
        (Triplet(), [[7], [5]], (3,), np.array([7, 5])),
        (Triplet(), [7.0, 5.0], (3,), np.array([7, 5])),
    ],
    ids=repr,
)
def test_forms_of_targets(loss, y, shape, wanted):
    targets = loss.targets(np.array(y), shape)
    assert targets.dtype == wanted.dtype
    np.testing.assert_array_equal(targets, wanted)


def test_targets_at_positions_are_rows():
    loss, y = MeanSquaredError(), np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(targets_at(loss.targets, y, (3,), (4,)), y.reshape(6, 4))
    np.testing.assert_array_equal(targets_at(loss.targets, y, (3, 4), (1,)), y.reshape(24, 1))
    np.testing.assert_array_equal(targets_at(CrossEntropy().targets, y.astype(int) % 5, (3, 4), (5,)), np.arange(24) % 5)


def test_two_outputs_have_a_direction():
    CosineDistance().check_outputs((2,))
    with pytest.raises(ConfigError, match="needs at least 2 outputs, got 1"):
        CosineDistance().check_outputs((1,))


def test_a_gaussian_has_its_outputs_on_the_last_axis():
    outputs = np.arange(24.0).reshape(2, 3, 4)
    means, deviations = GaussianNLL(1e-12).distribution(outputs)
    np.testing.assert_array_equal(means, outputs[..., :2])
    np.testing.assert_allclose(deviations, np.exp(outputs[..., 2:] / 2), rtol=1e-9)


def test_classes_may_be_weighted_for_the_focal_loss():
    x, y = np.eye(4, dtype=np.float32), np.array([0, 0, 0, 1])
    models = [Sequential(Dense(1), Sigmoid()).compile((4,), BinaryFocalCrossEntropy(), seed=1) for _ in range(2)]
    models[0].fit(x, y, class_weight=[1, 3], epochs=1, progress=False)
    models[1].fit(x, y, sample_weight=[1, 1, 1, 3], epochs=1, progress=False)
    np.testing.assert_allclose(models[0].parameters, models[1].parameters, atol=1e-7)


# -- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "y", "words"),
    [
        (BinaryCrossEntropy(), [[0, 1, 1, 1], [1, 0, 0.5, 2]], "target 2 in sample 1 is out of range"),
        (BinaryCrossEntropy(), [[0, 1, 1, 1], [1, 0, 0.5, -2]], "target -2 in sample 1 is out of range"),
        (CrossEntropy(), [[0.5, 0.5, 0, 0], [0.2, 0.2, 0.1, 0]], "the targets of sample 1 are not a distribution"),
        (CrossEntropy(), [[0.5, 0.5, 0, 0], [1.5, -0.5, 0, 0]], "the targets of sample 1 are not a distribution"),
        (Hinge(), [[1, 0, 0, 0], [1, 1, 0, 0]], "labels or one-hot rows"),
        (CrossEntropy(), [[0.5, 0.5, 0, 0], [np.nan] * 4], "NaN or infinity in 1 places, first in sample 1"),
    ],
    ids=repr,
)
def test_messages_name_the_sample_and_the_value(loss, y, words):
    with pytest.raises(DataError, match=words):
        loss.targets(np.array(y), (4,))


def test_the_place_replaces_the_first_braces_of_a_message():
    error = InvalidTarget("label {} of {}", 3)
    assert str(error) == "label sample 3 of {}"
    assert str(error.at("row 5")) == "label row 5 of {}"
    assert (str(InvalidTarget("{} is odd")), InvalidTarget("{} is odd").row) == ("sample 0 is odd", 0)


def test_several_numbers_for_one_output_have_the_wrong_shape():
    with pytest.raises(ShapeError, match=re.escape("loss: the outputs of a sample have the shape (1,), the targets have (2,)")):
        numeric_targets(np.zeros((3, 2)), (1,), "loss")


@pytest.mark.parametrize("function", [5, MeanSquaredError, int])
def test_a_loss_of_ones_own_is_a_function(function):
    with pytest.raises(ConfigError, match=r"it must be a function of \(outputs, targets\)"):
        FunctionLoss(function)


def test_a_loss_of_ones_own_takes_outputs_and_targets():
    with pytest.raises(ConfigError, match="outputs, targets"):
        FunctionLoss(lambda outputs: outputs)


def test_the_hint_for_broadcast_targets_is_not_given_for_other_shapes():
    def loss(outputs, targets):
        return outputs[:, 0], outputs[:, :1]

    with pytest.raises(ShapeError, match=r"for outputs \(3, 2\) the gradient has the shape \(3, 1\)$"):
        FunctionLoss(loss).value_and_gradient(np.ones((3, 2)), np.arange(3))


# -- weights ----------------------------------------------------------------------------------------------------------


def test_targets_of_weight_zero_become_the_first_that_counts():
    y = np.array([9, 1, 2, 3])
    np.testing.assert_array_equal(without_masked(y, np.array([0.0, 1, 0, 1])), [1, 1, 1, 3])
    np.testing.assert_array_equal(y, [9, 1, 2, 3])
    for weights in (np.zeros(4), np.ones(4), np.array([0.0, 1, 1])):
        assert without_masked(y, weights) is y


def test_weights_of_any_size_are_divided_by_their_sum():
    z, y = np.array([[0.5], [2.0], [-1.0]]), np.array([1.0, 1.5, 0.0])
    value, dz = MeanSquaredError().value_and_gradient(z, y, np.array([0.25, 0, 0.125]))
    assert value == pytest.approx((2 * 0.25 + 1) / 3, rel=1e-12)
    np.testing.assert_allclose(dz, [[-2 / 3], [0], [-2 / 3]], rtol=1e-12)
    value, dz = MeanSquaredError().value_and_gradient(z, y, np.zeros(3))
    assert value == 0
    assert (dz == 0).all()


def test_an_infinite_loss_is_a_result():
    value, _ = Poisson().value_and_gradient(np.array([[1000.0]]), np.array([1.0]))
    assert value == np.inf


def test_outputs_are_checked_before_the_loss():
    with pytest.raises(ConfigError, match="needs at least 2 outputs, got 1"):
        CosineDistance().value_and_gradient(np.ones((3, 1)), np.ones((3, 1)))


def test_a_positive_weight_of_two_counts_twice():
    z = np.array([[0.0], [0.0]])
    value, dz = BinaryCrossEntropy(2.0).value_and_gradient(z, np.array([1, 0]))
    assert value == pytest.approx(3 / 2 * np.log(2), rel=1e-12)
    np.testing.assert_allclose(dz, [[-0.5], [0.25]], rtol=1e-12)


def test_one_hot_targets_equal_labels_at_every_position():
    z, labels = np.random.default_rng(0).normal(size=(2, 3, 4)), np.array([[0, 1, 3], [2, 2, 1]])
    for outputs, y in ((z, labels), (z[:, 0], labels[:, 0])):
        value, dz = CrossEntropy().value_and_gradient(outputs, y)
        other, other_dz = CrossEntropy().value_and_gradient(outputs, np.eye(4)[y])
        assert value == other
        np.testing.assert_array_equal(dz, other_dz)
