"""Figures of mistakes, weights, feature maps and activations: they show the values of the model."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

from pellucid import (
    BinaryCrossEntropy,
    ConfigError,
    Conv2D,
    CrossEntropy,
    DataError,
    Dense,
    Ensemble,
    Flatten,
    Hinge,
    MaxPool2D,
    MeanSquaredError,
    ReLU,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Tanh,
    plots,
)
from pellucid.data import Dataset
from pellucid.doctor import LabelSearch
from pellucid.model.activations import activations
from pellucid.plots import misclassifications

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 10, 10, 1), np.uint8)
LABELS = np.arange(40) % 3


@functools.cache
def model():
    network = Sequential(Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(3), Softmax())
    return network.compile(input_shape=(10, 10, 1), loss=CrossEntropy(), classes=("cat", "dog", "owl"))


def pets():
    return Dataset(IMAGES, LABELS, name="pets")


def test_the_most_confident_mistakes_come_first():
    figure = plots.mistakes(model(), pets(), 5)
    outputs = model().predict(IMAGES)
    guess, confidence = outputs.argmax(axis=1), outputs.max(axis=1)
    wrong = np.flatnonzero(guess != LABELS)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:5]
    names = ("cat", "dog", "owl")
    shown = [ax for ax in figure.axes if ax.get_images()]
    assert [ax.get_title() for ax in shown] == [f"True: {names[LABELS[i]]}" for i in order]
    assert [ax.texts[0].get_text() for ax in shown] == [f"✗ {names[guess[i]]}, {100 * confidence[i]:.1f} %" for i in order]
    np.testing.assert_allclose(shown[0].get_images()[0].get_array(), 1 - IMAGES[order[0], ..., 0] / 255)
    assert figure.get_suptitle().replace("\n", " ") == f"{len(wrong)} of 40 wrong, the most confident mistakes first"


def test_mistakes_do_not_depend_on_the_chunk_size(monkeypatch):
    whole = plots.alt(plots.mistakes(model(), pets(), 5))
    monkeypatch.setattr(misclassifications, "CHUNK", 7)
    assert plots.alt(plots.mistakes(model(), pets(), 5)) == whole
    assert plots.alt(plots.mistakes(Ensemble([model()]), pets(), 5)) == whole
    one_hot = Dataset(IMAGES, np.eye(3)[LABELS], name="pets")
    assert plots.alt(plots.mistakes(model(), one_hot, 5)) == whole


@pytest.mark.parametrize(
    ("loss", "last", "form"), [(BinaryCrossEntropy(), Sigmoid(), r"✗ [01], \d+\.\d %"), (Hinge(), Tanh(), r"✗ [01], \d\.\d\d")]
)
def test_mistakes_of_a_model_with_one_output(loss, last, form):
    yes = Sequential(Flatten(), Dense(1), last).compile(input_shape=(10, 10, 1), loss=loss)
    y = np.where(LABELS > 0, 1, 0 if loss == BinaryCrossEntropy() else -1)
    figure = plots.mistakes(yes, Dataset(IMAGES, y), 40)
    outputs = yes.predict(IMAGES)[:, 0]
    wrong = (outputs >= 0.5) != (y == 1) if loss == BinaryCrossEntropy() else (outputs > 0) != (y == 1)
    shown = [ax for ax in figure.axes if ax.get_images()]
    assert len(shown) == wrong.sum()
    assert re.fullmatch(form, shown[0].texts[0].get_text())


def test_mistakes_needs_a_classifier_of_images():
    with pytest.raises(ShapeError, match="mistakes shows images"):
        plots.mistakes(model(), Dataset(np.zeros((3, 5)), [0, 1, 2]))
    with pytest.raises(DataError, match="no targets"):
        plots.mistakes(model(), Dataset(IMAGES, None))
    numbers = Sequential(Flatten(), Dense(1)).compile(input_shape=(10, 10, 1), loss=MeanSquaredError())
    with pytest.raises(ConfigError, match="mistakes needs a classifier"):
        plots.mistakes(numbers, pets())
    several = Sequential(Flatten(), Dense(3), Sigmoid()).compile(input_shape=(10, 10, 1), loss=BinaryCrossEntropy())
    with pytest.raises(ConfigError, match="samples with several classes"):
        plots.mistakes(several, Dataset(IMAGES, np.ones((40, 3))))


def test_dense_weights_have_the_shape_of_the_input():
    flat = Sequential(Flatten(), Dense(3), ReLU(), Dense(2)).compile(input_shape=(5, 4, 1), loss=MeanSquaredError())
    figure = plots.weights(flat, count=2)
    shown = [ax for ax in figure.axes if ax.get_images()]
    assert [ax.get_title() for ax in shown] == ["0", "1"]
    W = flat.weights["dense1.W"]
    np.testing.assert_allclose(shown[1].get_images()[0].get_array(), W[:, 1].reshape(5, 4))
    limit = np.abs(W[:, :2]).max()
    assert {ax.get_images()[0].get_clim() for ax in shown} == {(-limit, limit)}, "one scale around zero"
    assert figure.get_suptitle() == "dense1: 2 of 3"
    assert [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()] == ["Weight"]
    with pytest.raises(ConfigError, match="the weights of 'dense2' cannot be drawn as images: did you mean 'dense1'"):
        plots.weights(flat, "dense2")
    table = Sequential(Dense(3)).compile(input_shape=(4,), loss=MeanSquaredError())
    with pytest.raises(ConfigError, match="this model has no weights that can be drawn as images"):
        plots.weights(table)


def test_filters_with_several_channels_are_means():
    deep = Sequential(Conv2D(2, 3), Conv2D(4, 3), Flatten(), Dense(2)).compile(input_shape=(6, 6, 1), loss=MeanSquaredError())
    shown = [ax for ax in plots.weights(deep, "conv2d2").axes if ax.get_images()]
    np.testing.assert_allclose(shown[3].get_images()[0].get_array(), deep.weights["conv2d2.W"][..., 3].mean(axis=2))


def test_feature_maps_are_the_outputs_of_the_layers():
    figure = plots.feature_maps(model(), IMAGES[0], count=3)
    outputs = activations(model(), IMAGES[:1])
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_ylabel().split("\n")[0] for ax in shown if ax.get_ylabel()] == ["conv2d1", "relu1", "maxpool2d1"]
    assert len(shown) == 1 + 3 * 3, "the input, and three maps for each of three layers"
    np.testing.assert_allclose(shown[3].get_images()[0].get_array(), outputs["conv2d1"][0, ..., 2])
    only = plots.feature_maps(model(), IMAGES[0], ["relu1"], 2)
    assert [ax.get_ylabel().split("\n")[:2] for ax in only.axes if ax.get_ylabel()] == [["relu1", "8×8×4"]]
    with pytest.raises(ConfigError, match="'relu2' has no feature maps: did you mean 'relu1'"):
        plots.feature_maps(model(), IMAGES[0], ["relu2"])
    with pytest.raises(ShapeError, match=r"one image of shape \(10, 10, 1\), got \(1, 10, 10, 1\)"):
        plots.feature_maps(model(), IMAGES[:1])
    flat = Sequential(Flatten(), Dense(3)).compile(input_shape=(5, 4, 1), loss=MeanSquaredError())
    with pytest.raises(ConfigError, match="no layer of this model has images as output"):
        plots.feature_maps(flat, IMAGES[0, :5, :4])


def test_activation_histograms_count_all_values():
    figure = plots.activation_histograms(model(), IMAGES)
    outputs = activations(model(), IMAGES)
    drawn = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title().split("\n")[0] for ax in drawn] == list(outputs)
    for ax, values in zip(drawn, outputs.values(), strict=True):
        assert ax.patches[0].get_data().values.sum() == pytest.approx(100, abs=0.1), "percent"
        assert ax.lines[0].get_xdata()[0] == pytest.approx(values.mean())
    assert "% are 0" in drawn[1].get_title()
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("Output of a unit (dashed: mean)", "Fraction (%)")


def test_rows_of_bytes_and_of_fractions_look_alike():
    bytes_, fractions = (plots.images([x], ["row"]).axes[0].get_images()[0].get_array() for x in (IMAGES[:3], IMAGES[:3] / 255))
    assert np.ptp(fractions) > 0.1
    np.testing.assert_array_equal(bytes_, fractions)


def test_a_label_beside_rows_of_images_is_not_cut():
    figure = plots.images([IMAGES[:10]] * 4, ["autoencoder", "b", "c", "d"])
    figure.set_dpi(160)  # as in files
    figure.draw_without_rendering()
    assert figure.axes[0].get_yticklabels()[0].get_window_extent().x0 >= 0


def test_labels_that_are_probably_wrong_are_drawn():
    sure = np.concatenate([np.tile([0.01, 0.98, 0.01], (2, 1)), np.tile([0.9, 0.05, 0.05], (38, 1))])
    labels = np.zeros(40, int)
    labels[2:12] = 1
    search = LabelSearch(
        labels,
        np.r_[1, 1, np.zeros(38, int)],
        sure[range(40), labels],
        sure.max(axis=1),
        np.arange(40),
        2,
        0.7,
        ("cat", "dog", "owl"),
    )
    data = Dataset(IMAGES, labels, name="pets")
    figure = plots.suspect_labels(search, data, 3)
    shown = [ax for ax in figure.axes if ax.get_images()]
    assert [ax.get_title() for ax in shown] == ["Label: cat", "Label: cat", "Label: dog"]
    assert [ax.texts[0].get_text() for ax in shown] == ["✗ dog, 98.0 %", "✗ dog, 98.0 %", "✗ cat, 90.0 %"]
    np.testing.assert_allclose(shown[1].get_images()[0].get_array(), 1 - IMAGES[1, ..., 0] / 255)
    assert figure.get_suptitle().replace("\n", " ").startswith("2 of 40 labels contradicted")
    assert "cat, rather dog (98.0 %)" in plots.alt(figure)
    with pytest.raises(DataError, match="has 39 samples, but labels of 40"):
        plots.suspect_labels(search, data.take(np.arange(39)))
    with pytest.raises(ShapeError, match="suspect_labels shows images"):
        plots.suspect_labels(search, Dataset(np.zeros((40, 3)), labels))
    with pytest.raises(ConfigError, match="at least 1"):
        plots.suspect_labels(search, data, 0)
