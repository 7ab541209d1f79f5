"""Models without a loss, and with a function as their loss."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    Accuracy,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    DivergedError,
    Ensemble,
    MeanSquaredError,
    Model,
    ReLU,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Triplet,
)
from pellucid.losses import BinaryCrossEntropy
from pellucid.testing import check_loss

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
NUMBERS = np.random.default_rng(1).normal(size=(12, 2))
LABELS = np.arange(12) % 2
NETWORK = Sequential(Dense(6), ReLU(), Dense(2))


def squares(outputs, targets):
    """The squared error as a function."""
    d = outputs - targets
    return (d**2).mean(axis=1), 2 * d / d.shape[1]


# -- without a loss -----------------------------------------------------------------------------------------------


def test_what_needs_a_loss_is_refused_and_the_rest_works(tmp_path):
    model = Sequential(Dense(2), Softmax()).compile((4,))
    for name, call in {
        "fit": lambda: model.fit(X, LABELS),
        "fit_events": lambda: model.fit_events(X, LABELS),
        "evaluate": lambda: model.evaluate(X, LABELS),
        "train_on_batch": lambda: model.train_on_batch(X, LABELS),
        "find_learning_rate": lambda: model.find_learning_rate(X, LABELS),
    }.items():
        with pytest.raises(ConfigError, match=rf"^{name}: this model was compiled with loss=None.*compile\(loss=.*forward"):
            call()
    with pytest.raises(ConfigError, match="compiled with loss=None"):
        Ensemble([model]).evaluate(X, LABELS)
    with pytest.raises(ConfigError, match="compiled with loss=None"):
        model.state.loss.value_and_gradient(X, LABELS)
    assert model.loss is None
    assert "2" in model.summary()
    assert "None" in model._repr_html_()
    model.save(tmp_path / "m", training_state=True)
    loaded = Model.load(tmp_path / "m")
    assert loaded.loss is None
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_allclose(Ensemble([model, loaded]).predict(X), model.predict(X), rtol=1e-6)


@pytest.mark.parametrize(("head", "same"), [(Softmax(), False), (Sigmoid(), False), (ReLU(), True)], ids=repr)
def test_the_logits_of_a_network_without_a_loss(head, same):
    model = Sequential(Dense(2), head).compile((4,))
    z, _ = model.forward(X, logits=True)
    y, _ = model.forward(X)
    assert np.array_equal(z, y) == same
    np.testing.assert_array_equal(z, model.predict(X, logits=True))


def test_metrics_need_a_loss():
    with pytest.raises(ConfigError, match="metrics are computed by fit and evaluate"):
        NETWORK.compile((4,), metrics=[Accuracy()])


# -- a function as a loss -----------------------------------------------------------------------------------------


def test_a_function_trains_as_the_class_does():
    models = [NETWORK.compile((4,), loss) for loss in (squares, MeanSquaredError())]
    weights = np.linspace(0, 2, 12)
    for model in models:
        model.fit(X, NUMBERS, sample_weight=weights, epochs=3, batch_size=5, progress=False)
    np.testing.assert_allclose(models[0].parameters, models[1].parameters, atol=1e-6)
    ours, theirs = (model.evaluate(X, NUMBERS, sample_weight=weights)["loss"] for model in models)
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert repr(models[0].loss) == "squares"


def test_check_loss_checks_functions():
    check_loss(squares, NETWORK, (4,), NUMBERS)
    check_loss(lambda y, t: ((y[:, 0] - t) ** 2, np.c_[2 * (y[:, 0] - t), 0 * t]), NETWORK, (4,), LABELS)
    with pytest.raises(AssertionError, match="the gradient differ"):
        check_loss(lambda y, t: (((y - t) ** 2).sum(axis=1), (y - t) / len(y)), NETWORK, (4,), NUMBERS)


def test_targets_come_as_they_are():
    seen = []

    def loss(outputs, targets):
        seen.append(targets.dtype)
        with pytest.raises(ValueError, match="read-only"):
            outputs[0] = 0
        return np.zeros(len(outputs)), np.zeros_like(outputs)

    for y in (LABELS.astype(np.uint8), NUMBERS, LABELS > 0, np.zeros((12, 3, 1))):
        NETWORK.compile((4,), loss).train_on_batch(X, y)
    assert seen == [np.int64, np.float32, np.int64, np.float32]
    with pytest.raises(DataError, match="NaN or infinity"):
        NETWORK.compile((4,), loss).train_on_batch(X, np.full((12, 2), np.nan))


def test_samples_of_weight_zero_count_for_nothing():
    def loss(outputs, targets):
        losses, gradients = squares(outputs, targets)
        losses[3], gradients[3] = np.inf, np.nan
        return losses, gradients

    y, weights = NUMBERS, np.ones(12)
    weights[3] = 0
    model, other = NETWORK.compile((4,), loss), NETWORK.compile((4,), squares)
    assert model.train_on_batch(X, y, weights) == other.train_on_batch(X, y, weights)
    np.testing.assert_array_equal(model.parameters, other.parameters)
    with pytest.raises(DivergedError, match="training diverged"):
        model.train_on_batch(X, y)


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda y: 1.0, ConfigError, r"must return a pair, the losses \(n\) and their gradient \(n, k\); got float"),
        (lambda y: (y.mean(), y), ShapeError, "the losses have the shape .*; return the loss of each sample, not their mean"),
        (lambda y: (y, y), ShapeError, r"the losses have the shape \(12, 2\); take the sum or the mean over the outputs"),
        (lambda y: (y[:3, 0], y), ShapeError, r"for 12 samples the losses have the shape \(3,\)"),
        (lambda y: (y[:, 0], y[:, 0]), ShapeError, r"for outputs \(12, 2\) the gradient has the shape \(12,\)"),
        (lambda y: (["a"] * 12, y), DataError, "must return a pair"),
        (lambda y: (y[:, 0] * 1j, y), DataError, "got complex numbers"),
    ],
)
def test_results_are_checked(result, error, message):
    model = NETWORK.compile((4,), lambda outputs, targets: result(outputs))
    before = model.parameters.copy()
    with pytest.raises(error, match=message):
        model.train_on_batch(X, NUMBERS)
    np.testing.assert_array_equal(model.parameters, before)


def test_targets_that_broadcast_against_the_outputs():
    model = Sequential(Dense(1)).compile((4,), squares)
    with pytest.raises(
        ShapeError, match=r"the gradient has the shape \(12, 12\); the targets have the shape \(12,\): give .* y\[:"
    ):
        model.train_on_batch(X, NUMBERS[:, 0])


def test_a_model_file_names_the_function(tmp_path):
    model = NETWORK.compile((4,), squares)
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m", custom_classes=[squares])
    assert loaded.loss == model.loss
    assert loaded.evaluate(X, NUMBERS) == model.evaluate(X, NUMBERS)
    with pytest.raises(ConfigError, match=r"unknown function '.*:squares'.*custom_classes=\[squares\]"):
        Model.load(tmp_path / "m")

    class Callable:
        def __call__(self, outputs, targets):
            return squares(outputs, targets)

    nameless = NETWORK.compile((4,), Callable())
    nameless.train_on_batch(X, NUMBERS)
    with pytest.raises(ConfigError, match="has no name"):
        nameless.save(tmp_path / "n")
    assert not (tmp_path / "n").exists()


def test_other_things_are_no_losses():
    with pytest.raises(ConfigError, match=r"loss must be a Loss.*MeanSquaredError\(\)"):
        NETWORK.compile((4,), MeanSquaredError)
    with pytest.raises(ConfigError, match="loss must be a Loss"):
        NETWORK.compile((4,), 5)


# -- the value and the gradient of a loss -------------------------------------------------------------------------


def test_value_and_gradient_are_those_of_the_mean():
    z = np.random.default_rng(2).normal(size=(4, 3))
    labels, weights = np.array([0, 2, 1, 1]), np.array([1.0, 0, 2, 1])
    value, dz = CrossEntropy().value_and_gradient(z, labels, weights)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    each = -np.log(p[np.arange(4), labels])
    assert value == pytest.approx((weights * each).sum() / 4)
    np.testing.assert_allclose(dz, weights[:, None] * (p - np.eye(3)[labels]) / 4, atol=1e-12)
    assert dz.dtype == np.float64
    assert CrossEntropy().value_and_gradient(z.astype(np.float32), labels)[1].dtype == np.float32
    value, dz = BinaryCrossEntropy().value_and_gradient(np.zeros((2, 1)), [1, 0])
    assert value == pytest.approx(np.log(2))
    np.testing.assert_allclose(dz, [[-0.25], [0.25]])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros(3), [0]), ShapeError, r"z must be numbers \(n, k\)"),
        ((np.zeros((2, 3)), [0]), ShapeError, r"a target for each output: z has the shape \(2, 3\), y \(1,\)"),
        ((np.zeros((2, 3)), [0, 3]), DataError, "label 3 in sample 1 is out of range"),
        ((np.zeros((2, 4, 3)), [[0] * 4, [0, 0, 3, 0]]), DataError, "label 3 in sample 1 at position 2 is out of range"),
        ((np.zeros((2, 3)), [0, 1], [1.0]), ShapeError, "each of the 2 samples"),
        ((np.zeros((2, 3)), [0, 1], [1.0, -1.0]), DataError, "not negative"),
    ],
)
def test_arguments_of_value_and_gradient_are_checked(arguments, error, message):
    with pytest.raises(error, match=message):
        CrossEntropy().value_and_gradient(*arguments)


def test_positions_are_rows():
    random = np.random.default_rng(3)
    z, labels = random.normal(size=(2, 4, 3)), random.integers(0, 3, (2, 4))
    weights = random.random((2, 4))
    weights[1, 2] = 0
    value, dz = CrossEntropy().value_and_gradient(z, labels, weights)
    labels[1, 2] = 99  # masked
    again, dz_again = CrossEntropy().value_and_gradient(z, labels, weights)
    labels[1, 2] = 0
    rows, dz_rows = CrossEntropy().value_and_gradient(z.reshape(8, 3), labels.ravel(), weights.ravel())
    assert value == again == rows
    np.testing.assert_array_equal(dz, dz_rows.reshape(z.shape))
    np.testing.assert_array_equal(dz, dz_again)
    per_sample, _ = CrossEntropy().value_and_gradient(z, labels, [1.0, 3.0])
    assert per_sample == CrossEntropy().value_and_gradient(z, labels, [[1.0] * 4, [3.0] * 4])[0]
    with pytest.raises(ConfigError, match="compares samples"):
        Triplet().value_and_gradient(z, labels)


def test_a_function_sees_the_positions_as_rows():
    network = Sequential(Dense(5), ReLU(), Dense(2))
    x, y = np.random.default_rng(4).normal(size=(3, 7, 4)), np.random.default_rng(5).normal(size=(3, 7, 2))
    models = [network.compile((7, 4), loss) for loss in (squares, MeanSquaredError())]
    assert models[0].train_on_batch(x, y) == pytest.approx(models[1].train_on_batch(x, y), rel=1e-6)
    np.testing.assert_allclose(models[0].parameters, models[1].parameters, atol=1e-6)
    z, pullback = models[0].forward(x)
    assert z.shape == (3, 7, 2)
    models[0].update(pullback(models[0].loss.value_and_gradient(z, y)[1]))
