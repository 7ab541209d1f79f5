"""The kernel of attention in generation.

A task is one head of one sequence: it writes the keys and values of its columns to the memory, and computes one query after the
other, since most passes have one.
"""

from __future__ import annotations

import math

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.matmul import aligned_empty
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.compiled.vector_math import Vector, compile_formula, exponential


def _power(x: Vector) -> tuple[Vector, ...]:
    return (exponential(x),)


_exponential_row = compile_formula(_power, 1, 1)


@inner_jit
def _remember(x, keys, values, k, column, row):
    """Write the keys of one position, d elements of x from ``k`` on, to a column of the memory, and the values to a row."""
    d, w, capacity = u64(column[1]), u64(column[2]), u64(column[3])
    to = u64(column[0])
    for c in range(d):
        keys[to + c * capacity] = x[u64(k) + c]
    for c in range(d):
        values[u64(row) + c] = x[u64(k) + w + c]


@inner_jit
def _scores(x, q, keys, first, d, capacity, count, scores):
    """Write the products of a query, d elements of x from ``q`` on, with ``count`` keys, divided by √d. Returns the largest."""
    factor = x.dtype.type(1 / math.sqrt(d))
    for j in range(u64(count)):
        scores[j] = x.dtype.type(0)
    for c in range(u64(d)):
        value, start = x[u64(q) + c] * factor, u64(first) + c * u64(capacity)
        for j in range(u64(count)):
            scores[j] += value * keys[start + j]
    top = scores[0]
    for j in range(u64(count)):
        top = scores[j] if scores[j] > top else top
    return top


@inner_jit
def _task(qkv, keys, values, read, out, sizes, task):
    t, w, d, capacity = sizes
    heads = w // d
    sample, head = task // heads, task % heads
    scores, zero = aligned_empty(capacity, out), out.dtype.type(0)
    first_key, first_value = (sample * w + head * d) * capacity, sample * capacity * w + head * d
    for step in range(t):
        place = read[sample] + step
        count = place + 1
        q, to = (sample * t + step) * 3 * w + head * d, (sample * t + step) * w + head * d
        _remember(qkv, keys, values, q + w, (first_key + place, d, w, capacity), first_value + place * w)
        top = _scores(qkv, q, keys, first_key, d, capacity, count, scores)
        for j in range(u64(count)):
            scores[j] -= top
        _exponential_row((address_of(scores, 0), address_of(scores, 0)), count, zero)
        total = zero
        for j in range(u64(count)):
            total += scores[j]
        for c in range(u64(d)):
            out[u64(to) + c] = zero
        for j in range(u64(count)):
            weight, row = scores[j] / total, u64(first_value) + j * u64(w)
            for c in range(u64(d)):
                out[u64(to) + c] += weight * values[row + c]


@jit
def _attend(qkv, keys, values, read, heads, out):
    n, t, w = out.shape
    flat = qkv.reshape(qkv.size), keys.reshape(keys.size), values.reshape(values.size)
    parallel_for(_task, (*flat, read, out.reshape(out.size), (t, w, w // heads, keys.shape[2])), n * heads)


def remembered_attention(qkv: Array, keys: Array, values: Array, read: Array, heads: int, out: Array) -> Array:
    _attend(qkv, keys, values, read, heads, out)
    return out
