"""The state of a model: its vectors, the network that runs, and executions on other vectors."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from pellucid import (
    SGD,
    BatchNorm,
    BinaryCrossEntropy,
    Conv2D,
    CrossEntropy,
    Dense,
    MeanSquaredError,
    ReLU,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    kernels,
)
from pellucid.data.dataset import Dataset, digest
from pellucid.training.resuming import data_digest
from pellucid.training.state import ModelState

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def state(*layers, loss=None):
    return ModelState(Sequential(*layers), (4,), loss or MeanSquaredError(), SGD(0.1), 0, kernels.load())


def test_an_execution_sees_changes_of_the_model():
    model = state(Dense(3))
    execution = model.execution()
    before = execution.forward(X).copy()
    model.parameters *= 2
    np.testing.assert_allclose(execution.forward(X), 2 * before, rtol=1e-6)


def test_an_execution_on_other_parameters_leaves_the_model_unchanged():
    model = state(Dense(3), ReLU(), Dense(2))
    own, other = model.parameters.copy(), model.layout.zeros()
    other[:] = model.parameters
    execution = model.execution(parameters=other)
    np.testing.assert_array_equal(execution.forward(X), model.execution().forward(X))
    other[:] = 0
    np.testing.assert_array_equal(execution.forward(X), np.zeros((6, 2)))
    np.testing.assert_array_equal(model.parameters, own)
    assert model.execution().forward(X).any()


def test_running_statistics_are_updated_in_the_given_vector():
    model = state(Dense(3), BatchNorm())
    before, other = model.statistics.copy(), model.statistics.copy()
    model.execution(statistics=other).forward(X, training=True)
    np.testing.assert_array_equal(model.statistics, before)
    assert not np.array_equal(other, before)
    model.execution().forward(X, training=True)
    np.testing.assert_array_equal(model.statistics, other)


def test_another_dtype_works_on_copies():
    model = state(Dense(3), BatchNorm())
    double = model.execution(dtype=np.float64)
    z = double.forward(X.astype(np.float64)).copy()
    assert z.dtype == np.float64
    np.testing.assert_allclose(z, model.execution().forward(X), rtol=1e-5, atol=1e-6)
    statistics = model.statistics.copy()
    double.forward(X.astype(np.float64), training=True)
    np.testing.assert_array_equal(model.statistics, statistics)
    again = model.execution(dtype=np.float64)
    model.parameters[:] = 0
    np.testing.assert_array_equal(again.forward(X.astype(np.float64)), z)


@pytest.mark.parametrize(
    ("layers", "loss", "head", "classes", "multi_label"),
    [
        ((Dense(3), Softmax()), CrossEntropy(), Softmax(), 3, False),
        ((Dense(1), Sigmoid()), BinaryCrossEntropy(), Sigmoid(), 2, False),
        ((Dense(5), Sigmoid()), BinaryCrossEntropy(), Sigmoid(), 5, True),
        ((Dense(3), Sigmoid()), MeanSquaredError(), None, 3, False),
    ],
    ids=["softmax", "one sigmoid", "several labels", "numbers"],
)
def test_the_loss_determines_the_head_and_the_classes(layers, loss, head, classes, multi_label):
    model = state(*layers, loss=loss)
    assert model.head == head
    assert model.body == (Sequential(*layers) if head is None else Sequential(*layers[:-1]))
    assert (model.output.class_count, model.output.multi_label) == (classes, multi_label)


def test_parameters_and_statistics_are_separate_vectors():
    model = state(Dense(3), BatchNorm())
    arrays = model.arrays()
    assert {name.rpartition(".")[0] for name in arrays} == {"dense1", "batchnorm1"}
    assert set(arrays) == set(model.layout) | set(model.statistics_layout)
    assert not set(model.layout) & set(model.statistics_layout)
    arrays["dense1.W"][...] = 5
    assert (model.parameters == 5).sum() == 12
    assert model.largest_output == 4, "the input is the largest array"
    assert state(Dense(30), Dense(2)).largest_output == 30


def test_an_execution_uses_what_it_is_given():
    model = state(Dense(3), BatchNorm())
    x = X.astype(np.float32)
    other = np.zeros_like(model.parameters)
    assert not np.array_equal(model.execution(parameters=other).forward(x), model.execution().forward(x))
    running = model.statistics + 1
    assert not np.array_equal(model.execution(statistics=running).forward(x), model.execution().forward(x))
    g = model.layout.views(model.layout.zeros(np.float32))
    for needs_dx in (False, True):
        execution = model.execution(needs_dx=needs_dx)
        y = execution.forward(x, training=True, keep=True)
        assert (execution.backward(np.ones_like(y), g) is not None) is needs_dx
    seen = []
    model.execution(observer=lambda path, what, array: seen.append((path, what))).forward(x)
    assert seen
    assert all(what == "output" for _, what in seen)
    assert model.execution(dtype=np.float64).forward(X.astype(np.float64)).dtype == np.float64
    again = model.execution(dtype=np.float32)
    model.parameters[:] = 0
    assert not again.forward(x).any(), "it sees later changes"


def test_which_outputs_are_maps_of_numbers():
    for layers, shape, loss, wanted in (
        ((Conv2D(1, 1),), (4, 4, 1), MeanSquaredError(), True),
        ((Conv2D(2, 1), Softmax()), (4, 4, 1), CrossEntropy(), False),
        ((Dense(2),), (4, 2), MeanSquaredError(), None),
        ((Dense(2),), (2,), MeanSquaredError(), None),
    ):
        assert Sequential(*layers).compile(shape, loss).state.output.interpolates is wanted


def test_weights_for_positions_are_mentioned_where_there_are_positions():
    for shape, words in (
        ((2,), r"4 samples; got"),
        ((3, 2), r"4 samples, or one for each position \(3,\) of each sample; got"),
    ):
        model = Sequential(Dense(2)).compile(shape, MeanSquaredError())
        with pytest.raises(ShapeError, match=words):
            model.state.output.check_weights(np.ones((4, 7)), 4)


def test_the_digest_of_data_has_the_weights():
    x, y = np.arange(6.0).reshape(3, 2), np.arange(3)
    plain = data_digest(Dataset(x, y))
    assert plain == hashlib.sha256(digest(Dataset(x, y)).encode()).hexdigest()
    weighted = {data_digest(Dataset(x, y, sample_weight=np.array(w, np.float32))) for w in ([1, 2, 3], [1, 2, 4])}
    assert len(weighted | {plain}) == 3
