"""Loops that users write: forward passes with pullbacks, gradients as values, updates."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    LBFGS,
    SGD,
    Adam,
    BatchNorm,
    Chain,
    ClipNorm,
    Concatenate,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    DivergedError,
    Dropout,
    Exponential,
    Frozen,
    Graph,
    MeanSquaredError,
    Node,
    ReLU,
    Sequential,
    ShapeError,
    Softmax,
    Tanh,
)
from pellucid.core.memory import CACHE_LINE

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(24, 5)).astype(np.float32)
Y = np.arange(24) % 3
NETWORK = Sequential(Dense(8), BatchNorm(), ReLU(), Dropout(0.4), Dense(3), Softmax())
PLAIN = Sequential(Dense(6), Tanh(), Dense(3), Softmax())


def compiled(network=NETWORK, optimizer=None, **settings):
    return network.compile((5,), CrossEntropy(), optimizer or SGD(0.1), **settings)


def step(model, x, y, weights=None, **options):
    """One step of training, written out."""
    z, pullback = model.forward(x, logits=True, **options)
    loss, dz = model.loss.value_and_gradient(z, y, weights)
    model.update(pullback(dz))
    return loss


def snapshot(model):
    return [model.parameters.copy(), model.state.statistics.copy(), model.state.steps] + [
        vector.copy() for vector in model.state.updater.state.values()
    ]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("needs_dx", [False, True])
@pytest.mark.parametrize(
    "optimizer", [SGD(0.1), Adam(0.01), Chain(ClipNorm(0.5), SGD(Exponential(0.1, 0.5), momentum=0.9))], ids=repr
)
def test_a_loop_written_out_makes_the_same_steps_to_the_last_bit(optimizer, needs_dx):
    ours, theirs = compiled(optimizer=optimizer), compiled(optimizer=optimizer)
    weights = np.linspace(0.5, 2, 8).astype(np.float32)
    for start in (0, 8, 16, 0):
        rows = slice(start, start + 8)
        assert step(ours, X[rows], Y[rows], weights, needs_dx=needs_dx) == theirs.train_on_batch(X[rows], Y[rows], weights)
    assert same(snapshot(ours), snapshot(theirs))


def test_forward_returns_what_predict_returns():
    model = compiled()
    for logits in (False, True):
        y, _ = model.forward(X, training=False, logits=logits)
        np.testing.assert_allclose(y, model.predict(X, logits=logits), rtol=1e-5, atol=1e-6)
        assert y.dtype == np.float32
    model.train_on_batch(5 * X, Y)
    y, pullback = model.forward(X, training=False)
    np.testing.assert_allclose(y, model.predict(X), rtol=1e-5, atol=1e-6)
    kept = y.copy()
    del pullback
    model.forward(2 * X, training=False)
    np.testing.assert_array_equal(y, kept)


def test_a_pass_draws_noise_in_training_mode_only():
    model = compiled()
    in_training, _ = model.forward(X)
    assert not np.allclose(in_training, model.predict(X))


def test_the_gradient_through_the_head_is_that_of_the_logits():
    model = compiled(PLAIN)
    y, pullback = model.forward(X)
    dy = RANDOM.normal(size=y.shape)
    through_head = pullback(dy)
    _, pullback = model.forward(X, logits=True)
    at_logits = pullback(y * (dy - (y * dy).sum(axis=1, keepdims=True)))
    np.testing.assert_allclose(through_head.parameters, at_logits.parameters, atol=1e-5)
    np.testing.assert_allclose(through_head.x, at_logits.x, atol=1e-5)


def test_gradients_of_a_linear_network():
    model = Sequential(Dense(2)).compile((5,))
    y, pullback = model.forward(X)
    dy = RANDOM.normal(size=y.shape).astype(np.float32)
    gradients = pullback(dy)
    np.testing.assert_allclose(gradients["dense1.W"], X.T @ dy, atol=1e-5)
    np.testing.assert_allclose(gradients["dense1.b"], dy.sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(gradients.x, dy @ model.weights["dense1.W"].T, atol=1e-5)
    assert gradients.parameters.dtype == gradients.x.dtype == np.float32
    assert gradients.parameters.shape == model.parameters.shape
    assert gradients.parameters.ctypes.data % CACHE_LINE == 0
    assert np.shares_memory(gradients["dense1.W"], gradients.parameters)
    kept = gradients.x.copy()
    for _ in range(2):  # the memory of input gradients alternates
        model.forward(5 * X)[1](dy[::-1])
    np.testing.assert_array_equal(gradients.x, kept)
    assert list(gradients) == list(model.weights)


def test_the_input_gradient_is_that_after_the_input_stage():
    images = RANDOM.integers(0, 256, (4, 5), np.uint8)
    model, other = (Sequential(Dense(2)).compile((5,)) for _ in range(2))
    y, pullback = model.forward(images)
    expected, expected_pullback = other.forward(images.astype(np.float32) / 255)
    np.testing.assert_allclose(y, expected, atol=1e-6)
    np.testing.assert_allclose(pullback(y).x, expected_pullback(y).x, atol=1e-6)
    with pytest.raises(DataError, match="trained on uint8 images"):
        model.forward(X)
    fresh = Sequential(Dense(2)).compile((5,))
    fresh.forward(images, training=False)
    assert fresh.input_stage is None, "as with predict, the stage is that of the first training data"


def test_several_passes_may_be_pending():
    model, one, two = (compiled(PLAIN) for _ in range(3))
    first, pull_first = model.forward(X[:8])
    second, pull_second = model.forward(X[8:])
    total = pull_second(second) + pull_first(first)
    _, pullback = one.forward(X[:8])
    alone = pullback(first)
    _, pullback = two.forward(X[8:])
    np.testing.assert_array_equal(total.parameters, pullback(second).parameters + alone.parameters)


def test_the_samples_may_change_after_the_forward_pass():
    model, x = compiled(PLAIN), X.copy()
    y, pullback = model.forward(x)
    expected = pullback(y)
    y, pullback = model.forward(x)
    x[:] = 0
    np.testing.assert_array_equal(pullback(y).parameters, expected.parameters)


def test_a_pullback_may_be_called_once_and_before_the_update():
    model = compiled(PLAIN)
    y, pullback = model.forward(X)
    with pytest.raises(ShapeError, match=r"the shape of y, \(24, 3\), got \(3,\)"):
        pullback(y[0])
    with pytest.raises(DataError, match="must hold numbers"):
        pullback(np.full(y.shape, "a"))
    gradients = pullback(y)
    with pytest.raises(ConfigError, match="has been called before"):
        pullback(y)
    _, late = model.forward(X)
    model.update(gradients)
    with pytest.raises(ConfigError, match="was updated between"):
        late(y)


def test_noise_is_named_by_step_and_pass():
    model, again = compiled(), compiled()
    passes = [model.forward(X)[0] for _ in range(3)]
    assert not np.array_equal(passes[0], passes[1])
    assert not np.array_equal(passes[1], passes[2])
    for expected in passes:
        np.testing.assert_array_equal(again.forward(X)[0], expected)
    step(model, X, Y)
    step(again, X, Y)
    np.testing.assert_array_equal(model.forward(X)[0], again.forward(X)[0])
    assert same(snapshot(model), snapshot(again))


def test_passes_do_not_change_the_noise_of_fit():
    network = Sequential(Dense(8), Dropout(0.4), Dense(3), Softmax())
    model, other = compiled(network), compiled(network)
    model.forward(X)
    model.forward(X)
    for one in (model, other):
        one.fit(X, Y, epochs=2, batch_size=8, progress=False)
    assert same(snapshot(model), snapshot(other))


def test_running_statistics_are_updated_at_once_and_in_training_mode_only():
    model, other = compiled(), compiled()
    before = model.state.statistics.copy()
    y, pullback = model.forward(X, training=False)
    np.testing.assert_array_equal(model.state.statistics, before)
    model.forward(X)
    other.train_on_batch(X, Y)
    np.testing.assert_array_equal(model.state.statistics, other.state.statistics)
    assert not np.array_equal(model.state.statistics, before)
    after = model.state.statistics.copy()
    pullback(y)
    np.testing.assert_array_equal(model.state.statistics, after)
    with np.errstate(all="ignore"):
        model.weights["dense1.W"][:] = 3e38
    model.forward(X)  # statistics that are not finite are not taken over
    np.testing.assert_array_equal(model.state.statistics, after)


def test_a_pullback_keeps_the_statistics_of_its_pass():
    model, other = compiled(), compiled()
    y, pullback = model.forward(X, training=False)
    model.forward(5 * X)
    _, expected = other.forward(X, training=False)
    np.testing.assert_array_equal(pullback(y).parameters, expected(y).parameters)


def test_gradients_add_scale_and_clip():
    model = compiled(PLAIN)
    y, pullback = model.forward(X)
    g = pullback(y)
    vector = g.parameters.copy()
    for result, factor in ((2 * g, 2), (g * np.float32(0.5), 0.5), (np.float64(3) * g, 3), (g / 4, 0.25), (-g, -1)):
        np.testing.assert_allclose(result.parameters, factor * vector, rtol=1e-6)
        np.testing.assert_allclose(result.x, factor * g.x, rtol=1e-6)
    for result, factor in ((g + g, 2), (sum([g, g, g]), 3), (g - 0.5 * g, 0.5)):
        np.testing.assert_allclose(result.parameters, factor * vector, rtol=1e-6)
        with pytest.raises(ConfigError, match="a sum of gradients has no x"):
            result.x  # noqa: B018
    assert g.norm() == pytest.approx(np.linalg.norm(vector), rel=1e-5)
    assert g.clipped(0.1).norm() == pytest.approx(0.1, rel=1e-5)
    np.testing.assert_allclose(g.clipped(0.1).parameters, vector * 0.1 / np.linalg.norm(vector), rtol=1e-4)
    np.testing.assert_array_equal(g.clipped(1e9).parameters, vector)
    np.testing.assert_array_equal(g.parameters, vector)
    with pytest.raises(ShapeError, match="different parameters"):
        g + gradients_of(Sequential(Dense(2)).compile((5,)))
    with pytest.raises(ConfigError, match="limit must be above 0"):
        g.clipped(0)
    for other in (1, "a", None):
        with pytest.raises(TypeError):
            g + other
    with pytest.raises(TypeError):
        g * g
    with pytest.raises(TypeError):
        g / "2"
    with pytest.raises(KeyError, match=r"there are no parameters 'dense1\.w': did you mean 'dense1\.W'"):
        g["dense1.w"]
    assert "dense1.w" not in g


def gradients_of(model):
    y, pullback = model.forward(X)
    return pullback(y)


def test_the_input_gradient_may_be_left_out():
    y, pullback = compiled(PLAIN).forward(X, needs_dx=False)
    gradients = pullback(y)
    with pytest.raises(ConfigError, match="leave out needs_dx=False"):
        gradients.x  # noqa: B018
    np.testing.assert_array_equal(gradients.parameters, gradients_after(compiled(PLAIN), y).parameters)


def gradients_after(model, dy):
    return model.forward(X)[1](dy)


def test_an_update_leaves_the_gradients_and_takes_a_learning_rate():
    model, other = (compiled(PLAIN, Chain(ClipNorm(1e-3), SGD(rate))) for rate in (0.1, 0.3))
    gradients = gradients_of(model)
    before = gradients.parameters.copy()
    model.update(gradients, learning_rate=0.3)
    np.testing.assert_array_equal(gradients.parameters, before)
    other.update(gradients)
    np.testing.assert_array_equal(model.parameters, other.parameters)
    assert model.state.steps == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e19])
def test_a_diverged_gradient_changes_nothing(value):
    model = compiled(optimizer=Adam())
    step(model, X, Y)
    gradients = gradients_of(model)
    gradients["dense2.b"][0] = value
    before = snapshot(model)
    with pytest.raises(DivergedError, match=r"in step 2: the gradient .*The parameters are those before this step"):
        model.update(gradients)
    assert same(snapshot(model), before)


def test_a_parameter_that_is_not_finite_is_named():
    model = compiled(PLAIN)
    model.weights["dense1.b"][1] = np.nan
    with pytest.raises(DivergedError, match=r"the parameter dense1.b is the first"):
        model.update(gradients_of(model))


def test_other_updates_are_refused():
    model = compiled(PLAIN)
    gradients = gradients_of(model)
    with pytest.raises(ShapeError, match="a network with other parameters"):
        model.update(gradients_of(Sequential(Dense(2)).compile((5,))))
    with pytest.raises(ConfigError, match="must be a Gradients"):
        model.update(gradients.parameters)
    with pytest.raises(ConfigError, match="learning_rate must be at least 0"):
        model.update(gradients, learning_rate=-1)
    with pytest.raises(ConfigError, match=r"LBFGS.*use another rule"):
        compiled(PLAIN, LBFGS()).update(gradients)
    assert model.state.steps == 0


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X[:, :4], ShapeError, r"\(n, 5\), got \(24, 4\)"),
        (X[:0], ShapeError, "at least one sample"),
        (np.full((2, 5), np.nan), DataError, "NaN or infinity"),
    ],
)
def test_samples_are_checked(x, error, message):
    model = compiled()
    before = snapshot(model)
    with pytest.raises(error, match=message):
        model.forward(x)
    with pytest.raises(ConfigError, match=r"forward\(logits='no'\): logits must be True or False"):
        model.forward(X, logits="no")
    assert same(snapshot(model), before)
    assert model.input_stage is None


def test_frozen_layers_have_no_gradient_and_pass_the_gradient_on():
    model = Sequential(Frozen(Dense(4), BatchNorm(), Dropout(0.5)), Tanh(), Dense(2)).compile((5,), MeanSquaredError())
    frozen = model.weights["frozen1.dense1.W"].copy()
    statistics = model.state.statistics.copy()
    y, pullback = model.forward(X)
    gradients = pullback(np.ones_like(y))
    assert not gradients["frozen1.dense1.W"].any()
    assert gradients["dense1.W"].any()
    assert gradients.x.any()
    model.update(gradients)
    np.testing.assert_array_equal(model.weights["frozen1.dense1.W"], frozen)
    np.testing.assert_array_equal(model.state.statistics, statistics)


def test_memory_is_reused_from_step_to_step():
    model = compiled()

    def loop():
        for _ in range(4):
            y, first = model.forward(X)
            model.forward(X)  # without its pullback
            _, second = model.forward(X)
            model.update(first(y) + second(y))

    def memory():
        spaces = [one for pool in model._own_steps._pools.values() for one in pool]
        return {(id(one), one.execution.buffer("x", X.shape).ctypes.data) for one in spaces}

    loop()
    used = memory()
    assert len(used) == 2
    loop()
    assert memory() == used


@pytest.mark.filterwarnings("error")
def test_running_statistics_that_are_not_finite_in_part_are_not_taken():
    model = Sequential(BatchNorm(), Dense(2)).compile((5,), MeanSquaredError())
    before = model.state.statistics.copy()
    x = X.copy()
    x[:, 2] = 3e38 * (-1.0) ** np.arange(24)  # its variance is infinite
    model.forward(x)
    np.testing.assert_array_equal(model.state.statistics, before)
    model.forward(X)
    assert not np.array_equal(model.state.statistics, before)


@pytest.mark.filterwarnings("error")
def test_what_is_too_large_is_reported_by_the_update():
    model = compiled(PLAIN)
    g = gradients_of(model)
    for huge in (g * 1e38 * 1e38, (g * 1e38 * 1e30) + (g * 1e38 * 1e30), g / 1e-300):
        with pytest.raises(DivergedError, match=r"in step 1: the gradient of dense2.. is the first that is not finite"):
            model.update(huge)
    y, pullback = model.forward(X)
    with pytest.raises(DivergedError, match=r"in step 1: the gradient of dense2.. is the first that is not finite"):
        model.update(pullback(np.full(y.shape, 1e300)))
    large = gradients_of(model)
    large.parameters[:] = 0
    large["dense1.W"][0, 0] = 2e19
    with pytest.raises(DivergedError, match=r"the gradient has a norm of 2e\+19, which is out of bounds, at a learning"):
        model.update(large)
    with pytest.raises(DivergedError, match=r"at a learning rate of 0\.3"):
        model.update(large, learning_rate=0.3)
    large["dense1.W"][0, 0] = 1e19
    model.update(large, learning_rate=0)
    assert model.state.steps == 1
    np.testing.assert_array_equal(model.parameters, compiled(PLAIN).parameters)


@pytest.mark.parametrize("path", ["dense1.W", "dense1.b", "dense2.W"])
def test_the_gradient_that_is_not_finite_is_named(path):
    model = compiled(PLAIN)
    gradients = gradients_of(model)
    gradients[path].flat[1] = np.nan
    with pytest.raises(DivergedError, match=f"the gradient of {path} is the first that is not finite"):
        model.update(gradients)


def test_gradients_of_an_equal_network_fit():
    first, second = compiled(PLAIN), compiled(PLAIN)
    np.testing.assert_array_equal((gradients_of(first) + gradients_of(second)).parameters, 2 * gradients_of(first).parameters)
    first.update(gradients_of(second))
    second.update(gradients_of(compiled(PLAIN)))
    np.testing.assert_array_equal(first.parameters, second.parameters)
    g = gradients_of(first)
    assert len(g) == 4
    assert list(g) == ["dense1.W", "dense1.b", "dense2.W", "dense2.b"]


def test_gradients_of_several_inputs_and_outputs():
    nodes = (Node("both", Concatenate(), "a", "b"), Node("p", Dense(2), "both"), Node("q", Dense(1), "both"))
    network = Graph(*nodes, inputs=("a", "b"), outputs=("p", "q"))
    model = network.compile({"a": (5,), "b": (5,)}, {"p": MeanSquaredError(), "q": MeanSquaredError()})
    _, pullback = model.forward({"a": X, "b": -X})
    dy = {"p": np.ones((24, 2)), "q": np.zeros((24, 1))}
    for wrong, error, message in (
        (np.ones((24, 2)), DataError, "dy must be a dictionary with one entry for each output"),
        ({"p": dy["p"]}, DataError, "dy lacks the output 'q'"),
        ({**dy, "q": np.ones(24)}, ShapeError, r"dy\['q'\] is the gradient with respect to y: .* \(24, 1\), got \(24,\)"),
    ):
        with pytest.raises(error, match=message):
            pullback(wrong)
    g = pullback(dy)
    assert set(g.x) == {"a", "b"}
    weights = model.weights["p.W"].sum(axis=1)
    np.testing.assert_allclose(g.x["a"], np.tile(weights[:5], (24, 1)), rtol=1e-5)
    np.testing.assert_allclose((3 * g).x["b"], 3 * np.tile(weights[5:], (24, 1)), rtol=1e-5)
    assert not g["q.W"].any()
    one = compiled(PLAIN)
    with pytest.raises(DataError, match="dy is a dictionary, but the network has one output: give the array alone"):
        one.forward(X)[1]({"output": np.ones((24, 3))})


def test_an_error_in_a_pullback_leaves_it_usable_if_nothing_was_computed():
    model = compiled(PLAIN)
    y, pullback = model.forward(X)
    with pytest.raises(ShapeError, match=r"dy is the gradient with respect to y: it must have the shape of y, \(24, 3\)"):
        pullback(np.ones((24, 2)))
    np.testing.assert_array_equal(pullback(y).parameters, gradients_after(compiled(PLAIN), y).parameters)
    with pytest.raises(ConfigError, match="this pullback has been called before"):
        pullback(y)


def test_zero_is_subtracted_from_nothing():
    with pytest.raises(TypeError):
        gradients_of(compiled()) - 0
