"""Class weights: they are sample weights, by class, in training alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sklearn.utils.class_weight
from typer.testing import CliRunner

from pellucid import (
    SGD,
    Accuracy,
    BinaryCrossEntropy,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    Hinge,
    MeanSquaredError,
    Sequential,
    Sigmoid,
    Softmax,
)
from pellucid.cli import application
from pellucid.data import Dataset
from pellucid.training.class_weight import weighted
from pellucid.training.inputs import Samples

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).astype(np.float32)
LABELS = np.minimum(RANDOM.geometric(0.5, 60) - 1, 2)
OWN = RANDOM.random(60).astype(np.float32)


def three(**options):
    return Sequential(Dense(3), Softmax()).compile((4,), CrossEntropy(), SGD(0.1), seed=3, **options)


def learned(model, y, **options):
    model.fit(X, y, epochs=2, batch_size=16, **options)
    return model.parameters.copy()


@pytest.mark.parametrize("own", [None, OWN], ids=["plain", "weighted"])
def test_balanced_is_scikit_learns_formula(own):
    each = sklearn.utils.class_weight.compute_sample_weight("balanced", LABELS)
    if own is not None:  # scikit-learn counts samples; here they count by their weights
        n_c = np.bincount(LABELS, own)
        each = own * (own.sum() / (3 * n_c))[LABELS]
    wanted = learned(three(), LABELS, sample_weight=each)
    told = weighted(Samples(X, None, LABELS, own), "balanced", three().state, None).weights  # training divides by their sum
    np.testing.assert_allclose(told, each, rtol=1e-6)
    balanced = learned(three(), LABELS, sample_weight=own, class_weight="balanced")
    np.testing.assert_allclose(balanced, wanted, rtol=0, atol=1e-6)
    assert np.abs(learned(three(), LABELS, sample_weight=own) - wanted).max() > 1e-3


def test_the_range_test_counts_them_alike():
    names = ["common", "less", "rare"]
    plain, told = three(classes=names), three(classes=names)
    weights = np.array([1, 0.5, 4])[LABELS]
    wanted = plain.find_learning_rate(Dataset(X, LABELS, weights), batch_size=16, steps=20).losses
    found = told.find_learning_rate(X, LABELS, batch_size=16, steps=20, class_weight={"rare": 4, "less": 0.5}).losses
    np.testing.assert_array_equal(found, wanted)
    assert not np.array_equal(plain.find_learning_rate(X, LABELS, batch_size=16, steps=20).losses, wanted)


def test_lists_numbers_and_names_say_the_same():
    wanted = learned(three(), LABELS, sample_weight=np.array([1, 0.5, 4])[LABELS])
    names = ["common", "less", "rare"]
    for given in ([1, 0.5, 4], np.array([1, 0.5, 4]), {1: 0.5, 2: 4}, {np.int64(2): np.float32(4), 1: 0.5}):
        np.testing.assert_array_equal(learned(three(), LABELS, class_weight=given), wanted)
    by_name = {"rare": 4, "less": 0.5}
    np.testing.assert_array_equal(learned(three(classes=names), LABELS, class_weight=by_name), wanted)
    model = three()
    model.fit(Dataset(X, LABELS, classes=names), epochs=2, batch_size=16, class_weight=by_name)
    np.testing.assert_array_equal(model.parameters, wanted)


@pytest.mark.parametrize(("head", "loss"), [((Sigmoid(),), BinaryCrossEntropy()), ((), Hinge())], ids=["sigmoid", "hinge"])
def test_one_output_has_two_classes(head, loss):
    def made():
        return Sequential(Dense(1), *head).compile((4,), loss, SGD(0.1))

    answers = LABELS > 0
    wanted = learned(made(), answers, sample_weight=np.where(answers, 3.0, 1.0))
    np.testing.assert_array_equal(learned(made(), answers, class_weight=[1, 3]), wanted)


def test_training_alone_is_weighted():
    model = three(metrics=[Accuracy()])
    weights = {"class_weight": [0, 0, 5], "validation": (X, LABELS), "exact_training_metrics": True}
    history = model.fit(X, LABELS, epochs=1, batch_size=60, **weights)
    after = model.evaluate(X, LABELS)
    for part in ("train", "validation"):
        assert history[f"{part}_loss"] == [pytest.approx(after["loss"], rel=1e-6)]
    counted = three(metrics=[Accuracy()]).fit(X, LABELS, epochs=1, batch_size=60, class_weight=[0, 0, 5])
    assert counted["train_loss"][0] == pytest.approx(three().evaluate(X[LABELS == 2], LABELS[LABELS == 2])["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("balance", ConfigError, "class_weight='balance': did you mean 'balanced'"),
        ([1, 2], ConfigError, "has 2 weights for 3 classes"),
        ([1, -1, 1], ConfigError, "weight of class 1 must be a finite number, at least 0; got -1"),
        ([1, 1, np.nan], ConfigError, "weight of class 2 must be"),
        ({0: "much"}, ConfigError, "weight of class 0 must be a finite number, at least 0; got 'much'"),
        ({3: 1}, ConfigError, "has the unknown class 3: the classes are 0 to 2"),
        ({1.0: 1}, ConfigError, "has the unknown class 1.0"),
        ({"rar": 1}, ConfigError, "has the unknown class 'rar': did you mean 'rare'"),
        ([0, 0, 0], ConfigError, "every sample would have the weight 0"),
        (3, ConfigError, "class_weight=3: give 'balanced', a list"),
    ],
)
def test_bad_weights_are_refused(given, error, words):
    model = three(classes=["common", "less", "rare"])
    before = model.parameters.copy()
    with pytest.raises(error, match=words):
        model.fit(X, LABELS, class_weight=given)
    np.testing.assert_array_equal(model.parameters, before)


def test_targets_without_one_class_a_sample_are_refused():
    with pytest.raises(ConfigError, match="have no names: give class numbers, 0 to 2"):
        three().fit(X, LABELS, class_weight={"rare": 2})
    with pytest.raises(DataError, match="class 2 does not occur in the training data"):
        three().fit(X, LABELS > 0, class_weight="balanced")
    soft = RANDOM.dirichlet(np.ones(3), 60)
    with pytest.raises(DataError, match="several classes at once"):
        three().fit(X, soft, class_weight="balanced")
    with pytest.raises(DataError, match=r"is for numbers: give sample weights, fit\(sample_weight=…\)"):
        Sequential(Dense(1)).compile((4,), MeanSquaredError()).fit(X, LABELS, class_weight=[1, 2])
    questions = Sequential(Dense(2), Sigmoid()).compile((4,), BinaryCrossEntropy())
    with pytest.raises(DataError, match="the 2 outputs are independent questions"):
        questions.fit(X, np.stack([LABELS > 0, LABELS > 1], axis=1), class_weight=[1, 2])


def test_the_command_line_weighs_classes_and_writes_it_down(mnist_folder):
    asked = ["train", "mnist", "--model", "mlp", "--hidden", "8", "--epochs", "1", "--out", "run", "--quiet"]
    result = CliRunner().invoke(application(), [*asked, "--class-weight", "balanced"])
    assert result.exit_code == 0, result.output
    with open("run/config.json", encoding="utf-8") as file:
        assert json.load(file)["fit"]["class_weight"] == "balanced"
    result = CliRunner().invoke(application(), [*asked, "--force", "--class-weight", "equal"])
    assert result.exit_code == 2
    assert "class_weight='equal'" in result.output
