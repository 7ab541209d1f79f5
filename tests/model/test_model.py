"""The model: training, prediction and evaluation with every kind of input. Its files: test_model_files.py."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pellucid import (
    SGD,
    Accuracy,
    Adam,
    BinaryCrossEntropy,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Flatten,
    Identity,
    MeanSquaredError,
    Recall,
    ReLU,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
)
from pellucid.data import Dataset


def new_model(**settings):
    """An untrained model for images (7, 7, 1) of ten classes."""
    network = Sequential(Flatten(), Dense(16), ReLU(), Dropout(0.2), Dense(10), Softmax())
    return network.compile((7, 7, 1), CrossEntropy(), **{"optimizer": Adam(0.01), "metrics": [Accuracy()], **settings})


@pytest.fixture
def trained(images):
    model = new_model()
    model.fit(images, epochs=15, batch_size=20)
    return model


def table_model(**settings):
    """An untrained model for five features and three classes."""
    return Sequential(Dense(8), ReLU(), Dense(3), Softmax()).compile((5,), CrossEntropy(), SGD(0.1), **settings)


def test_fit_evaluate_and_predict_take_arrays_and_data_sets(images):
    one, other = new_model(), new_model()
    history = one.fit(images, validation=images, epochs=15, batch_size=20)
    other.fit(images.x, images.y, validation=(images.x, images.y), epochs=15, batch_size=20)
    assert history is one.history
    assert len(history) == 15
    assert np.array_equal(one.parameters, other.parameters)
    scores = one.evaluate(images)
    assert scores == other.evaluate(images.x, images.y)
    assert set(scores) == {"loss", "accuracy"}
    assert scores["accuracy"] == np.mean(one.predict(images.x).argmax(axis=1) == images.y)
    assert scores["accuracy"] > 0.9  # 1.0 for each of ten seeds; untrained 0.1
    assert one.classes == images.classes
    assert other.classes is None


def test_evaluate_agrees_with_the_formulas(trained, images):
    weights = np.linspace(0.5, 2, len(images))
    p = trained.predict(images.x).astype(np.float64)
    losses = -np.log(p[np.arange(len(p)), images.y])
    right = p.argmax(axis=1) == images.y
    scores = trained.evaluate(images.x, images.y, sample_weight=weights, metrics=[Accuracy(), Recall(3)])
    assert scores["loss"] == pytest.approx(np.average(losses, weights=weights), rel=1e-5)
    assert scores["accuracy"] == pytest.approx(np.average(right, weights=weights), rel=1e-6)
    three = images.y == 3
    assert scores["recall_3"] == pytest.approx(np.average(right[three], weights=weights[three]), rel=1e-6)
    assert trained.evaluate(images)["loss"] == pytest.approx(losses.mean(), rel=1e-5)


@pytest.mark.parametrize("n", [0, 1, 2, 1023, 1024, 1025, 2049])
def test_predict_takes_any_number_of_samples(trained, images, n):
    x = np.resize(images.x, (n, 7, 7, 1))
    y = trained.predict(x)
    assert y.shape == (n, 10)
    assert y.dtype == np.float32
    one_by_one = [trained.predict(x[i : i + 1])[0] for i in range(0, n, 97)]
    np.testing.assert_allclose(y[::97], np.reshape(one_by_one, (-1, 10)), rtol=1e-4, atol=1e-6)


def test_logits_are_the_values_before_the_head(trained, images):
    z = trained.predict(images.x, logits=True).astype(np.float64)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    np.testing.assert_allclose(trained.predict(images.x), e / e.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-7)
    yes_no = Sequential(Dense(1), Sigmoid()).compile((5,), BinaryCrossEntropy())
    x = np.random.default_rng(0).normal(size=(9, 5))
    np.testing.assert_allclose(yes_no.predict(x), 1 / (1 + np.exp(-yes_no.predict(x, logits=True))), rtol=1e-5)
    plain = Sequential(Dense(2), Identity()).compile((5,), MeanSquaredError())
    assert np.array_equal(plain.predict(x), plain.predict(x, logits=True))


def test_predictions_from_eight_threads_are_those_from_one(trained, images):
    batches = [images.x[i : i + 30] for i in range(0, 170, 5)] * 8
    expected = [trained.predict(x) for x in batches]
    with ThreadPoolExecutor(8) as pool:
        actual = list(pool.map(trained.predict, batches))
    assert all(np.array_equal(one, other) for one, other in zip(actual, expected, strict=True))


def test_predictions_are_new_arrays(trained, images):
    first = trained.predict(images.x)
    copy = first.copy()
    second = trained.predict(images.x[::-1])
    assert np.array_equal(first, copy)
    second[:] = -1
    assert np.array_equal(trained.predict(images.x), copy)


FORMS = {
    "float64": lambda x: x.astype(np.float64),
    "float16": lambda x: x.astype(np.float16),
    "int16": lambda x: x.astype(np.int16),
    "uint32": lambda x: x.astype(np.uint32),
    "big-endian": lambda x: x.astype(">f4"),
    "big-endian int": lambda x: x.astype(">i8"),
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "unaligned": lambda x: np.frombuffer(b"?" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape),
    "list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
def test_arrays_in_every_form_have_the_results_of_contiguous_float32(form):
    random = np.random.default_rng(2)
    clean, y = random.integers(0, 9, (60, 5)).astype(np.float32), random.integers(0, 3, 60)
    clean.flags.writeable = False
    x = FORMS[form](clean)
    one, other = table_model(), table_model()
    one.fit(clean, y, epochs=2, batch_size=7)
    other.fit(x, y.astype(">i2"), epochs=2, batch_size=7)
    assert np.array_equal(one.parameters, other.parameters)
    assert np.array_equal(one.predict(clean), other.predict(x))
    assert one.evaluate(clean, y) == other.evaluate(x, y)


def test_bytes_in_every_form_have_the_results_of_contiguous_bytes(trained, images):
    x = images.x
    x.flags.writeable = False
    expected = trained.predict(x)
    for same in (np.asfortranarray(x), np.repeat(x, 3, axis=2)[:, :, ::3], x[::-1].copy()[::-1]):
        assert np.array_equal(trained.predict(same), expected)
        other = new_model()
        other.fit(same, images.y, epochs=15, batch_size=20)
        assert np.array_equal(other.parameters, trained.parameters)


def test_other_kinds_of_numbers_than_in_training_raise(trained, images):
    fractions = images.x.astype(np.float32) / 255
    for use in (trained.predict, lambda x: trained.evaluate(x, images.y), lambda x: trained.fit(x, images.y)):
        with pytest.raises(DataError, match=r"trained on uint8 images.*got float32.*astype\(np.uint8\)"):
            use(fractions)
    other = new_model()
    other.fit(fractions, images.y)
    with pytest.raises(DataError, match=r"trained on real numbers, got uint8.*/ 255"):
        other.predict(images.x)
    with pytest.raises(DataError, match="trained on real numbers, got uint8"):
        new_model().fit(fractions, images.y, validation=images)


def test_train_on_batch_makes_the_steps_of_fit():
    random = np.random.default_rng(5)
    x, y = random.normal(size=(8, 5)).astype(np.float32), random.integers(0, 3, 8)
    by_hand, fitted = table_model(), table_model()
    fitted.fit(x, y, epochs=3, batch_size=8, shuffle=False)
    losses = [by_hand.train_on_batch(x, y) for _ in range(3)]
    assert losses == fitted.history["train_loss"]
    assert np.array_equal(by_hand.parameters, fitted.parameters)
    with pytest.raises(ShapeError, match="one target for each sample: x has 8, y 7"):
        by_hand.train_on_batch(x, y[:7])
    assert np.array_equal(by_hand.parameters, fitted.parameters)


def test_weights_are_views_by_path():
    model = table_model()
    assert [*model.weights] == ["dense1.W", "dense1.b", "dense2.W", "dense2.b"]
    x = np.ones((1, 5), np.float32)
    for array in model.weights.values():
        array[:] = 0
    model.weights["dense2.b"][:] = [0, np.log(2), 0]
    np.testing.assert_allclose(model.predict(x), [[0.25, 0.5, 0.25]], rtol=1e-6)
    assert model.parameters.sum() == np.float32(np.log(2))


def test_the_summary_is_a_table():
    assert table_model().summary().splitlines() == [
        "layer                                         output  parameters",
        "─" * 64,
        "input                                              5",
        "dense1    Dense(units=8)                           8          48",
        "relu1     ReLU()                                   8",
        "dense2    Dense(units=3)                           3          27",
        "softmax1  Softmax()                                3",
        "─" * 64,
        "total     64 multiply-adds a sample, depth 4                  75",
    ]


def test_a_data_set_of_some_rows_trains_like_a_copy_of_them(images):
    rows = np.flatnonzero(images.y < 5)
    selected = Dataset(images.x, images.y, rows=rows)
    copied = Dataset(images.x[rows], images.y[rows])
    one, other = new_model(), new_model()
    one.fit(selected, validation=selected, batch_size=16, epochs=2)
    other.fit(copied, validation=copied, batch_size=16, epochs=2)
    assert np.array_equal(one.parameters, other.parameters)
    assert one.history["validation_loss"] == other.history["validation_loss"]
