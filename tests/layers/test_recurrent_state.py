"""Tests of the states of recurrent layers: given, learned and returned states, and dropout of the state, against a loop in
plain Python, with padding, and in two halves."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from pellucid import (
    GRU,
    LSTM,
    Adam,
    Bidirectional,
    ConfigError,
    Dense,
    Flatten,
    FromState,
    Graph,
    MeanSquaredError,
    Model,
    Node,
    Sequential,
    ShapeError,
    SimpleRNN,
    Slice,
)
from pellucid.core import rng
from pellucid.core.config import from_json, to_json
from pellucid.initializers import initial_values
from pellucid.kernels import compiled, reference
from pellucid.testing import asymmetric, check_layer, layouts, run_layer
from pellucid.training.execution import Execution

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
CELLS = pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU], ids=lambda kind: kind.__name__)
UNITS = 3


def filled(layer, shape):
    """Parameters without zeros, biases included: the vector, and the arrays by name."""
    layout = layouts(layer, shape)[0]
    vector = layout.zeros(np.float64)
    for path, array in layout.arrays(vector).items():
        array[...] = 0.7 * asymmetric(array.shape, len(path))
    return vector, layout.arrays(vector)


def parts(kind):
    return 2 if kind is LSTM else 1


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


def loop(kind, p, x, state, m=None, mask=None):
    """The outputs of all steps and the last state (parts, units) of one sequence, number by number; p has W, U, b and bh."""
    u = len(p["U"])
    h, *rest = (list(part) for part in state)
    c = rest[0] if rest else None
    m = [1.0] * u if m is None else m
    outputs = []
    for step in x:
        if mask is not None and all(value == mask for value in step):
            outputs.append([0.0] * u)
            continue

        def of_x(gate, j, step=step):
            return sum(step[k] * p["W"][k, gate * u + j] for k in range(len(step))) + p["b"][gate * u + j]

        def of_h(gate, j, h=h):
            return sum(m[k] * h[k] * p["U"][k, gate * u + j] for k in range(u))

        if kind is SimpleRNN:
            h = [math.tanh(of_x(0, j) + of_h(0, j)) for j in range(u)]
        elif kind is LSTM:
            i, f, g, o = ([of_x(gate, j) + of_h(gate, j) for j in range(u)] for gate in range(4))
            c = [sigmoid(f[j]) * c[j] + sigmoid(i[j]) * math.tanh(g[j]) for j in range(u)]
            h = [sigmoid(o[j]) * math.tanh(c[j]) for j in range(u)]
        else:
            r, z = ([sigmoid(of_x(gate, j) + of_h(gate, j)) for j in range(u)] for gate in range(2))
            n = [math.tanh(of_x(2, j) + r[j] * (of_h(2, j) + p["bh"][j])) for j in range(u)]
            h = [(1 - z[j]) * n[j] + z[j] * h[j] for j in range(u)]
        outputs.append(h)
    return np.array(outputs), np.array([h] if c is None else [h, c])


def loop_over_samples(kind, p, x, states, m=None, mask=None):
    """The outputs (n, time, units) and the last states (n, parts, units) of a batch."""
    drops = [None] * len(x) if m is None else m
    found = [loop(kind, p, *one, mask) for one in zip(x, states, drops, strict=True)]
    return np.stack([outputs for outputs, _ in found]), np.stack([state for _, state in found])


def expected(outputs, states, layer):
    """The output of the layer for these outputs of steps and last states."""
    if layer.return_sequences:
        return np.concatenate([outputs, states], axis=1) if layer.return_state else outputs
    return states if layer.return_state and states.shape[1] > 1 else states[:, 0]


def from_state(layer, *, flat=False):
    """A graph whose input is a sequence, followed by the state that ``layer`` starts in as further rows."""
    count = len(layer.states)
    state = Sequential(Slice(-count, axis=0), Flatten()) if flat else Slice(-count, axis=0)
    return Graph(
        Node("x", Slice(stop=-count, axis=0), "input"),
        Node("state", state, "input"),
        Node("rnn", FromState(layer), "x", "state"),
    )


def batch(kind, n=4, time=5):
    """Sequences with skipped steps, one of them skipped altogether, and states, as the graphs of from_state read them."""
    x, states = asymmetric((n, time, UNITS)), asymmetric((n, parts(kind), UNITS), 1)
    x[0, 3:], x[1, :2], x[2] = 0, 0, 0
    return x, states, np.concatenate([x, states], axis=1)


@BOTH
@CELLS
@pytest.mark.parametrize("mask", [None, 0.0])
@pytest.mark.parametrize(("sequences", "state"), [(False, False), (True, False), (False, True), (True, True)])
def test_layers_start_in_a_given_state(kind, kernels, mask, sequences, state):
    layer = kind(UNITS, sequences, mask, return_state=state)
    x, states, both = batch(kind)
    theta, p = filled(from_state(layer), both.shape[1:])
    p = {path.removeprefix("rnn."): array for path, array in p.items()}
    wanted = expected(*loop_over_samples(kind, p, x, states, mask=mask), layer)
    for flat in (False, True):
        found = run_layer(from_state(layer, flat=flat), both, theta=theta, kernels=kernels).y
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14)
    wanted = expected(*loop_over_samples(kind, p, x, 0 * states, mask=mask), layer)
    np.testing.assert_allclose(run_layer(layer, x, theta=theta, kernels=kernels).y, wanted, rtol=0, atol=1e-14)


@BOTH
@CELLS
@pytest.mark.parametrize("mask", [None, 0.0])
def test_two_halves_with_the_state_carried_over_equal_the_whole(kind, kernels, mask):
    whole = kind(UNITS, return_state=True, mask=mask)
    halves = Graph(
        Node("left", Slice(stop=2, axis=0), "input"),
        Node("right", Slice(2, axis=0), "input"),
        Node("first", whole, "left"),
        Node("second", FromState(whole), "right", "first"),
    )
    x, _, _ = batch(kind)
    theta, _ = filled(whole, x.shape[1:])
    out = run_layer(whole, x, dy := asymmetric(run_layer(whole, x, theta=theta).y.shape), theta=theta, kernels=kernels)
    carried = run_layer(halves, x, dy, theta=np.concatenate([theta, theta]), kernels=kernels)
    np.testing.assert_array_equal(carried.y, out.y)
    np.testing.assert_allclose(carried.dx, out.dx, rtol=0, atol=1e-15)
    np.testing.assert_allclose(sum(np.split(carried.gradient, 2)), out.gradient, rtol=0, atol=1e-14)


@CELLS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sequence_can_be_read_step_by_step(kind, dtype):
    """As in an application that receives one step at a time, with the state in its own memory."""
    whole, step = kind(UNITS, True), from_state(kind(UNITS, True, return_state=True))
    x = asymmetric((4, 6, UNITS)).astype(dtype)
    theta = filled(whole, x.shape[1:])[0].astype(dtype)
    wanted, state = run_layer(whole, x, theta=theta).y, np.zeros((4, parts(kind), UNITS), dtype)
    for t in range(6):
        rows = run_layer(step, np.concatenate([x[:, t : t + 1], state], axis=1), theta=theta).y
        np.testing.assert_array_equal(rows[:, 0], wanted[:, t])
        state = rows[:, 1:]


def factors(n, rate, seed, path):
    """The factors of the state's dropout in the step 1 that run_layer computes."""
    key = rng.at_step(rng.stream_key(seed, "noise", path), 1)
    return reference.dropout(np.ones((n, UNITS)), key, 0, rate, np.empty((n, UNITS)))


@BOTH
@CELLS
def test_dropout_of_the_state_has_one_mask_for_all_steps(kind, kernels):
    layer = kind(UNITS, True, 0.0, return_state=True, recurrent_dropout=0.4)
    graph = from_state(layer)
    x, states, both = batch(kind)
    theta, p = filled(graph, both.shape[1:])
    p = {path.removeprefix("rnn."): array for path, array in p.items()}
    for seed in (0, 1):
        m = factors(len(x), 0.4, seed, "rnn")
        assert set(m.ravel()) == {0, 1 / 0.6}
        out = run_layer(graph, both, theta=theta, kernels=kernels, seed=seed)
        outputs, last = loop_over_samples(kind, p, x, states, m, mask=0.0)
        np.testing.assert_allclose(out.y, np.concatenate([outputs, last], axis=1), rtol=0, atol=1e-14)
    predicted = run_layer(graph, both, theta=theta, kernels=kernels, training=False).y
    without = dataclasses.replace(layer, recurrent_dropout=0.0)
    np.testing.assert_array_equal(predicted, run_layer(from_state(without), both, theta=theta, kernels=kernels).y)
    assert not np.array_equal(predicted, out.y)


@CELLS
def test_gradients_of_the_state(kind):
    """FromState in all its settings, with steps that a ReLU turns into padding, and dropout."""
    layer = kind(UNITS, True, 0.0, return_state=True, recurrent_dropout=0.4)
    check_layer(from_state(layer), (6, UNITS), batch=3)


@BOTH
@CELLS
def test_a_learned_state_is_that_of_every_sample(kind, kernels):
    layer = kind(UNITS, True, 0.0, return_state=True, learn_state=True)
    x, _, _ = batch(kind)
    theta, p = filled(layer, x.shape[1:])
    names = [f"{name}0" for name in layer.states]
    assert list(p)[-len(names) :] == names
    learned = np.stack([p[name] for name in names])
    outputs, last = loop_over_samples(kind, p, x, [learned] * len(x), mask=0.0)
    out = run_layer(layer, x, asymmetric((len(x), 5 + len(names), UNITS)), theta=theta, kernels=kernels)
    np.testing.assert_allclose(out.y, np.concatenate([outputs, last], axis=1), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(out.y[2, 5:], learned)  # all steps of this sequence are skipped
    layout = layouts(layer, x.shape[1:])[0]
    assert not any(layout[name].decay for name in names)
    plain = kind(UNITS, True, 0.0, return_state=True)
    initial, without = (initial_values(layouts(one, x.shape[1:])[0], 0, np.float64) for one in (layer, plain))
    np.testing.assert_array_equal(  # the state is initially zero
        run_layer(layer, x, theta=initial, kernels=kernels).y, run_layer(plain, x, theta=without, kernels=kernels).y
    )


@CELLS
def test_a_bidirectional_layer_returns_the_states_of_both_directions(kind):
    x = asymmetric((4, 5, 2))
    for sequences in (False, True):
        one = kind(UNITS, sequences, 0.0, return_state=True, learn_state=True)
        both = Bidirectional(one)
        theta, _ = filled(both, x.shape[1:])
        ahead, back = (
            run_layer(one, x[:, ::d].copy(), theta=part).y for d, part in zip((1, -1), np.split(theta, 2), strict=True)
        )
        if sequences:
            back[:, :5] = back[:, 4::-1].copy()
        np.testing.assert_array_equal(run_layer(both, x, theta=theta).y, np.concatenate([ahead, back], axis=-1))
    encoder = Bidirectional(kind(UNITS, return_state=True))
    graph = Graph(Node("encoder", encoder, "input"), Node("decoder", FromState(kind(2 * UNITS)), "input", "encoder"))
    check_layer(graph, (2, 1), batch=2)


@CELLS
def test_states_of_the_wrong_shape_are_refused(kind):
    merge, count = FromState(kind(16)), parts(kind)
    shapes = r"\(2, 16\) or \(32,\), h and c," if count == 2 else r"\(16,\)"
    assert merge.build([(5, 2), (16 * count,)]).shape == merge.build([(5, 2), (count, 16)]).shape == (16,)
    graph = Graph(Node("encoder", kind(8, return_state=True), "input"), Node("decoder", merge, "input", "encoder"))
    given = r"\(2, 8\)" if count == 2 else r"\(8,\)"
    name = kind.__name__
    with pytest.raises(
        ShapeError, match=rf"decoder, which reads .*: FromState.* the state {shapes} .* got {given}; .*{name}\(16"
    ):
        graph.build((5, 2))
    with pytest.raises(ShapeError, match=r"first input.*got \(16,\) and \(5, 2\); name the node of the sequence first"):
        merge.build([(16,), (5, 2)])
    with pytest.raises(ShapeError, match=r"two inputs, a sequence .* and a state, got 3"):
        merge.build([(5, 2), (16,), (16,)])
    with pytest.raises(ConfigError, match="either read from a node or learned; remove learn_state=True"):
        FromState(kind(16, learn_state=True))
    with pytest.raises(ConfigError, match="layer must be a Recurrent, not Dense"):
        FromState(Dense(3))
    with pytest.raises(ConfigError, match="recurrent_dropout must be at least 0 and below 1"):
        kind(16, recurrent_dropout=1.0)


def test_a_layer_does_not_take_two_inputs_without_from_state():
    with pytest.raises(ConfigError, match=r"takes one input: FromState\(layer\) reads a sequence and the state"):
        Node("decoder", LSTM(16), "input", "encoder")


@CELLS
def test_settings_of_earlier_files_are_read(kind):
    old = {"class": kind.__name__, "units": 3, "return_sequences": True, "mask": None}
    data = to_json(kind(3, True))
    old |= {name: data[name] for name in ("init", "recurrent_init")}
    assert set(data) - set(old) == {"return_state", "learn_state", "recurrent_dropout"}
    assert from_json(old, kind) == kind(3, True)


def test_a_resumed_training_draws_the_same_masks(tmp_path):
    layer = LSTM(UNITS, return_state=True, learn_state=True, recurrent_dropout=0.4)
    graph = Graph(
        Node("encoder", layer, "input"),
        Node("decoder", FromState(LSTM(UNITS, recurrent_dropout=0.2)), "input", "encoder"),
        Node("output", Dense(1), "decoder"),
    )
    x = asymmetric((12, 4, 2)).astype(np.float32)
    y = x.sum(axis=(1, 2))
    whole, halted = (graph.compile((4, 2), MeanSquaredError(), Adam(0.01)) for _ in range(2))
    whole.fit(x, y, epochs=2, batch_size=4, progress=False)
    halted.fit(x, y, epochs=1, batch_size=4, progress=False)
    halted.save(tmp_path / "state", training_state=True)
    resumed = Model.load(tmp_path / "state")
    resumed.fit(x, y, epochs=1, batch_size=4, progress=False)
    np.testing.assert_array_equal(resumed.parameters, whole.parameters)
    assert resumed.network == graph
    assert resumed.weights["encoder.h0"].any()


@BOTH
@CELLS
def test_every_batch_starts_in_the_state_zero(kind, kernels):
    """The memory of the states is reused for batches of other sizes."""
    x = asymmetric((5, 3, 2))
    params, running = layouts(kind(UNITS), (3, 2))
    theta = filled(kind(UNITS), (3, 2))[0]
    statistics = running.views(running.zeros(np.float64))
    execution = Execution(kind(UNITS), params.views(theta), statistics, kernels, dtype=np.float64)
    first, *_, last = (execution.forward(x[:n], training=False, keep=False).copy() for n in (5, 2, 5))
    np.testing.assert_array_equal(last, first)
