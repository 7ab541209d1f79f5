"""An execution: its passes, its memory, what it tells an observer, and a batch that is spread over shards."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pellucid import (
    SGD,
    Add,
    ConfigError,
    CrossEntropy,
    Dense,
    DivergedError,
    Dropout,
    Flatten,
    Graph,
    Layer,
    LayerSpec,
    MeanSquaredError,
    Node,
    ReLU,
    Sequential,
    ShapeError,
    Slot,
    Softmax,
    Zeros,
    kernels,
)
from pellucid.networks import Composite
from pellucid.testing import check_layer, numeric_gradient, run_layer
from pellucid.training.execution import Execution, chunk_size, chunks
from pellucid.training.parts import Shards
from pellucid.training.state import ModelState


def float_state(dtype=np.float32):
    """The state of a small network: 5 inputs, 3 outputs."""
    network = Sequential(Dense(4), ReLU(), Dense(3))
    return ModelState(network, (5,), MeanSquaredError(), SGD(0.1), 0, kernels.load(), dtype)


def samples(n, dtype=np.float32):
    return np.random.default_rng(n).normal(size=(n, 5)).astype(dtype)


# -- passes -------------------------------------------------------------------------------------------------------


def test_an_observer_receives_the_output_and_the_upstream_gradient_of_every_layer():
    state, seen = float_state(), []
    execution = state.execution(state.network, observer=lambda path, what, array: seen.append((path, what, array.copy())))
    y = execution.forward(samples(6), keep=True).copy()
    dy = np.ones_like(y)
    g = state.layout.zeros()
    execution.backward(dy.copy(), state.layout.views(g))
    forward, backward = ["dense1", "relu1", "dense2"], ["dense2", "relu1", "dense1"]
    assert [(path, what) for path, what, _ in seen] == [
        *((path, "output") for path in forward),
        *((path, "gradient") for path in backward),
    ]
    arrays = {(path, what): array for path, what, array in seen}
    np.testing.assert_array_equal(arrays["dense2", "output"], y)
    np.testing.assert_array_equal(arrays["relu1", "output"], np.maximum(arrays["dense1", "output"], 0))
    np.testing.assert_array_equal(arrays["dense2", "gradient"], dy)
    np.testing.assert_allclose(arrays["relu1", "gradient"], dy @ state.arrays()["dense2.W"].T, rtol=1e-5)
    execution.observe(None)
    execution.forward(samples(6))
    assert len(seen) == 6, "there is no observer any more"


def test_the_input_gradient_is_computed_on_request():
    state = float_state(np.float64)
    x, c = samples(4, np.float64), np.arange(12.0).reshape(4, 3)
    g = state.layout.views(state.layout.zeros(np.float64))
    execution = state.execution(needs_dx=True)
    execution.forward(x, keep=True)
    dx = execution.backward(c.copy(), g).copy()
    np.testing.assert_allclose(dx, numeric_gradient(lambda: float((execution.forward(x) * c).sum()), x), atol=1e-6)
    plain = state.execution()
    plain.forward(x, keep=True)
    assert plain.backward(c.copy(), g) is None, "nothing needs the input gradient of the first layer"


def test_an_execution_computes_no_input_gradient_unless_it_is_asked_to():
    state, x = float_state(), samples(4)
    for settings, given in (({}, False), ({"needs_dx": False}, False), ({"needs_dx": True}, True)):
        views = state.layout.views(state.parameters), state.statistics_layout.views(state.statistics)
        execution = Execution(state.network, *views, state.kernels, **settings)
        execution.forward(x, keep=True)
        dx = execution.backward(np.ones((4, 3), np.float32), state.layout.views(state.layout.zeros(np.float32)))
        assert (dx is not None) is given


def test_training_turns_noise_on_and_step_and_offset_select_it():
    state = ModelState(Sequential(Dropout(0.5)), (5,), MeanSquaredError(), SGD(0.1), 0, kernels.load())
    execution, x = state.execution(), np.ones((8, 5), np.float32)
    np.testing.assert_array_equal(execution.forward(x), x)
    whole = execution.forward(x, training=True, step=1).copy()
    assert set(np.unique(whole)) == {0, 2}
    np.testing.assert_array_equal(execution.forward(x, training=True, step=1), whole)
    assert not np.array_equal(execution.forward(x, training=True, step=2), whole)
    np.testing.assert_array_equal(execution.forward(x[3:], training=True, step=1, offset=3), whole[3:])


def test_chunks_cover_all_samples_once():
    assert [(rows.start, rows.stop) for rows in chunks(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert list(chunks(0, 3)) == []
    assert chunk_size(10, 1000, 500) == 100
    assert chunk_size(1, 1000, 500) == 500
    assert chunk_size(10_000, 1000, 500) == 1, "a sample that is larger than the limit is still computed"


def test_a_layer_without_its_input_gradient_raises_an_error():
    @dataclass(frozen=True)
    class Forgetful(SwapAxes):
        def build(self, shape):
            return LayerSpec(shape)

        def forward(self, p, x, ctx):
            return x

        def backward(self, p, g, dy, ctx):
            return None

    model = Sequential(Dense(4), Forgetful(), Dense(3), Softmax()).compile((2,), CrossEntropy())
    with pytest.raises(TypeError, match=r"forgetful1: backward\(\) returned None, but ctx.needs_dx is true"):
        model.train_on_batch(np.ones((3, 2)), np.arange(3))


@dataclass(frozen=True)
class Returning(Layer):
    """y = x, and dX = dY, each changed by a function."""

    forwards: Any = None
    backwards: Any = None

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        return x if self.forwards is None else self.forwards(x)

    def backward(self, p, g, dy, ctx):
        return dy if self.backwards is None else self.backwards(dy)


def trained_with(layer):
    """The parameters of a network with this layer inside, after three steps: one interpreted, one recorded, one replayed."""
    model = Sequential(Dense(4), ReLU(), layer, Dense(3), Softmax()).compile((2,), CrossEntropy(), seed=0)
    x = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    for _ in range(3):
        model.train_on_batch(x, np.arange(6) % 3)
    return model.parameters.copy()


@pytest.mark.parametrize("place", ["forwards", "backwards"])
@pytest.mark.parametrize(
    ("change", "shape"), [(np.ravel, r"\(24,\)"), (lambda x: x[:, :3], r"\(6, 3\)"), (lambda x: x[..., None], r"\(6, 4, 1\)")]
)
def test_an_array_of_another_shape_from_a_layer_of_ones_own_is_an_error(place, change, shape):
    reason = "build\\(\\) states" if place == "forwards" else "the input has"
    method = place[:-1]
    with pytest.raises(ShapeError, match=rf"returning1: {method}\(\) of Returning.* of shape {shape}; {reason} \(6, 4\)"):
        trained_with(Returning(**{place: change}))


@pytest.mark.parametrize("place", ["forwards", "backwards"])
def test_a_list_from_a_layer_of_ones_own_is_an_error(place):
    with pytest.raises(TypeError, match=r"returning1: .* returned list, not a NumPy array"):
        trained_with(Returning(**{place: list}))


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("place", ["forwards", "backwards"])
@pytest.mark.parametrize("change", [np.float64, np.asfortranarray, read_only])
def test_arrays_from_a_layer_of_ones_own_are_brought_into_the_form_that_kernels_require(place, change):
    np.testing.assert_array_equal(trained_with(Returning(**{place: change})), trained_with(Returning()))


# -- memory -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SwapAxes(Layer):
    """Returns the two axes of a sample in the other order: a view that is not contiguous."""

    def build(self, shape):
        return LayerSpec(shape[::-1])

    def forward(self, p, x, ctx):
        return x.swapaxes(1, 2)

    def backward(self, p, g, dy, ctx):
        return dy.swapaxes(1, 2)


@dataclass(frozen=True)
class ContiguousAdd(Add):
    """An addition that accepts only contiguous inputs, as kernels do."""

    def forward(self, p, xs, ctx):
        assert all(x.flags.c_contiguous for x in xs)
        return Add.forward(self, p, xs, ctx)


@dataclass(frozen=True)
class Doubling(Layer):
    """y = 2 x. Records the largest input in its running statistics, and names its buffers like those of the step."""

    def build(self, shape):
        return LayerSpec(shape, {"seen": Slot((1,), Zeros(), state=True)})

    def forward(self, p, x, ctx):
        if ctx.training and ctx.writes_state:
            ctx.state.seen = np.abs(x).max()
        y = ctx.buffer("x", x.shape)
        ctx.buffer("dz", x.shape)[...] = 7
        y[...] = 2 * x
        return y

    def backward(self, p, g, dy, ctx):
        return 2 * dy


@dataclass(frozen=True)
class Wrapper(Composite):
    """A composite that is not a Sequential."""

    network: Layer

    def build(self, shape):
        return self.network.build(shape)

    def ordered_nodes(self):
        return (Node("network", self.network, "input"),)

    def fused(self):
        return self

    def forward(self, p, x, ctx):
        return self.network.forward(p, x, ctx)

    def backward(self, p, g, dy, ctx):
        return self.network.backward(p, g, dy, ctx)


def test_buffers_are_reused_by_name():
    execution = float_state().execution()
    first, other = execution.buffer("x", (4, 5)), execution.buffer("dz", (4, 5))
    assert first.dtype == np.float32
    assert not np.shares_memory(first, other)
    assert np.shares_memory(execution.buffer("x", (2, 5)), first)
    assert np.shares_memory(execution.buffer("x", (4, 5)), first)
    assert execution.buffer("x", (9, 5)).shape == (9, 5)
    assert not np.shares_memory(float_state().execution().buffer("x", (4, 5)), first)


def test_a_layer_may_return_a_view_that_is_not_contiguous():
    check_layer(SwapAxes(), (3, 4))
    check_layer(Sequential(SwapAxes(), ReLU(), SwapAxes(), Flatten(), Dense(3)), (3, 4))
    check_layer(Graph(Node("swapped", SwapAxes(), "input"), Node("sum", ContiguousAdd(), "swapped", "swapped")), (3, 4))


def test_a_step_that_diverges_does_not_change_the_running_statistics():
    model = Sequential(Doubling(), Dense(3), Softmax()).compile((2,), CrossEntropy(), seed=0)
    statistics = model.state.statistics
    model.train_on_batch(np.full((4, 2), 3.0), np.arange(4) % 3)
    assert statistics[0] == 3
    with pytest.raises(DivergedError):
        model.train_on_batch(np.full((4, 2), 1e30), np.arange(4) % 3)
    assert statistics[0] == 3


def test_buffers_of_layers_and_of_the_step_may_have_the_same_names():
    x = np.ones((3, 2), np.float32)
    model = Sequential(Doubling(), Dense(3), Softmax()).compile((2,), CrossEntropy(), seed=0)
    np.testing.assert_array_equal(run_layer(Wrapper(Doubling()), x, training=False).y, 2 * x)
    expected = 2 * x @ model.weights["dense1.W"] + model.weights["dense1.b"]
    np.testing.assert_allclose(model.predict(x, logits=True), expected, rtol=1e-6)
    probabilities = np.exp(expected)[np.arange(3), np.arange(3)] / np.exp(expected).sum(axis=1)
    assert model.train_on_batch(x, np.arange(3)) == pytest.approx(-np.log(probabilities).mean(), rel=1e-5)


def test_a_softmax_inside_another_composite_is_not_the_last_layer():
    with pytest.raises(ConfigError, match=r"CrossEntropy needs Softmax\(\) as the last layer, got Wrapper"):
        Sequential(Dense(4), Wrapper(Sequential(Dense(3), Softmax()))).compile((2,), CrossEntropy())


# -- a batch spread over shards -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3, 37, 128])
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_shards_have_the_outputs_and_gradients_of_the_whole_batch(dtype, bound, batch):
    network = Sequential(Dense(40), ReLU(), Dropout(0.4), Dense(30), ReLU(), Dropout(0.2), Dense(5))
    random = np.random.default_rng(batch)
    x, dy = random.normal(size=(batch, 20)).astype(dtype), random.normal(size=(batch, 5)).astype(dtype)
    whole = run_layer(network, x, dy)
    norm = np.linalg.norm(whole.gradient)
    assert norm > 0.1
    for shards in (2, 3, 4, 8):
        spread = run_layer(network, x, dy, shards=shards)
        assert np.linalg.norm(spread.gradient - whole.gradient) <= bound * norm
        np.testing.assert_allclose(spread.y, whole.y, rtol=100 * bound, atol=bound)
        np.testing.assert_allclose(spread.dx, whole.dx, rtol=100 * bound, atol=bound)


@dataclass(frozen=True)
class Centre(Layer):
    """y = x − (mean of x over the whole batch); dx = dy − (mean of dy over the whole batch)."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        n = ctx.all_sum(np.array([len(x)], x.dtype))
        ctx.keep(n)
        return x - ctx.all_sum(x.sum(axis=0)) / n

    def backward(self, p, g, dy, ctx):
        (n,) = ctx.kept
        return dy - ctx.all_sum(dy.sum(axis=0)) / n


def test_all_sum_adds_over_the_whole_batch():
    check_layer(Centre(), (4,))
    network = Sequential(Dense(12), Centre(), ReLU(), Dense(3))
    random = np.random.default_rng(0)
    x, dy = random.normal(size=(10, 6)), random.normal(size=(10, 3))
    whole = run_layer(network, x, dy)
    for shards in (2, 4):
        spread = run_layer(network, x, dy, shards=shards)
        np.testing.assert_allclose(spread.y, whole.y, atol=1e-12)
        assert np.linalg.norm(spread.gradient - whole.gradient) <= 1e-12 * np.linalg.norm(whole.gradient)


@dataclass(frozen=True)
class FailsOnNaN(Layer):
    """A layer that raises an error in the shard with a NaN, while the other shards wait for its sum."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        if ctx.offset > 0 and np.isnan(x).any():
            raise KeyError("an error in one shard")
        return x + 0 * ctx.all_sum(x.sum(axis=0))

    def backward(self, p, g, dy, ctx):
        return dy


def test_other_processes_are_asked_in_the_thread_of_the_caller():
    asked, results = [], {}

    def of_all(total):
        asked.append((threading.current_thread(), total.copy()))
        return 10 * total

    shards = Shards(3, of_all)
    for _ in range(2):
        shards.run(lambda k: results.__setitem__(k, shards.all_sum(k, np.full(2, k + 1.0))))
        for k in range(3):
            np.testing.assert_array_equal(results[k], [60, 60])
        results[0][:] = 0  # a result belongs to its shard
        np.testing.assert_array_equal(results[1], [60, 60])
    assert [thread for thread, _ in asked] == 2 * [threading.current_thread()]
    np.testing.assert_array_equal([total for _, total in asked], np.full((2, 2), 6))


@pytest.mark.parametrize("row", [5, 9])
def test_an_error_in_one_shard_is_raised_and_does_not_block_the_others(row):
    x, caught = np.ones((10, 3)), []
    x[row] = np.nan

    def run():
        try:
            run_layer(FailsOnNaN(), x, shards=4)
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "the shards wait for each other forever"
    assert isinstance(caught[0], KeyError), "the cause is raised, not its consequence in the other shards"
