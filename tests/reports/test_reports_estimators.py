"""Public reports about scikit-learn's MLP, skorch and the wrappers of Keras: what users did, and what happens here."""

from __future__ import annotations

import os
import pickle
import signal
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import ConfigError, DataError, DivergedError
from pellucid.optim import Schedule
from tests.reports.small_data import LABELS, NUMBERS, X

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.ensemble import BaggingRegressor  # noqa: E402

from pellucid.sklearn import NetworkClassifier, NetworkRegressor  # noqa: E402

SMALL = {"hidden": (6,), "epochs": 3, "random_state": 0}


@pytest.mark.parametrize("kind", ["text", "objects", "categories", "dates", "tens"])
def test_early_stopping_with_labels_of_any_kind(kind):
    """MLPClassifier(early_stopping=True) with text as labels: "ufunc 'isnan' not supported for the input types".

    Source: scikit-learn/scikit-learn#33760. Right: labels of any kind are trained on, scored and predicted as they are.
    """
    names = np.array(["Class_A", "Class_B"])
    labels = {
        "text": names,
        "objects": names.astype(object),
        "categories": names,
        "dates": np.array(["2020-01-01", "2021-01-01"], "M8[D]"),
        "tens": np.array([10, 500]),
    }[kind][LABELS]
    given = labels
    if kind == "categories":
        given = pytest.importorskip("pandas").Series(labels, dtype="category", index=range(100, 161))
    model = NetworkClassifier(**SMALL, early_stopping=True).fit(X, given)
    assert set(model.predict(X)) <= set(labels)
    assert model.classes_.tolist() == sorted(set(labels.tolist()))
    assert model.score(X, labels) > 0.3


def test_a_training_that_diverges_with_early_stopping():
    """An exploding MLPRegressor ends in "Input contains NaN" with early stopping, which says nothing of the training.

    Source: scikit-learn/scikit-learn#29504. Right: the error says where the training diverged, and at which rate.
    """
    model = NetworkRegressor(
        hidden=(6,), recipe="plain", optimizer="sgd", learning_rate=1e6, early_stopping=True, epochs=20, random_state=0
    )
    with pytest.raises(DivergedError, match=r"training diverged in epoch .* at a learning rate of 1e\+06"):
        model.fit(X, NUMBERS)


@dataclass(frozen=True)
class Interrupting(Schedule):
    """A constant learning rate that sends SIGINT, as Ctrl-C does, at one step."""

    step: int

    def at(self, clock):
        if clock.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.01


def test_ctrl_c_in_the_middle_of_fit():
    """Is what is left of an interrupted MLPClassifier corrupt or unusable? KeyboardInterrupt is caught and passed over.

    Source: scikit-learn/scikit-learn#7596. Right: the interrupt is raised; the estimator predicts and has its history.
    """
    model = NetworkClassifier(hidden=(6,), recipe="plain", epochs=50, batch_size=20, learning_rate=Interrupting(10))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS)
    assert (
        model.n_iter_ == len(model.loss_curve_) == len(model.history_) == 2
    )  # of four steps each, and one that was not finished
    assert model.predict(X).shape == LABELS.shape
    model.set_params(learning_rate=0.01, warm_start=True, epochs=2).fit(X, LABELS)
    assert model.n_iter_ == 4


def test_partial_fit_after_early_stopping():
    """MLPRegressor(early_stopping=True).fit(…).partial_fit(…) raises an error about the missing validation data.

    Source: scikit-learn/scikit-learn#25694. Right: it makes one more pass.
    """
    model = NetworkRegressor(**SMALL, early_stopping=True).fit(X, NUMBERS)
    epochs, before = model.n_iter_, model.model_.parameters.copy()
    model.partial_fit(X, NUMBERS)
    assert model.n_iter_ == epochs + 1
    assert not np.array_equal(model.model_.parameters, before)


def test_a_warm_start_with_another_class():
    """A second fit of an MLPClassifier with warm_start and other labels fails with a vague error about shapes.

    Source: scikit-learn/scikit-learn#7976. Right: the message has the new class and the known ones.
    """
    model = NetworkClassifier(**SMALL, warm_start=True).fit(X, LABELS)
    with pytest.raises(DataError, match=r"y has the class 2, which is not one of \[0, 1\]"):
        model.fit(X, LABELS + 1)


@pytest.mark.parametrize("weights", [[1, 2], "balnced", 3], ids=str)
def test_class_weights_that_are_no_dictionary(weights):
    """A class_weight that is no dictionary with classes as keys is not checked; a check that it is one is added.

    Source: keras-team/keras#23221. Right: the message says which forms there are.
    """
    with pytest.raises(ConfigError, match=r"class_weight=.*give 'balanced', or a dictionary"):
        NetworkClassifier(**SMALL, class_weight=weights).fit(X, LABELS)


def test_regressors_in_a_bag():
    """NeuralNetRegressor in a BaggingRegressor: the bag makes a vector of y, which the network refuses.

    Source: skorch-dev/skorch#972. Right: y may be a vector or a column, and predictions are a vector.
    """
    bag = BaggingRegressor(NetworkRegressor(**SMALL), n_estimators=2, random_state=0)
    vector = bag.fit(X, NUMBERS).predict(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of columns
        column = clone(bag).fit(X, NUMBERS[:, None]).predict(X)
    assert vector.shape == (61,)
    assert np.array_equal(vector, column)


def test_a_clone_is_not_trained():
    """sklearn.base.clone of a fitted net is a fitted net: get_params has the learned attributes too.

    Source: skorch-dev/skorch#521. Right: a clone has the settings only; a pickled estimator is the trained one.
    """
    model = NetworkClassifier(**SMALL, early_stopping=True).fit(X, LABELS)
    assert not [name for name in vars(clone(model)) if name.endswith("_")]
    assert clone(model).get_params() == model.get_params()
    loaded = pickle.loads(pickle.dumps(model))
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_pickled_estimator_can_be_trained_on():
    """A pickled net with a callback that defines __getattr__ cannot be loaded: a RecursionError.

    Source: skorch-dev/skorch#773. Right: the loaded estimator goes on with the same steps.
    """
    model = NetworkClassifier(**SMALL, early_stopping=True).fit(X, LABELS)
    loaded = pickle.loads(pickle.dumps(model))
    for one in (model, loaded):
        one.partial_fit(X, LABELS)
    assert np.array_equal(loaded.model_.parameters, model.model_.parameters)


@pytest.mark.parametrize("factor", [1e300, 1e-300])
def test_targets_whose_squares_are_not_finite(factor):
    """Targets up to 500: "Input contains NaN, infinity or a value too large for dtype('float32')"; up to 10 there is no error.

    Source: keras-team/autokeras#737. Right: the unit does not matter; the predictions are those of the same numbers in it.
    """
    expected = NetworkRegressor(**SMALL).fit(X, NUMBERS.astype(np.float64)).predict(X)
    predicted = NetworkRegressor(**SMALL).fit(X, NUMBERS.astype(np.float64) * factor).predict(X)
    assert np.allclose(predicted / factor, expected, rtol=1e-6)


def test_two_columns_of_a_frame_with_the_same_name():
    """A data frame after a join has two columns of one name: "'DataFrame' object has no attribute 'dtype'".

    Source: google-research/tabfm#45. Right: a DataError that has the name.
    """
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("aabc"))
    with pytest.raises(DataError, match="X: two columns have the name 'a'"):
        NetworkClassifier(**SMALL).fit(frame, LABELS)
