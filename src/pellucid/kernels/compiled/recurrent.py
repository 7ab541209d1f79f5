"""Recurrent layers, in stripes of the batch: whoever takes a stripe runs all its time steps, and nobody waits for anybody.

The weights V = [U; W] are copied once into panels, as products want them; these stay in the second-level cache of each core, as
do the rows of a step. A step is one product for all gates, and one pass over its rows for the nonlinearities and the new state
(see ``formulas``). Stripes have the same rows whatever the number of threads, and so have the results the same bits.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.far import far
from pellucid.kernels.compiled.formulas import Vector, over_rows, sigmoid, tanh
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.products import STRIPS, aligned, depth, packed
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.tiles import tiles
from pellucid.kernels.compiled.vectors import add_to, address, copy, numbers_in_a_vector

STRIPE = 32  # rows of the batch: a panel is read from the second-level cache for so many
RNN, LSTM, GRU = 0, 1, 2
CELLS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def _rnn(a: Vector) -> tuple[Vector, ...]:
    h = tanh(a)
    return h, h


def _rnn_gradient(h: Vector, dh: Vector) -> tuple[Vector | float, ...]:
    return dh * (1.0 - h * h), 0.0


def _lstm(i: Vector, f: Vector, g: Vector, o: Vector, c: Vector) -> tuple[Vector, ...]:
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    c = f * c + i * g
    return i, f, g, o, c, o * tanh(c)


def _lstm_gradient(
    i: Vector, f: Vector, g: Vector, o: Vector, before: Vector, c: Vector, dc: Vector, dh: Vector
) -> tuple[Vector | float, ...]:
    t = tanh(c)
    dc = dc + dh * o * (1.0 - t * t)
    gates = dc * g * i * (1.0 - i), dc * before * f * (1.0 - f), dc * i * (1.0 - g * g), dh * t * o * (1.0 - o)
    return *gates, dc * f, 0.0


def _gru(r: Vector, z: Vector, n: Vector, q: Vector, h: Vector) -> tuple[Vector, ...]:
    r, z = sigmoid(r), sigmoid(z)
    n = tanh(n + r * q)
    return r, z, n, q, n + z * (h - n)


def _gru_gradient(r: Vector, z: Vector, n: Vector, q: Vector, h: Vector, dh: Vector) -> tuple[Vector | float, ...]:
    dn = dh * (1.0 - z) * (1.0 - n * n)
    return dn * q * r * (1.0 - r), dh * (h - n) * z * (1.0 - z), dn, dn * r, dh * z


_rnn_row, _rnn_back = over_rows(_rnn, 1, 2), over_rows(_rnn_gradient, 2, 2)
_lstm_row, _lstm_back = over_rows(_lstm, 5, 6), over_rows(_lstm_gradient, 8, 6)
_gru_row, _gru_back = over_rows(_gru, 5, 5), over_rows(_gru_gradient, 6, 5)


@jit
def _product(A, row, K, panels, s, to_s, C, c_row, N, rows):  # type: ignore[no-untyped-def]
    """C = S + A B for some rows, with B in panels: A begins at ``row`` of an array with K columns, C at ``c_row`` of one with
    N, S at the address ``s``."""
    width = 2 * numbers_in_a_vector(A.dtype.type(0))
    across, deep, size, none = (N + width - 1) // width, depth(K), A.itemsize, A.dtype.type(-np.inf)
    for k0 in range(0, K, deep):
        k = min(deep, K - k0)
        for n0 in range(0, N, width):
            b, c = address(panels, k0 * across * width + n0 * k), address(C, c_row * N + n0)
            start, to_next = (s + n0 * size, to_s) if k0 == 0 else (c, N)
            tiles(rows, min(width, N - n0), address(A, row * K + k0), K, 0, 1, b, 0, width, start, to_next, c, N, 1, k, none)


@jit
def _forward_piece(cell, x, panels, b, alive, hx, gates, c, y, sequence, T, n, i, u, piece):  # type: ignore[no-untyped-def]
    zero, first = x.dtype.type(0), piece * STRIPE
    rows, w, k = min(STRIPE, n - first), u + i, len(b)
    for row in range(first, first + rows):
        hx[row * w : row * w + u] = zero
        if cell == LSTM:
            c[row * u : (row + 1) * u] = zero
    for t in range(T):
        start = t * n + first
        copy(address(x, (first * T + t) * i), T * i, address(hx, start * w + u), w, rows, i, zero)
        far(_product, (hx, start, w, panels, address(b, 0), 0, gates, start, k, rows))
        for row in range(first, first + rows):
            at, here = t * n + row, row * T + t
            before, after = address(hx, at * w), address(hx, (at + n) * w)
            g = address(gates, at * k)
            if not alive[here]:
                gates[at * k : (at + 1) * k] = zero
                copy(before, 0, after, 0, 1, u, zero)
                if cell == LSTM:
                    copy(address(c, at * u), 0, address(c, (at + n) * u), 0, 1, u, zero)
                if sequence:
                    y[here * u : (here + 1) * u] = zero
                continue
            if cell == RNN:
                _rnn_row((g, g, after), u, zero)
            else:
                g2, g3, g4 = address(gates, at * k + u), address(gates, at * k + 2 * u), address(gates, at * k + 3 * u)
                if cell == LSTM:
                    c1, c2 = address(c, at * u), address(c, (at + n) * u)
                    _lstm_row((g, g2, g3, g4, c1, g, g2, g3, g4, c2, after), u, zero)
                else:
                    _gru_row((g, g2, g3, g4, before, g, g2, g3, g4, after), u, zero)
            if sequence:
                copy(after, 0, address(y, here * u), 0, 1, u, zero)
    if not sequence:
        copy(address(hx, (T * n + first) * w), w, address(y, first * u), u, rows, u, zero)


@jit
def _backward_piece(cell, panels, alive, hx, gates, c, dy, sequence, dx, T, n, i, u, k, piece):  # type: ignore[no-untyped-def]
    zero, first, wanted = gates.dtype.type(0), piece * STRIPE, len(dx) > 0
    rows, w, N = min(STRIPE, n - first), u + i, u + i if wanted else u
    d = aligned(rows * N, gates)  # of a row's state and, behind it, of its input
    dc = aligned(rows * u if cell == LSTM else 1, gates)
    d[:], dc[:] = zero, zero
    if not sequence:
        copy(address(dy, first * u), u, address(d, 0), N, rows, u, zero)
    for t in range(T - 1, -1, -1):
        start = t * n + first
        for row in range(rows):
            at, here = start + row, (first + row) * T + t
            g, dh = address(gates, at * k), address(d, row * N)
            if not alive[here]:
                gates[at * k : (at + 1) * k] = zero
                continue
            if sequence:
                add_to(address(dy, here * u), 0, dh, 0, 1, u, zero)
            if cell == RNN:
                _rnn_back((g, dh, g, dh), u, zero)
            else:
                g2, g3, g4 = address(gates, at * k + u), address(gates, at * k + 2 * u), address(gates, at * k + 3 * u)
                if cell == LSTM:
                    c1, c2, dc1 = address(c, at * u), address(c, (at + n) * u), address(dc, row * u)
                    _lstm_back((g, g2, g3, g4, c1, c2, dc1, dh, g, g2, g3, g4, dc1, dh), u, zero)
                else:
                    _gru_back((g, g2, g3, g4, address(hx, at * w), dh, g, g2, g3, g4, dh), u, zero)
        if t > 0 or wanted:
            far(_product, (gates, start, k, panels, address(d, 0), N, d, 0, N, rows))
        if wanted:
            copy(address(d, u), N, address(dx, (first * T + t) * i), T * i, rows, i, zero)
            for row in range(rows):
                d[row * N + u : (row + 1) * N] = zero


@jit
def _forward(cell, x, V, b, alive, hx, gates, c, y, sequence):  # type: ignore[no-untyped-def]
    (n, T, i), w, k = x.shape, V.shape[0], V.shape[1]
    panels = packed(V.reshape(V.size), k, 1, w, k, STRIPS)
    share(_forward_piece, (
        cell, x.reshape(x.size), panels, b, alive.reshape(alive.size), hx.reshape(hx.size), gates.reshape(gates.size),
        c.reshape(c.size), y.reshape(y.size), sequence, T, n, i, w - i,
    ), (n + STRIPE - 1) // STRIPE)  # fmt: skip


@jit
def _backward(cell, V, alive, hx, gates, c, dy, sequence, dx):  # type: ignore[no-untyped-def]
    (n, T), w, k, u = alive.shape, V.shape[0], V.shape[1], dy.shape[-1]
    panels = packed(V.reshape(V.size), 1, k, k, w if dx.size else u, STRIPS)
    share(_backward_piece, (
        cell, panels, alive.reshape(alive.size), hx.reshape(hx.size), gates.reshape(gates.size), c.reshape(c.size),
        dy.reshape(dy.size), sequence, dx.reshape(dx.size), T, n, w - u, u, k,
    ), (n + STRIPE - 1) // STRIPE)  # fmt: skip


def recurrent(cell: str, x: Array, V: Array, b: Array, alive: Array, hx: Array, gates: Array, c: Array, y: Array) -> Array:
    _forward(CELLS[cell], x, V, b, alive, hx, gates, c, y.reshape(-1), y.ndim == 3)
    return y


def recurrent_backward(cell: str, V: Array, alive: Array, hx: Array, gates: Array, c: Array, dy: Array, dx: Array) -> Array:
    _backward(CELLS[cell], V, alive, hx, gates, c, dy.reshape(-1, dy.shape[-1]), dy.ndim == 3, dx)
    return dx
