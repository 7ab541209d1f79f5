"""Public reports about class weights and sample weights: what users did, and what happens here."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import SGD, AbsoluteError, ConfigError, DataError
from pellucid.data import Dataset
from tests.reports.small_data import LABELS, NUMBERS, X, classifier, regressor


@pytest.mark.parametrize("weights", [{"invalid": 0.5}, {2: 0.5}, {0.5: 1.0}, {-1: 1.0}, {0: 1.0, True: 2.0}], ids=str)
def test_a_class_weight_for_no_class(weights):
    """class_weight={'invalid': 0.5} is ignored without a word: the training runs as if there were no weights.

    Source: keras-team/keras#23220. Right: an error that names the key and the classes; the model is unchanged.
    """
    model = classifier()
    before = model.parameters.copy()
    with pytest.raises(ConfigError, match="class_weight has"):
        model.fit(X, LABELS, class_weight=weights)
    assert np.array_equal(model.parameters, before)


def test_a_class_without_a_weight():
    """Class weights fail for batches of a data set in which there are classes that the dictionary leaves out.

    Source: keras-team/keras#23073. Right: its weight is 1.
    """
    part, whole = classifier(3), classifier(3)
    part.fit(X, LABELS, class_weight={1: 3.0}, epochs=2)
    whole.fit(X, LABELS, class_weight=[1.0, 3.0, 1.0], epochs=2)
    assert np.array_equal(part.parameters, whole.parameters)


def test_equal_class_weights_leave_the_loss_as_it_is():
    """With class weights of 2 for all classes, the training loss is twice the validation loss on the same data.

    Source: keras-team/keras#5616. Right: the loss is the mean over the samples by their weights; equal weights change nothing.
    """
    weighted, plain = (classifier() for _ in range(2))
    with_weights = weighted.fit(X, LABELS, class_weight={0: 2.0, 1: 2.0}, epochs=2)["train_loss"]
    without = plain.fit(X, LABELS, epochs=2)["train_loss"]
    assert np.allclose(with_weights, without, rtol=1e-6)


def test_a_weight_of_zero_does_not_dilute_the_mean():
    """The loss of samples with the weights 0 and 1 is half of the metric of the same name: it divides by their number.

    Source: keras-team/keras#19740. Right: loss and metric divide by the sum of the weights.
    """
    model = regressor(metrics=[AbsoluteError()])
    x, y = X[:3], NUMBERS[:3]
    weights = np.array([0.1, 0.0, 0.1])
    scores = model.evaluate(x, y, sample_weight=weights)
    only = model.evaluate(x[[0, 2]], y[[0, 2]])
    errors = model.predict(x)[:, 0] - y
    assert np.isclose(scores["loss"], (weights * errors**2).sum() / weights.sum(), rtol=1e-5)
    assert np.isclose(scores["loss"], only["loss"], rtol=1e-6)
    assert np.isclose(scores["mae"], only["mae"], rtol=1e-6)


def test_batches_in_which_no_sample_counts():
    """A sample weight of zero makes the training NaN after its first step; very small numbers take its place.

    Source: keras-team/keras#13113. Right: such a batch changes nothing, and the losses stay finite.
    """
    weights = np.zeros(len(X))
    weights[:6] = 1  # without shuffling, the batches after the second have no weight at all
    model, few = regressor(optimizer=SGD(0.05)), regressor(optimizer=SGD(0.05))
    history = model.fit(X, NUMBERS, sample_weight=weights, batch_size=5, shuffle=False, epochs=2)
    assert np.isfinite(history["train_loss"]).all()
    few.fit(X[:10], NUMBERS[:10], sample_weight=weights[:10], batch_size=5, shuffle=False, epochs=2)
    assert np.array_equal(model.parameters, few.parameters)


def test_validation_weights_that_are_all_zero():
    """If a row of the validation weights is all zeros, val_loss is NaN; it takes long to find out why.

    Source: keras-team/keras#7917. Right: an error before the training that says so; single zeros are fine.
    """
    with pytest.raises(DataError, match="all weights are zero"):
        classifier().fit(X, LABELS, validation=(X, LABELS, np.zeros(len(X))))
    weights = np.arange(len(X)) % 2
    loss = classifier().fit(X, LABELS, validation=Dataset(X, LABELS, weights))["validation_loss"][0]
    counted = classifier().fit(X, LABELS, validation=(X[1::2], LABELS[1::2]))["validation_loss"][0]
    assert np.isclose(loss, counted, rtol=1e-6)
