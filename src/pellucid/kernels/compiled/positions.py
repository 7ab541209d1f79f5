"""The kernels that add a vector for each position to sequences, which are read as rows of t·c elements."""

from __future__ import annotations

from pellucid.core.memory import Array
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.reductions import bias_gradient
from pellucid.kernels.compiled.thread_pool import CHUNK, parallel_for


@inner_jit
def _add_positions_task(x, w, first, c, out, rows, chunks, task):
    """Compute one chunk of some sequences."""
    size = u64(x.shape[1])
    begin = u64(task) % u64(chunks) * u64(CHUNK)
    end = min(begin + u64(CHUNK), size)
    X, O, start = x.reshape(x.size), out.reshape(out.size), u64(task) // u64(chunks) * u64(rows)
    for i in range(start, min(start + u64(rows), u64(x.shape[0]))):
        row = u64(first[i]) * u64(c)
        for j in range(begin, end):
            O[i * size + j] = X[i * size + j] + w[row + j]


@jit
def _add_positions(x, w, first, c, out):
    chunks = max(1, (x.shape[1] + CHUNK - 1) // CHUNK)
    rows = max(1, CHUNK // max(1, x.shape[1]))
    parallel_for(_add_positions_task, (x, w, first, c, out, rows, chunks), chunks * ((x.shape[0] + rows - 1) // rows))


@jit
def _positions_gradient(dy, dw):
    indirect_call(bias_gradient, (dy, dy, dw[: dy.shape[1]]))
    for j in range(u64(dy.shape[1]), u64(dw.size)):
        dw[j] = 0


def _samples(x: Array) -> Array:
    return x.reshape(len(x), x.shape[1] * x.shape[2])  # not −1: there may be no samples


def add_positions(x: Array, W: Array, first: Array, out: Array) -> Array:
    _add_positions(_samples(x), W.reshape(-1), first, W.shape[1], _samples(out))
    return out


def positions_gradient(dy: Array, dW: Array) -> None:
    _positions_gradient(_samples(dy), dW.reshape(-1))
