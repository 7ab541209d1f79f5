"""The kernels that add one vector for each position to all samples, which are read as rows of t·c elements."""

from __future__ import annotations

from pellucid.core.memory import Array
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.reductions import bias_gradient
from pellucid.kernels.compiled.thread_pool import CHUNK, parallel_for


@inner_jit
def _add_positions_task(x, w, out, rows, chunks, task):
    """Add one chunk of w to the same chunk of some samples."""
    size = u64(x.shape[1])
    first = u64(task) % u64(chunks) * u64(CHUNK)
    last = min(first + u64(CHUNK), size)
    X, O, start = x.reshape(x.size), out.reshape(out.size), u64(task) // u64(chunks) * u64(rows)
    for i in range(start, min(start + u64(rows), u64(x.shape[0]))):
        for j in range(first, last):
            O[i * size + j] = X[i * size + j] + w[j]


@jit
def _add_positions(x, w, out):
    chunks = max(1, (x.shape[1] + CHUNK - 1) // CHUNK)
    rows = max(1, CHUNK // max(1, x.shape[1]))
    parallel_for(_add_positions_task, (x, w, out, rows, chunks), chunks * ((x.shape[0] + rows - 1) // rows))


@jit
def _positions_gradient(dy, dw):
    indirect_call(bias_gradient, (dy, dy, dw[: dy.shape[1]]))
    for j in range(u64(dy.shape[1]), u64(dw.size)):
        dw[j] = 0


def _samples(x: Array) -> Array:
    return x.reshape(len(x), x.shape[1] * x.shape[2])  # not −1: there may be no samples


def add_positions(x: Array, W: Array, out: Array) -> Array:
    _add_positions(_samples(x), W.reshape(-1), _samples(out))
    return out


def positions_gradient(dy: Array, dW: Array) -> None:
    _positions_gradient(_samples(dy), dW.reshape(-1))
