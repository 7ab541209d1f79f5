"""The execution of a step: limits on threads that nest, and memory that layers do not share by accident."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pellucid import (
    Add,
    ConfigError,
    CrossEntropy,
    Dense,
    DivergedError,
    Flatten,
    Graph,
    Layer,
    LayerSpec,
    Node,
    ReLU,
    Sequential,
    Slot,
    Softmax,
    Zeros,
)
from pellucid.networks import Composite
from pellucid.testing import check_layer, run_layer
from pellucid.training import blas


@dataclass(frozen=True)
class Swap(Layer):
    """Changes the order of the two axes of a sample: a view, not contiguous."""

    def build(self, shape):
        return LayerSpec(shape[::-1])

    def forward(self, p, x, ctx):
        return x.swapaxes(1, 2)

    def backward(self, p, g, dy, ctx):
        return dy.swapaxes(1, 2)


@dataclass(frozen=True)
class Rows(Add):
    """An addition for which rows have to lie behind each other, as kernels want it."""

    def forward(self, p, xs, ctx):
        assert all(x.flags.c_contiguous for x in xs)
        return Add.forward(self, p, xs, ctx)


@dataclass(frozen=True)
class Spoiled(Layer):
    """Notes in its running statistics how large its input was; the names of its memory are those of the step's own."""

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
class Inside(Composite):
    """A composite that is no Sequential."""

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


def test_a_layer_may_return_a_view_that_is_not_contiguous():
    check_layer(Swap(), (3, 4))
    check_layer(Sequential(Swap(), ReLU(), Swap(), Flatten(), Dense(3)), (3, 4))
    check_layer(Graph(Node("turned", Swap(), "input"), Node("sum", Rows(), "turned", "turned")), (3, 4))


def test_limits_on_blas_threads_may_overlap_in_any_order():
    def threads():
        return max(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")

    with threadpool_limits(2, user_api="blas"):
        fit, predict = blas.limited(1), blas.limited(1)
        before = threads()
        fit.__enter__()
        predict.__enter__()
        assert threads() == 1
        fit.__exit__()
        assert threads() == 1, "the one that is left still counts"
        predict.__exit__()
        assert threads() == before


def test_a_refused_step_leaves_the_running_statistics_alone():
    model = Sequential(Spoiled(), Dense(3), Softmax()).compile((2,), CrossEntropy(), seed=0)
    state = model.state.statistics
    model.train_on_batch(np.full((4, 2), 3.0), np.arange(4) % 3)
    assert state[0] == 3
    with pytest.raises(DivergedError):
        model.train_on_batch(np.full((4, 2), 1e30), np.arange(4) % 3)
    assert state[0] == 3


def test_what_a_layer_calls_its_memory_is_its_own_affair():
    x = np.ones((3, 2), np.float32)
    model = Sequential(Spoiled(), Dense(3), Softmax()).compile((2,), CrossEntropy(), seed=0)
    alone = Inside(Spoiled())
    np.testing.assert_array_equal(run_layer(alone, x, training=False).y, 2 * x)
    wanted = 2 * x @ model.weights["dense1.W"] + model.weights["dense1.b"]
    np.testing.assert_allclose(model.predict(x, logits=True), wanted, rtol=1e-6)
    assert model.train_on_batch(x, np.arange(3)) == pytest.approx(-np.log(model_probabilities(wanted)).mean(), rel=1e-5)


def model_probabilities(logits):
    return np.exp(logits)[np.arange(3), np.arange(3)] / np.exp(logits).sum(axis=1)


def test_a_head_inside_another_composite_is_not_taken_for_the_last_layer():
    with pytest.raises(ConfigError, match=r"CrossEntropy needs Softmax\(\) as the last layer, got Inside"):
        Sequential(Dense(4), Inside(Sequential(Dense(3), Softmax()))).compile((2,), CrossEntropy())


def test_a_layer_that_forgets_its_input_gradient_is_told_so():
    @dataclass(frozen=True)
    class Forgetful(Swap):
        def build(self, shape):
            return LayerSpec(shape)

        def forward(self, p, x, ctx):
            return x

        def backward(self, p, g, dy, ctx):
            return None

    model = Sequential(Dense(4), Forgetful(), Dense(3), Softmax()).compile((2,), CrossEntropy())
    with pytest.raises(TypeError, match=r"forgetful1: backward\(\) returned None, but ctx.needs_dx is true"):
        model.train_on_batch(np.ones((3, 2)), np.arange(3))
