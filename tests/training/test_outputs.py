"""Outputs with their losses: the forms of targets, weights, scores, and networks that have several outputs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pellucid import (
    F1,
    GRU,
    LBFGS,
    SGD,
    Accuracy,
    BinaryCrossEntropy,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    ExactMatch,
    FitOptions,
    Flatten,
    Graph,
    Hinge,
    MeanSquaredError,
    Node,
    Recall,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Triplet,
)
from pellucid.core.named_arrays import NamedArrays
from pellucid.data.input_stage import Passthrough
from pellucid.training.parts import PartedStep, Parts
from pellucid.training.prediction import start_scores
from pellucid.training.ranks import ALONE
from pellucid.training.step import GradientStep

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(12, 4, 3)).astype(np.float32)
LABELS = RANDOM.integers(0, 3, (12, 4))


# -- one output -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "loss", "words"),
    [
        ((Dense(1), Sigmoid()), BinaryCrossEntropy(), "1 number at each of its positions (4,), .* the shape (n, 4); got"),
        ((Dense(1),), MeanSquaredError(), "1 number at each of its positions (4,), .* the shape (n, 4, 1); got"),
        ((Dense(2),), MeanSquaredError(), "2 numbers at each of its positions (4,), .* the shape (n, 4, 2); got"),
        ((Dense(2), Softmax()), CrossEntropy(), "2 numbers at each of .* the shape (n, 4) or (n, 4, 2); got"),
        ((Dense(3), Softmax()), CrossEntropy(), "3 numbers at each of .* the shape (n, 4) or (n, 4, 3); got"),
    ],
    ids=["answers", "number", "numbers", "two classes", "classes"],
)
def test_the_shapes_of_targets_at_positions(layers, loss, words):
    model = Sequential(*layers).compile((4, 3), loss)
    pattern = re.escape(words).replace(r"\.\*", ".*")
    for shape in ((12, 5), (12, 5, 2), (12,), (12, 3)):
        with pytest.raises(ShapeError, match=rf"{pattern} {re.escape(str(shape))}\."):
            model.evaluate(X, np.zeros(shape))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((6, 4), "The axes of the targets are in another order than those of the output"),
        ((6, 4, 2), "The axes of the targets are in another order than those of the output"),
        ((5, 4), "The numbers of positions differ: "),
        ((2,), "Give a target for each position, or let the network end in a vector: "),
        ((), "Give a target for each position, or let the network end in a vector: "),
        ((6, 4, 2, 1), "Give a target for each position, or let the network end in a vector: "),
    ],
    ids=repr,
)
def test_advice_about_targets_of_other_positions(shape, words):
    model = Sequential(Dense(2)).compile((4, 6, 3), MeanSquaredError())
    with pytest.raises(ShapeError, match=rf"\. {re.escape(words)}"):
        model.evaluate(np.zeros((2, 4, 6, 3)), np.zeros((2, *shape)))


def test_targets_at_positions_of_a_network_that_ends_in_a_vector():
    model = Sequential(Flatten(), Dense(3), Softmax()).compile((4, 3), CrossEntropy())
    with pytest.raises(ShapeError, match=r"for a label at each of the positions \(4, 2\) the output .* shape \(4, 2, 3\): ret"):
        model.evaluate(X, np.zeros((12, 4, 2), int))
    numbers = Sequential(Flatten(), Dense(3)).compile((4, 3), MeanSquaredError())
    for wrong in (np.zeros((12, 4)), np.zeros(12)):
        with pytest.raises(ShapeError) as caught:
            numbers.evaluate(X, wrong)
        assert "at each of the positions" not in str(caught.value)


def test_metrics_of_independent_answers_are_means_over_them():
    y = RANDOM.integers(0, 2, (12, 3))
    model = Sequential(Flatten(), Dense(3), Sigmoid()).compile((4, 3), BinaryCrossEntropy(), metrics=[Recall(), ExactMatch()])
    scores, answers = model.evaluate(X, y), model.predict(X) >= 0.5
    recalls = [(answers[:, k] & (y[:, k] == 1)).sum() / y[:, k].sum() for k in range(3)]
    np.testing.assert_allclose(scores["recall"], recalls)
    assert scores["exact_match"] == pytest.approx((answers == y).all(axis=1).mean())


def test_metrics_of_a_single_score_compare_it_with_zero():
    y = (X[:, 0, 0] > 0).astype(int)
    model = Sequential(Flatten(), Dense(1)).compile((4, 3), Hinge(), metrics=[Accuracy(), F1(label=1)])
    model.parameters[:] *= 0.01  # far below one half, the threshold of probabilities
    scores, right = model.evaluate(X, y), (model.predict(X)[:, 0] > 0) == y
    assert scores["accuracy"] == pytest.approx(right.mean())
    yes = model.predict(X)[:, 0] > 0
    assert 0 < yes.sum() < 12
    assert scores["f1_1"] == pytest.approx(2 * (yes & (y == 1)).sum() / (yes.sum() + y.sum()))


def test_masked_targets_of_a_vector_may_have_any_value_and_the_others_not():
    model = Sequential(Flatten(), Dense(3), Softmax()).compile((4, 3), CrossEntropy())
    y, weights = np.r_[99, np.arange(11) % 3], np.ones(12)
    with pytest.raises(DataError, match="label 99 in sample 0"):
        model.evaluate(X, y, sample_weight=weights)
    weights[0] = 0
    assert model.evaluate(X, y, sample_weight=weights) == pytest.approx(model.evaluate(X[1:], y[1:]), rel=1e-6)
    with pytest.raises(ShapeError, match="sample_weight must hold one number for each of the 12 samples; got"):
        model.train_on_batch(X, y % 3, np.eye(2)[np.ones(12, int)])


def test_the_mean_of_scores_with_small_weights():
    model = Sequential(Flatten(), Dense(3), Softmax()).compile((4, 3), CrossEntropy())
    scores = start_scores(model.state)
    assert scores.mean() == 0
    scores.add(0.1, 0.25, np.eye(3)[:1], np.array([0]), np.full(1, 0.25))
    assert scores.mean() == scores.result()["loss"] == 0.4


def test_steps_that_are_skipped_are_known_for_predictions(monkeypatch):
    monkeypatch.setattr("pellucid.training.prediction.CHUNK_SAMPLES", 5)
    network = Sequential(GRU(3, return_sequences=True, mask=0.0), Dense(3), Softmax())
    model = network.compile((4, 3), CrossEntropy())
    lengths = 1 + np.arange(12) % 4
    read = np.arange(4) < lengths[:, None]
    steps = model._predictor.steps_read((X * read[..., None]).astype(np.float32), Passthrough())
    (path,) = model.state.output.mask_paths
    np.testing.assert_array_equal(steps.steps_read(path), read)
    assert steps.steps_read(None) is None
    plain = Sequential(GRU(3, return_sequences=True), Dense(3), Softmax()).compile((4, 3), CrossEntropy())
    assert plain.state.output.mask_paths == []
    assert plain._predictor.steps_read(X, Passthrough()).by_path == {}


# -- several outputs --------------------------------------------------------------------------------------------------

NETWORK = Graph(
    Node("kind", Sequential(Flatten(), Dense(3), Softmax()), "input"),
    Node("tags", Sequential(Dense(1), Sigmoid()), "input"),
    Node("size", Sequential(Flatten(), Dense(2)), "input"),
    outputs=("kind", "tags", "size"),
)
LOSSES = {"kind": CrossEntropy(), "tags": BinaryCrossEntropy(), "size": MeanSquaredError()}
Y = {"kind": LABELS[:, 0], "tags": (LABELS > 0).astype(int), "size": X[:, 0, :2]}


def several(optimizer=None, **settings):
    return NETWORK.compile((4, 3), LOSSES, optimizer or SGD(0.1), **settings)


def test_predictions_pass_the_head_of_each_output():
    model = several()
    y, z = model.predict(X), model.predict(X, logits=True)
    np.testing.assert_allclose(y["kind"], np.exp(z["kind"]) / np.exp(z["kind"]).sum(axis=1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(y["tags"], 1 / (1 + np.exp(-z["tags"])), rtol=1e-5)
    np.testing.assert_array_equal(y["size"], z["size"])
    assert set(y) == {"kind", "tags", "size"}


def test_the_total_loss_is_the_weighted_sum():
    model = several(loss_weights={"tags": 0.5, "size": 2.0})
    scores = model.evaluate(X, Y)
    parts = scores["kind_loss"] + 0.5 * scores["tags_loss"] + 2 * scores["size_loss"]
    assert scores["loss"] == pytest.approx(parts, rel=1e-12)
    assert model.train_on_batch(X, Y) == pytest.approx(scores["loss"], rel=1e-6)
    assert scores["size_loss"] == pytest.approx(np.square(several().predict(X)["size"] - Y["size"]).mean(), rel=1e-5)


def test_weights_of_several_outputs_are_checked_by_output():
    model = several()
    for error, words, weights in (
        (
            DataError,
            "^sample_weight has 'kin', which is not an output of the network: did you mean 'kind'",
            {"kin": np.ones(12)},
        ),
        (ShapeError, r"^the output 'kind': sample_weight must hold one number .*12 samples; got", {"kind": np.ones((12, 4))}),
        (ShapeError, r"^the output 'tags': sample_weight .* position \(4,\) of each sample; got", {"tags": np.ones((12, 5))}),
        (ShapeError, r"^the output 'kind': sample_weight must hold one number", np.ones((12, 4))),
    ):
        with pytest.raises(error, match=words):
            model.train_on_batch(X, Y, weights)
    assert model.state.steps == 0
    masked = {"kind": np.r_[0.0, np.ones(11)], "tags": np.ones((12, 4))}
    wrong = {**Y, "kind": np.r_[77, Y["kind"][1:]]}
    assert np.isfinite(model.train_on_batch(X, wrong, masked)), "what does not count may have any value"
    with pytest.raises(DataError, match=r"^the output 'kind': label 77"):
        model.train_on_batch(X, wrong, {"tags": np.ones((12, 4))})


def test_an_output_without_weights_counts_every_sample_once():
    given, all_given = several(), several()
    weights = np.linspace(0.5, 2, 12)
    given.train_on_batch(X, Y, {"size": weights})
    all_given.train_on_batch(X, Y, {"size": weights, "kind": np.ones(12), "tags": np.ones((12, 4))})
    np.testing.assert_array_equal(given.parameters, all_given.parameters)
    same, each = several(), several()
    same.train_on_batch(X, Y, weights)
    each.train_on_batch(X, Y, dict.fromkeys(Y, weights))
    np.testing.assert_array_equal(same.parameters, each.parameters)


def half(values, number):
    return {name: one[6 * number : 6 * number + 6] for name, one in values.items()}


@pytest.mark.parametrize("output", ["kind", "size"])
def test_batches_whose_gradients_do_not_add_up(output):
    weights = {output: np.linspace(1, 2, 12)}
    batches = [(X[:6], half(Y, 0)), (X[6:], half(Y, 1), half(weights, 1))]
    for call in (
        lambda: several().fit(X, Y, sample_weight=weights, accumulate=2, batch_size=6),
        lambda: several().fit(batches, accumulate=2),
    ):
        with pytest.raises(
            ConfigError, match=r"fit\(accumulate=2\) averages .*: the weights of the samples differ between the"
        ):
            call()
    several().fit(X, Y, sample_weight=weights, batch_size=6)
    several().fit(batches)


def test_balanced_class_weights_need_the_whole_set():
    for weights in ("balanced", {"kind": "balanced"}):
        with pytest.raises(ConfigError, match="the classes of a stream of batches are not known beforehand"):
            several().fit([(X, Y)], class_weight=weights)
    streamed, whole = several(), several()
    streamed.fit([(X, Y)], class_weight={"kind": [1, 2, 3]})
    whole.fit(X, Y, class_weight={"kind": [1, 2, 3]}, batch_size=12, shuffle=False)
    np.testing.assert_array_equal(streamed.parameters, whole.parameters)


def test_masks_and_weights_of_positions_do_not_add_up():
    steps = Sequential(GRU(2, return_sequences=True, mask=0.0), Dense(2), Softmax())
    masking = Graph(Node("a", steps, "input"), Node("b", Dense(1), "input"), outputs=("a", "b"))
    model = masking.compile((4, 3), {"a": CrossEntropy(), "b": MeanSquaredError()}, SGD(0.1))
    y = {"a": LABELS > 0, "b": X[..., :1]}
    with pytest.raises(ConfigError, match="skips padding, which differs from sample to sample; train with one batch"):
        model.fit(X, y, accumulate=2, batch_size=6)
    plain = Graph(Node("a", Dense(1), "input"), Node("b", Dense(1), "input"), outputs=("a", "b"))
    model = plain.compile((4, 3), {"a": MeanSquaredError(), "b": MeanSquaredError()}, SGD(0.1))
    y = {"a": X[..., :1], "b": X[..., 1:2]}
    with pytest.raises(ConfigError, match="the positions of the outputs have weights of their own; train with one batch"):
        model.fit(X, y, sample_weight=dict.fromkeys(y, np.ones((12, 4))), accumulate=2, batch_size=6)
    model.fit(X, y, sample_weight=np.linspace(1, 2, 12), accumulate=2, batch_size=6)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_weighted_batches_of_several_outputs_add_up(accumulate):
    weights = np.linspace(0.1, 1, 12)
    one, many = several(), several()
    one.fit(X, Y, sample_weight=weights, batch_size=12, shuffle=False)
    many.fit(X, Y, sample_weight=weights, batch_size=12 // accumulate, accumulate=accumulate, shuffle=False)
    np.testing.assert_allclose(many.parameters, one.parameters, atol=1e-6)
    assert many.history["train_loss"] == pytest.approx(one.history["train_loss"], rel=1e-6)


def test_lbfgs_trains_several_outputs_in_chunks_of_the_same_weights(monkeypatch):
    weights = np.linspace(0.1, 1, 12)
    whole = several(LBFGS())
    whole.fit(X, Y, sample_weight=weights, epochs=3)
    with monkeypatch.context() as patched:
        patched.setattr("pellucid.training.full_batch.CHUNK_SAMPLES", 5)
        chunks = several(LBFGS())
        chunks.fit(X, Y, sample_weight=weights, epochs=3)
        np.testing.assert_allclose(chunks.parameters, whole.parameters, atol=1e-4)
        with pytest.raises(ConfigError, match=r"sums the gradients of chunks of 5 samples, but .* differ between the outputs"):
            several(LBFGS()).fit(X, Y, sample_weight={"kind": weights})
    several(LBFGS()).fit(X, Y, sample_weight={"kind": weights})


def test_a_batch_in_parts_has_the_weights_and_outputs_of_the_whole():
    steps = Sequential(GRU(2, return_sequences=True, mask=0.0), Dense(2), Softmax())
    network = Graph(Node("a", steps, "input"), Node("b", Dense(1), "input"), outputs=("a", "b"))
    state = network.compile((4, 3), {"a": CrossEntropy(), "b": MeanSquaredError()}, SGD(0.1)).state
    x = X * (np.arange(4) < 1 + np.arange(12)[:, None] % 4)[..., None].astype(np.float32)
    y = state.output.targets(NamedArrays({"a": LABELS > 0, "b": X[..., :1]}))
    weights = state.output.all_weights(np.linspace(0.1, 1, 12), 12)
    whole, parted = GradientStep(state), PartedStep(state, Parts.of(ALONE, deterministic=True))
    assert parted(x, y, weights, 1) == pytest.approx(whole(x, y, weights, 1), rel=1e-6)
    np.testing.assert_allclose(parted.gradient, whole.gradient, atol=1e-6)
    assert parted.total == pytest.approx(whole.total, rel=1e-6)
    assert parted.mean == pytest.approx(whole.mean, rel=1e-6)
    for name in ("a", "b"):
        np.testing.assert_array_equal(parted.weights[name], whole.weights[name])
        np.testing.assert_allclose(parted.outputs[name], whole.outputs[name], atol=1e-6)
    assert (parted.weights["a"] == 0).sum() == 18


def test_an_output_without_weight_in_a_batch_has_no_gradient():
    weights = {"kind": np.r_[np.zeros(6), np.ones(6)], "tags": np.ones(12), "size": np.ones(12)}
    model = several()
    events = model.fit_events(X, Y, FitOptions(batch_size=6, shuffle=False), sample_weight=weights)
    before = {path: array.copy() for path, array in model.weights.items()}
    first = next(events)
    changed = {path.partition(".")[0] for path, array in model.weights.items() if not np.array_equal(array, before[path])}
    assert changed == {"tags", "size"}
    assert first.loss == pytest.approx(first.scores()["tags_loss"] + first.scores()["size_loss"], rel=1e-6)
    next(events)
    assert not np.array_equal(model.weights["kind.dense1.W"], before["kind.dense1.W"])


def test_outputs_that_are_masked_as_a_whole_are_refused_by_name():
    steps = Sequential(GRU(2, return_sequences=True, mask=0.0), Dense(2), Softmax())
    network = Graph(Node("a", steps, "input"), Node("b", Dense(1), "input"), outputs=("a", "b"))
    model = network.compile((4, 3), {"a": CrossEntropy(), "b": MeanSquaredError()}, SGD(0.1))
    with pytest.raises(DataError, match="every position of the output 'a' of the set is masked"):
        model.evaluate(0 * X, {"a": LABELS > 0, "b": X[..., :1]})


def test_losses_that_compare_samples_train_on_whole_batches():
    y = np.arange(12) % 2
    model = Sequential(Flatten(), Dense(2)).compile((4, 3), Triplet(), SGD(0.01))
    assert model.fit(X, y, batch_size=6)["train_loss"][0] > 0
    assert model.fit(X, y, batch_size=3, shuffle=False)["train_loss"][0] > 0
    with pytest.raises(ConfigError, match=r"fit\(accumulate=2\): Triplet.* compares the samples of a batch, so the gradients"):
        model.fit(X, y, accumulate=2)
    with pytest.raises(ConfigError, match=r"fit\(batch_size=2\): Triplet.* compares the samples of a batch, at least three"):
        model.fit(X, y, batch_size=2)
    network = Graph(Node("code", Sequential(Flatten(), Dense(2)), "input"), Node("b", Dense(1), "code"), outputs=("b", "code"))
    both = network.compile((4, 3), {"code": Triplet(), "b": MeanSquaredError()})
    with pytest.raises(ConfigError, match=r"fit\(batch_size=2\): Triplet\(.*\) of 'code' compares the samples of a batch"):
        both.fit(X, {"code": y, "b": y}, batch_size=2)
    plain = Sequential(Flatten(), Dense(2), Softmax()).compile((4, 3), CrossEntropy())
    assert plain.fit(X, y, batch_size=1)["train_loss"][0] > 0
