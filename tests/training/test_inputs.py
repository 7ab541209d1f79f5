"""Checks of user data: what is refused, with which words, before anything is trained; and what is taken."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pellucid import (
    F1,
    LBFGS,
    SGD,
    AbsoluteError,
    Accuracy,
    BinaryCrossEntropy,
    Concatenate,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    Embedding,
    Flatten,
    GaussianNLL,
    Graph,
    Hinge,
    LogLoss,
    MeanSquaredError,
    Node,
    Quantile,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Triplet,
)
from pellucid.data import Augmentation, Dataset, from_arrays
from pellucid.data.input_stage import Passthrough
from pellucid.metrics import PerPosition

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(12, 3)).astype(np.float32)
Y = np.arange(12) % 3


def classifier(width=3, loss=None, metrics=()):
    return Sequential(Dense(3), Softmax()).compile((width,), loss or CrossEntropy(), SGD(0.1), metrics)


def two_inputs(width=2):
    network = Graph(Node("joined", Concatenate(), "a", "b"), Node("out", Dense(1), "joined"), inputs=("a", "b"))
    return network.compile({"a": (width,), "b": (width,)}, MeanSquaredError(), SGD(0.1))


def two_outputs(**settings):
    network = Graph(
        Node("kind", Sequential(Dense(3), Softmax()), "input"), Node("size", Dense(1), "input"), outputs=("kind", "size")
    )
    return network.compile((3,), {"kind": CrossEntropy(), "size": MeanSquaredError()}, SGD(0.1), **settings)


BOTH = {"kind": Y, "size": X[:, 0]}


class Frame:
    """A data frame: an object with named columns."""

    def __init__(self, *names, rows=12):
        self.columns = list(names)
        self._values = np.arange(rows * len(names), dtype=float).reshape(rows, len(names)) ** 2

    def __getitem__(self, name):
        return self._values[:, self.columns.index(name)]

    def __len__(self):
        return len(self._values)

    def __array__(self, dtype=None, copy=None):
        return np.array(self._values, dtype)


# -- what is no data --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "batches",
    [lambda: iter([(X, Y)]), lambda: lambda epoch: [(X, Y)], lambda: [(X, Y), (X, Y)], lambda: [Dataset(X, Y)]],
    ids=["iterator", "function", "list of pairs", "list of data sets"],
)
def test_batches_are_for_the_training(batches):
    model = classifier()
    with pytest.raises(DataError, match="batches are for the training; evaluate and predict take arrays or a data set"):
        model.evaluate(batches())
    if not isinstance(batches(), list):
        with pytest.raises(DataError, match="batches are for the training"):
            model.predict(batches())


def test_what_can_become_an_array_is_no_function():
    class Callable(np.ndarray):
        def __call__(self):
            """Tensors of other libraries may be called."""

    model = classifier()
    np.testing.assert_array_equal(model.predict(X.view(Callable)), model.predict(X))
    np.testing.assert_array_equal(model.predict(X.tolist()), model.predict(X))
    np.testing.assert_array_equal(model.predict(Dataset(X, Y)), model.predict(X))
    with pytest.raises(DataError, match="arrays need their labels"):
        model.evaluate(X.tolist())
    with pytest.raises(DataError, match="arrays need their labels"):
        model.evaluate([])


@pytest.mark.parametrize("path", ["digits.csv", Path("digits.csv")], ids=type)
def test_a_path_is_no_data(path):
    with pytest.raises(DataError, match=r"'digits.csv' is a path, not data: read it first"):
        classifier().predict(path)
    with pytest.raises(DataError, match=r"'digits.csv' is a path, not data"):
        two_inputs().predict({"a": X[:, :2], "b": path})


def test_a_validation_set_is_a_data_set_a_pair_or_a_triple():
    losses = [
        classifier().fit(X, Y, validation=validation)["validation_loss"]
        for validation in (Dataset(X, Y), (X, Y), [X, Y], (X, Y, np.full(12, 2.0)))
    ]
    assert losses[0] == losses[1] == losses[2] == pytest.approx(losses[3], rel=1e-6)
    for wrong, words in (
        (0.2, "got 0.2;"),
        (1, "got 1;"),
        ((X,), "got tuple;"),
        ((X, Y, Y, Y), "got tuple;"),
        (X, "got nd"),
    ):
        with pytest.raises(ConfigError, match=rf"validation must be a Dataset, \(x, y\) or .* {words}"):
            classifier().fit(X, Y, validation=wrong)
    with pytest.raises(ConfigError, match="a data set has its own labels and sample weights"):
        classifier().evaluate(Dataset(X, Y), sample_weight=np.ones(12))
    with pytest.raises(DataError, match="the validation data has no labels"):
        classifier().fit(X, Y, validation=Dataset(X, None))


# -- shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (3, 0), (-1,), (0,)], ids=repr)
def test_an_input_shape_has_axes_of_at_least_one(shape):
    with pytest.raises(ShapeError, match="input_shape is the shape of one sample"):
        Sequential(Dense(1)).compile(shape, MeanSquaredError())


def test_an_input_shape_may_have_axes_of_one():
    assert Sequential(Dense(1)).compile([1], MeanSquaredError()).predict(np.ones((2, 1))).shape == (2, 1)
    with pytest.raises(ConfigError, match="input_shape must be"):
        Sequential(Dense(1)).compile(3, MeanSquaredError())


def test_hints_about_shapes():
    pictures = Sequential(Flatten(), Dense(1)).compile((4, 4, 1), MeanSquaredError())
    for x, hint in (
        (np.zeros((4, 4, 1)), "; for a single sample give x[None]"),
        (np.zeros((5, 4, 4)), "; greyscale images have one channel: x[..., None]"),
        (np.zeros((4, 4)), ""),
        (np.zeros((5, 4, 3)), ""),
    ):
        words = f"x must have the shape (n, 4, 4, 1), got {x.shape}{hint}"
        with pytest.raises(ShapeError, match=f"^{re.escape(words)}$"):
            pictures.predict(x)
    with pytest.raises(ShapeError, match=r"x\['b'\] must have the shape \(n, 2\), got \(12, 3\)"):
        two_inputs().predict({"a": X[:, :2], "b": X})
    with pytest.raises(DataError, match=r"^x is a dictionary, but the network has one input"):
        classifier().predict({"input": X})


# -- data sets with columns and classes -------------------------------------------------------------------------------


def test_classes_are_compared_by_number():
    model = classifier()
    model.fit(Dataset(X, Y, classes=["a", "b", "c"]))
    fewer = Dataset(X, Y % 2, classes=["a", "b"])
    more = Dataset(X, Y, classes=["a", "b", "c", "d"])
    others = Dataset(X, Y, classes=["x", "y", "z"])  # compile(classes=…) may rename all
    for data in (fewer, more, others, Dataset(X, Y)):
        assert model.evaluate(data)["loss"] > 0
    with pytest.raises(DataError, match="class 1 is 'c' there and 'b' in the model"):
        model.evaluate(Dataset(X, Y, classes=["a", "c", "b"]))


def test_classes_are_compared_by_output():
    model = two_outputs()
    model.fit(Dataset(X, BOTH, classes={"kind": ["a", "b", "c"]}))
    with pytest.raises(DataError, match=r"the data differs from .*: class 0 is 'b' there and 'a' in the model"):
        model.evaluate(Dataset(X, BOTH, classes={"kind": ["b", "a", "c"]}))
    assert model.evaluate(Dataset(X, BOTH, classes={"kind": ["a", "b", "c"]}))["loss"] > 0


def test_columns_are_compared_by_input():
    table = {name: from_arrays(X[:, :2], None, names=names) for name, names in (("a", ["p", "q"]), ("b", ["r", "s"]))}
    model = two_inputs()
    model.fit(Dataset(table, X[:, 0]))
    turned = {"a": table["a"], "b": from_arrays(X[:, :2], None, names=["s", "r"])}
    for call in (lambda: model.evaluate(Dataset(turned, X[:, 0])), lambda: model.fit(Dataset(turned, X[:, 0]))):
        with pytest.raises(DataError, match="its columns are in another order: s, r instead of r, s"):
            call()
    with pytest.raises(DataError, match="the data differs from the data that the model was trained on"):
        model.predict(Dataset(turned, None))
    frames = {"a": Frame("p", "q"), "b": Frame("r", "s")}
    assert model.predict(frames).shape == (12, 1)
    with pytest.raises(ConfigError, match=r"data frame lacks the column 's': its columns are 'r', 't'"):
        model.predict({**frames, "b": Frame("r", "t")})


def test_the_columns_of_frames_are_found_by_name():
    model = classifier(2)
    model.fit(from_arrays(X[:, :2], Y, names=["a", "b"]))
    assert model.predict(Frame("a", "b")).shape == (12, 3)
    for frame, columns in ((Frame("b", "a"), [1, 0]), (Frame("a", "b", "c"), [0, 1])):
        np.testing.assert_array_equal(model.predict(frame), model.predict(np.array(frame)[:, columns]))
    for call in (model.predict, lambda x: model.evaluate(x, Y)):
        with pytest.raises(ConfigError, match=r"data frame lacks the column 'b': its columns are 'a'"):
            call(Frame("a"))
    assert classifier(2).predict(Frame("x", "y")).shape == (12, 3), "a model without columns takes any"


# -- everything is checked before the training ------------------------------------------------------------------------

MANY = RANDOM.normal(size=(1500, 2)).astype(np.float32)  # more than other checks look at
MANY_LABELS = np.arange(1500) % 3


def refused(model, error, words, *arguments, **options):
    before = model.parameters.copy()
    with pytest.raises(error, match=words):
        model.fit(*arguments, batch_size=4, **options)
    np.testing.assert_array_equal(model.parameters, before)
    assert model.state.steps == 0
    with pytest.raises(error, match=words):
        model.fit_events(*arguments)


def test_missing_values_in_any_sample_are_found_before_the_first_step():
    x = MANY.copy()
    x[1001, 1] = np.nan
    refused(classifier(2), DataError, "sample 1,?001", x, MANY_LABELS)
    model = classifier(2)
    with pytest.raises(DataError, match=r"sample 1,?001"):
        model.fit(MANY, MANY_LABELS, validation=(x, MANY_LABELS))
    assert model.state.steps == 0
    rows = Dataset(x, MANY_LABELS).take(np.arange(1000))
    assert classifier(2).fit(rows)["train_loss"][0] > 0, "only the chosen rows count"


@pytest.mark.parametrize("several", [False, True], ids=["one input", "two inputs"])
def test_tokens_that_are_not_in_the_table_are_found_before_the_first_step(several):
    text = np.arange(2400).reshape(1200, 2) % 5
    y = np.arange(1200) % 2.0
    words = Sequential(Embedding(5, 2), Flatten(), Dense(1))
    if several:
        nodes = (Node("words", words, "text"), Node("joined", Concatenate(), "words", "table"), Node("out", Dense(1), "joined"))
        network = Graph(*nodes, inputs=("text", "table"))
        model = network.compile({"text": (2,), "table": (2,)}, MeanSquaredError(), SGD(0.01))
        data = {"text": text, "table": MANY[:1200]}
    else:
        model, data = words.compile((2,), MeanSquaredError(), SGD(0.01)), text
    model.fit(data, y)
    text[700, 1] = 5
    before = model.parameters.copy()
    with pytest.raises(DataError, match="sample 700"):
        model.fit(data, y, batch_size=4)
    with pytest.raises(DataError, match="sample 700"):
        model.evaluate(data, y)
    np.testing.assert_array_equal(model.parameters, before)
    rows = np.r_[0:600, 700]
    with pytest.raises(DataError, match="sample 700"):
        model.evaluate(Dataset(data, y, rows=rows))
    assert model.evaluate(Dataset(data, y, rows=rows[:-1]))["loss"] > 0


def test_labels_of_one_class_are_refused_with_the_reason():
    for y, words in (
        (np.full(12, 2), "^all labels are 2: a classifier needs at least two classes$"),
        (np.full((12, 3), 1 / 3), "^all labels are 0.333333: no class is more likely than another$"),
    ):
        refused(classifier(), DataError, words, X, y)
    assert classifier().evaluate(X, np.full(12, 2))["loss"] > 0
    numbers = Sequential(Dense(1)).compile((3,), MeanSquaredError())
    assert numbers.fit(X, np.full(12, 2.0))["train_loss"][0] > 0
    with pytest.raises(DataError, match=r"^all labels, output 'kind', are 1: a classifier"):
        two_outputs().fit(X, {**BOTH, "kind": np.ones(12, int)})


def test_losses_that_compare_samples_need_something_to_compare():
    def codes():
        return Sequential(Dense(2)).compile((3,), Triplet())

    for y in (np.zeros(12), np.arange(12)):
        refused(codes(), DataError, r"^the training data has nothing to compare: Triplet.* at least two classes", X, y)
    codes().fit(X, np.arange(12) % 2)
    codes().fit(X, np.arange(12) % 11, batch_size=12)  # one class has two samples
    network = Graph(Node("code", Dense(2), "input"), Node("size", Dense(1), "input"), outputs=("code", "size"))
    model = network.compile((3,), {"code": Triplet(), "size": MeanSquaredError()})
    with pytest.raises(DataError, match=r"^the data, output 'code', has nothing to compare"):
        model.evaluate(X, {"code": np.zeros(12), "size": X[:, 0]})


def test_dictionaries_for_a_network_with_one_output():
    with pytest.raises(DataError, match=r"^y is a dictionary, but the network has one output: give the array alone"):
        classifier().evaluate(X, {"out": Y})
    with pytest.raises(DataError, match=r"^y is a dictionary, but the network has one output: give the array alone"):
        classifier().train_on_batch(X, {"out": Y})
    with pytest.raises(DataError, match=r"^sample_weight is a dictionary, but the network has one output"):
        classifier().train_on_batch(X, Y, {"out": np.ones(12)})


# -- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_checked_and_nothing_is_trained():
    model = classifier()
    before = model.parameters.copy()
    for error, words, arguments in (
        (ShapeError, r"x must have the shape \(n, 3\)", (X[:, :2], Y)),
        (ShapeError, "a batch needs at least one sample, and x has none", (X[:0], Y[:0])),
        (ShapeError, "a batch needs one target for each sample: x has 12, y 11", (X, Y[:11])),
        (ShapeError, "a batch needs one target for each sample: x has 11, y 12", (X[:11], Y)),
        (DataError, "batch: sample_weight must be finite and not negative", (X, Y, np.full(12, -1.0))),
        (DataError, "batch: all weights are zero", (X, Y, np.zeros(12))),
        (DataError, "batch: sample_weight must hold numbers", (X, Y, ["a"] * 12)),
        (DataError, "uint8", (X.astype(np.uint8), Y)),
    ):
        trained = classifier()
        trained.train_on_batch(X, Y)
        known = trained.parameters.copy()
        with pytest.raises(error, match=words):
            trained.train_on_batch(*arguments)
        np.testing.assert_array_equal(trained.parameters, known)
    np.testing.assert_array_equal(model.parameters, before)


def test_the_weights_of_a_batch_count():
    plain, ones, twice = classifier(), classifier(), classifier()
    weights = np.r_[np.full(6, 2.0), np.zeros(6)]
    assert plain.train_on_batch(X[:6], Y[:6]) == pytest.approx(twice.train_on_batch(X, Y, weights), rel=1e-6)
    np.testing.assert_allclose(plain.parameters, twice.parameters, atol=1e-7)
    ones.train_on_batch(X, Y, np.ones(12))
    other = classifier()
    other.train_on_batch(X, Y)
    np.testing.assert_array_equal(ones.parameters, other.parameters)


# -- augmentation -----------------------------------------------------------------------------------------------------


def test_the_augmentation_of_several_inputs_is_given_by_input():
    x = {"a": np.abs(X[:, :2]), "b": np.abs(X[:, :2])}

    def noise(values, generator):
        return values + generator.normal(size=values.shape)

    def trained(**options):
        model = two_inputs()
        model.fit(x, X[:, 0], **options)
        return model.parameters

    for wrong in (noise, Augmentation(shift=1)):
        with pytest.raises(ConfigError, match=r"fit\(augmentation=.*the network has several inputs: give a dictionary"):
            two_inputs().fit(x, X[:, 0], augmentation=wrong)
        with pytest.raises(ConfigError, match=r"find_learning_rate\(augmentation=.*dictionary by input"):
            two_inputs().find_learning_rate(x, X[:, 0], augmentation=wrong)
    with pytest.raises(ConfigError, match="augmentation has 'c', which is not an input"):
        two_inputs().fit(x, X[:, 0], augmentation={"c": noise})
    plain = trained()
    assert not np.array_equal(trained(augmentation={"b": noise}), plain)
    np.testing.assert_array_equal(trained(augmentation=None), plain)
    np.testing.assert_array_equal(trained(augmentation={}), plain)


# -- metrics ----------------------------------------------------------------------------------------------------------

NUMBER, NUMBERS = Sequential(Dense(1)), Sequential(Dense(3))
ANSWER, ANSWERS = Sequential(Dense(1), Sigmoid()), Sequential(Dense(3), Sigmoid())
CLASSES = Sequential(Dense(3), Softmax())


@pytest.mark.parametrize(
    ("network", "loss", "metric"),
    [
        (CLASSES, CrossEntropy(), Accuracy()),
        (CLASSES, CrossEntropy(), LogLoss()),
        (CLASSES, MeanSquaredError(), LogLoss()),
        (CLASSES, MeanSquaredError(), AbsoluteError()),
        (ANSWER, BinaryCrossEntropy(), LogLoss()),
        (ANSWER, BinaryCrossEntropy(), Accuracy(threshold=0.3)),
        (ANSWERS, BinaryCrossEntropy(), Accuracy(threshold=0.3)),
        (ANSWERS, BinaryCrossEntropy(), PerPosition(Accuracy(threshold=0.3))),
        (ANSWERS, BinaryCrossEntropy(), LogLoss()),
        (NUMBER, Hinge(), Accuracy()),
        (NUMBERS, MeanSquaredError(), Accuracy()),  # of one-hot targets
        (NUMBERS, MeanSquaredError(), AbsoluteError()),
        (NUMBER, MeanSquaredError(), AbsoluteError()),
        (Sequential(Dense(2)), GaussianNLL(), AbsoluteError()),
        (Sequential(Dense(2)), Quantile((0.1, 0.5)), AbsoluteError()),
    ],
    ids=lambda one: str(one)[:40],
)
def test_metrics_that_fit(network, loss, metric):
    shape = (4, 3) if isinstance(metric, PerPosition) else (3,)
    assert network.compile(shape, loss, metrics=[metric]).state.metrics == (metric,)


@pytest.mark.parametrize(
    ("network", "loss", "metric", "words"),
    [
        (
            NUMBER,
            MeanSquaredError(),
            Accuracy(),
            r"counts classes, but a single output with MeanSquaredError.* is a number",
        ),
        (Sequential(Dense(2)), GaussianNLL(), Accuracy(), "counts classes, but .* a number"),
        (Sequential(Dense(2)), Quantile((0.1, 0.5)), Accuracy(), "counts classes, but the outputs with .* are numbers"),
        (CLASSES, CrossEntropy(), AbsoluteError(), r"predicts classes: use LogLoss\(\), BrierScore\(\) for"),
        (NUMBER, Hinge(), AbsoluteError(), r"predicts classes: use LogLoss\(\), or MeanSquaredError\(\)"),
        (NUMBER, Hinge(), LogLoss(), r"needs probabilities, but the outputs for Hinge\(.*\) are not"),
        (NUMBERS, MeanSquaredError(), LogLoss(), "needs probabilities, but the outputs for"),
        (CLASSES, CrossEntropy(), Accuracy(threshold=0.3), "are scores of exclusive classes, of which the largest decides"),
        (CLASSES, CrossEntropy(), F1(threshold=0.3), "are scores of exclusive classes, of which the largest decides"),
        (CLASSES, MeanSquaredError(), Accuracy(threshold=0.3), "are scores of exclusive classes"),
        (ANSWERS, MeanSquaredError(), Accuracy(threshold=0.3), "are scores of exclusive classes"),
        (NUMBER, Hinge(), Accuracy(threshold=0.3), "are not probabilities: leave it out"),
        (CLASSES, CrossEntropy(), PerPosition(Accuracy(threshold=0.3)), "exclusive classes, of which the largest"),
        (Sequential(Dense(2)), Triplet(), Accuracy(), "compares outputs with targets, but the outputs for .* are embeddings"),
        (CLASSES, CrossEntropy(), F1(label=3), "label=3 is out of range"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_metrics_that_do_not_fit(network, loss, metric, words):
    with pytest.raises(ConfigError, match=words):
        network.compile((4, 3) if isinstance(metric, PerPosition) else (3,), loss, metrics=[metric])


class Again(Accuracy):
    """Another metric of the same name."""


def test_names_of_metrics_are_different():
    for metrics in ([Accuracy(), Again()], [Accuracy(), LogLoss(), Again()]):
        with pytest.raises(ConfigError, match="have the same name in the results, 'accuracy': compute one at a time"):
            classifier(metrics=metrics)
    assert len(classifier(metrics=[Accuracy(), LogLoss(), Accuracy()]).state.metrics) == 3
    assert classifier().evaluate(X, Y, metrics=(one for one in [Accuracy()])).keys() == {"loss", "accuracy"}


def test_metrics_of_several_outputs_are_given_by_output():
    model = two_outputs(metrics={"kind": [Accuracy()], "size": [AbsoluteError()]})
    assert set(model.evaluate(X, BOTH)) == {"loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae"}
    for none in ((), [], {}):
        assert set(model.evaluate(X, BOTH, metrics=none)) == {"loss", "kind_loss", "size_loss"}
    assert set(model.evaluate(X, BOTH, metrics={"size": [AbsoluteError()]})) == {"loss", "kind_loss", "size_loss", "size_mae"}
    for wrong in ([Accuracy()], Accuracy(), (Accuracy(),), "accuracy"):
        with pytest.raises(ConfigError, match=r"metrics must be a dictionary by output, such as \{'kind': .*ccuracy"):
            model.evaluate(X, BOTH, metrics=wrong)
    with pytest.raises(ConfigError, match=r"the output 'size': Accuracy.* counts classes"):
        model.evaluate(X, BOTH, metrics={"size": [Accuracy()]})
    with pytest.raises(ConfigError, match="metrics is a dictionary, but the network has one output"):
        classifier().evaluate(X, Y, metrics={"output": [Accuracy()]})
    softmax = Graph(Node("p", Sequential(Dense(3), Softmax()), "input"), Node("q", Dense(1), "input"), outputs=("p", "q"))
    squares = softmax.compile((3,), {"p": MeanSquaredError(), "q": MeanSquaredError()}, metrics={"p": [LogLoss()]})
    assert squares.evaluate(X, {"p": np.eye(3)[Y], "q": X[:, 0]})["p_log_loss"] > 0


def test_an_input_stage_of_another_kind_of_numbers():
    model = Sequential(Dense(1)).compile((3,), MeanSquaredError(), LBFGS(), input_stage=Passthrough())
    assert model.fit(X.astype(np.float64), X[:, 0])["train_loss"][0] > 0
