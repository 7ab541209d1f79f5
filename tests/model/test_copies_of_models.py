"""Copies of models and ensembles: Model.copy, the module copy, pickle."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    Adam,
    BatchNorm,
    ConfigError,
    CrossEntropy,
    Dense,
    Dropout,
    Ensemble,
    Graph,
    Node,
    ReLU,
    Sequential,
    Softmax,
)
from pellucid.layers import Activation

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
Y = np.arange(30) % 3


@dataclass(frozen=True)
class OwnReLU(Activation):
    """A layer of one's own."""

    kernel_name = "relu"


def squares(outputs, targets):
    """A loss of one's own."""
    d = outputs - np.eye(3)[targets]
    return (d**2).sum(axis=1), 2 * d


def trained(loss=None):
    network = Sequential(Dense(8), BatchNorm(), OwnReLU(), Dropout(0.3), Dense(3), Softmax())
    model = network.compile((4,), loss or CrossEntropy(), Adam(0.01), seed=3, classes=("a", "b", "c"))
    model.fit(X, Y, epochs=2, batch_size=10, progress=False)
    return model


WAYS = {
    "copy": lambda model: model.copy(),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_copy_continues_as_the_original_would(way):
    model = trained()
    model.forward(X)  # the next pass of this step draws other noise
    other = way(model)
    assert other.config() == model.config()
    assert other.history.rows == model.history.rows
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    before = model.predict(X)
    for one in (other, model):
        y, pullback = one.forward(X)
        one.update(pullback(y))
        if one is other:
            np.testing.assert_array_equal(model.predict(X), before)
        one.fit(X, Y, batch_size=10, progress=False)
    np.testing.assert_array_equal(other.parameters, model.parameters)
    np.testing.assert_array_equal(other.state.statistics, model.state.statistics)
    assert (other.state.steps, other.state.epochs) == (model.state.steps, model.state.epochs) == (10, 3)


@pytest.mark.parametrize("loss", [squares, None], ids=["function", "none"])
def test_models_with_a_function_as_their_loss_or_without_one_are_copied(loss):
    model = trained(squares)
    if loss is None:
        model = model.network.compile((4,))
    other = pickle.loads(pickle.dumps(model))
    assert other.loss == model.loss
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_a_lambda_can_be_copied_within_the_process():
    model = trained(lambda outputs, targets: squares(outputs, targets))
    other = copy.deepcopy(model)
    assert other.loss.function is model.loss.function
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


TWO = Graph(Node("a", Dense(3), "input"), Node("b", Dense(3), "input"), outputs=("a", "b"))


def test_two_functions_of_one_name_are_refused_where_one_would_become_the_other(tmp_path):
    once, twice = (lambda outputs, targets, k=k: tuple(k * part for part in squares(outputs, targets)) for k in (1, 2))
    model = TWO.compile((4,), {"a": once, "b": twice})
    for way in (model.copy, lambda: model.save(tmp_path / "m")):
        with pytest.raises(ConfigError, match=r"two classes or functions have the name '.*<lambda>', by which settings refer"):
            way()
    assert not any(tmp_path.iterdir())
    same = TWO.compile((4,), {"a": once, "b": once}).copy()
    assert same.loss["a"].function is same.loss["b"].function is once


@pytest.mark.parametrize("way", list(WAYS.values())[2:], ids=list(WAYS)[2:])
def test_ensembles_are_copied(way):
    ensemble = Ensemble([trained(), trained()])
    expected = ensemble.predict(X)
    other = way(ensemble)
    ensemble.models[0].parameters[:] = 0
    np.testing.assert_array_equal(other.predict(X), expected)


def test_a_pickle_holds_a_model_file():
    model = Sequential(Dense(3), ReLU()).compile((4,))
    _, (file, classes, *_) = model.__reduce__()
    assert isinstance(file, bytes)
    assert b'"pellucid"' in file[:2000]
    assert classes == []
