"""Class weights: sample weights by class, in training only."""

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
    Graph,
    Hinge,
    MeanSquaredError,
    Node,
    Sequential,
    Sigmoid,
    Softmax,
    Triplet,
)
from pellucid.cli import application
from pellucid.data import Dataset
from pellucid.training.class_weight import weighted
from pellucid.training.inputs import Samples

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).astype(np.float32)
LABELS = np.minimum(RANDOM.geometric(0.5, 60) - 1, 2)
SAMPLE_WEIGHTS = RANDOM.random(60).astype(np.float32)


def three_classes(**options):
    """An untrained model of three_classes classes."""
    return Sequential(Dense(3), Softmax()).compile((4,), CrossEntropy(), SGD(0.1), seed=3, **options)


def trained_parameters(model, y, **options):
    model.fit(X, y, epochs=2, batch_size=16, **options)
    return model.parameters.copy()


@pytest.mark.parametrize("sample_weight", [None, SAMPLE_WEIGHTS], ids=["plain", "weighted"])
def test_balanced_is_scikit_learns_formula(sample_weight):
    expected = sklearn.utils.class_weight.compute_sample_weight("balanced", LABELS)
    if sample_weight is not None:  # scikit-learn counts samples, Pellucid adds their weights
        n_c = np.bincount(LABELS, sample_weight)
        expected = sample_weight * (sample_weight.sum() / (3 * n_c))[LABELS]
    samples = Samples(X, None, LABELS, sample_weight)
    actual = weighted(samples, "balanced", three_classes().state, None).weights  # before training divides by their sum
    np.testing.assert_allclose(actual, expected, rtol=1e-6)
    parameters = trained_parameters(three_classes(), LABELS, sample_weight=expected)
    balanced = trained_parameters(three_classes(), LABELS, sample_weight=sample_weight, class_weight="balanced")
    np.testing.assert_allclose(balanced, parameters, rtol=0, atol=1e-6)
    assert np.abs(trained_parameters(three_classes(), LABELS, sample_weight=sample_weight) - parameters).max() > 1e-3


def test_the_range_test_uses_class_weights():
    names = ["common", "less", "rare"]
    plain, by_class = three_classes(classes=names), three_classes(classes=names)
    weights = np.array([1, 0.5, 4])[LABELS]
    expected = plain.find_learning_rate(Dataset(X, LABELS, weights), batch_size=16, steps=20).losses
    actual = by_class.find_learning_rate(X, LABELS, batch_size=16, steps=20, class_weight={"rare": 4, "less": 0.5}).losses
    np.testing.assert_array_equal(actual, expected)
    assert not np.array_equal(plain.find_learning_rate(X, LABELS, batch_size=16, steps=20).losses, expected)


def test_lists_and_mappings_by_number_and_by_name_are_equivalent():
    expected = trained_parameters(three_classes(), LABELS, sample_weight=np.array([1, 0.5, 4])[LABELS])
    names = ["common", "less", "rare"]
    for given in ([1, 0.5, 4], np.array([1, 0.5, 4]), {1: 0.5, 2: 4}, {np.int64(2): np.float32(4), 1: 0.5}):
        np.testing.assert_array_equal(trained_parameters(three_classes(), LABELS, class_weight=given), expected)
    by_name = {"rare": 4, "less": 0.5}
    np.testing.assert_array_equal(trained_parameters(three_classes(classes=names), LABELS, class_weight=by_name), expected)
    model = three_classes()
    model.fit(Dataset(X, LABELS, classes=names), epochs=2, batch_size=16, class_weight=by_name)
    np.testing.assert_array_equal(model.parameters, expected)


@pytest.mark.parametrize(("head", "loss"), [((Sigmoid(),), BinaryCrossEntropy()), ((), Hinge())], ids=["sigmoid", "hinge"])
def test_one_output_has_two_classes(head, loss):
    def new_model():
        return Sequential(Dense(1), *head).compile((4,), loss, SGD(0.1))

    answers = LABELS > 0
    expected = trained_parameters(new_model(), answers, sample_weight=np.where(answers, 3.0, 1.0))
    np.testing.assert_array_equal(trained_parameters(new_model(), answers, class_weight=[1, 3]), expected)


def test_only_training_is_weighted():
    model = three_classes(metrics=[Accuracy()])
    weights = {"class_weight": [0, 0, 5], "validation": (X, LABELS), "exact_training_metrics": True}
    history = model.fit(X, LABELS, epochs=1, batch_size=60, **weights)
    after = model.evaluate(X, LABELS)
    for part in ("train", "validation"):
        assert history[f"{part}_loss"] == [pytest.approx(after["loss"], rel=1e-6)]
    weighted_history = three_classes(metrics=[Accuracy()]).fit(X, LABELS, epochs=1, batch_size=60, class_weight=[0, 0, 5])
    assert weighted_history["train_loss"][0] == pytest.approx(
        three_classes().evaluate(X[LABELS == 2], LABELS[LABELS == 2])["loss"], rel=1e-5
    )


@pytest.mark.parametrize(
    ("class_weight", "error", "message"),
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
def test_invalid_class_weights_raise_and_change_nothing(class_weight, error, message):
    model = three_classes(classes=["common", "less", "rare"])
    before = model.parameters.copy()
    with pytest.raises(error, match=message):
        model.fit(X, LABELS, class_weight=class_weight)
    np.testing.assert_array_equal(model.parameters, before)


def test_targets_that_are_not_one_class_per_sample_raise():
    with pytest.raises(ConfigError, match="have no names: give class numbers, 0 to 2"):
        three_classes().fit(X, LABELS, class_weight={"rare": 2})
    with pytest.raises(DataError, match="class 2 does not occur in the training data"):
        three_classes().fit(X, LABELS > 0, class_weight="balanced")
    soft = RANDOM.dirichlet(np.ones(3), 60)
    with pytest.raises(DataError, match="several classes at once"):
        three_classes().fit(X, soft, class_weight="balanced")
    with pytest.raises(DataError, match=r"is for numbers: give sample weights, fit\(sample_weight=…\)"):
        Sequential(Dense(1)).compile((4,), MeanSquaredError()).fit(X, LABELS, class_weight=[1, 2])
    questions = Sequential(Dense(2), Sigmoid()).compile((4,), BinaryCrossEntropy())
    with pytest.raises(DataError, match="the 2 outputs are independent labels"):
        questions.fit(X, np.stack([LABELS > 0, LABELS > 1], axis=1), class_weight=[1, 2])


def test_class_weights_of_several_outputs_are_given_by_output_and_by_name():
    network = Graph(
        Node("size", Sequential(Dense(3), Softmax()), "input"), Node("odd", Sequential(Dense(1), Sigmoid()), "input"),
        outputs=("size", "odd"),
    )  # fmt: skip

    def trained(classes=None, **options):
        losses = {"size": CrossEntropy(), "odd": BinaryCrossEntropy()}
        return trained_parameters(
            network.compile((4,), losses, SGD(0.1), classes=classes), {"size": LABELS, "odd": LABELS % 2}, **options
        )

    expected = trained(sample_weight={"size": np.array([1, 0.5, 4])[LABELS]})
    classes = {"size": ["common", "less", "rare"]}
    np.testing.assert_array_equal(trained(class_weight={"size": [1, 0.5, 4]}), expected)
    np.testing.assert_array_equal(trained(classes, class_weight={"size": {"rare": 4, "less": 0.5}}), expected)
    with pytest.raises(ConfigError, match="have no names: give class numbers, 0 to 1"):
        trained(classes, class_weight={"odd": {"rare": 4}})
    with pytest.raises(ConfigError, match="class_weight='balance': did you mean 'balanced'"):
        trained(class_weight={"size": "balance"})
    with pytest.raises(ConfigError, match="class_weight has 'sizes', which is not an output of the network"):
        trained(class_weight={"sizes": "balanced"})
    with pytest.raises(ConfigError, match=r"class_weight=\[1, 2\]: the network has several outputs: give a dictionary by"):
        trained(class_weight=[1, 2])
    with pytest.raises(ConfigError, match=r"class_weight=\{.*\}: every sample would have the weight 0"):
        trained(class_weight={"size": {0: 0, 1: 0, 2: 0}})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, True, 1], "weight of class 1 must be a finite number, at least 0; got True"),
        ([1, 1, np.inf], "weight of class 2 must be a finite number, at least 0; got inf"),
        ({-1: 1}, "has the unknown class -1: the classes are 0 to 2"),
        ({True: 1}, "has the unknown class True: the classes are 0 to 2"),
        ({"rare": -0.5}, "weight of class 'rare' must be a finite number, at least 0; got -0.5"),
        (frozenset([1]), r"class_weight=frozenset\(\{1\}\): give 'balanced', a list"),
    ],
    ids=str,
)
def test_other_invalid_class_weights(weights, message):
    with pytest.raises(ConfigError, match=message):
        three_classes(classes=["common", "less", "rare"]).fit(X, LABELS, class_weight=weights)


def test_a_class_that_is_missing_is_named():
    with pytest.raises(DataError, match="class 1 does not occur in the training data, so no weight can balance it"):
        three_classes().fit(X, 2 * (LABELS > 0), class_weight="balanced")
    with pytest.raises(DataError, match="class 'rare' does not occur in the training data"):
        three_classes(classes=["common", "less", "rare"]).fit(X, LABELS % 2, class_weight="balanced")
    with pytest.raises(ConfigError, match="have no names"):  # of another number of classes
        three_classes().fit(Dataset(X, LABELS, classes=["a", "b", "c", "d"]), class_weight={"a": 2})


def test_answers_are_labels_unless_they_are_soft():
    def answers():
        return Sequential(Dense(1), Sigmoid()).compile((4,), BinaryCrossEntropy(), SGD(0.1))

    y = (LABELS > 0).astype(float)
    expected = trained_parameters(answers(), y, sample_weight=np.where(y > 0, 3.0, 1.0))
    for same in (y, y[:, None], y.astype(bool)):
        np.testing.assert_array_equal(trained_parameters(answers(), same, class_weight=[1, 3]), expected)
    with pytest.raises(DataError, match="soft labels belong to several classes at once"):
        answers().fit(X, np.r_[0.5, y[1:]], class_weight=[1, 3])
    with pytest.raises(DataError, match=r"class_weight is for classes, and Triplet.* is for distances: give sample weights"):
        Sequential(Dense(2)).compile((4,), Triplet()).fit(X, LABELS, class_weight=[1, 2])


def test_sample_weights_and_class_weights_multiply_at_positions():
    x, y = RANDOM.normal(size=(12, 5, 4)).astype(np.float32), RANDOM.integers(0, 3, (12, 5))
    samples, factors = np.linspace(0.5, 2, 12), np.array([1.0, 2.0, 0.5])

    def trained(**options):
        model = Sequential(Dense(3), Softmax()).compile((5, 4), CrossEntropy(), SGD(0.1), seed=3)
        model.fit(x, y, **options)
        return model.parameters

    expected = trained(sample_weight=samples[:, None] * factors[y])
    np.testing.assert_allclose(trained(sample_weight=samples, class_weight=list(factors)), expected, atol=1e-6)
    of_positions = RANDOM.random((12, 5))
    np.testing.assert_allclose(
        trained(sample_weight=of_positions, class_weight=list(factors)),
        trained(sample_weight=of_positions * factors[y]),
        atol=1e-6,
    )


def test_the_command_line_has_class_weights_and_records_them(mnist_folder):
    arguments = ["train", "mnist", "--model", "mlp", "--hidden", "8", "--epochs", "1", "--out", "run", "--quiet"]
    result = CliRunner().invoke(application(), [*arguments, "--class-weight", "balanced"])
    assert result.exit_code == 0, result.output
    with open("run/config.json", encoding="utf-8") as file:
        assert json.load(file)["fit"]["class_weight"] == "balanced"
    result = CliRunner().invoke(application(), [*arguments, "--force", "--class-weight", "equal"])
    assert result.exit_code == 2
    assert "class_weight='equal'" in result.output
