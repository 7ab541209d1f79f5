"""Convolutions of sequences with three taps and stride 1 by Winograd's F(4, 3), with half of the multiplications.

This is the algorithm of ``conv_winograd`` in one dimension, with the same matrices. With d a tile of six inputs of one channel,
g the taps of one channel and filter, and Y the tile of four outputs,

    Y = Aᵀ [ (G g) ⊙ (Bᵀ d) ]      D = A dY      dU = Vᵀ D  with  V = Bᵀ d      dW = Gᵀ dU

A dilation of k divides a sequence into k sequences, each with every k-th step, and the convolution of each is one without
dilation. So the steps of a tile are k apart. dX is again such a convolution.

**Precision.** The error of an output is relative to its whole tile, as for images:

    |error| ≤ 16 ε ‖tile‖ ‖taps of the filter‖        (measured: up to 5 ε)

So a tile is an *exception*, and its outputs are plain sums, under the same conditions as there. The halves of a tile, three
inputs each, take the place of the quarters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.kernels.compiled import conv_direct, conv_im2col
from pellucid.kernels.compiled.conv_winograd import A_T, B_T, EXTREME, LARGEST, LOUD, NOTHING, TINY, G, Matrix, dot, transposed
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit
from pellucid.kernels.compiled.matmul import aligned_empty
from pellucid.kernels.compiled.micro_kernel import TILE_ROWS, micro_kernel
from pellucid.kernels.compiled.reductions import add_partial_sums, any_of, empty_partial_sums
from pellucid.kernels.compiled.simd import VectorBuilder, address_of, copy_rows, vector_width
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, types
from pellucid.kernels.window import Window

BLOCK_BYTES = 300_000  # of transformed tiles at a time: they stay in the second-level cache, beside the taps
TILE = 4  # outputs


def _transform(matrix: Matrix, finish: bool = False, measure: bool = False) -> Any:
    """Return an intrinsic that computes target = M source for all channels.

    Tiles are given by the address of their first element and the stride from step to step; channels are contiguous. With
    ``finish``, target = max(M source + bias, floor). With ``measure``, the intrinsic returns the sums of squares of the first
    and of the second half of the source.
    """
    size = len(matrix[0])

    @intrinsic
    def transform(typing, source, s_step, target, t_step, channels, bias, floor):
        def emit(context, builder, signature, args):
            v = VectorBuilder(context, builder, signature.args[-1])
            source, s_step, target, t_step, channels, bias, floor = args
            count = builder.sdiv(builder.add(channels, v.integer(v.width - 1)), v.integer(v.width))
            sums = [cgutils.alloca_once_value(builder, v.constant(TINY)) for _ in range(2 if measure else 0)]
            with cgutils.for_range(builder, count) as loop:
                first = builder.mul(loop.index, v.integer(v.width))
                mask = v.mask(builder.sub(channels, first))

                def place(base: Any, i: int, step: Any) -> Any:
                    return v.address(base, first, builder.mul(step, v.integer(i)))

                tile = [v.load(place(source, i, s_step), mask) for i in range(size)]
                for i in range(size if measure else 0):
                    half = sums[2 * i // size]
                    builder.store(v.fma(tile[i], tile[i], builder.load(half)), half)
                added = v.load(v.address(bias, first), mask) if finish else None
                for i, row in enumerate(matrix):
                    value = dot(v, row, tile)
                    if finish:
                        value = v.maximum(builder.fadd(value, added), floor)
                    v.store(value, place(target, i, t_step), mask)
            if not measure:
                return context.get_dummy_value()
            return context.make_tuple(builder, signature.return_type, v.sums([builder.load(half) for half in sums]))

        result = types.UniTuple(floor, 2) if measure else types.void
        return result(*[types.int64] * 6, floor), emit

    return transform


_transform_input, _transform_gradient = _transform(B_T, measure=True), _transform(transposed(A_T), measure=True)
_transform_output = _transform(A_T, finish=True)
_transform_taps, _transform_taps_back = _transform(G, measure=True), _transform(transposed(G))


@inner_jit
def _is_exception(halves, beside, ones):
    """Return whether a tile with these sums of squares is one for the plain formula. A half has ``ones`` values; ``beside``
    says whether the second one contains steps of the sequence."""
    total = halves[0] + halves[1]
    quietest = min(halves[0], halves[1]) if beside else halves[0]
    within = total <= LARGEST and total <= LOUD * (quietest + ones) and (quietest <= NOTHING or total <= EXTREME * quietest)
    return not within  # NaN is within nothing


@jit
def tiles_of(steps, dilation):
    """Return the number of tiles of a sequence with this many outputs."""
    longer, whole = steps % dilation, steps // dilation
    return longer * ((whole + TILE) // TILE) + (dilation - longer) * ((whole + TILE - 1) // TILE)


@inner_jit
def _first_output(tile, steps, dilation):
    """Return the step of the first output of a tile. The tiles of one of the ``dilation`` sequences are in a row; the first
    sequences may be longer by one step."""
    longer, whole = steps % dilation, steps // dilation
    in_longer, in_others = (whole + TILE) // TILE, (whole + TILE - 1) // TILE
    if tile < longer * in_longer:
        return tile // in_longer + dilation * TILE * (tile % in_longer)
    tile -= longer * in_longer
    return longer + tile // in_others + dilation * TILE * (tile % in_others)


@inner_jit
def _cut_out(x, sequence, first, dilation, size, out):
    """Copy ``size`` steps of a sequence, ``dilation`` apart, with zeros outside the sequence."""
    time, c = x.shape[2], x.shape[3]
    out[: size * c] = 0
    for i in range(size):
        step = first + i * dilation
        if 0 <= step < time:
            copy_rows(address_of(x, (sequence * time + step) * c), 0, address_of(out, i * c), 0, 1, c, x.dtype.type(0))


@inner_jit
def _input_tile(x, sequence, first, dilation, size, steps):
    """Return the address of a tile of ``size`` steps that begins at step ``first``, and the stride from step to step. A tile
    that is not completely inside the sequence is copied to ``steps``."""
    time, c = x.shape[2], x.shape[3]
    if first >= 0 and first + (size - 1) * dilation < time:
        return address_of(x, (sequence * time + first) * c), dilation * c
    indirect_call(_cut_out, (x, sequence, first, dilation, size, steps))
    return address_of(steps, 0), c


@inner_jit
def _inputs(x, left, dilation, outputs, first, count, V, exceptions, steps):
    """Set V[tile …] = Bᵀ d and ``exceptions`` for ``count`` tiles from tile ``first`` on, counted through all sequences;
    V (tiles, 6, c)."""
    time, c, zero = x.shape[2], x.shape[3], x.dtype.type(0)
    tiles = tiles_of(outputs, dilation)
    for tile in range(count):
        sequence, begin = (first + tile) // tiles, _first_output((first + tile) % tiles, outputs, dilation) - left
        source, step = _input_tile(x, sequence, begin, dilation, 6, steps)
        halves = _transform_input(source, step, address_of(V, tile * 6 * c), c, c, 0, zero)
        exceptions[tile] = _is_exception(halves, begin + 3 * dilation < time, x.dtype.type(3 * c))


@inner_jit
def _gradients(dy, dilation, first, count, D, exceptions, steps):
    """Set D[tile …] = A dY and add to ``exceptions`` for ``count`` tiles from tile ``first`` on; D (tiles, 6, o)."""
    outputs, o, zero = dy.shape[2], dy.shape[3], dy.dtype.type(0)
    tiles = tiles_of(outputs, dilation)
    for tile in range(count):
        sequence, begin = (first + tile) // tiles, _first_output((first + tile) % tiles, outputs, dilation)
        source, step = _input_tile(dy, sequence, begin, dilation, TILE, steps)
        halves = _transform_gradient(source, step, address_of(D, tile * 6 * o), o, o, 0, zero)
        exceptions[tile] |= _is_exception(halves, begin + 2 * dilation < outputs, dy.dtype.type(2 * o))


@inner_jit
def _directly(x, W, b, left, dilation, floor, out, sequence, begin, count, steps):
    """Compute the outputs of one tile by the plain formula."""
    outputs, c, o = out.shape[2], x.shape[3], out.shape[3]
    source, step = _input_tile(x, sequence, begin - left, dilation, 6, steps)
    width = 2 * vector_width(floor)
    for n0 in range(0, o, width):
        micro_kernel(
            count,
            min(width, o - n0),
            (source, step, step, 1),
            (address_of(W, n0), c * o, o),
            (address_of(b, n0), 0),
            (address_of(out, (sequence * outputs + begin) * o + n0), dilation * o),
            (3, c),
            floor,
        )


@inner_jit
def _outputs(x, W, M, b, left, dilation, floor, out, first, count, exceptions, steps):
    """Set Y = max(Aᵀ M + b, floor) for ``count`` tiles from tile ``first`` on; M (tiles, 6, o)."""
    outputs, o = out.shape[2], out.shape[3]
    tiles = tiles_of(outputs, dilation)
    for tile in range(count):
        sequence, begin = (first + tile) // tiles, _first_output((first + tile) % tiles, outputs, dilation)
        inside = min(TILE, (outputs - 1 - begin) // dilation + 1)
        if exceptions[tile]:
            indirect_call(_directly, (x, W, b, left, dilation, floor, out, sequence, begin, inside, steps))
            continue
        place = address_of(out, (sequence * outputs + begin) * o)
        target, step = (place, dilation * o) if inside == TILE else (address_of(steps, 0), o)
        _transform_output(address_of(M, tile * 6 * o), o, target, step, o, address_of(b, 0), floor)
        if inside < TILE:
            copy_rows(target, o, place, dilation * o, inside, o, floor)


@inner_jit
def _taps_task(W, out, squares, task):
    """Set out[:, task] = G g and squares[task] = Σ g² for all filters of one channel; out (6, c, o)."""
    c, o = W.shape[2], W.shape[3]
    halves = _transform_taps(address_of(W, task * o), c * o, address_of(out, task * o), c * o, o, 0, W.dtype.type(0))
    squares[task] = halves[0] + halves[1]


@inner_jit
def _taps_back_task(dU, dW, task):
    """Set dW = Gᵀ dU for all filters of one channel."""
    c, o = dW.shape[2], dW.shape[3]
    _transform_taps_back(address_of(dU, task * o), c * o, address_of(dW, task * o), c * o, o, 0, dW.dtype.type(0))


@inner_jit
def _tiles_per_block(c, o, itemsize):
    """Return the number of tiles of a block: several times the rows of a register tile."""
    return max(2, BLOCK_BYTES // (6 * (c + o) * itemsize * TILE_ROWS)) * TILE_ROWS


@inner_jit
def _forward_task(x, W, transformed, b, left, dilation, floor, out, per_task, task):
    """Compute one block of tiles, counted through all sequences."""
    n, c, o, outputs = x.shape[0], x.shape[3], out.shape[3], out.shape[2]
    first = task * per_task
    count = min(per_task, n * tiles_of(outputs, dilation) - first)
    width, no_floor = 2 * vector_width(floor), x.dtype.type(-np.inf)
    V, M = aligned_empty(count * 6 * c, x), aligned_empty(count * 6 * o, x)
    steps, zeros, exceptions = np.empty(6 * max(c, o), x.dtype), np.zeros(o, x.dtype), np.empty(count, np.bool_)
    indirect_call(_inputs, (x, left, dilation, outputs, first, count, V, exceptions, steps))
    for k in range(6):
        for n0 in range(0, o, width):
            micro_kernel(
                count,
                min(width, o - n0),
                (address_of(V, k * c), 6 * c, 0, 1),
                (address_of(transformed, k * c * o + n0), 0, o),
                (address_of(zeros, 0), 0),
                (address_of(M, k * o + n0), 6 * o),
                (1, c),
                no_floor,
            )
    indirect_call(_outputs, (x, W, M, b, left, dilation, floor, out, first, count, exceptions, steps))


@jit
def forward(x, W, b, window, floor, out):
    c, o = x.shape[3], out.shape[3]
    transformed, squares = np.empty((6, c, o), W.dtype), np.empty(c, W.dtype)
    parallel_for(_taps_task, (W, transformed, squares), c)
    for k in range(c):
        if not squares[k] <= LARGEST:
            indirect_call(conv_im2col.forward, (x, W, b, window, 1, floor, out))
            return
    tiles, per_task = len(x) * tiles_of(out.shape[2], window.dw), _tiles_per_block(c, o, x.itemsize)
    arguments = (x, W, transformed, b, window.left, window.dw, floor, out, per_task)
    parallel_for(_forward_task, arguments, (tiles + per_task - 1) // per_task)


@inner_jit
def _weight_gradient_task(x, dy, left, dilation, partial_sums, exception, per_block, task):
    """Compute the dU of one group of sequences, or set exception[task] if there is a tile for the plain formula among them."""
    n, c, outputs, o = x.shape[0], x.shape[3], dy.shape[2], dy.shape[3]
    tiles = tiles_of(outputs, dilation)
    zero = dy.dtype.type(0)
    width, no_floor = 2 * vector_width(zero), dy.dtype.type(-np.inf)
    V, D = aligned_empty(per_block * 6 * c, x), aligned_empty(per_block * 6 * o, x)
    steps, exceptions = np.empty(6 * max(c, o), x.dtype), np.empty(per_block, np.bool_)
    partial_sums[task], exception[task] = zero, False
    start, end = task * n // len(partial_sums) * tiles, (task + 1) * n // len(partial_sums) * tiles
    for first in range(start, end, per_block):
        count = min(per_block, end - first)
        indirect_call(_inputs, (x, left, dilation, outputs, first, count, V, exceptions, steps))
        indirect_call(_gradients, (dy, dilation, first, count, D, exceptions, steps))
        if any_of(exceptions, count):
            exception[task] = True
            return
        for k in range(6):
            for n0 in range(0, o, width):
                total = address_of(partial_sums, (task * 6 + k) * c * o + n0)
                micro_kernel(
                    c,
                    min(width, o - n0),
                    (address_of(V, k * c), 1, 0, 6 * c),
                    (address_of(D, k * o + n0), 0, 6 * o),
                    (total, o),
                    (total, o),
                    (1, count),
                    no_floor,
                )


@jit
def weight_gradient(x, dy, window, dW):
    c, o = dW.shape[2], dW.shape[3]
    partial_sums = empty_partial_sums(dy.shape[0], 6 * c * o, dy)
    exception = np.empty(len(partial_sums), np.bool_)
    arguments = (x, dy, window.left, window.dw, partial_sums, exception, _tiles_per_block(c, o, x.itemsize))
    parallel_for(_weight_gradient_task, arguments, len(partial_sums))
    if any_of(exception, len(exception)):
        indirect_call(conv_im2col.weight_gradient, (x, dy, window, 1, dW))
        return
    dU = np.empty((6, c, o), dy.dtype)
    indirect_call(add_partial_sums, (partial_sums, dU.reshape(dU.size)))
    parallel_for(_taps_back_task, (dU, dW), c)


@jit
def input_gradient(dy, W, window, out):
    c = W.shape[2]
    back = Window(1, 3, 1, 1, 0, 2 * window.dw - window.left, 1, window.dw)
    indirect_call(forward, (dy, conv_direct.rotate(W), np.zeros(c, W.dtype), back, W.dtype.type(-np.inf), out))
