"""Recurrent layers: x (n, time, features), states (n, units)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pellucid.core.memory import Array
from pellucid.export.numpy_program.functions.activations import sigmoid


def simple_rnn_step(
    x: Array,
    state: tuple[Array],
    W: Array,
    U: Array,
    b: Array,
) -> tuple[Array]:
    """Return the state after one more step."""
    return (np.tanh(x @ W + state[0] @ U + b),)


def lstm_step(
    x: Array,
    state: tuple[Array, Array],
    W: Array,
    U: Array,
    b: Array,
) -> tuple[Array, Array]:
    """Return the hidden state h and the cell state c after one more step."""
    h, c = state
    i, f, g, o = np.split(x @ W + h @ U + b, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(
    x: Array,
    state: tuple[Array],
    W: Array,
    U: Array,
    b: Array,
    bh: Array,
) -> tuple[Array]:
    """Return the state after one more step: between the old one and the candidate."""
    (h,) = state
    xr, xz, xn = np.split(x @ W + b, 3, axis=1)
    hr, hz, hn = np.split(h @ U, 3, axis=1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    candidate = np.tanh(xn + r * (hn + bh))
    return ((1 - z) * candidate + z * h,)


def apply_over_time(
    x: Array,
    cell: Callable[..., tuple[Array, ...]],
    *weights: Array,
    start: tuple[Array, ...] | None = None,
    states: int = 1,
    return_sequences: bool,
    return_state: bool = False,
) -> Array:
    """Return the state h after the last step or after every step, or the whole state."""
    state = initial_state(len(x), weights, start, states)
    outputs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state, *weights)
        outputs.append(state[0])
    return select_states(outputs, state, return_sequences, return_state)


def apply_over_masked_time(
    x: Array,
    cell: Callable[..., tuple[Array, ...]],
    *weights: Array,
    start: tuple[Array, ...] | None = None,
    states: int = 1,
    return_sequences: bool,
    return_state: bool = False,
    mask: float,
) -> Array:
    """Return the state h after the last step or after every step, or the whole state.

    Steps whose features all equal ``mask`` are skipped; their output is zero.
    """
    state = initial_state(len(x), weights, start, states)
    outputs = []
    for t in range(x.shape[1]):
        present = (x[:, t] != mask).any(axis=1, keepdims=True)
        new = cell(x[:, t], state, *weights)
        state = tuple(np.where(present, new[k], state[k]) for k in range(len(state)))
        outputs.append(np.where(present, new[0], 0))
    return select_states(outputs, state, return_sequences, return_state)


def initial_state(
    n: int,
    weights: tuple[Array, ...],
    start: tuple[Array, ...] | None,
    states: int,
) -> tuple[Array, ...]:
    """Return the state before the first step: zero, or a learned or computed one."""
    shape, dtype = (n, len(weights[1])), weights[1].dtype
    if start is None:
        return (np.zeros(shape, dtype),) * states
    return tuple(np.broadcast_to(part, shape) for part in start)


def select_states(
    outputs: list[Array],
    state: tuple[Array, ...],
    return_sequences: bool,
    return_state: bool,
) -> Array:
    """Return the outputs of all steps, the last state, or both as rows."""
    if return_sequences:
        return np.stack([*outputs, *state] if return_state else outputs, axis=1)
    return np.stack(state, axis=1) if return_state and len(state) > 1 else state[0]


def split_state(state: Array, parts: int) -> tuple[Array, ...]:
    """Return the parts of a state (n, parts * units) or (n, parts, units)."""
    flat = state.reshape(len(state), math.prod(state.shape[1:]))
    return tuple(np.split(flat, parts, axis=1))


def reverse(x: Array) -> Array:
    """Return the time steps in reverse order."""
    return x[:, ::-1]
