"""The functions of recurrent layers: x (n, time, features), states (n, units)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.core.memory import Array
from pellucid.export.program.functions.basics import sigmoid


def simple_rnn_step(
    x: Array,
    state: tuple[Array],
    W: Array,
    U: Array,
    b: Array,
) -> tuple[Array]:
    """The state after one more step."""
    return (np.tanh(x @ W + state[0] @ U + b),)


def lstm_step(
    x: Array,
    state: tuple[Array, Array],
    W: Array,
    U: Array,
    b: Array,
) -> tuple[Array, Array]:
    """The states after one more step: h, and c, to which gates add."""
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
    """The state after one more step, between what it was and what is new."""
    (h,) = state
    xr, xz, xn = np.split(x @ W + b, 3, axis=1)
    hr, hz, hn = np.split(h @ U, 3, axis=1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    new = np.tanh(xn + r * (hn + bh))
    return ((1 - z) * new + z * h,)


def over_time(
    x: Array,
    step: Callable[..., tuple[Array, ...]],
    *weights: Array,
    states: int = 1,
    return_sequences: bool,
) -> Array:
    """The state h after the last step, or with ``return_sequences`` after each of them."""
    units = len(weights[1])
    state = (np.zeros((len(x), units), x.dtype),) * states
    outputs = []
    for t in range(x.shape[1]):
        state = step(x[:, t], state, *weights)
        outputs.append(state[0])
    return np.stack(outputs, axis=1) if return_sequences else state[0]


def over_masked_time(
    x: Array,
    step: Callable[..., tuple[Array, ...]],
    *weights: Array,
    states: int = 1,
    return_sequences: bool,
    mask: float,
) -> Array:
    """The same; a step of nothing but ``mask`` is passed over, and its output zero."""
    units = len(weights[1])
    state = (np.zeros((len(x), units), x.dtype),) * states
    outputs = []
    for t in range(x.shape[1]):
        here = (x[:, t] != mask).any(axis=1, keepdims=True)
        new = step(x[:, t], state, *weights)
        state = tuple(np.where(here, new[k], state[k]) for k in range(states))
        outputs.append(np.where(here, new[0], 0))
    return np.stack(outputs, axis=1) if return_sequences else state[0]


def reverse(x: Array) -> Array:
    """The last time step first."""
    return x[:, ::-1]
