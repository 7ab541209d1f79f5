"""The kernels of recurrent layers: the state h of n samples is updated step by step, by an RNN, LSTM or GRU cell.

A step is one product for all gates, a = [h, x] V + b with V = [U; W], and a cell that computes the new state from the gates a
and the previous state. In the backward pass, a cell computes from dh (and from dc, the gradient of the LSTM's second state) the
gradient of the gates, and the direct part of the gradient of the previous state; the part through the gates is dA Vᵀ. Sources:
Rumelhart, Hinton and Williams (1986) for backpropagation through time; for the cells, see ``layers/recurrent.py``.

    x (n, T, i)      V (u + i, g·u)   b (g·u)   hx (T + 1, n, u + i)   gates (T, n, g·u)
    mask (n, T)      m (n, u), or (n, 0) without dropout     c (T + 1, n, u), or (T + 1, n, 0) without an LSTM
    y (n, T, u), the outputs of all steps, or (n, 0, u) if only the last state is needed

The number of gates g is 1 for the RNN and 4 for the LSTM and the GRU.

``hx[t]`` holds the state before step t and the step's input. The caller writes the initial states to the first columns of
``hx[0]`` and to ``c[0]``, and finds the last ones in ``hx[T]`` and ``c[T]``. Where ``mask`` is false a step is skipped: the
states do not change, and the output and the stored gates are zero.

With dropout of the state, the product reads m ⊙ h in place of h, at every step with the same m. The cell itself reads h.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    sigmoid: Array = np.where(x >= 0, 1, e) / (1 + e)
    return sigmoid


# A cell returns (the gates after their nonlinearities, the new h, the new c). Its backward function takes these gates as a, the
# previous states h and c, and the LSTM's new c as ``after``. It returns the gradient of the gates before their nonlinearities,
# the direct part of the gradient of the previous h, and the gradient of the previous c.


def _rnn(a: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
    """h' = tanh(a)."""
    h = np.tanh(a)
    return h, h, c


def _rnn_backward(a: Array, h: Array, c: Array, after: Array, dh: Array, dc: Array) -> tuple[Array, Array, Array]:
    return dh * (1 - a * a), np.zeros_like(dh), dc


def _lstm(a: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
    """c' = σ(f) c + σ(i) tanh(g),  h' = σ(o) tanh(c')."""
    i, f, g, o = np.split(a, 4, axis=1)
    i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
    c = f * c + i * g
    return np.hstack([i, f, g, o]), o * np.tanh(c), c


def _lstm_backward(a: Array, h: Array, c: Array, after: Array, dh: Array, dc: Array) -> tuple[Array, Array, Array]:
    i, f, g, o = np.split(a, 4, axis=1)
    t = np.tanh(after)
    dc = dc + dh * o * (1 - t * t)
    gates = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * t * o * (1 - o)]
    return np.hstack(gates), np.zeros_like(dh), dc * f


def _gru(a: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
    """h' = (1 − σ(z)) tanh(n + σ(r) q) + σ(z) h."""
    r, z, n, q = np.split(a, 4, axis=1)
    r, z = _sigmoid(r), _sigmoid(z)
    n = np.tanh(n + r * q)
    return np.hstack([r, z, n, q]), n + z * (h - n), c


def _gru_backward(a: Array, h: Array, c: Array, after: Array, dh: Array, dc: Array) -> tuple[Array, Array, Array]:
    r, z, n, q = np.split(a, 4, axis=1)
    dn = dh * (1 - z) * (1 - n * n)
    return np.hstack([dn * q * r * (1 - r), dh * (h - n) * z * (1 - z), dn, dn * r]), dh * z, dc


CELLS = {"rnn": (_rnn, _rnn_backward), "lstm": (_lstm, _lstm_backward), "gru": (_gru, _gru_backward)}


def _dropped(hx: Array, m: Array) -> Array:
    """Return hx with its first columns, those of the state, multiplied by m."""
    u = m.shape[1]
    return np.hstack([hx[:, :u] * m, hx[:, u:]]) if u else hx


def recurrent(
    cell: str, x: Array, V: Array, b: Array, mask: Array, m: Array, hx: Array, gates: Array, c: Array, y: Array
) -> Array:
    """Write the states to hx and c, the gates after their nonlinearities to ``gates``, and the outputs to y; return y."""
    u, forward = y.shape[-1], CELLS[cell][0]
    h = hx[..., :u]
    hx[:-1, :, u:] = x.swapaxes(0, 1)
    for t in range(x.shape[1]):
        active = mask[:, t, None]
        a, new, cell_state = forward(_dropped(hx[t], m) @ V + b, h[t], c[t])
        gates[t], h[t + 1], c[t + 1] = np.where(active, a, 0), np.where(active, new, h[t]), np.where(active, cell_state, c[t])
        if y.size:
            y[:, t] = np.where(active, new, 0)
    return y


def recurrent_backward(
    cell: str,
    V: Array,
    mask: Array,
    m: Array,
    hx: Array,
    gates: Array,
    c: Array,
    dy: Array,
    dlast: Array,
    dx: Array,
    dfirst: Array,
) -> Array:
    """Backpropagate through time: overwrite ``gates``, from the forward pass, with their gradients dA, and write dx and dfirst.

    dy is (n, T, u), or (n, 0, u) without outputs of steps. ``dlast`` (n, k, u) holds the gradients of the last states: of none,
    of h, or of h and c. ``dfirst`` receives those of the initial states, in the same form. dx is (n, T, i), or (n, T, 0) if it
    is not needed. The gradient of V is then [m ⊙ h, x]ᵀ dA, and that of b is Σ dA.
    """
    u, backward = dy.shape[-1], CELLS[cell][1]
    dh, dc = np.zeros_like(hx[0, :, :u]), np.zeros_like(c[0])
    for total, gradient in zip((dh, dc), dlast.swapaxes(0, 1), strict=False):
        total[...] = gradient
    for t in reversed(range(len(gates))):
        active = mask[:, t, None]
        total = dh + dy[:, t] if dy.size else dh
        a, direct, dc_before = backward(gates[t], hx[t, :, :u], c[t], c[t + 1], total, dc)
        gates[t], dc = np.where(active, a, 0), np.where(active, dc_before, dc)
        through = _dropped(gates[t] @ V.T, m)
        dh = np.where(active, direct, dh) + through[:, :u]
        dx[:, t] = through[:, u : u + dx.shape[-1]]
    for total, gradient in zip((dh, dc), dfirst.swapaxes(0, 1), strict=False):
        gradient[...] = total
    return dx
