"""Explanations of an output with positions: the output at one of them, or the mean over a mask."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from pellucid import (
    BinaryCrossEntropy,
    ConfigError,
    Conv2D,
    CrossEntropy,
    Dense,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sequential,
    ShapeError,
    Sigmoid,
    SimpleRNN,
    Softmax,
)
from pellucid.explain import METHODS, gradient, integrated_gradients, saliency, shapley

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.random((3, 5, 6, 1)).astype(np.float32)
SERIES = RANDOM.normal(size=(3, 4, 2)).astype(np.float32)


@functools.cache
def segmentation():
    network = Sequential(Conv2D(4, 3, padding="same"), ReLU(), Dense(3), Softmax())
    return network.compile((5, 6, 1), CrossEntropy(), classes=("a", "b", "c"))


@functools.cache
def forecast():
    return Sequential(SimpleRNN(6), Dense(6), Reshape((3, 2))).compile((4, 2), MeanSquaredError())


@functools.cache
def tagging():
    return Sequential(SimpleRNN(6, return_sequences=True), Dense(1), Sigmoid()).compile((4, 2), BinaryCrossEntropy())


CASES = [(segmentation, PICTURES, (2, 3), 1), (forecast, SERIES, 1, 0), (tagging, SERIES, -1, 1)]


@pytest.mark.parametrize(("make", "x", "position", "target"), CASES)
@pytest.mark.parametrize("of", ["logit", "output"])
def test_the_gradient_is_that_of_the_output_at_the_position(make, x, position, target, of):
    model, at = make(), (np.s_[:], *np.atleast_1d(position))
    value, dx = gradient(model, x, target, of=of, position=position, dtype=np.float64)
    column = 0 if model.output_shape[-1] == 1 else target
    np.testing.assert_allclose(value, model.predict(x, logits=of == "logit")[(*at, column)], rtol=1e-5, atol=1e-6)
    h, probe = 1e-5, np.zeros(x.shape)
    probe[:, 1, 1, 0 if x.ndim == 4 else ...] = 1
    ends = [gradient(model, x + sign * h * probe, target, of=of, position=position, dtype=np.float64)[0] for sign in (1, -1)]
    expected = (ends[0] - ends[1]) / (2 * h)
    np.testing.assert_allclose((dx * probe).sum(axis=tuple(range(1, x.ndim))), expected, rtol=1e-4, atol=1e-7)
    assert np.abs(dx).max() > 0


@pytest.mark.parametrize("name", METHODS)
def test_every_method_explains_a_position(name):
    result = METHODS[name](segmentation(), PICTURES, "b", against="c", position=(2, 3), background=PICTURES)
    z = segmentation().predict(PICTURES, logits=True)
    np.testing.assert_allclose(result.output, z[:, 2, 3, 1] - z[:, 2, 3, 2], rtol=1e-5)
    assert result.values.shape == PICTURES.shape
    assert result.position == (2, 3)
    if METHODS[name].complete and name != "expected-gradients":
        assert result.relative_error.max() < 0.05
    if name in ("saliency", "integrated-gradients", "deeplift"):
        assert not result.values[:, :, :2].any(), "pixels outside the window of the convolution have no part"
    assert "at (2, 3)" in result._repr_html_()


def test_a_mask_explains_the_mean_of_its_positions_of_which_each_is_linear_in_the_output():
    mask = np.zeros((5, 6), bool)
    mask[1, 2] = mask[4, 5] = True
    both = integrated_gradients(segmentation(), PICTURES, 1, position=mask, dtype=np.float64)
    one, other = (integrated_gradients(segmentation(), PICTURES, 1, position=at, dtype=np.float64) for at in ((1, 2), (4, 5)))
    np.testing.assert_allclose(both.values, (one.values + other.values) / 2, atol=1e-12)
    np.testing.assert_allclose(both.output, (one.output + other.output) / 2)
    assert "over 2 positions" in both._repr_html_()


def test_the_predicted_class_is_that_of_the_position():
    result = saliency(segmentation(), PICTURES, position=(0, 5))
    np.testing.assert_array_equal(result.target, segmentation().predict(PICTURES)[:, 0, 5].argmax(axis=1))


def test_shapley_values_of_a_step_add_up():
    result = shapley(forecast(), SERIES, SERIES[:2], 1, position=2)
    assert result.relative_error.max() < 1e-9
    np.testing.assert_allclose(result.output, forecast().predict(SERIES)[:, 2, 1], rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "position", "error", "message"),
    [
        (
            segmentation,
            None,
            ConfigError,
            r"at each of \(5, 6\) positions: .* such as position=\(2, 3\), or give a mask \(5, 6\)",
        ),
        (forecast, None, ConfigError, r"such as position=1, or give a mask \(3\)"),
        (segmentation, 3, ShapeError, r"2 whole numbers, one for each axis of the positions \(5, 6\)"),
        (segmentation, (1, 2, 0), ShapeError, "2 whole numbers"),
        (segmentation, (1.5, 2), ShapeError, "2 whole numbers"),
        (segmentation, (1, 6), ConfigError, r"6 is outside: the positions of the output are \(5, 6\)"),
        (segmentation, (-6, 0), ConfigError, "-6 is outside"),
        (segmentation, np.ones((6, 5), bool), ShapeError, r"a mask must have the shape \(5, 6\)"),
        (segmentation, np.zeros((5, 6), bool), ConfigError, "no position in it"),
    ],
)
def test_positions_that_do_not_exist_are_refused(make, position, error, message):
    with pytest.raises(error, match=message):
        saliency(make(), PICTURES if make is segmentation else SERIES, position=position)


def test_a_vector_has_no_positions():
    model = Sequential(Dense(2)).compile((3,), MeanSquaredError())
    with pytest.raises(ConfigError, match="ends in one vector for each sample; leave position out"):
        saliency(model, np.zeros((1, 3)), 0, position=0)
