"""The kernels of recurrent layers. A task is a stripe of the batch: it runs all time steps, and no task waits for another.

The weights V = [U; W] are packed once into panels, as the micro-kernel reads them; these stay in the second-level cache of each
core, as do the rows of a step. A step is one product for all gates, and one pass over its rows for the nonlinearities and the
new state (see ``vector_math``). The stripes do not depend on the number of threads, and neither do the bits of the results.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit
from pellucid.kernels.compiled.matmul import PANELS_PER_TASK, aligned_empty, pack, panel_rows
from pellucid.kernels.compiled.micro_kernel import micro_kernel
from pellucid.kernels.compiled.simd import add_rows, address_of, copy_rows, vector_width
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.compiled.vector_math import Vector, compile_formula, sigmoid, tanh

STRIPE = 32  # rows of the batch in a task: each panel that is read from the second-level cache is used for all of them
SMALL_STRIPE = 16  # of a batch that would otherwise be a single task: half a stripe takes little more than half the time
RNN, LSTM, GRU = 0, 1, 2
CELLS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}

# The formulas of the cells, for one row each; ``reference/recurrent.py`` explains them.


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
    i: Vector, f: Vector, g: Vector, o: Vector, c_before: Vector, c: Vector, dc: Vector, dh: Vector
) -> tuple[Vector | float, ...]:
    t = tanh(c)
    dc = dc + dh * o * (1.0 - t * t)
    gates = dc * g * i * (1.0 - i), dc * c_before * f * (1.0 - f), dc * i * (1.0 - g * g), dh * t * o * (1.0 - o)
    return *gates, dc * f, 0.0


def _gru(r: Vector, z: Vector, n: Vector, q: Vector, h: Vector) -> tuple[Vector, ...]:
    r, z = sigmoid(r), sigmoid(z)
    n = tanh(n + r * q)
    return r, z, n, q, n + z * (h - n)


def _gru_gradient(r: Vector, z: Vector, n: Vector, q: Vector, h: Vector, dh: Vector) -> tuple[Vector | float, ...]:
    dn = dh * (1.0 - z) * (1.0 - n * n)
    return dn * q * r * (1.0 - r), dh * (h - n) * z * (1.0 - z), dn, dn * r, dh * z


def _product_of(h: Vector, m: Vector) -> tuple[Vector, ...]:
    return (h * m,)


def _sum_with_product(dh: Vector, through: Vector, m: Vector) -> tuple[Vector, ...]:
    return (dh + through * m,)


_rnn_row, _rnn_row_back = compile_formula(_rnn, 1, 2), compile_formula(_rnn_gradient, 2, 2)
_lstm_row, _lstm_row_back = compile_formula(_lstm, 5, 6), compile_formula(_lstm_gradient, 8, 6)
_gru_row, _gru_row_back = compile_formula(_gru, 5, 5), compile_formula(_gru_gradient, 6, 5)
_multiply_row, _add_product_row = compile_formula(_product_of, 2, 1), compile_formula(_sum_with_product, 3, 1)


@inner_jit
def _stripe(n):
    """Return the number of rows in a task. The bits of a row do not depend on it."""
    return STRIPE if n > STRIPE else SMALL_STRIPE


@inner_jit
def _num_stripes(n):
    return (n + _stripe(n) - 1) // _stripe(n)


@inner_jit
def _product(A, row, K, panels, s, s_stride, C, c_row, N, rows):
    """C = S + A B for some rows, with B in panels: A begins at ``row`` of an array with K columns, C at ``c_row`` of one with N
    columns, S at the address ``s``."""
    width = 2 * vector_width(A.dtype.type(0))
    across, deep, itemsize, no_floor = (N + width - 1) // width, panel_rows(K), A.itemsize, A.dtype.type(-np.inf)
    for k0 in range(0, K, deep):
        k = min(deep, K - k0)
        for n0 in range(0, N, width):
            c = address_of(C, c_row * N + n0)
            start, stride = (s + n0 * itemsize, s_stride) if k0 == 0 else (c, N)
            micro_kernel(
                rows,
                min(width, N - n0),
                (address_of(A, row * K + k0), K, 0, 1),
                (address_of(panels, k0 * across * width + n0 * k), 0, width),
                (start, stride),
                (c, N),
                (1, k),
                no_floor,
            )


@inner_jit
def _four_rows(address, stride):
    """Return the addresses of four rows, ``stride`` bytes apart: the gates of one sample."""
    return address, address + stride, address + 2 * stride, address + 3 * stride


@inner_jit
def _forward_task(cell, x, panels, b, mask, m, hx, gates, c, y, T, n, i, u, task):
    zero, first, needs_y, dropout = x.dtype.type(0), task * _stripe(n), len(y) > 0, len(m) > 0
    rows, w, k = min(_stripe(n), n - first), u + i, len(b)
    dropped = aligned_empty(rows * w if dropout else 1, hx)  # the rows of a step, with m ⊙ h in place of h
    for t in range(T):
        start = t * n + first
        copy_rows(address_of(x, (first * T + t) * i), T * i, address_of(hx, start * w + u), w, rows, i, zero)
        if dropout:
            copy_rows(address_of(hx, start * w), w, address_of(dropped, 0), w, rows, w, zero)
            for row in range(rows):
                h = address_of(dropped, row * w)
                _multiply_row((h, address_of(m, (first + row) * u), h), u, zero)
            indirect_call(_product, (dropped, 0, w, panels, address_of(b, 0), 0, gates, start, k, rows))
        else:
            indirect_call(_product, (hx, start, w, panels, address_of(b, 0), 0, gates, start, k, rows))
        for row in range(first, first + rows):
            at, step = t * n + row, row * T + t
            before, after = address_of(hx, at * w), address_of(hx, (at + n) * w)
            if not mask[step]:
                gates[at * k : (at + 1) * k] = zero
                copy_rows(before, 0, after, 0, 1, u, zero)
                if cell == LSTM:
                    copy_rows(address_of(c, at * u), 0, address_of(c, (at + n) * u), 0, 1, u, zero)
                if needs_y:
                    y[step * u : (step + 1) * u] = zero
                continue
            if cell == RNN:
                g = address_of(gates, at * k)
                _rnn_row((g, g, after), u, zero)
            else:
                g1, g2, g3, g4 = _four_rows(address_of(gates, at * k), u * gates.itemsize)
                if cell == LSTM:
                    c1, c2 = address_of(c, at * u), address_of(c, (at + n) * u)
                    _lstm_row((g1, g2, g3, g4, c1, g1, g2, g3, g4, c2, after), u, zero)
                else:
                    _gru_row((g1, g2, g3, g4, before, g1, g2, g3, g4, after), u, zero)
            if needs_y:
                copy_rows(after, 0, address_of(y, step * u), 0, 1, u, zero)


@inner_jit
def _backward_task(cell, panels, mask, m, hx, gates, c, dy, dlast, dx, dfirst, T, n, i, u, k, task):
    zero, first = gates.dtype.type(0), task * _stripe(n)
    needs_dx, needs_dfirst, dropout = len(dx) > 0, len(dfirst) > 0, len(m) > 0
    rows, w, N = min(_stripe(n), n - first), u + i, u + i if needs_dx else u
    d = aligned_empty(rows * N, gates)  # the gradient of a row's state and, after it, of its input
    dc = aligned_empty(rows * u if cell == LSTM else 1, gates)
    d[:], dc[:] = zero, zero
    through = aligned_empty(rows * N if dropout else 1, gates)  # the gradients that pass through the product
    nothing = np.zeros(N if dropout else 1, gates.dtype)
    states = len(dlast) // (n * u)
    if states > 0:
        copy_rows(address_of(dlast, first * states * u), states * u, address_of(d, 0), N, rows, u, zero)
    if states > 1:
        copy_rows(address_of(dlast, (first * states + 1) * u), states * u, address_of(dc, 0), u, rows, u, zero)
    for t in range(T - 1, -1, -1):
        start = t * n + first
        for row in range(rows):
            at, step = start + row, (first + row) * T + t
            dh = address_of(d, row * N)
            if not mask[step]:
                gates[at * k : (at + 1) * k] = zero
                continue
            if len(dy) > 0:
                add_rows(address_of(dy, step * u), 0, dh, 0, 1, u, zero)
            if cell == RNN:
                g = address_of(gates, at * k)
                _rnn_row_back((g, dh, g, dh), u, zero)
            else:
                g1, g2, g3, g4 = _four_rows(address_of(gates, at * k), u * gates.itemsize)
                if cell == LSTM:
                    c1, c2, dc1 = address_of(c, at * u), address_of(c, (at + n) * u), address_of(dc, row * u)
                    _lstm_row_back((g1, g2, g3, g4, c1, c2, dc1, dh, g1, g2, g3, g4, dc1, dh), u, zero)
                else:
                    _gru_row_back((g1, g2, g3, g4, address_of(hx, at * w), dh, g1, g2, g3, g4, dh), u, zero)
        if t > 0 or needs_dx or needs_dfirst:
            if dropout:
                indirect_call(_product, (gates, start, k, panels, address_of(nothing, 0), 0, through, 0, N, rows))
                for row in range(rows):
                    dh, factors = address_of(d, row * N), address_of(m, (first + row) * u)
                    _add_product_row((dh, address_of(through, row * N), factors, dh), u, zero)
                copy_rows(address_of(through, u), N, address_of(d, u), N, rows, N - u, zero)
            else:
                indirect_call(_product, (gates, start, k, panels, address_of(d, 0), N, d, 0, N, rows))
        if needs_dx:
            copy_rows(address_of(d, u), N, address_of(dx, (first * T + t) * i), T * i, rows, i, zero)
            for row in range(rows):
                d[row * N + u : (row + 1) * N] = zero
    if needs_dfirst:
        states = len(dfirst) // (n * u)
        copy_rows(address_of(d, 0), N, address_of(dfirst, first * states * u), states * u, rows, u, zero)
        if states > 1:
            copy_rows(address_of(dc, 0), u, address_of(dfirst, (first * states + 1) * u), states * u, rows, u, zero)


@inner_jit
def _flat(array):
    return array.reshape(array.size)


@jit
def _forward(cell, x, V, b, mask, m, hx, gates, c, y):
    (n, T, i), w, k = x.shape, V.shape[0], V.shape[1]
    panels = pack(_flat(V), (k, 1), w, k, PANELS_PER_TASK, 0)
    arrays = _flat(x), panels, b, _flat(mask), _flat(m), _flat(hx), _flat(gates), _flat(c), _flat(y)
    parallel_for(_forward_task, (cell, *arrays, T, n, i, w - i), _num_stripes(n))


@jit
def _backward(cell, V, mask, m, hx, gates, c, dy, dlast, dx, dfirst):
    (n, T), w, k, u = mask.shape, V.shape[0], V.shape[1], dy.shape[2]
    panels = pack(_flat(V), (1, k), k, w if dx.size else u, PANELS_PER_TASK, 0)
    inputs = panels, _flat(mask), _flat(m), _flat(hx), _flat(gates), _flat(c), _flat(dy), _flat(dlast)
    parallel_for(_backward_task, (cell, *inputs, _flat(dx), _flat(dfirst), T, n, w - u, u, k), _num_stripes(n))


def recurrent(
    cell: str, x: Array, V: Array, b: Array, mask: Array, m: Array, hx: Array, gates: Array, c: Array, y: Array
) -> Array:
    _forward(CELLS[cell], x, V, b, mask, m, hx, gates, c, y)
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
    _backward(CELLS[cell], V, mask, m, hx, gates, c, dy, dlast, dx, dfirst)
    return dx
