"""Public reports about shapes and dtypes: what users did, and what happens here."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    R2,
    SGD,
    AbsoluteError,
    Adam,
    BatchNorm,
    CrossEntropy,
    DataError,
    Dense,
    Flatten,
    ReLU,
    Sequential,
    ShapeError,
    Softmax,
)
from pellucid.data import Dataset
from tests.reports.small_data import LABELS, NUMBERS, X, classifier, regressor


def test_targets_as_a_vector_and_as_a_column():
    """The mean squared error of targets (128) and outputs (128, 1) differs from that of columns: they are broadcast.

    Source: tensorflow/tensorflow#37770. Right: both forms give the mean of the squared errors, and a row is refused.
    """
    vector, column = regressor(), regressor()
    vector.fit(X, NUMBERS, epochs=2)
    column.fit(X, NUMBERS[:, None], epochs=2)
    assert np.array_equal(vector.parameters, column.parameters)
    squares = (vector.predict(X)[:, 0].astype(np.float64) - NUMBERS) ** 2
    for y in (NUMBERS, NUMBERS[:, None]):
        assert np.isclose(vector.evaluate(X, y)["loss"], squares.mean(), rtol=1e-6)
    with pytest.raises(ShapeError, match="y has 1 rows and x has 61"):
        vector.fit(X, NUMBERS[None])


IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 1), np.uint8)


@pytest.fixture(scope="module")
def of_images():
    """A network for images of bytes."""
    model = Sequential(Flatten(), Dense(2), Softmax()).compile((6, 6, 1), CrossEntropy(), seed=0)
    model.fit(IMAGES, np.arange(40) % 2)
    return model


@pytest.mark.parametrize(
    ("images", "hint"),
    [
        (IMAGES[..., 0], r"got \(40, 6, 6\); greyscale images have one channel: x\[..., None\]"),
        (IMAGES[0], r"got \(6, 6, 1\); for a single sample give x\[None\]"),
        (IMAGES.transpose(0, 3, 1, 2), r"got \(40, 1, 6, 6\)"),
    ],
    ids=["no channel", "one image", "channels first"],
)
def test_images_with_another_number_of_axes(of_images, images, hint):
    """Ten images of MNIST: "expected conv2d_1_input to have 4 dimensions, but got array with shape (10, 28, 28)".

    Source: keras-team/keras#5926. Right: the message has both shapes, and what to write.
    """
    with pytest.raises(ShapeError, match=r"x must have the shape \(n, 6, 6, 1\), " + hint):
        of_images.predict(images)


def test_images_scaled_in_another_way_than_in_training(of_images):
    """The weights of an MLP on MNIST look wrong: the line that divides the bytes by 255 has been lost from the example.

    Source: scikit-learn/scikit-learn#11960. Right: the model scales bytes itself, and refuses other numbers afterwards.
    """
    for images in (IMAGES / 255, IMAGES.astype(np.int64), IMAGES > 100):
        with pytest.raises(DataError, match="this model was trained on uint8 images"):
            of_images.predict(images)


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4", "longdouble"])
def test_numbers_of_another_dtype(dtype):
    """Data of float64: "Input type (DoubleTensor) and weight type (FloatTensor) should be the same".

    Source: skorch-dev/skorch#758. Right: every real dtype is converted, in fit and in predict.
    """
    rounded = X.astype("float16")  # the same numbers in every dtype
    expected, model = classifier(), classifier()
    expected.fit(rounded.astype(np.float32), LABELS, epochs=2)
    model.fit(rounded.astype(dtype), LABELS, epochs=2)
    assert np.array_equal(model.parameters, expected.parameters)
    assert np.array_equal(model.predict(rounded.astype(dtype)), expected.predict(rounded.astype(np.float32)))


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "uint64", "bool", "float32"])
def test_labels_of_another_dtype(dtype):
    """Labels of 32 bits: "Expected object of scalar type Long but got scalar type Int for argument #2 'target'".

    Source: skorch-dev/skorch#554. Right: labels of any dtype train the same network.
    """
    expected, model = classifier(), classifier()
    expected.fit(X, LABELS)
    model.fit(X, LABELS.astype(dtype))
    assert np.array_equal(model.parameters, expected.parameters)


@pytest.mark.parametrize(
    "change",
    [np.asfortranarray, lambda x: x[::-1].copy()[::-1], lambda x: np.repeat(x, 2, 1)[:, ::2]],
    ids=["columns first", "reversed", "strided"],
)
def test_arrays_in_another_order_of_memory(change):
    """A reversed array: "some of the strides of a given numpy array are negative. This is currently not supported".

    Source: lilab-bcb/harmony-pytorch#4. Right: views and read-only arrays train and predict the same.
    """
    array = change(X)
    array.flags.writeable = False
    expected, model = classifier(), classifier()
    expected.fit(X, LABELS)
    model.fit(array, LABELS)
    assert np.array_equal(model.parameters, expected.parameters)
    assert np.array_equal(model.predict(array), expected.predict(X))


def test_numbers_that_are_stored_as_objects():
    """Columns of a mixed data frame: "Failed to convert a NumPy array to a Tensor (Unsupported object type float)".

    Source: keras-team/keras#14851. Right: the message says that they are objects, and how to convert them.
    """
    with pytest.raises(DataError, match=r"x must hold numbers, got object .* stored as objects: x\.astype\(np\.float32\)"):
        classifier().fit(X.astype(object), LABELS)


def test_the_mean_loss_with_a_smaller_last_batch():
    """Three samples in batches of two: the loss of the epoch is the mean of the two batches, not of the three samples.

    Source: tensorflow/tensorflow#38596. Right: each sample counts once.
    """
    model = regressor(optimizer=SGD(1e-12))  # so that the updates change nothing
    history = model.fit(X[:3], NUMBERS[:3], batch_size=2)
    errors = model.predict(X[:3])[:, 0].astype(np.float64) - NUMBERS[:3]
    assert np.isclose(history["train_loss"][0], (errors**2).mean(), rtol=1e-5)


def test_batch_normalization_of_a_last_batch_of_one():
    """With len(x) % batch_size == 1, the running variance of a batch normalization becomes NaN.

    Source: tensorflow/tensorflow#46205. Right: the statistics stay finite, and the predictions too.
    """
    network = Sequential(Dense(6), BatchNorm(), ReLU(), Dense(2), Softmax())
    model = network.compile((4,), CrossEntropy(), Adam(0.01), seed=0)
    model.fit(X, LABELS, batch_size=20, epochs=2)
    assert np.isfinite(model.state.statistics).all()
    probabilities = model.predict(X)
    assert np.isfinite(probabilities).all()
    assert len(np.unique(probabilities[:, 0])) > 30


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint64", "float16", "bool"])
def test_errors_of_targets_in_few_bits(dtype):
    """mean_squared_error of uint8 arrays is 0 where it is 256: the differences overflow.

    Source: scikit-learn/scikit-learn#28827. Right: scores of targets in any dtype are those of the same numbers in float64.
    """
    y = np.clip(20 * NUMBERS + 60, 0, 127).astype(dtype)
    model = regressor(metrics=[AbsoluteError(), R2()])
    assert model.evaluate(X, y) == model.evaluate(X, y.astype(np.float64))
    assert model.fit(X, y)["train_loss"] == regressor().fit(X, y.astype(np.float64))["train_loss"]


def test_a_split_of_sorted_labels():
    """A network for five classes has an accuracy of 0 on its validation set: the last fifth of the data is the whole class 5.

    Source: keras-team/keras#8346. Right: a split shuffles, and every class is in both parts in proportion.
    """
    labels = np.repeat(np.arange(5), 20)
    for part in Dataset(np.zeros((100, 1)), labels).split(0.2, seed=0):
        assert np.bincount(part.y).tolist() == [len(part) // 5] * 5


def test_labels_that_begin_at_one():
    """Labels 1 … 3 of three classes: "a label value of 3 which is outside the valid range of [0, 3)"; elsewhere a loss of NaN.

    Source: rstudio/keras3#465. Right: an error before the training, with the label, the sample and the range.
    """
    labels = LABELS + 1
    with pytest.raises(DataError, match=r"label 2 in sample \d+ is out of range: 2 outputs take the labels 0 … 1"):
        classifier().fit(X, labels)


def test_no_samples_at_all():
    """predict of an array of length 0 returns an empty list instead of an array of the shape of the outputs.

    Source: keras-team/keras#9652. Right: an array with no rows and all other axes.
    """
    assert classifier(3).predict(X[:0]).shape == (0, 3)


def test_a_training_set_without_samples():
    """fit of empty arrays: "Unexpected result of train_function (Empty logs)", with advice that does not help.

    Source: keras-team/keras#16202. Right: the message says that the set is empty.
    """
    model = classifier(3)
    for call in (model.fit, model.evaluate):
        with pytest.raises(DataError, match="the set is empty"):
            call(X[:0], LABELS[:0])
