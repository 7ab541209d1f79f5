"""Outputs at several positions: the loss and the metrics as weighted means over samples and positions, masks, errors."""

import warnings

import numpy as np
import pytest

from pellucid import (
    F1,
    GRU,
    LSTM,
    AbsoluteError,
    Accuracy,
    Adam,
    AveragePool2D,
    BatchNorm,
    Bidirectional,
    BinaryCrossEntropy,
    Conv2D,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Graph,
    Hinge,
    Huber,
    LogLoss,
    MeanSquaredError,
    Model,
    Node,
    Perturbation,
    ReLU,
    Reshape,
    Reverse,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Tanh,
    Triplet,
)
from pellucid.data import Dataset
from pellucid.errors import ConfigError, DataWarning
from pellucid.networks import path_of_mask
from pellucid.optim import LBFGS, SGD
from pellucid.testing import check_loss
from pellucid.training.divergence import first_failure

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 6, 3)).astype(np.float32)
LABELS = RNG.integers(0, 4, (30, 6))
TAGGER = Sequential(GRU(5, return_sequences=True), Dense(4), Softmax())


def tagger(network=TAGGER, metrics=(), **settings):
    return network.compile((6, 3), CrossEntropy(), settings.pop("optimizer", SGD(0.1)), metrics=metrics, **settings)


# -- the definition ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "w"),
    [
        (None, np.ones((30, 6))),
        (np.arange(30.0), np.arange(30.0)[:, None] * np.ones(6)),
        (np.arange(180.0).reshape(30, 6) % 3, np.arange(180.0).reshape(30, 6) % 3),
    ],
    ids=["no weights", "of samples", "of positions"],
)
def test_losses_and_metrics_are_weighted_means_over_positions(weights, w):
    model = tagger(metrics=[Accuracy(), LogLoss(), F1(average="micro")])
    scores = model.evaluate(X, LABELS, sample_weight=weights)
    p = model.predict(X)
    assert p.shape == (30, 6, 4)
    losses = -np.log(np.take_along_axis(p, LABELS[..., None], -1)[..., 0])
    assert scores["loss"] == pytest.approx((w * losses).sum() / w.sum(), rel=1e-6)
    assert scores["log_loss"] == pytest.approx(scores["loss"], rel=1e-6)
    assert scores["accuracy"] == pytest.approx((w * (p.argmax(-1) == LABELS)).sum() / w.sum(), rel=1e-12)
    assert scores["f1_micro"] == pytest.approx(scores["accuracy"], rel=1e-12)
    one = np.eye(4)[LABELS]  # one-hot targets have an axis more
    assert model.evaluate(X, one, sample_weight=weights)["loss"] == pytest.approx(scores["loss"], rel=1e-12)


def test_numbers_at_positions_are_averaged_over_the_outputs_too():
    model = Sequential(Dense(2)).compile((6, 3), MeanSquaredError(), metrics=[AbsoluteError()])
    y, w = RNG.normal(size=(30, 6, 2)), RNG.integers(0, 3, (30, 6)).astype(float)
    d = model.predict(X) - y
    scores = model.evaluate(X, y, sample_weight=w)
    assert scores["loss"] == pytest.approx((w * (d**2).mean(-1)).sum() / w.sum(), rel=1e-6)
    assert scores["mae"] == pytest.approx((w * np.abs(d).mean(-1)).sum() / w.sum(), rel=1e-6)


def test_the_worked_example_of_the_documentation():
    """Two sequences of 3 steps; the last two steps of the second are padding. PyTorch's mean with ignore_index is the same."""
    p = np.array([[[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]], [[0.4, 0.6], [0.1, 0.9], [0.7, 0.3]]])
    y, w = np.array([[0, 1, 1], [1, -100, -100]]), np.array([[1, 1, 1], [1, 0, 0]])
    model = Sequential(Softmax()).compile((3, 2), CrossEntropy(), metrics=[Accuracy()])
    scores = model.evaluate(np.log(p), y, sample_weight=w)
    assert scores["loss"] == pytest.approx(-np.log([0.5, 0.8, 0.1, 0.6]).mean(), rel=1e-6)
    assert scores["accuracy"] == 3 / 4


@pytest.mark.parametrize(
    ("loss", "network", "y"),
    [
        (CrossEntropy(smoothing=0.1), TAGGER, LABELS[:4]),
        (CrossEntropy(), TAGGER, np.eye(4)[LABELS[:4]]),
        (BinaryCrossEntropy(), Sequential(Dense(2), Sigmoid()), LABELS[:4, :, None] > np.array([0, 1])),
        (Hinge(), Sequential(Dense(1)), LABELS[:4] > 1),
        (Huber(), Sequential(Flatten(), Dense(12), Reshape((3, 2, 2))), RNG.normal(size=(4, 3, 2, 2))),
    ],
    ids=["labels", "one-hot", "multi-label", "single score", "numbers"],
)
def test_gradients_at_positions(loss, network, y):
    check_loss(loss, network, (6, 3), y)


def test_a_network_learns_positions():
    y = (np.cumsum(X[..., 0], axis=1) > 0).astype(int)  # the whole past counts
    model = Sequential(GRU(8, return_sequences=True), Dense(1), Sigmoid()).compile(
        (6, 3), BinaryCrossEntropy(), Adam(0.02), seed=1
    )
    history = model.fit(X, y, epochs=60, batch_size=10)
    assert history["train_loss"][-1] < 0.5 * history["train_loss"][0]


def test_masked_positions_change_nothing():
    w = RNG.integers(0, 2, (30, 6))
    wrong = np.where(w == 0, -5, LABELS)
    models = tagger(metrics=[Accuracy()]), tagger(metrics=[Accuracy()])
    histories = [
        model.fit(X, y, sample_weight=w, epochs=2, batch_size=7) for model, y in zip(models, (LABELS, wrong), strict=True)
    ]
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
    assert histories[0].rows[-1]["train_accuracy"] == histories[1].rows[-1]["train_accuracy"]
    assert models[0].evaluate(X, LABELS, sample_weight=w) == models[1].evaluate(X, wrong, sample_weight=w)
    assert models[0].evaluate(X, LABELS) != models[0].evaluate(X, LABELS, sample_weight=w)
    numbers = Sequential(Dense(1)).compile((6, 3), MeanSquaredError())
    gaps = np.where(w == 0, np.nan, X[..., 0])  # missing values
    assert np.isfinite(numbers.evaluate(X, gaps, sample_weight=w)["loss"])


def test_samples_without_weight_may_have_any_target():
    model = Sequential(Flatten(), Dense(4), Softmax()).compile((6, 3), CrossEntropy())
    y, w = LABELS[:, 0].copy(), np.ones(30)
    expected = model.evaluate(X[1:], y[1:])["loss"]
    y[0], w[0] = 99, 0
    assert model.evaluate(X, y, sample_weight=w)["loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("settings", [{"accumulate": 3}, {"method": Perturbation(kind="one", trials=5)}], ids=repr)
def test_training_methods_at_positions(settings):
    model = tagger()
    before = model.parameters.copy()
    history = model.fit(X, LABELS, batch_size=5, sample_weight=RNG.integers(0, 2, (30, 6)), **settings)
    assert np.isfinite(history["train_loss"][0])
    assert not np.array_equal(before, model.parameters)


def test_accumulation_is_one_large_batch_with_positions():
    w = RNG.integers(0, 3, (30, 6))
    one, many = tagger(), tagger()
    one.fit(X, LABELS, sample_weight=w, batch_size=30, shuffle=False)
    many.fit(X, LABELS, sample_weight=w, batch_size=5, accumulate=6, shuffle=False)
    np.testing.assert_allclose(many.parameters, one.parameters, atol=1e-6)


def test_lbfgs_at_positions():
    model = tagger(optimizer=LBFGS())
    history = model.fit(X, LABELS, epochs=10)
    assert history["train_loss"][-1] < history["train_loss"][0]


def test_class_weights_at_positions_are_sample_weights():
    factors = np.array([1.0, 2.0, 0.0, 0.5])
    by_class, by_weight = tagger(), tagger()
    by_class.fit(X, LABELS, class_weight=list(factors))
    by_weight.fit(X, LABELS, sample_weight=factors[LABELS])
    np.testing.assert_array_equal(by_class.parameters, by_weight.parameters)
    tagger().fit(X, LABELS, class_weight="balanced")


def test_a_model_with_positions_survives_its_file(tmp_path):
    model = tagger(metrics=[Accuracy()], classes=["a", "b", "c", "d"])
    model.fit(Dataset(X, LABELS, RNG.integers(0, 2, (30, 6))))
    model.save(tmp_path / "tagger.pellucid")
    again = Model.load(tmp_path / "tagger.pellucid")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.evaluate(X, LABELS) == model.evaluate(X, LABELS)
    assert again.output_shape == (6, 4)


# -- padding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "network",
    [
        Sequential(GRU(5, return_sequences=True, mask=0.0), Dense(4), Softmax()),
        Sequential(Bidirectional(LSTM(3, return_sequences=True, mask=0.0)), Dropout(0.2), Dense(4), Softmax()),
    ],
    ids=["one direction", "two directions"],
)
def test_steps_that_a_recurrent_layer_skips_count_nowhere(network):
    lengths = RNG.integers(1, 7, 30)
    weights = (np.arange(6) < lengths[:, None]).astype(float)
    x = X * weights[..., None].astype(np.float32)
    masked, weighted = (tagger(network, metrics=[Accuracy()]) for _ in range(2))
    histories = [masked.fit(x, LABELS, epochs=2), weighted.fit(x, LABELS, epochs=2, sample_weight=weights)]
    np.testing.assert_array_equal(masked.parameters, weighted.parameters)
    assert histories[0].rows[-1]["train_accuracy"] == histories[1].rows[-1]["train_accuracy"]
    assert masked.evaluate(x, LABELS) == weighted.evaluate(x, LABELS, sample_weight=weights)
    right = masked.predict(x).argmax(-1) == LABELS
    assert masked.evaluate(x, LABELS)["accuracy"] == pytest.approx((weights * right).sum() / weights.sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("network", "path"),
    [
        (TAGGER, None),
        (Sequential(GRU(5, return_sequences=True, mask=0.0), BatchNorm(), Dense(4), Softmax()), "gru1"),
        (Sequential(Sequential(Dense(3), LSTM(5, return_sequences=True, mask=0.0)), Dense(2)), "sequential1.lstm1"),
        (Sequential(Bidirectional(GRU(5, return_sequences=True, mask=0.0)), Dense(4)), "bidirectional1.forward"),
        (Sequential(GRU(5, return_sequences=True, mask=0.0), Flatten(), Dense(12), Reshape((6, 2))), None),  # other positions
        (Sequential(GRU(5, return_sequences=True, mask=0.0), Reverse(), Dense(2)), None),
        (Sequential(GRU(5, return_sequences=True, return_state=True, mask=0.0), Dense(2)), None),
        (Sequential(GRU(5, mask=0.0), Dense(2)), None),
        (Sequential(), None),
    ],
    ids=repr,
)
def test_the_recurrent_layer_whose_steps_are_the_positions(network, path):
    assert path_of_mask(network) == path


def test_padding_alone_is_refused():
    model = tagger(Sequential(GRU(5, return_sequences=True, mask=0.0), Dense(4), Softmax()))
    with pytest.raises(DataError, match="every position of the set is masked"):
        model.evaluate(0 * X, LABELS)
    with pytest.raises(DataError, match="every position of the training data is masked"):
        model.fit(0 * X, LABELS)
    with pytest.raises(DataError, match="all weights are zero"):
        model.fit(X, LABELS, sample_weight=np.zeros((30, 6)))


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "shape", "words"),
    [
        (
            Sequential(Dense(8), ReLU(), Dense(4), Softmax()),
            (8, 8, 1),
            r"Flatten\(\) \(or GlobalAveragePool2D\(\)\) before",
        ),
        (TAGGER, (6, 3), r"return_sequences=False in gru1, or Flatten\(\) before dense1, which keeps the positions \(6,\)"),
        (
            Sequential(Sequential(Embedding(9, 4), Dense(4)), Softmax()),
            (6,),
            r"Flatten\(\) \(or GlobalAveragePool1D\(\)\) before sequential1.dense1, ",
        ),
        (Sequential(Conv2D(4, 3), Softmax()), (8, 8, 1), r"Flatten\(\) and a Dense at the end"),
    ],
    ids=["mlp", "recurrent", "nested", "convolutional"],
)
def test_labels_of_samples_for_outputs_at_positions(network, shape, words):
    model = network.compile(shape, CrossEntropy())
    at = ", ".join(map(str, model.output_shape[:-1]))
    with pytest.raises(ShapeError, match=rf"targets have the shape \(n, {at}\) or .* got \(5,\).*or let .* vector: {words}"):
        model.fit(np.zeros((5, *shape)), np.arange(5) % 4)


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda m: m.fit(X, LABELS[:, :5]), ShapeError, r"targets have the shape \(n, 6\) or \(n, 6, 4\); got \(30, 5\)"),
        (
            lambda m: m.fit(X, np.where((np.arange(6) == 2) & (np.arange(30)[:, None] == 3), 9, LABELS)),
            DataError,
            "label 9 in sample 3 at position 2 is out of range",
        ),
        (lambda m: m.fit(X, np.full((30, 6, 4), 0.5)), DataError, "targets of sample 0 at position 0 are not a distribution"),
        (
            lambda m: m.fit(X, np.where(X[..., 0] > 9, 0, np.nan)),
            DataError,
            "NaN or infinity in 180 places, first in sample 0",
        ),
        (lambda m: m.evaluate(X, LABELS, sample_weight=np.ones((30, 5))), ShapeError, "one for each position of its target"),
        (lambda m: m.train_on_batch(X, LABELS, np.ones((30, 5))), ShapeError, r"each position \(6,\) of each sample; got the"),
        (lambda m: m.evaluate(X, LABELS, sample_weight=np.full((30, 6), -1)), DataError, "got -1 at row 0, position 0"),
    ],
)
def test_errors_name_the_position(act, error, words):
    model = tagger()
    before = model.parameters.copy()
    with pytest.raises(error, match=words):
        act(model)
    np.testing.assert_array_equal(model.parameters, before)


@pytest.mark.parametrize(
    ("size", "maps", "words"),
    [
        ((8, 8), (10, 10), "The numbers of positions differ: convolutions keep them with padding="),
        ((8, 6), (6, 8), "The axes of the targets are in another order"),
    ],
)
def test_maps_of_another_size_are_not_taken_for_labels_of_samples(size, maps, words):
    model = Sequential(Conv2D(2, 1), Softmax()).compile((*size, 1), CrossEntropy())
    for last in ((), (2,)):
        with pytest.raises(ShapeError, match=words):
            model.fit(np.zeros((5, *size, 1)), np.zeros((5, *maps, *last)))


def test_pictures_of_bytes_are_no_targets_of_numbers():
    pictures = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 1)).astype(np.uint8)
    network = Sequential(Conv2D(1, 3, padding="same"))
    with pytest.warns(DataWarning, match=r"the targets are bytes, 0 … 255, .* give the targets as y / 255"):
        network.compile((6, 6, 1), MeanSquaredError()).fit(pictures, pictures, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.compile((6, 6, 1), MeanSquaredError()).fit(pictures, pictures / 255, progress=False)
        network.compile((6, 6, 1), MeanSquaredError()).fit(pictures, (pictures > 99).astype(np.uint8), progress=False)


def test_pictures_of_bytes_as_targets_of_other_inputs():
    pictures = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 1)).astype(np.uint8)
    network = Sequential(Conv2D(1, 3, padding="same"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # only images of bytes are divided by 255
        network.compile((6, 6, 1), MeanSquaredError()).fit(pictures / 255, pictures, progress=False)
        Sequential(Flatten(), Dense(2)).compile((6, 6, 1), MeanSquaredError()).fit(pictures, pictures[:, 0, :2, 0])
        classes = Sequential(Conv2D(3, 1), Softmax()).compile((6, 6, 1), CrossEntropy())
        classes.fit(pictures, pictures[..., 0] % 3, progress=False)
    with pytest.warns(DataWarning, match="the targets are bytes"):
        network.compile((6, 6, 1), MeanSquaredError()).fit(pictures, pictures % 3, progress=False)
    x = np.repeat(pictures, 40, axis=0)
    targets = np.where(np.arange(160)[:, None, None, None] == 150, x, x % 2)
    with pytest.warns(DataWarning, match="the targets are bytes"):
        network.compile((6, 6, 1), MeanSquaredError()).fit(Dataset(x, targets, rows=[3, 150, 2]), progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.compile((6, 6, 1), MeanSquaredError()).fit(Dataset(x, targets, rows=[3, 151, 2]), progress=False)


def test_other_errors():
    with pytest.raises(ShapeError, match=r"label at each of the positions \(6\) the output .* \(6, 4\): return_sequences"):
        tagger(Sequential(GRU(5), Dense(4), Softmax())).fit(X, LABELS)
    with pytest.raises(
        ConfigError, match=r"Triplet.* compares samples, so it needs one vector .* return_sequences=False in gru1"
    ):
        Sequential(GRU(5, return_sequences=True), Dense(4)).compile((6, 3), Triplet())
    with pytest.raises(ConfigError, match=r"got Reshape\(shape=\(2, 2, 1\)\): move Sigmoid\(\) after it"):
        Sequential(Dense(4), Sigmoid(), Reshape((2, 2, 1))).compile((3,), BinaryCrossEntropy())
    images = Sequential(AveragePool2D(2), Sigmoid()).compile((4, 4, 1), BinaryCrossEntropy())
    with pytest.raises(
        DataError,
        match=r"target 255 in sample 0 at position 0, 0 is .* from 0 to 1; divide bytes by 255",
    ):
        images.fit(np.zeros((2, 4, 4, 1), np.uint8), np.full((2, 2, 2, 1), 255, np.uint8))


def test_bytes_as_targets_of_one_of_several_outputs():
    x = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1), np.uint8)
    network = Graph(Node("a", Conv2D(1, 1), "input"), Node("b", Conv2D(1, 1), "input"), outputs=("a", "b"))
    model = network.compile((4, 4, 1), {"a": MeanSquaredError(), "b": MeanSquaredError()})
    with pytest.warns(DataWarning, match="the targets of b are bytes") as caught:
        model.fit(x, {"a": x / 255, "b": x})
    assert len(caught) == 1


def test_the_failing_position_of_a_sequence_is_named():
    model = Sequential(Dense(3), Softmax()).compile((5, 2), CrossEntropy())
    x = np.ones((4, 5, 2), np.float32)
    x[2, 3] = 3e38
    model.weights["dense1.W"][:] = 10
    found = first_failure(model.state, x, np.zeros((4, 5), int), np.ones(4, np.float32), 1)
    assert found == "the output of dense1, in sample 2 of the batch at position 3, is the first that is not finite"


def with_a_bad_row(value, slope):
    """A loss that is ``value`` with the gradient ``slope`` where the target is 9, and small elsewhere."""

    def loss(outputs, targets):
        bad = targets == 9
        return np.where(bad, value, 0.1)[:, 0], np.where(bad, slope, 0.001).astype(outputs.dtype)

    return loss


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("value", "slope", "message"),
    [
        (np.inf, 5.0, "the loss, in sample 2 of the batch at position 3, is the first that is not finite"),
        (1e30, 5.0, "the loss of 5e+28 is out of bounds, in sample 2 of the batch at position 3"),
        (
            1.0,
            np.nan,
            "the gradient that reaches dense1, in sample 2 of the batch at position 3, is the first that is not finite",
        ),
        (1.0, 1e9, "the gradient of dense1 is the first out of bounds (up to 5e+07, in sample 2 of the batch at position 3)"),
    ],
    ids=["infinite loss", "large loss", "gradient of the loss", "large gradient"],
)
def test_the_failing_position_of_a_loss_is_named(value, slope, message):
    model = Sequential(Dense(1), Tanh(), Dense(1)).compile((5, 2), with_a_bad_row(value, slope))
    x, y = RNG.normal(size=(4, 5, 2)).astype(np.float32), np.zeros((4, 5, 1))
    x[0, 1] = 50  # the largest output is not where it fails
    y[2, 3] = 9
    found = first_failure(model.state, x, y, np.ones(4, np.float32), 1)
    assert found == message.replace("dense1", "dense2")


def test_large_outputs_are_named_where_nothing_else_is_found():
    model = Sequential(Dense(1), Dense(1)).compile((5, 2), with_a_bad_row(1.0, 0.1))
    model.weights["dense1.W"][:] = model.weights["dense2.W"][:] = 1
    x, y = np.ones((4, 5, 2), np.float32), np.zeros((4, 5, 1))
    x[1, 4] = 1e7
    found = first_failure(model.state, x, y, np.ones(4, np.float32), 1)
    assert found == "the output of dense1 is the first out of bounds (up to 2e+07, in sample 1 of the batch at position 4)"
    x[1, 4] = 5e5  # exactly 10⁶, which is within the bounds
    found = first_failure(model.state, x, y, np.ones(4, np.float32), 1)
    assert found == "the loss of 0.1 is out of bounds, in sample 0 of the batch at position 0"
    x[1, 4] = 500_000.25
    model.weights["dense1.W"][:] = -1
    found = first_failure(model.state, x, y, np.ones(4, np.float32), 1)
    assert found == "the output of dense1 is the first out of bounds (up to 1e+06, in sample 1 of the batch at position 4)"


def test_two_classes_can_be_compared():
    model = Sequential(Dense(2)).compile((3,), Triplet())
    x, labels = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32), np.array([0, 1, 0, 1, 0, 1])
    assert model.evaluate(x, labels)["loss"] > 0
