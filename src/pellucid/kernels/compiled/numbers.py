"""The kernels that expand each number of a row to several: to waves, or to the fractions of bins that are below it. A task is
some rows.

A wave is computed in whole SIMD vectors from its fraction of a turn, r between −½ and ½, by the series of sin πr and cos πr
with enough terms that the remainder is below the precision:

    cos 2πr = 1 − 2 sin² πr          sin 2πr = 2 sin πr cos πr
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.channelwise import BLOCK_ROWS, add_groups, move_sums
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.compiled.vector_math import Vector, compile_formula

TASK_SIZE = 4_096  # waves of a task, at least: some microseconds
MIN_GROUP_SIZE = 16_384  # waves of a group whose sums are added up
MAX_GROUPS = 32
_TERMS = {4: 6, 8: 11}  # of the series, by the size of an element in bytes: (π/2)¹³/13! and (π/2)²³/23! are the first left out


def _sine_and_cosine(turns: Vector) -> tuple[Vector, Vector]:
    """Return sin πr and cos πr for the fraction r of the turns."""
    r = turns - (turns + 0.5).call("floor")
    square, terms = r * r, _TERMS[r.v.itemsize]
    sine, cosine = (Vector(r.v, r.v.constant(_coefficient(2 * terms - 2 + odd))) for odd in (1, 0))
    for j in range(terms - 2, -1, -1):
        sine, cosine = sine * square + _coefficient(2 * j + 1), cosine * square + _coefficient(2 * j)
    return sine * r, cosine


def _coefficient(power: int) -> float:
    """Return that of r^power in the series of sin πr (odd powers) or cos πr."""
    return (-1) ** (power // 2) * math.pi**power / math.factorial(power)


def _wave_formula(turns: Vector) -> tuple[Vector]:
    sine, _ = _sine_and_cosine(turns)
    return (1.0 - 2.0 * (sine * sine),)


def _wave_gradient_formula(turns: Vector, dy: Vector) -> tuple[Vector]:
    sine, cosine = _sine_and_cosine(turns)
    return (sine * cosine * dy * (-4 * math.pi),)


_wave_row = compile_formula(_wave_formula, 1, 1)
_wave_gradient_row = compile_formula(_wave_gradient_formula, 2, 1)


@inner_jit
def _write_turns(x, f, phases, i, k, out, start):
    """Write the turns f x + φ of row i of x (n, k), from the index ``start`` of ``out`` on."""
    m = u64(f.size) // k
    for j in range(k):
        v = x[i * k + j]
        for l in range(j * m, j * m + m):
            out[start + l] = v * f[l] + phases[l]


@inner_jit
def _write_turn_gradient(x, f, phases, dy, i, k, turns):
    """Write −2π sin(2π t) dy of row i, where t are its turns."""
    size = u64(f.size)
    _write_turns(x, f, phases, i, k, turns, u64(0))
    places = address_of(turns, u64(0)), address_of(dy, i * size), address_of(turns, u64(0))
    _wave_gradient_row(places, f.size, f.dtype.type(0))


@inner_jit
def _periodic_task(x, f, phases, out, k, rows, task):
    size = u64(f.size)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(x.size) // u64(k))):
        _write_turns(x, f, phases, i, u64(k), out, i * size)
        place = address_of(out, i * size)
        _wave_row((place, place), f.size, f.dtype.type(0))


@jit
def _periodic(x, f, phases, out, k):
    rows = max(1, TASK_SIZE // f.size)
    parallel_for(_periodic_task, (x, f, phases, out, k, rows), (x.size // k + rows - 1) // rows)


@inner_jit
def _periodic_backward_task(x, f, phases, dy, k, sums, task):
    """Sum over one group of rows: the gradients of frequencies and phases."""
    size, n, groups = u64(f.size), u64(x.size) // u64(k), u64(len(sums))
    m = size // u64(k)
    turns, part, total = np.empty(size, x.dtype), np.zeros(2 * f.size, x.dtype), np.zeros(2 * f.size)
    last = n * u64(task + 1) // groups
    for block in range(n * u64(task) // groups, last, BLOCK_ROWS):
        for i in range(block, min(block + BLOCK_ROWS, last)):
            _write_turn_gradient(x, f, phases, dy, i, u64(k), turns)
            for j in range(u64(k)):
                v = x[i * u64(k) + j]
                for l in range(j * m, j * m + m):
                    part[l] += turns[l] * v
                    part[size + l] += turns[l]
        move_sums(part, total)
    sums[task] = total


@jit
def _periodic_backward(x, f, phases, dy, df, dphases, k):
    sums = np.empty((max(1, min(MAX_GROUPS, dy.size // MIN_GROUP_SIZE)), 2 * f.size))
    parallel_for(_periodic_backward_task, (x, f, phases, dy, k, sums), len(sums))
    total = add_groups(sums)
    df[:] = total[: f.size]
    dphases[:] = total[f.size :]


@inner_jit
def _periodic_input_gradient_task(x, f, phases, dy, out, k, rows, task):
    size, m = u64(f.size), u64(f.size) // u64(k)
    turns = np.empty(size, x.dtype)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(x.size) // u64(k))):
        _write_turn_gradient(x, f, phases, dy, i, u64(k), turns)
        for j in range(u64(k)):
            total = x.dtype.type(0)
            for l in range(j * m, j * m + m):
                total += turns[l] * f[l]
            out[i * u64(k) + j] = total


@jit
def _periodic_input_gradient(x, f, phases, dy, out, k):
    rows = max(1, TASK_SIZE // f.size)
    parallel_for(_periodic_input_gradient_task, (x, f, phases, dy, out, k, rows), (x.size // k + rows - 1) // rows)


def periodic(x: Array, frequencies: Array, phases: Array, out: Array) -> Array:
    _periodic(x.reshape(-1), frequencies.reshape(-1), phases.reshape(-1), out.reshape(-1), x.shape[1])
    return out


def periodic_backward(x: Array, frequencies: Array, phases: Array, dy: Array, dfrequencies: Array, dphases: Array) -> None:
    flat = x.reshape(-1), frequencies.reshape(-1), phases.reshape(-1), dy.reshape(-1)
    _periodic_backward(*flat, dfrequencies.reshape(-1), dphases.reshape(-1), x.shape[1])


def periodic_input_gradient(x: Array, frequencies: Array, phases: Array, dy: Array, out: Array) -> Array:
    flat = x.reshape(-1), frequencies.reshape(-1), phases.reshape(-1), dy.reshape(-1)
    _periodic_input_gradient(*flat, out.reshape(-1), x.shape[1])
    return out


@inner_jit
def _bin_fractions_task(x, features, lines, out, k, rows, task):
    m = u64(features.size)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(x.size) // u64(k))):
        for b in range(m):
            y = (x[i * u64(k) + u64(features[b])] - lines[b]) * lines[m + b]
            low, high = lines[m + m + b], lines[m + m + m + b]
            out[i * m + b] = low if y < low else high if y > high else y


@jit
def _bin_fractions(x, features, lines, out, k):
    rows = max(1, TASK_SIZE // features.size)
    parallel_for(_bin_fractions_task, (x, features, lines, out, k, rows), (x.size // k + rows - 1) // rows)


@inner_jit
def _bin_fractions_gradient_task(x, features, lines, dy, out, k, rows, task):
    m = u64(features.size)
    for i in range(u64(task) * u64(rows), min(u64(task + 1) * u64(rows), u64(x.size) // u64(k))):
        for j in range(u64(k)):
            out[i * u64(k) + j] = x.dtype.type(0)
        for b in range(m):
            j = i * u64(k) + u64(features[b])
            y = (x[j] - lines[b]) * lines[m + b]
            if lines[m + m + b] < y < lines[m + m + m + b]:
                out[j] += dy[i * m + b] * lines[m + b]


@jit
def _bin_fractions_gradient(x, features, lines, dy, out, k):
    rows = max(1, TASK_SIZE // features.size)
    parallel_for(_bin_fractions_gradient_task, (x, features, lines, dy, out, k, rows), (x.size // k + rows - 1) // rows)


def bin_fractions(x: Array, features: Array, lines: Array, out: Array) -> Array:
    _bin_fractions(x.reshape(-1), features, lines.reshape(-1), out.reshape(-1), x.shape[1])
    return out


def bin_fractions_gradient(x: Array, features: Array, lines: Array, dy: Array, out: Array) -> Array:
    _bin_fractions_gradient(x.reshape(-1), features, lines.reshape(-1), dy.reshape(-1), out.reshape(-1), x.shape[1])
    return out
