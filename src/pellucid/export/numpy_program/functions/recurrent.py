"""Recurrent layers: x (n, time, features), states (n, units)."""

from __future__ import annotations

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
    states: int = 1,
    return_sequences: bool,
) -> Array:
    """Return the state h after the last step, or after every step."""
    units = len(weights[1])
    state = (np.zeros((len(x), units), x.dtype),) * states
    outputs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state, *weights)
        outputs.append(state[0])
    return np.stack(outputs, axis=1) if return_sequences else state[0]


def apply_over_masked_time(
    x: Array,
    cell: Callable[..., tuple[Array, ...]],
    *weights: Array,
    states: int = 1,
    return_sequences: bool,
    mask: float,
) -> Array:
    """Return the state h after the last step, or after every step.

    Steps whose features all equal ``mask`` are skipped; their output is zero.
    """
    units = len(weights[1])
    state = (np.zeros((len(x), units), x.dtype),) * states
    outputs = []
    for t in range(x.shape[1]):
        present = (x[:, t] != mask).any(axis=1, keepdims=True)
        new = cell(x[:, t], state, *weights)
        state = tuple(np.where(present, new[k], state[k]) for k in range(states))
        outputs.append(np.where(present, new[0], 0))
    return np.stack(outputs, axis=1) if return_sequences else state[0]


def reverse(x: Array) -> Array:
    """Return the time steps in reverse order."""
    return x[:, ::-1]
