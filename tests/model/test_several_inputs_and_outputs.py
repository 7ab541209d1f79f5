"""Models with several inputs and outputs: losses and gradients against formulas, training in all its forms, scores and files,
and the errors for wrong dictionaries."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from pellucid import (
    LBFGS,
    SGD,
    Accuracy,
    Adam,
    Add,
    BinaryCrossEntropy,
    Concatenate,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    DivergedError,
    EarlyStopping,
    Embedding,
    Ensemble,
    Flatten,
    Graph,
    MeanSquaredError,
    Model,
    Node,
    PellucidError,
    Perturbation,
    ReLU,
    Sequential,
    ShapeError,
    Shared,
    Sigmoid,
    SimpleRNN,
    Softmax,
    Subtract,
    Tanh,
    Triplet,
    kernels as kernel_sets,
)
from pellucid.core.named_arrays import NamedArrays
from pellucid.data import Augmentation, Dataset, from_arrays
from pellucid.data.dataset import digest
from pellucid.data.input_stage import ImageScaling, Passthrough
from pellucid.explain import gradient
from pellucid.model.activations import activations
from pellucid.runs.presets import preset
from pellucid.sklearn import NetworkClassifier
from pellucid.testing import asymmetric, numeric_gradient
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep

N = 90
RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (N, 4, 4, 1), np.uint8)
TABLE = RANDOM.normal(size=(N, 3)) * [1, 10, 1e5]
X = {"picture": PICTURES, "table": TABLE}
Y = {
    "digit": (PICTURES[:, 0, 0, 0] // 86).astype(int),
    "total": (TABLE[:, 0] + PICTURES[:, 1, 1, 0] / 255).astype(np.float32),
}
NETWORK = Graph(
    Node("pixels", Sequential(Flatten(), Dense(8), ReLU()), "picture"),
    Node("joined", Concatenate(), "pixels", "table"),
    Node("digit", Sequential(Dense(3), Softmax()), "joined"),
    Node("total", Dense(1), "joined"),
    inputs=("picture", "table"),
    outputs=("digit", "total"),
)
SHAPES = {"picture": (4, 4, 1), "table": (3,)}
LOSSES = {"digit": CrossEntropy(), "total": MeanSquaredError()}
DATA = Dataset({"picture": PICTURES, "table": from_arrays(TABLE, None, names=["a", "b", "c"])}, Y)


def compiled(optimizer=None, **options):
    arguments = {"metrics": {"digit": [Accuracy()]}, "loss_weights": {"total": 0.25}, **options}
    return NETWORK.compile(SHAPES, LOSSES, optimizer or Adam(0.01), **arguments)


# -- the loss and its gradient ----------------------------------------------------------------------------------------


def small(several_inputs: bool, several_outputs: bool) -> tuple[Graph, object, object]:
    """A graph with one or two inputs and outputs, a shared layer, an output that is a sequence; input shapes and losses."""
    inputs = ("a", "b") if several_inputs else ("a",)
    nodes = [
        Node("h", SimpleRNN(3, return_sequences=True), "a"),
        Node("g", Shared("h"), inputs[-1]),
        Node("joined", Concatenate(), "h", "g"),
        Node("steps", Sequential(Dense(3), Softmax()), "joined"),
    ]
    if several_outputs:
        nodes += [Node("value", Sequential(Flatten(), Dense(2)), "g")]
    graph = Graph(*nodes, inputs=inputs, outputs=("steps", "value") if several_outputs else None)
    losses = {"steps": CrossEntropy(), "value": MeanSquaredError()}
    shapes = {"a": (2, 3), "b": (2, 3)}
    return graph, shapes if several_inputs else shapes["a"], losses if several_outputs else losses["steps"]


@pytest.mark.parametrize(("several_inputs", "several_outputs"), [(True, True), (True, False), (False, True)])
def test_the_gradient_is_that_of_the_weighted_sum_of_the_losses(several_inputs, several_outputs):
    graph, shapes, losses = small(several_inputs, several_outputs)
    factors = {"steps": 0.5, "value": 2.0} if several_outputs else None
    state = ModelState(graph, shapes, losses, SGD(), 0, kernel_sets.load("reference"), np.float64, factors)
    x = (
        NamedArrays({name: asymmetric((4, 2, 3), seed) for seed, name in enumerate("ab")})
        if several_inputs
        else asymmetric((4, 2, 3))
    )
    labels, values = np.arange(8).reshape(4, 2) % 3, asymmetric((4, 2), 9)
    weights = {"steps": np.array([[1.0, 0], [0.5, 2], [1, 1], [0, 3]]), "value": np.array([1.0, 2, 0, 1])}
    if several_outputs:
        targets, w = NamedArrays({"steps": labels, "value": values}), NamedArrays(weights)
    else:
        targets, w = labels, weights["steps"]
    step = GradientStep(state)
    value = step(x, targets, w, 1)
    analytic = step.gradient.copy()
    z = state.execution().forward(x)
    z = dict(z.items()) if several_outputs else {"steps": z}
    logarithms = z["steps"] - np.log(np.exp(z["steps"]).sum(axis=-1, keepdims=True))
    cross_entropy = -np.take_along_axis(logarithms, labels[..., None], 2)[..., 0]
    expected = (weights["steps"] * cross_entropy).sum() / weights["steps"].sum()
    if several_outputs:
        squares = ((z["value"] - values) ** 2).mean(axis=1)
        expected = 0.5 * expected + 2.0 * (weights["value"] * squares).sum() / weights["value"].sum()
    assert value == pytest.approx(expected, rel=1e-12)
    numeric = np.zeros_like(analytic)
    other = GradientStep(state)
    for path in state.layout:
        differences = numeric_gradient(lambda: other(x, targets, w, 1), state.layout.array(state.parameters, path))
        state.layout.array(numeric, path)[...] = differences
    np.testing.assert_allclose(analytic, numeric, atol=1e-8)


def test_one_output_of_several_trains_like_a_network_with_that_output_alone():
    both = compiled(SGD(0.1), loss_weights={"total": 0.0}, input_stage={"picture": ImageScaling(), "table": Passthrough()})
    alone = Graph(*NETWORK.nodes[:3], inputs=NETWORK.inputs).compile(
        SHAPES, CrossEntropy(), SGD(0.1), metrics=[Accuracy()], input_stage=both.input_stage
    )
    x = {**X, "table": (TABLE / [1, 10, 1e5]).astype(np.float32)}
    both.fit(x, Y, epochs=3, batch_size=20, progress=False)
    alone.fit(x, Y["digit"], epochs=3, batch_size=20, progress=False)
    for path, array in alone.weights.items():
        np.testing.assert_array_equal(both.weights[path], array)
    assert alone.history["train_accuracy"] == both.history["train_digit_accuracy"]
    np.testing.assert_array_equal(alone.predict(x), both.predict(x)["digit"])
    np.testing.assert_array_equal(alone.predict(x, logits=True), both.predict(x, logits=True)["digit"])


# -- training and scores ----------------------------------------------------------------------------------------------


def test_fit_evaluate_predict_and_files(tmp_path):
    train, validation = DATA.split(0.3)
    model = compiled()
    model.fit(train, validation=validation, epochs=20, batch_size=20, progress=False)
    names = ["loss", "digit_loss", "digit_accuracy", "total_loss"]
    assert model.history.columns[3:] == [f"{part}_{name}" for part in ("train", "validation") for name in names]
    scores = model.evaluate(validation)
    assert list(scores) == names
    assert scores["loss"] == pytest.approx(scores["digit_loss"] + 0.25 * scores["total_loss"], rel=1e-12)
    assert model.history["validation_loss"][-1] == scores["loss"] < 0.7 * model.history["validation_loss"][0]
    y = model.predict(validation)
    assert scores["digit_accuracy"] == (y["digit"].argmax(axis=1) == validation.y["digit"]).mean()
    assert scores["total_loss"] == pytest.approx(((y["total"][:, 0] - validation.y["total"]) ** 2).mean(), rel=1e-5)
    assert model.evaluate(validation.x, validation.y, metrics={"total": []})["total_loss"] == scores["total_loss"]
    assert [type(model.input_stage[name]).__name__ for name in SHAPES] == ["ImageScaling", "RobustScaling"]
    swapped = {**model.input_stage, "picture": model.input_stage["table"]}
    with pytest.raises(ConfigError, match=r"the input 'picture': the input stage is for . values"):
        compiled(input_stage=swapped)
    model.save(tmp_path / "model", training_state=True)
    again = Model.load(tmp_path / "model")
    for other in (again, model.copy(), pickle.loads(pickle.dumps(model))):
        assert other.config() == model.config()
        assert (other.loss, other.metrics, other.loss_weights) == (model.loss, model.metrics, {"digit": 1.0, "total": 0.25})
        np.testing.assert_array_equal(other.predict(validation)["total"], y["total"])
    assert model.train_on_batch(train.x, train.y) == again.train_on_batch(train.x, train.y)
    np.testing.assert_array_equal(model.parameters, again.parameters)
    assert json.loads(json.dumps(model.config()))["loss"].keys() == LOSSES.keys()
    assert "loss_weights" not in Sequential(Dense(1)).compile((3,), MeanSquaredError()).config()


@pytest.mark.parametrize("options", [{"accumulate": 3}, {"accumulate": 3, "sample_weight": RANDOM.random(N)}])
def test_accumulated_batches_make_the_step_of_their_union(options):
    parts, whole = (compiled(SGD(0.05), input_stage=DATA.input_stage()) for _ in range(2))
    parts.fit(X, Y, batch_size=30, shuffle=False, progress=False, **options)
    whole.fit(X, Y, batch_size=90, shuffle=False, progress=False, sample_weight=options.get("sample_weight"))
    np.testing.assert_allclose(parts.parameters, whole.parameters, atol=1e-6)
    assert parts.history["train_loss"] == pytest.approx(whole.history["train_loss"], rel=1e-5)


def test_the_weights_of_a_batch_may_be_lists():
    weights = RANDOM.random(N)
    losses = [compiled().train_on_batch(X, Y, given) for given in (weights.tolist(), {name: weights.tolist() for name in Y})]
    assert losses == [compiled().train_on_batch(X, Y, weights)] * 2
    with pytest.raises(ShapeError, match="the output 'digit': sample_weight must hold one number for each of the 90 samples"):
        compiled().train_on_batch(X, Y, {"digit": [1.0, 2.0]})
    with pytest.raises(DataError, match="batch: sample_weight must hold numbers"):
        compiled().train_on_batch(X, Y, ["a"] * N)


def test_weights_by_output_class_weights_and_masks():
    counts = np.where(np.arange(N) % 3, 1.0, 0.0)
    y = {**Y, "total": np.where(counts, Y["total"], np.nan)}  # masked targets may have any value
    model = compiled(input_stage=DATA.input_stage())
    scores = model.evaluate(X, y, sample_weight={"total": counts})
    kept = Dataset(X, Y).take(np.flatnonzero(counts))
    assert scores["total_loss"] == pytest.approx(model.evaluate(kept)["total_loss"], rel=1e-6)
    assert scores["digit_loss"] == pytest.approx(model.evaluate(X, Y)["digit_loss"], rel=1e-12)
    model.fit(X, y, sample_weight={"total": counts}, class_weight={"digit": "balanced"}, progress=False)
    balanced = N / (3 * np.bincount(Y["digit"]))[Y["digit"]]
    other = compiled(input_stage=DATA.input_stage())
    other.fit(X, y, sample_weight={"total": counts, "digit": balanced}, progress=False)
    np.testing.assert_allclose(model.parameters, other.parameters, atol=1e-6)


def test_a_mask_of_a_recurrent_layer_belongs_to_its_output():
    padded = Graph(
        Node("rnn", SimpleRNN(3, return_sequences=True, mask=0.0), "input"),
        Node("steps", Sequential(Dense(1), Sigmoid()), "rnn"),
        Node("all", Sequential(Flatten(), Dense(1), Sigmoid()), "input"),
        outputs=("steps", "all"),
    )
    model = padded.compile((4, 1), {"steps": BinaryCrossEntropy(), "all": BinaryCrossEntropy()})
    x = RANDOM.normal(size=(6, 4, 1)).astype(np.float32)
    x[:, 2:] = 0
    y = {"steps": RANDOM.integers(0, 2, (6, 4)), "all": RANDOM.integers(0, 2, 6)}
    scores, p = model.evaluate(x, y), {name: value[..., 0] for name, value in model.predict(x).items()}
    for name, own, t in (("steps", p["steps"][:, :2], y["steps"][:, :2]), ("all", p["all"], y["all"])):
        expected = -np.where(t, np.log(own), np.log(1 - own)).mean()
        assert scores[f"{name}_loss"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ConfigError, match="rnn skips padding, which differs from sample to sample"):
        model.fit(x, y, accumulate=2, batch_size=2, progress=False)
    other_head = Node("other", Sequential(Dense(1), Sigmoid()), "rnn")  # two outputs of the same layer
    both = Graph(*padded.nodes[:2], other_head, outputs=("steps", "other"))
    model = both.compile((4, 1), {"steps": BinaryCrossEntropy(), "other": BinaryCrossEntropy()})
    y = {"steps": y["steps"], "other": y["steps"]}
    assert Ensemble([model]).evaluate(x, y)["loss"] == pytest.approx(model.evaluate(x, y)["loss"])


def test_other_ways_of_training():
    stage = DATA.input_stage()
    newton = compiled(LBFGS(), input_stage=stage)
    newton.fit(X, Y, epochs=15, progress=False)
    assert newton.history["train_loss"][-1] < 0.5 * newton.history["train_loss"][0]
    assert newton.evaluate(X, Y)["loss"] == pytest.approx(newton.history["train_loss"][-1], rel=1e-5)
    perturbed, exact = (compiled(SGD(0.01), input_stage=stage) for _ in range(2))
    perturbed.fit(X, Y, batch_size=N, method=Perturbation("one", sigma=0.001), progress=False)
    exact.fit(X, Y, batch_size=N, progress=False)
    np.testing.assert_allclose(perturbed.parameters, exact.parameters, atol=2e-4)
    assert perturbed.history["train_digit_loss"] == pytest.approx(exact.history["train_digit_loss"], rel=1e-6)
    stopped = compiled(SGD(1e-12), input_stage=stage)
    policy = EarlyStopping(monitor="validation_digit_accuracy", patience=2)
    stopped.fit(X, Y, validation=(X, Y), epochs=9, policies=[policy], progress=False)
    assert len(stopped.history) == 3
    assert 0 < compiled().find_learning_rate(DATA, steps=20).suggestion < 10
    augmented = compiled()
    augmented.fit(DATA, augmentation={"picture": Augmentation(shift=1)}, progress=False)
    assert (augmented.parameters != compiled().parameters).any()


def test_a_model_with_several_outputs_and_no_loss_is_saved_and_copied(tmp_path):
    model = NETWORK.compile(SHAPES)
    model.save(tmp_path / "m")
    for other in (model.copy(), Model.load(tmp_path / "m")):
        assert other.loss is None
        np.testing.assert_array_equal(other.parameters, model.parameters)
    with pytest.raises(ConfigError, match="with loss=None leave them out"):
        NETWORK.compile(SHAPES, metrics={"digit": [Accuracy()]})


def test_metrics_of_each_output_are_in_the_table_of_a_notebook():
    assert "{&#x27;digit&#x27;: (Accuracy(),), &#x27;total&#x27;: ()}" in compiled()._repr_html_()


def test_loops_of_your_own_and_ensembles():
    model = compiled(SGD(0.05), input_stage=DATA.input_stage())
    other = compiled(SGD(0.05), input_stage=DATA.input_stage(), seed=1)
    trained = model.copy()
    y, pullback = model.forward(X, logits=True)
    dy = {"digit": np.exp(y["digit"]) / np.exp(y["digit"]).sum(axis=1, keepdims=True) / N, "total": 0.5 * y["total"] / N}
    dy["digit"][np.arange(N), Y["digit"]] -= 1 / N
    dy["total"] -= 0.5 * Y["total"][:, None] / N
    gradients = pullback(dy)
    assert {name: array.shape for name, array in gradients.x.items()} == {name: array.shape for name, array in X.items()}
    model.update(gradients)
    trained.train_on_batch(X, Y)
    np.testing.assert_allclose(model.parameters, trained.parameters, atol=1e-6)
    both = Ensemble([model, other])
    means = {name: (model.predict(X)[name] + other.predict(X)[name]) / 2 for name in Y}
    for name, mean in both.predict(X).items():
        np.testing.assert_allclose(mean, means[name], atol=1e-6)
    scores = both.evaluate(X, Y)
    assert scores["digit_accuracy"] == (means["digit"].argmax(axis=1) == Y["digit"]).mean()
    assert scores["loss"] == pytest.approx(scores["digit_loss"] + 0.25 * scores["total_loss"])
    assert activations(model, X)["pixels.dense1"].shape == (N, 8)


def test_a_siamese_network_learns_a_distance():
    network = Graph(
        Node("left_code", Sequential(Dense(8), Tanh(), Dense(2)), "left"),
        Node("right_code", Shared("left_code"), "right"),
        Node("difference", Subtract(), "left_code", "right_code"),
        Node("same", Sequential(Dense(8), ReLU(), Dense(1), Sigmoid()), "difference"),
        inputs=("left", "right"),
    )
    random = np.random.default_rng(1)
    group, other = random.integers(0, 2, (2, 400))
    x = {
        name: (2 * g[:, None] - 1 + 0.3 * random.normal(size=(400, 3))).astype(np.float32)
        for name, g in (("left", group), ("right", other))
    }
    model = network.compile({"left": (3,), "right": (3,)}, BinaryCrossEntropy(), Adam(0.02), metrics=[Accuracy()])
    model.fit(x, group == other, epochs=10, progress=False)
    assert model.evaluate(x, group == other)["accuracy"] > 0.95
    assert model.parameter_count == 3 * 8 + 8 + 8 * 2 + 2 + 2 * 8 + 8 + 8 + 1


# -- data sets --------------------------------------------------------------------------------------------------------


def test_splits_views_and_digests(tmp_path):
    data = Dataset(X, {**Y, "other": TABLE}, sample_weight={"total": np.ones(N)}, classes={"digit": ["a", "b", "c"]})
    train, part = data.split(30)
    assert np.bincount(part.y["digit"]).tolist() == [round(count / 3) for count in np.bincount(Y["digit"])]  # stratified
    rows = [int(np.flatnonzero((row == TABLE).all(axis=1))[0]) for row in part.x["table"]]
    for name, array in data.y.items():
        np.testing.assert_array_equal(part.y[name], array[rows])
    assert part.classes == data.classes == {"digit": ("a", "b", "c")}
    assert part.sample_weight["total"].shape == (30,)
    assert repr(train) == "Dataset(data: 60 × picture 4×4×1 uint8 and table 3 float64, 3 classes of digit, weighted)"
    assert data.shape == SHAPES
    assert "<img" in data._repr_html_()
    assert len({digest(data), digest(train), digest(Dataset(X, Y)), digest(Dataset(X, {**Y, "total": Y["total"] + 1}))}) == 4
    file = tmp_path / "x.npy"
    np.save(file, PICTURES)
    mapped = Dataset({"picture": np.load(file, mmap_mode="r"), "table": TABLE}, Y).split(30)[1]
    assert isinstance(mapped.source_x["picture"], np.memmap)
    np.testing.assert_array_equal(mapped.x["picture"], part.x["picture"])
    assert DATA.limit(20).origins["table"].columns is not None
    model = compiled()
    model.fit(mapped, progress=False)
    assert model.evaluate(mapped)["loss"] == pytest.approx(model.evaluate(mapped.x, mapped.y)["loss"])


def test_class_names_of_an_output_are_taken_from_the_data():
    model = compiled()
    model.fit(Dataset(X, Y, classes={"digit": ["a", "b", "c"]}), progress=False)
    assert model.classes == {"digit": ("a", "b", "c")}
    with pytest.raises(DataError, match="class 1 is 'x' there and 'b' in the model"):
        model.evaluate(Dataset(X, Y, classes={"digit": ["a", "x", "c"]}))


# -- errors -----------------------------------------------------------------------------------------------------------

PLAIN = Sequential(Flatten(), Dense(3), Softmax()).compile((4, 4, 1), CrossEntropy())
MODEL = compiled(input_stage=DATA.input_stage())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: MODEL.predict(PICTURES), DataError, r"x must be a dictionary .*\{'picture': …, 'table': …\}, not ndarray"),
        (lambda: MODEL.predict({"picture": PICTURES}), DataError, "x lacks the input 'table'; it has 'picture'"),
        (
            lambda: MODEL.predict({**X, "tabel": TABLE}),
            DataError,
            "x has 'tabel', which is not an input .*did you mean 'table'",
        ),
        (lambda: MODEL.predict({**X, "table": TABLE[:5]}), ShapeError, r"x\['table'\] has 5 rows and x\['picture'\] has 90"),
        (lambda: MODEL.predict({**X, "table": TABLE[:, :2]}), ShapeError, r"x\['table'\] must have the shape \(n, 3\)"),
        (
            lambda: MODEL.predict({**X, "picture": PICTURES / 255}),
            DataError,
            "the input 'picture': this model was trained on uint8",
        ),
        (
            lambda: MODEL.predict({**X, "table": np.where(TABLE[3] == TABLE, np.inf, TABLE)}),
            DataError,
            "'table': x contains infinity",
        ),
        (lambda: MODEL.fit(X, Y["digit"]), DataError, "y must be a dictionary with one entry for each output"),
        (lambda: MODEL.fit(X, {"digit": Y["digit"]}), DataError, "y lacks the output 'total'"),
        (lambda: MODEL.fit(X, {**Y, "digit": Y["digit"] + 1}), DataError, "the output 'digit': label 3 in sample"),
        (lambda: MODEL.fit(X, {**Y, "digit": 0 * Y["digit"]}), DataError, "all labels, output 'digit', are 0"),
        (lambda: MODEL.fit(X, {**Y, "total": Y["total"][:9]}), ShapeError, r"y\['total'\] has 9 rows"),
        (
            lambda: MODEL.fit(X, Y, sample_weight={"sum": np.ones(N)}),
            DataError,
            "sample_weight has 'sum', which is not an output",
        ),
        (lambda: MODEL.fit(X, Y, sample_weight=np.ones(9)), ShapeError, "sample_weight has 9 rows and x has 90"),
        (
            lambda: MODEL.fit(X, Y, sample_weight={"total": RANDOM.random(N)}, accumulate=2, batch_size=9),
            ConfigError,
            "the weights of the samples differ between the outputs",
        ),
        (
            lambda: MODEL.fit(X, Y, class_weight="balanced"),
            ConfigError,
            r"give a dictionary by output, such as \{'digit': 'balanced'",
        ),
        (lambda: MODEL.fit(X, Y, class_weight={"sum": [1, 2]}), ConfigError, "class_weight has 'sum', which is not an output"),
        (lambda: MODEL.fit(X, Y, augmentation=Augmentation(shift=1)), ConfigError, "augmentation=.*dictionary by input"),
        (
            lambda: MODEL.fit(X, Y, augmentation={"p": Augmentation()}),
            ConfigError,
            "augmentation has 'p', which is not an input",
        ),
        (lambda: MODEL.train_on_batch(X, {"total": Y["total"]}), DataError, "y lacks the output 'digit'"),
        (lambda: MODEL.evaluate(X, Y, metrics=[Accuracy()]), ConfigError, r"such as \{'digit': \[Accuracy\(\)\]\}"),
        (lambda: MODEL.evaluate(X, Y, metrics={"sum": [Accuracy()]}), ConfigError, "metrics has 'sum', which is not an output"),
        (lambda: MODEL.evaluate(X, Y, metrics={"total": [Accuracy()]}), ConfigError, "Accuracy.* counts classes"),
        (
            lambda: MODEL.read("file.csv"),
            ConfigError,
            "read needs a network with one input and one output; this one has 2 inputs and 2",
        ),
        (lambda: gradient(MODEL, X), ConfigError, "an explanation needs a network with one input"),
        (
            lambda: NETWORK.compile(SHAPES, CrossEntropy()),
            ConfigError,
            r"loss must be a dictionary .*\{'digit': …, 'total': …\}",
        ),
        (lambda: NETWORK.compile(SHAPES, {"digit": CrossEntropy()}), ConfigError, "loss lacks the output 'total'"),
        (lambda: NETWORK.compile((3,), LOSSES), ShapeError, "input_shape must be a dictionary"),
        (lambda: NETWORK.compile({**SHAPES, "table": (0,)}, LOSSES), ShapeError, "input_shape is the shape of one sample"),
        (lambda: compiled(loss_weights={"sum": 1}), ConfigError, "loss_weights has 'sum', which is not an output"),
        (lambda: compiled(loss_weights={"total": -1}), ConfigError, "must be at least 0"),
        (lambda: compiled(loss_weights={"digit": 0, "total": 0}), ConfigError, "loss_weights are all 0"),
        (lambda: MODEL.fit([PICTURES, TABLE], Y), DataError, "x must be a dictionary with one entry for each input"),
        (
            lambda: Graph(Node("a", Dense(1), "b"), inputs=("b",)).compile({"b": (3,)}, MeanSquaredError()),
            ShapeError,
            r"the network has one input: give its shape alone, such as \(28, 28, 1\)$",
        ),
        (lambda: compiled(loss_weights=0.5), ConfigError, "loss_weights must be a dictionary by output"),
        (lambda: compiled(classes=["a", "b", "c"]), ConfigError, "classes must be a dictionary by output"),
        (lambda: compiled(classes={"digit": ["a"]}), ConfigError, "1 class names for 3 outputs 'digit'"),
        (lambda: compiled(input_stage={"table": Passthrough()}), ConfigError, "input_stage lacks the input 'picture'"),
        (
            lambda: NETWORK.compile(SHAPES, {"digit": MeanSquaredError(), "total": CrossEntropy()}),
            ConfigError,
            r"the output 'total': CrossEntropy needs Softmax\(\) as the last layer",
        ),
        (
            lambda: Ensemble([MODEL], augmentation=Augmentation(), copies=1),
            ConfigError,
            "an ensemble with augmentation needs a network",
        ),
        (
            lambda: NetworkClassifier(NETWORK).fit(TABLE, Y["digit"]),
            ConfigError,
            "needs a network with one input and one output",
        ),
        (lambda: PLAIN.predict(X), DataError, "x is a dictionary, but the network has one input"),
        (lambda: PLAIN.fit(PICTURES, Y), DataError, "y is a dictionary, but the network has one output"),
        (lambda: PLAIN.network.compile((4, 4, 1), LOSSES), ConfigError, "loss is a dictionary, but the network has one output"),
        (
            lambda: PLAIN.network.compile((4, 4, 1), CrossEntropy(), loss_weights={}),
            ConfigError,
            "loss_weights is for networks with",
        ),
        (
            lambda: PLAIN.evaluate(PICTURES, Y["digit"], metrics={"a": []}),
            ConfigError,
            "metrics is a dictionary, but the network",
        ),
        (lambda: Dataset({}, Y), DataError, "x is a dictionary whose keys must be the names of inputs"),
        (lambda: Dataset(X, Y, classes=["a"]), DataError, "y is of several outputs, so classes must be a dictionary by output"),
        (lambda: Dataset(X, Y, classes={"sum": ["a"]}), DataError, "classes has 'sum', but y has no such output"),
        (lambda: Dataset(X, Y, sample_weight={"total": -np.ones(N)}), DataError, "data, total: sample_weight must be finite"),
    ],
)
def test_wrong_dictionaries_are_refused(call, error, words):
    before = MODEL.parameters.copy()
    with pytest.raises(PellucidError, match=words) as caught:
        call()
    assert isinstance(caught.value, error)
    np.testing.assert_array_equal(MODEL.parameters, before)


def test_a_preset_from_a_file_with_several_outputs_is_refused(tmp_path):
    (tmp_path / "n.json").write_text(json.dumps(MODEL.config()["network"]))
    with pytest.raises(ConfigError, match="needs a network with one input and one output"):
        preset(str(tmp_path / "n.json"))


def infinite(outputs, targets):
    """A loss that is infinite."""
    return np.full(len(outputs), np.inf), np.zeros_like(outputs)


def test_the_error_of_a_diverged_training_names_the_output():
    network = Graph(Node("a", Dense(1), "input"), Node("b", Dense(1), "input"), outputs=("a", "b"))
    model = network.compile((1,), {"a": MeanSquaredError(), "b": infinite})
    with pytest.raises(DivergedError, match="the loss of the output 'b' is the first that is not finite"):
        model.train_on_batch(np.ones((2, 1)), {"a": np.zeros(2), "b": np.zeros(2)})


def test_tokens_of_each_input_are_checked():
    network = Graph(
        Node("words", Sequential(Embedding(5, 2), Flatten()), "text"),
        Node("joined", Concatenate(), "words", "table"),
        Node("out", Dense(1), "joined"),
        inputs=("text", "table"),
    )
    model = network.compile({"text": (2,), "table": (1,)}, MeanSquaredError())
    text = np.array([[0, 1], [2, 5]])
    with pytest.raises(DataError, match="5"):
        model.fit({"text": text, "table": np.zeros((2, 1))}, np.zeros(2), progress=False)
    model.fit({"text": text % 5, "table": np.zeros((2, 1))}, np.zeros(2), progress=False)


def test_an_output_whose_loss_compares_samples_needs_whole_batches():
    network = Graph(Node("code", Dense(2), "input"), Node("value", Dense(1), "code"), outputs=("code", "value"))
    model = network.compile((3,), {"code": Triplet(), "value": MeanSquaredError()})
    y = {"code": Y["digit"], "value": Y["total"]}
    with pytest.raises(ConfigError, match=r"Triplet\(\) of 'code' compares the samples of a batch"):
        model.fit(TABLE / 1e5, y, accumulate=2, progress=False)
    model.fit(TABLE / 1e5, y, progress=False)
    assert model.classes is None


def test_lists_in_the_place_of_dictionaries():
    model, x, y = compiled(), list(X.values()), list(Y.values())
    for what, call in (
        ("x", lambda: model.fit(x, Y)),
        ("y", lambda: model.evaluate(X, y)),
        ("x", lambda: model.predict(x)),
        ("x", lambda: model.forward(x)),
        ("sample_weight", lambda: model.train_on_batch(X, Y, sample_weight=[np.ones(N), np.ones(N)])),
    ):
        with pytest.raises(DataError, match=rf"^{what} must be a dictionary with one entry for each .*, not list"):
            call()
    with pytest.raises(DataError, match="sample_weight is a dictionary, but there is one target"):
        Dataset(np.ones((4, 1)), np.ones(4), sample_weight={"output": np.ones(4)})
    with pytest.raises(ConfigError, match=r"^the output 'total': Accuracy\(\) counts classes"):
        compiled(metrics={"total": [Accuracy()]})


# -- batches from a program, and targets that are maps ----------------------------------------------------------------


def test_batches_from_a_program_have_dictionaries():
    parts = np.split(np.arange(N), 3)
    batches = [tuple({name: array[rows] for name, array in arrays.items()} for arrays in (X, Y)) for rows in parts]
    streamed, whole = (compiled(input_stage=DATA.input_stage()) for _ in range(2))
    streamed.fit(batches, class_weight={"digit": [1, 2, 1]}, epochs=2, progress=False)
    whole.fit(X, Y, class_weight={"digit": [1, 2, 1]}, batch_size=30, shuffle=False, epochs=2, progress=False)
    np.testing.assert_array_equal(streamed.parameters, whole.parameters)
    with pytest.raises(ConfigError, match=r"epoch 1, batch 1: fit\(accumulate=2\) averages.*differ between the outputs"):
        streamed.fit(batches, class_weight={"digit": [1, 2, 1]}, accumulate=2, progress=False)
    with pytest.raises(DataError, match="epoch 1, batch 1: y lacks the output 'total'"):
        streamed.fit([(X, {"digit": Y["digit"]})], progress=False)
    with pytest.raises(ConfigError, match="with a stream of batches needs one input and one output"):
        streamed.fit(batches, augmentation={"picture": Augmentation(shift=1)}, progress=False)


def test_maps_of_one_picture_are_moved_alike_and_of_several_refused():
    nodes = Node("map", Dense(1), "picture"), Node("same", Dense(1), "picture")
    network = Graph(*nodes, inputs=("picture",), outputs=("map", "same"))
    losses = {"map": MeanSquaredError(), "same": MeanSquaredError()}
    x = (PICTURES / 255).astype(np.float32)
    model = network.compile((4, 4, 1), losses, SGD(1e-9))
    for layer in ("map", "same"):
        model.weights[f"{layer}.W"][:], model.weights[f"{layer}.b"][:] = 1, 0
    model.fit(x, {"map": x, "same": x}, augmentation=Augmentation(shift=1), progress=False)
    assert model.history["train_loss"][0] < 1e-6  # the outputs are the pictures, and so are the targets
    two = Graph(Node("map", Add(), "a", "b"), inputs=("a", "b")).compile({"a": (4, 4, 1), "b": (4, 4, 1)}, MeanSquaredError())
    with pytest.raises(ShapeError, match="moves the pixels of 'a', but a target has two axes of positions"):
        two.fit({"a": x, "b": x}, x, augmentation={"a": Augmentation(shift=1)}, progress=False)
