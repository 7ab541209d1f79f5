"""Tests of recurrent layers: by hand, against loops over time, with padding, over many steps, and in both directions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pellucid import GRU, LSTM, Bidirectional, ConfigError, Dense, Sequential, ShapeError, SimpleRNN
from pellucid.initializers import initial_values
from pellucid.kernels import compiled, reference
from pellucid.testing import asymmetric, check_gradients, layouts, run_layer

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
CELLS = pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU], ids=lambda kind: kind.__name__)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def filled(layer, shape, seed=0, scale=0.7):
    """Parameters without zeros, biases included: the vector, and the arrays by name."""
    layout = layouts(layer, shape)[0]
    vector = layout.zeros(np.float64)
    for path, array in layout.arrays(vector).items():
        array[...] = scale * asymmetric(array.shape, seed + len(path))
    return vector, layout.arrays(vector)


def steps_of(kind, p, x):
    """All states of one layer, computed step by step with the formulas of the papers."""
    n, time, _ = x.shape
    u = len(p["U"])
    h, c, states = np.zeros((n, u)), np.zeros((n, u)), []
    for t in range(time):
        if kind is SimpleRNN:
            h = np.tanh(x[:, t] @ p["W"] + h @ p["U"] + p["b"])
        elif kind is LSTM:
            i, f, g, o = (x[:, t] @ p["W"][:, k] + h @ p["U"][:, k] + p["b"][k] for k in blocks(u, 4))
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            of_x = [x[:, t] @ p["W"][:, k] + p["b"][k] for k in blocks(u, 3)]
            of_h = [h @ p["U"][:, k] for k in blocks(u, 3)]
            r, z = sigmoid(of_x[0] + of_h[0]), sigmoid(of_x[1] + of_h[1])
            h = (1 - z) * np.tanh(of_x[2] + r * (of_h[2] + p["bh"])) + z * h
        states.append(h)
    return np.stack(states, axis=1)


def blocks(u, count):
    return [slice(k * u, (k + 1) * u) for k in range(count)]


@BOTH
@CELLS
def test_states_equal_those_of_a_loop_over_time(kind, kernels):
    layer = kind(3, return_sequences=True)
    theta, p = filled(layer, (6, 4))
    x = asymmetric((5, 6, 4))
    wanted = steps_of(kind, p, x)
    np.testing.assert_allclose(run_layer(layer, x, theta=theta, kernels=kernels).y, wanted, rtol=0, atol=1e-13)
    np.testing.assert_allclose(run_layer(kind(3), x, theta=theta, kernels=kernels).y, wanted[:, -1], rtol=0, atol=1e-13)


def by_hand(layer, x, **values):
    """The output and the gradients of one unit that reads one value in each of two steps; dy = 1."""
    layout = layouts(layer, (2, 1))[0]
    theta = layout.zeros(np.float64)
    for path, value in values.items():
        layout.array(theta, path)[...] = value
    out = run_layer(layer, np.array(x).reshape(1, 2, 1), np.ones((1, 1)), theta=theta)
    return out.y.item(), out.dx.ravel(), layout.arrays(out.gradient)


def test_a_simple_rnn_by_hand():
    y, dx, g = by_hand(SimpleRNN(1), [0.5, -1.0], W=2.0, U=0.5, b=0.1)
    h1 = math.tanh(2 * 0.5 + 0.1)
    h2 = math.tanh(2 * -1 + 0.5 * h1 + 0.1)
    assert y == pytest.approx(h2, abs=1e-15)
    a2 = 1 - h2**2
    a1 = a2 * 0.5 * (1 - h1**2)
    np.testing.assert_allclose(dx, [2 * a1, 2 * a2], rtol=1e-13)
    np.testing.assert_allclose(g["W"].item(), 0.5 * a1 - 1.0 * a2, rtol=1e-13)
    np.testing.assert_allclose(g["U"].item(), h1 * a2, rtol=1e-13)
    np.testing.assert_allclose(g["b"].item(), a1 + a2, rtol=1e-13)


def test_an_lstm_by_hand():
    """With gates that are open or closed, the first value is stored, the second is not, and the state remains."""
    W, b = (
        [[50.0, 0.0, 1.0, 0.0]],
        [-25.0, 25.0, 0.0, 25.0],
    )  # input gate open where x = 1, never forget, g = x, output gate open
    y, dx, g = by_hand(LSTM(1), [1.0, 0.0], W=W, U=0.0, b=b)
    c = math.tanh(1.0)
    assert y == pytest.approx(math.tanh(c), abs=1e-9)
    dc = 1 - math.tanh(c) ** 2
    np.testing.assert_allclose(dx, [dc * (1 - c**2), 0.0], atol=1e-8)
    np.testing.assert_allclose(g["b"][2], dc * (1 - c**2), atol=1e-8)
    np.testing.assert_allclose(g["U"], 0, atol=1e-8)


def test_a_gru_by_hand():
    """The update gate is 3/4, so h changes by a quarter; the reset gate is 1/2."""
    third = math.log(3)  # σ(log 3) = 3/4
    y, _, g = by_hand(GRU(1), [1.0, 2.0], W=[[0.0, 0.0, 0.5]], U=[[0.0, 0.0, 0.8]], b=[0.0, third, 0.1], bh=0.4)
    n1 = math.tanh(0.5 + 0.1 + 0.5 * 0.4)
    h1 = n1 / 4
    n2 = math.tanh(1.0 + 0.1 + 0.5 * (0.8 * h1 + 0.4))
    assert y == pytest.approx(n2 / 4 + 3 / 4 * h1, abs=1e-15)
    dn2 = (1 - n2**2) / 4
    dn1 = (3 / 4 + dn2 * 0.5 * 0.8) / 4 * (1 - n1**2)
    np.testing.assert_allclose(g["W"][0, 2], dn1 + 2 * dn2, rtol=1e-13)
    np.testing.assert_allclose(g["U"][0, 2], 0.5 * h1 * dn2, rtol=1e-13)
    np.testing.assert_allclose(g["bh"], 0.5 * (dn1 + dn2), rtol=1e-13)


@BOTH
@CELLS
@pytest.mark.parametrize("return_sequences", [False, True])
def test_padding_has_no_effect_at_any_position(kind, kernels, return_sequences):
    layer = kind(3, return_sequences=return_sequences, mask=0.0)
    theta, _ = filled(layer, (4, 2))
    x, dy = asymmetric((2, 4, 2)), asymmetric((2, 4, 3) if return_sequences else (2, 3))
    wanted = run_layer(layer, x, dy, theta=theta, kernels=kernels)
    for places in ([0, 1, 2, 3], [2, 3, 4, 5], [0, 3, 4, 8]):
        padded, upstream = np.zeros((2, 9, 2)), asymmetric((2, 9, 3))  # the gradients of skipped steps have no effect
        padded[:, places], upstream[:, places] = x, dy if return_sequences else 0
        got = run_layer(layer, padded, upstream if return_sequences else dy, theta=theta, kernels=kernels)
        np.testing.assert_allclose(got.y[:, places] if return_sequences else got.y, wanted.y, rtol=0, atol=1e-14)
        np.testing.assert_allclose(got.dx[:, places], wanted.dx, rtol=0, atol=1e-14)
        np.testing.assert_allclose(got.gradient, wanted.gradient, rtol=0, atol=1e-13)
        others = np.delete(np.arange(9), places)
        assert not got.dx[:, others].any()
        assert not return_sequences or not got.y[:, others].any()


@BOTH
@CELLS
def test_a_sequence_of_padding_has_state_zero_and_no_gradient(kind, kernels):
    layer = kind(3, mask=-1.0)
    theta, _ = filled(layer, (4, 2))
    x = asymmetric((3, 4, 2))
    x[1] = -1.0
    out = run_layer(layer, x, asymmetric((3, 3)), theta=theta, kernels=kernels)
    assert not out.y[1].any()
    assert not out.dx[1].any()
    assert out.y[[0, 2]].all()
    without = run_layer(layer, x[[0, 2]], asymmetric((3, 3))[[0, 2]], theta=theta, kernels=kernels)
    np.testing.assert_allclose(out.gradient, without.gradient, rtol=0, atol=1e-14)
    unmasked = run_layer(kind(3), x, theta=theta, kernels=kernels)
    assert unmasked.y[1].any()


@CELLS
def test_gradients_over_fifty_steps(kind):
    layer = kind(2)
    theta, p = filled(layer, (50, 1), scale=0.1)
    if kind is SimpleRNN:
        p["U"][...] = [[0.0, 1.0], [-1.0, 0.0]]  # preserves norms
    else:  # gates that preserve the state
        p["W"][...] *= 10
        p["W"][:, 2:4], p["b"][2:4] = 0.0, 4.0
    x = 0.1 * asymmetric((1, 50, 1))
    dy = asymmetric((1, 2))
    out = run_layer(layer, x, dy, theta=theta)
    assert abs(out.dx[0, 0, 0]) > 1e-3, "the gradient has vanished, so the comparison would prove nothing"
    check_gradients(layer, x, dy, out, theta=theta, atol=1e-7)


@CELLS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("states", [False, True])
def test_bits_do_not_depend_on_the_number_of_threads(kind, dtype, states):
    layer = kind(37, True, 0.0, return_state=states, learn_state=states, recurrent_dropout=0.3 * states)
    x, dy = asymmetric((101, 3, 9)).astype(dtype), asymmetric((101, *layer.build((3, 9)).shape)).astype(dtype)
    x[::7, 1:], x[50, :2] = 0, 0
    wanted = run_layer(layer, x, dy, kernels=reference)
    found = []
    for threads in (1, 3):
        compiled.set_num_threads(threads)
        found.append(run_layer(layer, x, dy, kernels=compiled))
    compiled.set_num_threads(1)
    bound = {np.float32: 1e-5, np.float64: 1e-13}[dtype]
    for name in ("y", "dx", "gradient"):
        one, other, right = (getattr(out, name) for out in (*found, wanted))
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, right, rtol=0, atol=bound * max(1, np.abs(right).max()))


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_sigmoid_and_tanh_are_accurate_for_all_inputs(kernels, dtype):
    """The gates of one step of an LSTM with one unit whose products are x."""
    x = np.concatenate([np.geomspace(1e-6, 80, 300), [0, 1e3, 1e30, np.inf, np.nan]])
    x = np.concatenate([x, -x]).astype(dtype)
    n, gates, hx, c = len(x), np.empty((1, len(x), 4), dtype), np.empty((2, len(x), 2), dtype), np.empty((2, len(x), 1), dtype)
    V = np.array([[0, 0, 0, 0], [1, 0, 1, 0]], dtype)
    hx[0], c[0] = 0, 0
    alive, m, y = np.ones((n, 1), np.bool_), np.empty((n, 0), dtype), np.empty((n, 0, 1), dtype)
    kernels.recurrent("lstm", x.reshape(n, 1, 1), V, np.zeros(4, dtype), alive, m, hx, gates, c, y)
    exact = x.astype(np.float64)
    close = {np.float32: 3e-7, np.float64: 1e-15}[dtype]
    np.testing.assert_allclose(gates[0, :, 2], np.tanh(exact), rtol=close)  # relative, near zero too
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(gates[0, :, 0], sigmoid(exact), rtol=4 * close, atol=1e-37)


@CELLS
def test_bidirectional_equals_two_layers(kind):
    for return_sequences in (False, True):
        one = kind(2, return_sequences=return_sequences, mask=0.0)
        both = Bidirectional(one)
        theta, p = filled(both, (5, 3))
        assert [path for path in p if path.endswith("W")] == ["forward.W", "backward.W"]
        x = asymmetric((4, 5, 3))
        x[1, 3:], x[2, :2] = 0, 0
        size = theta.size // 2
        ahead = run_layer(one, x, theta=theta[:size]).y
        back = run_layer(one, x[:, ::-1].copy(), theta=theta[size:]).y
        back = back[:, ::-1] if return_sequences else back
        np.testing.assert_array_equal(run_layer(both, x, theta=theta).y, np.concatenate([ahead, back], axis=-1))


def test_the_forget_gate_is_initially_open():
    layout = layouts(LSTM(3), (4, 2))[0]
    b = layout.array(initial_values(layout, 0), "b")
    assert b.tolist() == [0.0] * 3 + [1.0] * 3 + [0.0] * 6


@CELLS
def test_the_weights_of_each_gate_are_drawn_separately(kind):
    layout = layouts(kind(40), (4, 30))[0]
    vector = initial_values(layout, 0, np.float64)
    for block in blocks(40, layout["U"].shape[1] // 40):
        assert np.abs(layout.array(vector, "W")[:, block]).max() == pytest.approx(math.sqrt(6 / 70), rel=0.02)
        U = layout.array(vector, "U")[:, block]
        np.testing.assert_allclose(U.T @ U, np.eye(40), atol=1e-12)


def test_other_shapes_than_those_of_sequences_are_refused():
    with pytest.raises(ShapeError, match=r"expects sequences \(time, features\), got \(28, 28, 1\).*Reshape"):
        LSTM(3).build((28, 28, 1))
    with pytest.raises(ShapeError, match="at least one time step"):
        GRU(3).build((0, 4))
    with pytest.raises(ConfigError, match="layer must be a Recurrent, not Dense"):
        Bidirectional(Dense(3))


@CELLS
def test_only_a_sequence_has_steps_that_are_skipped(kind):
    for mask, return_sequences, return_state, skips in (
        (0.0, True, False, True),
        (0.0, False, False, False),
        (0.0, True, True, False),
        (None, True, False, False),
    ):
        layer = kind(3, mask=mask, return_sequences=return_sequences, return_state=return_state)
        assert layer.path_of_mask() == ("" if skips else None)


def test_a_stack_skips_the_steps_that_its_first_layer_skips():
    stack = Sequential(GRU(3, return_sequences=True, mask=0.0), LSTM(2, mask=0.0))
    theta, _ = filled(stack, (4, 2))
    x = asymmetric((2, 4, 2))
    padded = np.concatenate([x, np.zeros((2, 3, 2))], axis=1)
    np.testing.assert_allclose(run_layer(stack, padded, theta=theta).y, run_layer(stack, x, theta=theta).y, rtol=0, atol=1e-14)


def test_multiply_adds_of_recurrent_layers():
    for layer, gates in ((SimpleRNN(3), 1), (LSTM(3), 4), (GRU(3), 3)):
        assert layer.build((5, 2)).multiply_adds == 5 * gates * 3 * (2 + 3)
