"""Tests of networks: names and paths, fusion, gradients that are not needed, and reuse of memory."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pellucid import (
    LSTM,
    BatchNorm,
    Conv2D,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    Frozen,
    ReLU,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Tanh,
    kernels as kernel_sets,
)
from pellucid.initializers import initial_values
from pellucid.kernels.interface import KERNEL_NAMES
from pellucid.layers import Context, ShardState
from pellucid.networks import fused, primitives, without_last_layer
from pellucid.optim import SGD
from pellucid.testing import asymmetric, check_fusion, layouts, run_layer
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep

NESTED = Sequential(
    Flatten(), Sequential(Dense(4), ReLU(), Dense(5)), ReLU(), Sequential(Sequential(Dense(3)), Dense(3), Softmax())
)


def paths(network, shape=(6,)):
    return list(network.build(shape).slots)


# -- names ------------------------------------------------------------------------------------------------------------


def test_layers_are_named_by_kind_and_number():
    network = Sequential(Flatten(), Dense(3), ReLU(), Dense(3), Sequential(), ReLU(), Sequential())
    names = [node.name for node in network.ordered_nodes()]
    assert names == ["flatten1", "dense1", "relu1", "dense2", "sequential1", "relu2", "sequential2"]


def test_paths_of_nested_networks():
    assert paths(NESTED) == [
        "sequential1.dense1.W",
        "sequential1.dense1.b",
        "sequential1.dense2.W",
        "sequential1.dense2.b",
        "sequential2.sequential1.dense1.W",
        "sequential2.sequential1.dense1.b",
        "sequential2.dense1.W",
        "sequential2.dense1.b",
    ]
    assert [path for path, _ in primitives(NESTED)] == [
        "flatten1",
        "sequential1.dense1",
        "sequential1.relu1",
        "sequential1.dense2",
        "relu1",
        "sequential2.sequential1.dense1",
        "sequential2.dense1",
        "sequential2.softmax1",
    ]


def test_inserting_activations_renames_no_weights():
    before = Sequential(Dense(4), Dense(3), Softmax())
    after = Sequential(Dense(4), ReLU(), Dropout(0.2), Dense(3), Tanh(), Softmax())
    assert paths(before) == paths(after)


def test_shapes_slots_and_costs_add_up():
    built = NESTED.build((2, 3))
    assert built.shape == (3,)
    assert built.multiply_adds == 6 * 4 + 4 * 5 + 5 * 3 + 3 * 3
    assert layouts(NESTED, (2, 3))[0].parameter_count == built.multiply_adds + 4 + 5 + 3 + 3


def test_a_shape_error_contains_the_path():
    with pytest.raises(ShapeError, match=r"sequential1: lstm1: LSTM\(units=3.* add a time axis"):
        Sequential(ReLU(), Sequential(Flatten(), Dense(4), LSTM(3))).build((6,))
    with pytest.raises(ShapeError, match=r"^lstm2: .* a recurrent layer before it needs return_sequences=True$"):
        Sequential(LSTM(4), LSTM(3)).build((5, 2))


# -- fusion -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (Sequential(Dense(4), ReLU()), (3,)),
        (Sequential(Dense(4), ReLU(), ReLU(), Dense(2)), (3,)),
        (Sequential(ReLU(), Dense(4), ReLU()), (3,)),
        (Sequential(Dense(4), Sequential(ReLU(), Dense(2)), ReLU()), (3,)),
        (Sequential(Dense(4), Dropout(0.3), ReLU(), Dense(3), ReLU(), Dropout(0.3)), (3,)),  # the masks depend on the path
        (NESTED, (2, 3)),
        (Sequential(Conv2D(3, 3, bias=False), BatchNorm(), ReLU(), Conv2D(2, 2), BatchNorm()), (5, 6, 2)),
        (Sequential(Tanh(), Conv2D(16, 3, padding=1, bias=False), BatchNorm(), ReLU()), (9, 10, 16)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("needs_dx", [True, False])
@pytest.mark.parametrize("kernels", kernel_sets.SETS)
def test_the_fused_form_computes_the_same(network, shape, needs_dx, kernels):
    check_fusion(network, shape)
    x, dy = asymmetric((5, *shape)), asymmetric((5, *network.build(shape).shape), seed=1)
    plan = fused(network)
    assert {path: slot.shape for path, slot in plan.build(shape).slots.items()} == {
        path: slot.shape for path, slot in network.build(shape).slots.items()
    }
    one, other = (run_layer(n, x, dy, needs_dx=needs_dx, kernels=kernel_sets.load(kernels)) for n in (network, plan))
    np.testing.assert_allclose(one.y, other.y, rtol=1e-13)
    np.testing.assert_allclose(one.gradient, other.gradient, rtol=0, atol=1e-13)
    if needs_dx:
        np.testing.assert_allclose(one.dx, other.dx, rtol=0, atol=1e-13)


def test_which_layers_are_fused():
    plan = fused(Sequential(Flatten(), Dense(4), ReLU(), Dense(4), Tanh(), Sequential(Dense(2), ReLU()), Dense(2)))
    assert [node.name for node in plan.ordered_nodes()] == ["flatten1", "dense1", "dense2", "tanh1", "sequential1", "dense3"]
    assert [node.name for node in plan.ordered_nodes()[4].layer.ordered_nodes()] == ["dense1"]
    # the last layer of a nested network absorbs too; a network without layers cannot
    nested = fused(Sequential(Sequential(Tanh(), Dense(4)), ReLU(), Sequential(), ReLU()))
    assert [node.name for node in nested.ordered_nodes()] == ["sequential1", "sequential2", "relu2"]


def test_a_convolution_without_a_bias_and_its_normalization_are_one_layer():
    conv, norm = Conv2D(2, 1, bias=False), BatchNorm()
    network = Sequential(conv, norm, ReLU(), Conv2D(2, 1), norm, Frozen(conv), norm, Sequential(conv), norm)
    plan = fused(network).ordered_nodes()
    assert [(node.name, node.slots) for node in plan] == [
        ("conv2d1", ""),
        *((name, name) for name in ("conv2d2", "batchnorm2", "frozen1", "batchnorm3", "sequential1", "batchnorm4")),
    ]
    kernels, calls = counting(kernel_sets.load("reference"))
    x, dy = asymmetric((2, 3, 2, 2, 2))
    run_layer(fused(Sequential(conv, BatchNorm(), ReLU())), x, dy, kernels=kernels)
    assert calls["conv2d_normalized_backward"] == calls["normalize_relu"] == calls["normalize_relu_backward"] == 1
    assert "normalize_input_gradient" not in calls


# -- gradients that are not needed -----------------------------------------------------------------------------------


def counting(kernels):
    """A kernel set that counts its calls, and the counts by name."""
    calls: dict[str, int] = {}

    def counted(name):
        def call(*args, **kwargs):
            calls[name] = calls.get(name, 0) + 1
            return getattr(kernels, name)(*args, **kwargs)

        return call

    return SimpleNamespace(**{name: counted(name) for name in KERNEL_NAMES}), calls


@pytest.mark.parametrize("plan", [lambda network: network, fused], ids=["as written", "fused"])
@pytest.mark.parametrize(
    ("network", "needs_dx", "products"),
    [
        (Sequential(Flatten(), Dense(4), ReLU(), Dense(2)), False, 1),  # dX of the second Dense only
        (Sequential(Flatten(), Dense(4), ReLU(), Dense(2)), True, 2),
        (Sequential(Flatten(), Sequential(ReLU(), Dense(4)), Sequential(Dense(2))), False, 1),
        (Sequential(Flatten(), Dropout(0.2), Dense(2)), False, 0),
    ],
    ids=repr,
)
def test_the_first_dense_computes_dx_only_if_needed(network, needs_dx, products, plan):
    kernels, calls = counting(kernel_sets.load("reference"))
    x = asymmetric((3, 2, 3))
    out = run_layer(plan(network), x, asymmetric((3, 2)), needs_dx=needs_dx, kernels=kernels)
    assert calls.get("affine_input_gradient", 0) == products
    assert (out.dx is None) is (not needs_dx)


# -- removing the last layer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "rest"),
    [
        (Sequential(Dense(2), Softmax()), Sequential(Dense(2))),
        (
            Sequential(ReLU(), Sequential(Dense(2), Sequential(Softmax()))),
            Sequential(ReLU(), Sequential(Dense(2), Sequential())),
        ),
        (Sequential(Softmax()), Sequential()),
        (Softmax(), Sequential()),
    ],
    ids=repr,
)
def test_the_last_layer_is_removed_also_in_nested_networks(network, rest):
    assert without_last_layer(network) == rest
    last = primitives(network)[-1][1]
    x = asymmetric((4, 3))
    theta = initial_values(layouts(network, (3,))[0], 0, np.float64)
    z = run_layer(rest, x, theta=theta).y
    np.testing.assert_array_equal(run_layer(network, x, theta=theta).y, run_layer(last, z).y)


# -- observers and reuse of memory -----------------------------------------------------------------------------


def test_the_observer_receives_every_output_and_every_gradient():
    seen: list[tuple[str, str]] = []
    network = Sequential(Flatten(), Sequential(Dense(4), ReLU()), Dense(3), Sigmoid())
    params, state = layouts(network, (2, 3))
    run = ShardState(kernel_sets.load(), dtype=np.float64)
    run.backward_follows, run.observer = True, lambda path, what, array: seen.append((path, what, array.shape))
    ctx, p = (
        Context(run, state.views(state.zeros(np.float64)), needs_dx=True),
        params.views(initial_values(params, 0, np.float64)),
    )
    network.forward(p, asymmetric((5, 2, 3)), ctx)
    shapes = {
        "flatten1": 6,
        "sequential1.dense1": 4,
        "sequential1.relu1": 4,
        "sequential1": 4,
        "dense1": 3,
        "sigmoid1": 3,
    }
    assert seen == [(path, "output", (5, k)) for path, k in shapes.items()]
    seen.clear()
    network.backward(p, params.views(params.zeros(np.float64)), asymmetric((5, 3)), ctx)
    assert sorted(seen) == sorted((path, "gradient", (5, k)) for path, k in shapes.items())


def test_reused_memory_does_not_affect_later_steps():
    network = Sequential(Dense(4), ReLU(), Dropout(0.3), Dense(4), Tanh(), Dense(3), Softmax())
    parts = ModelState(network, (5,), CrossEntropy(), SGD(), 0, kernel_sets.load(), np.float64)
    used = GradientStep(parts)
    for step, n in enumerate([7, 3, 1, 7, 8], start=1):  # smaller and larger than before
        x, labels, w = asymmetric((n, 5), step), np.arange(n) % 3, np.ones(n)
        fresh = GradientStep(parts)
        assert used(x, labels, w, step) == fresh(x, labels, w, step)
        np.testing.assert_array_equal(used.gradient, fresh.gradient)
        np.testing.assert_array_equal(used.outputs, fresh.outputs)


def test_dropout_masks_differ_in_each_step_and_repeat():
    parts = ModelState(
        Sequential(Dropout(), Dense(3), Softmax()), (50,), CrossEntropy(), SGD(), 0, kernel_sets.load(), np.float64
    )
    step, batch = GradientStep(parts), (asymmetric((4, 50)), np.arange(4) % 3, np.ones(4))
    first, second, again = (step(*batch, number) for number in (1, 2, 1))
    assert first == again
    assert first != second
