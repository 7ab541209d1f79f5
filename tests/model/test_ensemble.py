"""Ensembles: the mean over several models, and over augmented copies of the images."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    Accuracy,
    Adam,
    BinaryCrossEntropy,
    ConfigError,
    ConfusionMatrix,
    CrossEntropy,
    Dense,
    Ensemble,
    Flatten,
    MeanSquaredError,
    Sequential,
    Sigmoid,
    Softmax,
)
from pellucid.data import Augmentation, Dataset


def trained(seed, images, *, outputs=10, head=Softmax, loss=CrossEntropy):
    network = Sequential(Flatten(), Dense(outputs), *([head()] if head else []))
    model = network.compile((7, 7, 1), loss(), Adam(0.01), metrics=[Accuracy()] if head else [], seed=seed)
    y = images.y if outputs == 10 else images.y[:, None] % 2
    model.fit(images.x, y, epochs=2)
    return model


def test_predictions_are_the_mean_of_the_probabilities(images):
    models = [trained(seed, images) for seed in range(3)]
    ensemble = Ensemble(models)
    mean = np.mean([model.predict(images.x) for model in models], axis=0)
    np.testing.assert_allclose(ensemble.predict(images.x), mean, rtol=1e-5)
    scores = ensemble.evaluate(images, metrics=[Accuracy(), ConfusionMatrix()])
    assert scores["accuracy"] == pytest.approx((mean.argmax(axis=1) == images.y).mean())
    assert scores["loss"] == pytest.approx(-np.log(mean[np.arange(200), images.y]).mean(), rel=1e-5)
    assert scores["confusion_matrix"].sum() == 200
    weights = np.arange(200) / 200
    single = Ensemble(models[:1])
    for key, value in models[0].evaluate(images.x, images.y, sample_weight=weights).items():
        assert single.evaluate(images.x, images.y, sample_weight=weights)[key] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(("head", "loss"), [(Sigmoid, BinaryCrossEntropy), (None, MeanSquaredError)])
def test_other_heads_and_losses(images, head, loss):
    model = trained(0, images, outputs=1, head=head, loss=loss)
    y = images.y[:, None] % 2
    for array in model.weights.values():
        array *= 30  # the probabilities become 0 and 1 in float32, also for wrong answers
    assert Ensemble([model, model]).evaluate(images.x, y)["loss"] == pytest.approx(
        model.evaluate(images.x, y)["loss"], rel=1e-5
    )


def test_augmented_copies_count_as_much_as_the_image(images):
    model, augmentation = trained(0, images), Augmentation(shift=1, rotation=5)
    total = model.predict(images.x)
    for copy in range(3):
        augmented = augmentation.apply(images.x, epoch=copy)
        total = total + model.predict((255 * augmented).round().astype(np.uint8))  # rounding to bytes changes little
    actual = Ensemble([model], augmentation=augmentation, copies=3).predict(images.x)
    np.testing.assert_allclose(actual, total / 4, atol=0.01)
    assert not np.allclose(actual, model.predict(images.x), atol=0.01)


def test_models_that_differ_raise(images):
    model = trained(0, images)
    other = Sequential(Flatten(), Dense(3), Softmax()).compile((7, 7, 1), CrossEntropy())
    for arguments, message in [
        (([],), "at least one model"),
        (([model, other],), "must have the same output_shape"),
    ]:
        with pytest.raises(ConfigError, match=message):
            Ensemble(*arguments)
    with pytest.raises(ConfigError, match="need an augmentation"):
        Ensemble([model], copies=2)
    with pytest.raises(ConfigError, match="copies are from 0 to 1,000"):
        Ensemble([model], augmentation=Augmentation(rotation=5), copies=2**63 - 1)
    renamed = Sequential(Flatten(), Dense(10), Softmax()).compile((7, 7, 1), CrossEntropy(), classes=list("jihgfedcba"))
    renamed.fit(Dataset(images.x, images.y))
    with pytest.raises(ConfigError, match="must have the same classes"):
        Ensemble([model, renamed])
