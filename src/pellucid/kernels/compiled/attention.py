"""The kernels of attention, in tiles: S and A are computed for some queries and keys at a time, and never stored as a whole.

This is the algorithm of Dao et al. (2022, "FlashAttention") and Dao (2023, "FlashAttention-2"), for the caches of a processor.
A task is some queries of one head of one sample, or in the backward pass the whole head. It copies a block of keys and values
into scratch memory, the keys also transposed, as the micro-kernel reads them, and computes all tiles of these keys. With causal
attention, the tiles that no query reads are skipped, and the others end where the last query of the tile ends. The number of
tasks depends on the sizes alone, and so do the bits of the results.

Forward, each query has the maximum m of its scores so far, the sum l of e^(s − m), and the sum of the values with these
weights. With the scores of another tile, m grows to m', and both sums are multiplied by e^(m − m') before terms are added.

Backward, a tile of A is computed again as e^(S − L). The queries are scaled by 1/√d before all products, so S needs no scaling;
dK = dSᵀ (Q/√d) has the factor already, dQ gets it at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit, u32, u64
from pellucid.kernels.compiled.matmul import aligned_empty
from pellucid.kernels.compiled.micro_kernel import micro_kernel
from pellucid.kernels.compiled.noise import mix, row_stream
from pellucid.kernels.compiled.simd import VECTOR_BYTES, VectorBuilder, address_of, copy_rows, transpose_block, vector_width
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, types
from pellucid.kernels.compiled.vector_math import Vector, bounded_exponential

TILE = 24  # queries of a tile
KEYS = 256  # of a block: with 24 queries and 32 columns, the scratch memory of a task has 150 kB
TASK_QUERIES = 128  # of a task of the forward pass; each task copies the keys

_i64 = ir.IntType(64)


def _row_loop(v: VectorBuilder, count: Any, body: Callable[[Any, Any], None]) -> None:
    """Emit body(offset, mask) for each vector of a row of ``count`` elements."""
    builder = v.builder
    whole = builder.sdiv(count, _i64(v.width))
    rest = builder.mul(whole, _i64(v.width))
    with cgutils.for_range(builder, whole) as vector:
        body(builder.mul(vector.index, _i64(v.width)), None)
    with builder.if_then(builder.icmp_signed(">", count, rest)):
        body(rest, v.mask(builder.sub(count, rest)))


@intrinsic
def _largest(typing, address, count, start):
    """Return the largest of ``start`` and the elements of a row; NaN is ignored."""

    def emit(context, builder, signature, args):
        address, count, start = args
        v = VectorBuilder(context, builder, signature.args[-1])
        start = v.broadcast(start)
        best = cgutils.alloca_once_value(builder, start)

        def body(offset, mask):
            value = v.load(v.address(address, offset), mask)
            if mask is not None:
                value = builder.select(mask.elements, value, start)
            largest = builder.load(best)
            builder.store(builder.select(builder.fcmp_ordered(">", value, largest), value, largest), best)

        _row_loop(v, count, body)
        name = f"llvm.vector.reduce.fmax.v{v.width}f{8 * v.itemsize}"
        reduce = cgutils.get_or_insert_function(builder.module, ir.FunctionType(v.element, [v.vector]), name)
        return builder.call(reduce, [builder.load(best)])

    return start(types.int64, types.int64, start), emit


@intrinsic
def _exponentials(typing, address, count, shift):
    """Replace the elements x of a row by e^(x − shift), and return their sum."""

    def emit(context, builder, signature, args):
        address, count, shift = args
        v = VectorBuilder(context, builder, signature.args[-1])
        shift = Vector(v, v.broadcast(shift))
        total = cgutils.alloca_once_value(builder, v.zeros)

        def body(offset, mask):
            place = v.address(address, offset)
            value = bounded_exponential(Vector(v, v.load(place, mask)) - shift).value
            v.store(value, place, mask)
            if mask is not None:
                value = builder.select(mask.elements, value, v.zeros)
            builder.store(builder.fadd(builder.load(total), value), total)

        _row_loop(v, count, body)
        return v.sums([builder.load(total)])[0]

    return shift(types.int64, types.int64, shift), emit


@intrinsic
def _score_gradients(typing, weights, gradients, count, inner):
    """Replace the gradients dA of a row of weights A by dS = A ⊙ (dA − inner)."""

    def emit(context, builder, signature, args):
        weights, gradients, count, inner = args
        v = VectorBuilder(context, builder, signature.args[-1])
        inner = v.broadcast(inner)

        def body(offset, mask):
            place = v.address(gradients, offset)
            difference = builder.fsub(v.load(place, mask), inner)
            v.store(builder.fmul(v.load(v.address(weights, offset), mask), difference), place, mask)

        _row_loop(v, count, body)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, inner), emit


@inner_jit
def _product(rows, columns, depth, A, B, S, C, panel, lowest):
    """C = S + A B: A is (address, stride of rows, stride of columns), the others are (address, stride of rows). B is in panels
    of ``panel`` elements, or as it is if that is 0."""
    (a, am, ak), (b, bk), (s, sm), (c, cm) = A, B, S, C
    width = 2 * vector_width(lowest)
    size = 2 * VECTOR_BYTES // width
    for n in range(0, columns, width):
        micro_kernel(
            rows,
            min(width, columns - n),
            (a, am, 0, ak),
            (b + (n // width * panel if panel > 0 else n) * size, 0, bk),
            (s + n * size, sm),
            (c + n * size, cm),
            (1, depth),
            lowest,
        )


@inner_jit
def _fill(array, start, count):
    """Set some elements of a flat array to zero."""
    zero = array.dtype.type(0)
    for j in range(u64(start), u64(start + count)):
        array[j] = zero


@inner_jit
def _transpose(source, target, rows, wide):
    """Write rows of ``wide`` elements, both multiples of a vector, into panels: target[p, j, i] = source[2·width·p + i, j]."""
    zero = source.dtype.type(0)
    width = vector_width(zero)
    for r in range(0, rows, width):
        panel = r // (2 * width) * 2 * width * wide + r % (2 * width)
        for j in range(0, wide, width):
            to = address_of(target, panel + j * 2 * width)
            transpose_block(address_of(source, r * wide + j), wide, to, 2 * width, zero)


@inner_jit
def _copy_scaled(source, stride, rows, columns, target, wide, factor):
    """Copy rows at the address ``source`` into the array ``target`` with rows of ``wide`` elements, times ``factor``."""
    copy_rows(source, stride, address_of(target, 0), wide, rows, columns, factor)
    for j in range(u64(rows * wide)):
        target[j] *= factor


@inner_jit
def _drop(tile, start, count, row, first, drop):
    """Multiply ``count`` weights of a query, from the key ``first`` on, by its mask of dropout."""
    low, high, threshold, factor = drop
    a, m = row_stream(u32(row), low, high)
    zero = tile.dtype.type(0)
    for j in range(u64(count)):
        bits = mix(u32(a + u32(u32(first) + u32(j)) * m))
        tile[u64(start) + j] = tile[u64(start) + j] * factor if bits >= threshold else zero * tile[u64(start) + j]


@inner_jit
def _padded(n, width):
    return (n + width - 1) // width * width


@inner_jit
def _start_of_scores(mask, sample, first, count, start):
    """Write the value from which the scores of each key start: 0, or −∞ for padding."""
    zero, lowest = start.dtype.type(0), start.dtype.type(-np.inf)
    for j in range(count):
        start[j] = lowest if mask.size > 0 and mask[sample, first + j] == zero else zero


@inner_jit
def _attend_tile(tile, start, rows, visible, diagonal, tops, totals, sums, wide, d, first_row, row_id, first_key, drop, rate):
    """Turn the scores of a tile into weights e^(s − m), update the maxima and the sums of the weights of its queries, and scale
    the sums of values. Query r reads the keys before ``diagonal`` + r."""
    zero, lowest = tile.dtype.type(0), tile.dtype.type(-np.inf)
    for r in range(rows):
        at = first_row + r
        count = max(0, min(visible, diagonal + r))
        address = address_of(tile, r * KEYS)
        before = tops[at]
        top = _largest(address, count, before)
        shift = top if top > lowest else zero  # without keys
        total = _exponentials(address, count, shift)
        if before > lowest and top != before:
            factor = tile.dtype.type(math.exp(before - shift))
            totals[at] *= factor
            for j in range(u64(at * wide), u64(at * wide + d)):
                sums[j] *= factor
        tops[at] = top
        totals[at] += total
        _fill(tile, r * KEYS + count, visible - count)
        if rate:
            _drop(tile, r * KEYS, count, row_id + r, first_key, drop)


@inner_jit
def _forward_task(q, k, v, mask, log_sum, out, sizes, causal, rate, drop, offset, task):
    (Q, q_sample, q_row), (K, k_sample, k_row), (V, v_sample, v_row) = q, k, v
    heads, t, s, d = sizes
    zero, lowest = out.dtype.type(0), out.dtype.type(-np.inf)
    width = vector_width(zero)
    size, wide = VECTOR_BYTES // width, _padded(d, width)
    chunks = (t + TASK_QUERIES - 1) // TASK_QUERIES
    sample, head, q0 = task // chunks // heads, task // chunks % heads, task % chunks * TASK_QUERIES
    queries = min(TASK_QUERIES, t - q0)
    last = min(s, q0 + queries + s - t) if causal else s  # the keys that the last query reads
    block = min(KEYS, _padded(max(1, last), 2 * width))
    # one piece of memory: keys, values, keys transposed, queries, sums, tile, starts of the scores, maxima and totals
    sizes_of_parts = (3 * block + 2 * queries) * wide + TILE * KEYS + KEYS + 2 * queries
    memory = aligned_empty(sizes_of_parts, log_sum)
    keys, values, columns = memory[: block * wide], memory[block * wide :], memory[2 * block * wide :]
    scaled, sums = memory[3 * block * wide :], memory[(3 * block + queries) * wide :]
    tile = memory[(3 * block + 2 * queries) * wide :]
    start = tile[TILE * KEYS :]
    tops, totals = start[KEYS:], start[KEYS + queries :]
    _fill(sums, 0, queries * wide)
    for r in range(queries):
        tops[r], totals[r] = lowest, zero
    at = Q + (sample * q_sample + q0 * q_row + head * d) * size
    _copy_scaled(at, q_row, queries, d, scaled, wide, out.dtype.type(1 / math.sqrt(d)))
    ids = ((offset + sample) * heads + head) * t + q0
    for k0 in range(0, last, KEYS):
        count = min(KEYS, last - k0)
        copy_rows(K + (sample * k_sample + k0 * k_row + head * d) * size, k_row, address_of(keys, 0), wide, count, d, zero)
        copy_rows(V + (sample * v_sample + k0 * v_row + head * d) * size, v_row, address_of(values, 0), wide, count, d, zero)
        _transpose(keys, columns, _padded(count, width), wide)
        _start_of_scores(mask, sample, k0, count, start)
        for r in range(0, queries, TILE):
            m = min(TILE, queries - r)
            diagonal = q0 + r + s - t + 1 - k0 if causal else KEYS
            visible = min(count, diagonal + m - 1)
            if visible <= 0:
                continue
            scores, weighted = address_of(tile, 0), address_of(sums, r * wide)
            _product(
                m,
                visible,
                d,
                (address_of(scaled, r * wide), wide, 1),
                (address_of(columns, 0), 2 * width),
                (address_of(start, 0), 0),
                (scores, KEYS),
                2 * width * wide,
                lowest,
            )
            _attend_tile(tile, start, m, visible, diagonal, tops, totals, sums, wide, d, r, ids + r, k0, drop, rate)
            target = weighted, wide
            _product(m, d, visible, (scores, KEYS, 1), (address_of(values, 0), wide), target, target, 0, lowest)
    for r in range(queries):
        total = totals[r]
        factor = 1 / total if total != 0 else zero
        log_sum[((sample * heads + head) * t + q0 + r)] = tops[r] + math.log(total)
        to = ((sample * t + q0 + r) * heads + head) * d
        for j in range(u64(d)):
            out[u64(to) + j] = sums[u64(r * wide) + j] * factor


@inner_jit
def _backward_task(q, k, v, dq, dk, dv, mask, log_sum, out, dout, sizes, causal, rate, drop, offset, task):
    (Q, q_sample, q_row), (K, k_sample, k_row), (V, v_sample, v_row) = q, k, v
    (DQ, dq_sample, dq_row), (DK, dk_sample, dk_row), (DV, dv_sample, dv_row) = dq, dk, dv
    heads, t, s, d = sizes
    zero, lowest = out.dtype.type(0), out.dtype.type(-np.inf)
    width = vector_width(zero)
    size, wide = VECTOR_BYTES // width, _padded(d, width)
    sample, head = task // heads, task % heads
    block = min(KEYS, _padded(max(1, s), 2 * width))
    tiles = 3 if rate else 2
    memory = aligned_empty((6 * block + 3 * t) * wide + tiles * TILE * KEYS + 2 * KEYS + t, log_sum)
    keys, values = memory[: block * wide], memory[block * wide :]
    dkeys, dvalues = memory[2 * block * wide :], memory[3 * block * wide :]
    key_columns, value_columns = memory[4 * block * wide :], memory[5 * block * wide :]
    per_query = memory[6 * block * wide :]
    scaled, dqueries, douts = per_query, per_query[t * wide :], per_query[2 * t * wide :]
    tile = per_query[3 * t * wide :]
    dtile, dropped = tile[TILE * KEYS :], tile[2 * TILE * KEYS :]
    start, nothing, inner = (
        tile[tiles * TILE * KEYS :],
        tile[tiles * TILE * KEYS + KEYS :],
        tile[tiles * TILE * KEYS + 2 * KEYS :],
    )
    _fill(dqueries, 0, t * wide)
    _fill(nothing, 0, KEYS)
    factor = out.dtype.type(1 / math.sqrt(d))
    _copy_scaled(Q + (sample * q_sample + head * d) * size, q_row, t, d, scaled, wide, factor)
    begin = (sample * t * heads + head) * d
    copy_rows(address_of(dout, begin), heads * d, address_of(douts, 0), wide, t, d, zero)
    for r in range(t):
        total = zero
        for j in range(u64(d)):
            total += dout[u64(begin + r * heads * d) + j] * out[u64(begin + r * heads * d) + j]
        inner[r] = total
    ids = ((offset + sample) * heads + head) * t
    sums = (sample * heads + head) * t
    for k0 in range(0, s, KEYS):
        count = min(KEYS, s - k0)
        copy_rows(K + (sample * k_sample + k0 * k_row + head * d) * size, k_row, address_of(keys, 0), wide, count, d, zero)
        copy_rows(V + (sample * v_sample + k0 * v_row + head * d) * size, v_row, address_of(values, 0), wide, count, d, zero)
        _transpose(keys, key_columns, _padded(count, width), wide)
        _transpose(values, value_columns, _padded(count, width), wide)
        _start_of_scores(mask, sample, k0, count, start)
        _fill(dkeys, 0, count * wide)
        _fill(dvalues, 0, count * wide)
        for r0 in range(0, t, TILE):
            m = min(TILE, t - r0)
            diagonal = r0 + s - t + 1 - k0 if causal else KEYS
            visible = min(count, diagonal + m - 1)
            if visible <= 0:
                continue
            scores, gradients, weights = address_of(tile, 0), address_of(dtile, 0), address_of(tile, 0)
            queries, dos, panel = address_of(scaled, r0 * wide), address_of(douts, r0 * wide), 2 * width * wide
            B = address_of(key_columns, 0), 2 * width
            _product(m, visible, d, (queries, wide, 1), B, (address_of(start, 0), 0), (scores, KEYS), panel, lowest)
            B = address_of(value_columns, 0), 2 * width
            _product(m, visible, d, (dos, wide, 1), B, (address_of(nothing, 0), 0), (gradients, KEYS), panel, lowest)
            for r in range(m):
                at = r0 + r
                n = max(0, min(visible, diagonal + r))
                level = log_sum[sums + at]
                _exponentials(address_of(tile, r * KEYS), n, level if level > lowest else zero)
                _fill(tile, r * KEYS + n, visible - n)
                _fill(dtile, r * KEYS + n, visible - n)
                if rate:
                    copy_rows(address_of(tile, r * KEYS), 0, address_of(dropped, r * KEYS), 0, 1, visible, zero)
                    _drop(dropped, r * KEYS, n, ids + at, k0, drop)
                    _drop(dtile, r * KEYS, n, ids + at, k0, drop)
                _score_gradients(address_of(tile, r * KEYS), address_of(dtile, r * KEYS), n, inner[at])
            if rate:
                weights = address_of(dropped, 0)
            target = address_of(dvalues, 0), wide
            _product(visible, d, m, (weights, 1, KEYS), (dos, wide), target, target, 0, lowest)
            target = address_of(dkeys, 0), wide
            _product(visible, d, m, (gradients, 1, KEYS), (queries, wide), target, target, 0, lowest)
            target = address_of(dqueries, r0 * wide), wide
            _product(m, d, visible, (gradients, KEYS, 1), (address_of(keys, 0), wide), target, target, 0, lowest)
        to = DK + (sample * dk_sample + k0 * dk_row + head * d) * size
        copy_rows(address_of(dkeys, 0), wide, to, dk_row, count, d, zero)
        to = DV + (sample * dv_sample + k0 * dv_row + head * d) * size
        copy_rows(address_of(dvalues, 0), wide, to, dv_row, count, d, zero)
    for j in range(u64(t * wide)):
        dqueries[j] *= factor
    copy_rows(address_of(dqueries, 0), wide, DQ + (sample * dq_sample + head * d) * size, dq_row, t, d, zero)


@inner_jit
def _place(x):
    """Return the address of an array (n, rows, columns), and its strides of samples and rows in elements."""
    return address_of(x, 0), x.strides[0] // x.itemsize, x.strides[1] // x.itemsize


@jit
def _forward(q, k, v, heads, mask, causal, rate, drop, offset, log_sum, out):
    (n, t, w), s = q.shape, k.shape[1]
    tasks = n * heads * ((t + TASK_QUERIES - 1) // TASK_QUERIES)
    arguments = _place(q), _place(k), _place(v), mask, log_sum, out, (heads, t, s, w // heads), causal, rate, drop, offset
    parallel_for(_forward_task, arguments, tasks)


@jit
def _backward(q, k, v, heads, mask, causal, rate, drop, offset, log_sum, out, dout, dq, dk, dv):
    (n, t, w), s = q.shape, k.shape[1]
    places = _place(q), _place(k), _place(v), _place(dq), _place(dk), _place(dv)
    arguments = (*places, mask, log_sum, out, dout, (heads, t, s, w // heads), causal, rate, drop, offset)
    parallel_for(_backward_task, arguments, n * heads)


def _dropout(x: Array, key: int, rate: float) -> tuple[np.uint32, np.uint32, np.uint32, np.floating]:
    """Return both halves of the key, the threshold of the bits, and the factor of the weights that are kept."""
    return np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32), np.uint32(rate * 2**32), x.dtype.type(1 / (1 - rate))


def attention(
    q: Array,
    k: Array,
    v: Array,
    heads: int,
    mask: Array,
    causal: bool,
    rate: float,
    key: int,
    offset: int,
    log_sum: Array,
    out: Array,
) -> Array:
    drop = _dropout(q, key, rate)
    _forward(q, k, v, heads, mask, causal, rate > 0, drop, offset, log_sum.reshape(-1), out.reshape(-1))
    return out


def attention_backward(
    q: Array,
    k: Array,
    v: Array,
    heads: int,
    mask: Array,
    causal: bool,
    rate: float,
    key: int,
    offset: int,
    log_sum: Array,
    out: Array,
    dout: Array,
    dq: Array,
    dk: Array,
    dv: Array,
) -> None:
    flat = log_sum.reshape(-1), out.reshape(-1), dout.reshape(-1)
    _backward(q, k, v, heads, mask, causal, rate > 0, _dropout(q, key, rate), offset, *flat, dq, dk, dv)


@inner_jit
def _rotary_task(x, heads, table, inverse, out, rows, task):
    n, t, w = x.shape
    half = w // heads // 2
    for row in range(task * rows, min((task + 1) * rows, n * t)):
        i, position = row // t, row % t
        for h in range(heads):
            for j in range(half):
                cos, sin = table[position, 0, j], table[position, 1, j]
                sin = -sin if inverse else sin
                a, b = x[i, position, 2 * h * half + j], x[i, position, (2 * h + 1) * half + j]
                out[i, position, 2 * h * half + j] = a * cos - b * sin
                out[i, position, (2 * h + 1) * half + j] = a * sin + b * cos


@jit
def _rotary(x, heads, table, inverse, out):
    rows = max(1, 4_096 // max(1, x.shape[2]))
    parallel_for(_rotary_task, (x, heads, table, inverse, out, rows), (x.shape[0] * x.shape[1] + rows - 1) // rows)


def rotary(x: Array, heads: int, table: Array, inverse: bool, out: Array) -> Array:
    _rotary(x, heads, table, inverse, out)
    return out
