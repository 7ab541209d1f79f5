"""3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3), with a quarter of the multiplications.

A tile of 4×4 outputs depends on a tile of 6×6 inputs. With d such an input tile of one channel, g the taps of one channel and
filter, and Y the output tile (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015),

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A            the sum over channels is inside the brackets

with 36 multiplications instead of 144. The sums over channels are 36 matrix products, (tiles × channels) times
(channels × filters). The transforms are linear, and the gradient of the weights goes through their adjoints:

    D = A dY Aᵀ      dU = Vᵀ D  with  V = Bᵀ d B      dW = Gᵀ dU G

dX is again such a convolution, of dY with the weights rotated by 180°. The interpolation points 0, ±1, ±2, ∞ determine the
matrices below.

**Precision.** The transforms mix all values of a tile, and whatever an output does not depend on cancels only up to rounding.
The error of an output is therefore relative to the whole tile, and not to the nine pixels that the output depends on. With ε
the distance from 1 to the next number (2⁻²³ in float32) and Euclidean norms over pixels and channels,

    |error| ≤ 16 ε ‖tile‖ ‖taps of the filter‖        (measured: up to 8 ε)

For pixels of one order of magnitude, this is some ten times the error of a direct sum. But a pixel far larger than the others
would leave its rounding errors in outputs that do not depend on it, and an infinity or NaN would spread over the whole tile.
The input transform therefore also adds up the squares of each quarter of the tile, 3×3 pixels. A tile is an *exception*, and
its outputs are sums of products as in the direct algorithm, if the sum of squares of the tile

- exceeds ``LOUD`` · (that of its quietest quarter + 9c). So the error of all other tiles is at most
  256 ε (‖quietest quarter‖ + √(9c)) ‖taps‖. The 9c, one for each value of a quarter, keep the dark background beside a bright
  line from being an exception: relative to one, an error of 256 ε is small;
- or exceeds ``EXTREME`` times that of its quietest quarter, unless all values there are below 1e-14, which counts as zero;
- or exceeds ``LARGEST``, so that the transforms might overflow, or is not finite.

If the weights of a channel exceed ``LARGEST`` in the same sense, the whole convolution is direct. The weight gradient, a sum
over all tiles, is direct if any tile of X or dY is an exception (quarters of dY have 2×2 pixels). Whether a tile is an
exception depends on its own values only, so the bits depend neither on the number of threads nor on the rest of the batch.

The tiles of a few rows are computed together, as many as fit into the second-level cache with all their transforms. The images
of a batch do not fit, and a tile is a few short pieces of memory, which the processor does not foresee: it would wait for each.
So the pixels of the next tiles, and those of the outputs, are fetched into the caches during the matrix products.

If the outputs z are normalized, dz is computed from z and the upstream gradient for a few images at a time, and stays in the
second-level cache until the part of these images in dW and their dX have been computed. It is not written to memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.kernels.compiled import conv_direct, normalization
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit
from pellucid.kernels.compiled.matmul import aligned_empty
from pellucid.kernels.compiled.micro_kernel import micro_kernel
from pellucid.kernels.compiled.reductions import add_partial_sums, any_of, empty_partial_sums
from pellucid.kernels.compiled.simd import (
    VectorBuilder,
    address_of,
    copy_rows,
    prefetch_far_rows,
    prefetch_rows_to_write,
    vector_width,
)
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, types
from pellucid.kernels.window import Window

BLOCK_BYTES = 300_000  # of transformed tiles at a time: a third of the second-level cache, beside images that are in it
MIN_TASKS = 4  # of a forward pass, if there are as many tile rows; of more tasks the number is about a multiple
# Elements between two of the 36 planes of transformed weights. If c·o is a power of two, planes without them begin at the same
# place in the sets of the first-level cache, which then loses them to each other (measured: 55 instead of 29 µs for 64 × 64).
PLANE_GAP = 16
# Limits of the sums of squares (see above). They are float32 so that nothing is converted to float64 for a comparison.
LOUD, EXTREME, LARGEST = np.float32(2**8), np.float32(2**40), np.float32(1e26)
# Sums begin at TINY in every element of a vector, because subnormal sums are slow. This adds up to less than NOTHING.
TINY, NOTHING = 1e-30, np.float32(1e-28)

# fmt: off
B_T = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
       (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))
A_T = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
G = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
     (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))
# fmt: on
Matrix = tuple[tuple[float, ...], ...]


def transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def dot(v: VectorBuilder, row: tuple[float, ...], vectors: list[Any]) -> Any:
    """Emit Σ row[i]·vectors[i]."""
    total = None
    for factor, vector in zip(row, vectors, strict=True):
        if factor == 0:
            continue
        if total is None:
            total = vector if factor == 1 else v.builder.fmul(vector, v.constant(factor))
        elif abs(factor) == 1:
            total = (v.builder.fadd if factor > 0 else v.builder.fsub)(total, vector)
        else:
            total = v.fma(v.constant(factor), vector, total)
    return total


def _transform(matrix: Matrix, finish: bool = False, measure: bool = False) -> Any:
    """Return an intrinsic that computes target = M source Mᵀ for all channels.

    Tiles are given by the address of their first element and the strides from row to row and from column to column; channels
    are contiguous. With ``finish``, target = max(M source Mᵀ + bias, floor). With ``measure``, the intrinsic returns the sum
    of squares of each quarter of the source: top left, top right, bottom left, bottom right.
    """
    rows, size = len(matrix), len(matrix[0])
    half_size = (size + 1) // 2

    @intrinsic
    def transform(typing, source, s_row, s_column, target, t_row, t_column, channels, bias, floor):
        def emit(context, builder, signature, args):
            v = VectorBuilder(context, builder, signature.args[-1])
            source, s_row, s_column, target, t_row, t_column, channels, bias, floor = args
            count = builder.sdiv(builder.add(channels, v.integer(v.width - 1)), v.integer(v.width))
            sums = [cgutils.alloca_once_value(builder, v.constant(TINY)) for _ in range(4 if measure else 0)]
            with cgutils.for_range(builder, count) as loop:
                first = builder.mul(loop.index, v.integer(v.width))
                mask = v.mask(builder.sub(channels, first))

                def place(base: Any, i: int, row: Any, j: int, column: Any) -> Any:
                    return v.address(base, first, builder.mul(row, v.integer(i)), builder.mul(column, v.integer(j)))

                tile = [[v.load(place(source, i, s_row, j, s_column), mask) for j in range(size)] for i in range(size)]
                half = np.empty((rows, size), object)
                for j in range(size):  # column by column, so that few registers are needed at a time
                    for i in range(size if measure else 0):
                        quarter = sums[i // half_size * 2 + j // half_size]
                        builder.store(v.fma(tile[i][j], tile[i][j], builder.load(quarter)), quarter)
                    half[:, j] = [dot(v, matrix[i], [tile[k][j] for k in range(size)]) for i in range(rows)]
                added = v.load(v.address(bias, first), mask) if finish else None
                for i in range(rows):
                    for j in range(rows):
                        value = dot(v, matrix[j], half[i])
                        if finish:
                            value = v.maximum(builder.fadd(value, added), floor)
                        v.store(value, place(target, i, t_row, j, t_column), mask)
            if not measure:
                return context.get_dummy_value()
            return context.make_tuple(builder, signature.return_type, v.sums([builder.load(quarter) for quarter in sums]))

        result = types.UniTuple(floor, 4) if measure else types.void
        return result(*[types.int64] * 8, floor), emit

    return transform


_transform_input, _transform_gradient = _transform(B_T, measure=True), _transform(transposed(A_T), measure=True)
_transform_output = _transform(A_T, finish=True)
_transform_taps, _transform_taps_back = _transform(G, measure=True), _transform(transposed(G))


@inner_jit
def _is_exception(quarters, below, beside, ones):
    """Return whether a tile with these sums of squares is one for the direct formula. A quarter has ``ones`` values. ``below``
    and ``beside`` say whether the lower and the right quarters contain pixels of the image."""
    quietest, total = quarters[0], quarters[0] + quarters[1] + quarters[2] + quarters[3]
    if beside:
        quietest = min(quietest, quarters[1])
    if below:
        quietest = min(quietest, quarters[2])
    if below and beside:
        quietest = min(quietest, quarters[3])
    within = total <= LARGEST and total <= LOUD * (quietest + ones) and (quietest <= NOTHING or total <= EXTREME * quietest)
    return not within  # NaN is within nothing


@inner_jit
def _cut_out(x, image, row, column, size, out):
    """Copy a square of size × size pixels out of an image, with zeros outside it."""
    h, w, c = x.shape[1], x.shape[2], x.shape[3]
    out[: size * size * c] = 0
    first, last = min(max(0, -column), size), min(size, w - column)
    for i in range(max(0, -row), min(size, h - row)):
        if last > first:
            source = ((image * h + row + i) * w + column + first) * c
            target = address_of(out, (i * size + first) * c)
            copy_rows(address_of(x, source), 0, target, 0, 1, (last - first) * c, x.dtype.type(0))


@inner_jit
def _input_tile(x, image, row, column, square):
    """Return the address of the input tile at this row and column, and the stride of its rows. A tile that is not completely
    inside the image is copied to ``square``."""
    h, w, c = x.shape[1], x.shape[2], x.shape[3]
    if row >= 0 and column >= 0 and row + 6 <= h and column + 6 <= w:
        return address_of(x, ((image * h + row) * w + column) * c), w * c
    indirect_call(_cut_out, (x, image, row, column, 6, square))
    return address_of(square, 0), 6 * c


@inner_jit
def _inputs(x, image, p, across, top, left, V, exceptions, tile, square):
    """Set V[tile …] = Bᵀ d B and ``exceptions`` for the ``across`` tiles of tile row p; V (tiles, 36, c)."""
    h, w, c, zero = x.shape[1], x.shape[2], x.shape[3], x.dtype.type(0)
    for q in range(across):
        row, column = 4 * p - top, 4 * q - left
        source, stride = _input_tile(x, image, row, column, square)
        quarters = _transform_input(source, stride, c, address_of(V, (tile + q) * 36 * c), 6 * c, c, c, 0, zero)
        exceptions[tile + q] = _is_exception(quarters, row + 3 < h, column + 3 < w, x.dtype.type(9 * c))


@inner_jit
def _gradients(dy, image, p, across, D, exceptions, tile, square):
    """Set D[tile …] = A dY Aᵀ and add to ``exceptions`` for the tiles of tile row p; D (tiles, 36, o)."""
    oh, ow, o, zero = dy.shape[1], dy.shape[2], dy.shape[3], dy.dtype.type(0)
    for q in range(across):
        if 4 * p + 4 <= oh and 4 * q + 4 <= ow:
            source, stride = address_of(dy, ((image * oh + 4 * p) * ow + 4 * q) * o), ow * o
        else:
            indirect_call(_cut_out, (dy, image, 4 * p, 4 * q, 4, square))
            source, stride = address_of(square, 0), 4 * o
        quarters = _transform_gradient(source, stride, o, address_of(D, (tile + q) * 36 * o), 6 * o, o, o, 0, zero)
        exceptions[tile + q] |= _is_exception(quarters, 4 * p + 2 < oh, 4 * q + 2 < ow, dy.dtype.type(4 * o))


@inner_jit
def _directly(x, skipped, W, b, top, left, floor, out, image, p, q, square):
    """Compute the outputs of one tile by the direct formula; image i of ``out`` is image i − skipped of x."""
    oh, ow, c, o = out.shape[1], out.shape[2], x.shape[3], out.shape[3]
    source, stride = _input_tile(x, image - skipped, 4 * p - top, 4 * q - left, square)
    width = 2 * vector_width(floor)
    for n0 in range(0, o, width):
        for i in range(min(4, oh - 4 * p)):
            micro_kernel(
                min(4, ow - 4 * q),
                min(width, o - n0),
                (source + i * stride * x.itemsize, c, stride, 1),
                (address_of(W, n0), 3 * c * o, o),
                (address_of(b, n0), 0),
                (address_of(out, ((image * oh + 4 * p + i) * ow + 4 * q) * o + n0), o),
                (3, 3 * c),
                floor,
            )


@inner_jit
def _outputs(M, tile, b, floor, out, image, p, across, exceptions, square):
    """Set Y = max(Aᵀ M A + b, floor) for the tiles of tile row p that are no exceptions; M (tiles, 36, o)."""
    oh, ow, o = out.shape[1], out.shape[2], out.shape[3]
    for q in range(across):
        if exceptions[tile + q]:
            continue
        place = address_of(out, ((image * oh + 4 * p) * ow + 4 * q) * o)
        whole = 4 * p + 4 <= oh and 4 * q + 4 <= ow
        target, stride = (place, ow * o) if whole else (address_of(square, 0), 4 * o)
        _transform_output(address_of(M, (tile + q) * 36 * o), 6 * o, o, target, stride, o, o, address_of(b, 0), floor)
        if not whole:
            copy_rows(target, stride, place, ow * o, min(4, oh - 4 * p), min(4, ow - 4 * q) * o, floor)


@inner_jit
def _plane(c, o):
    """Return the number of elements from one plane (c, o) of transformed weights to the next."""
    return c * o + PLANE_GAP


@inner_jit
def _taps_task(W, out, squares, task):
    """Set out[:, task] = G g Gᵀ and squares[task] = Σ g² for all filters of one channel; out has 36 planes (c, o)."""
    c, o = W.shape[2], W.shape[3]
    source, target, plane = address_of(W, task * o), address_of(out, task * o), _plane(c, o)
    quarters = _transform_taps(source, 3 * c * o, c * o, target, 6 * plane, plane, o, 0, W.dtype.type(0))
    squares[task] = quarters[0] + quarters[1] + quarters[2] + quarters[3]


@inner_jit
def _taps_back_task(dU, dW, task):
    """Set dW = Gᵀ dU G for all filters of one channel; dU has 36 planes (c, o)."""
    c, o = dW.shape[2], dW.shape[3]
    target, plane = address_of(dW, task * o), _plane(c, o)
    _transform_taps_back(address_of(dU, task * o), 6 * plane, plane, target, 3 * c * o, c * o, o, 0, dW.dtype.type(0))


@inner_jit
def _tile_rows(across, c, o, itemsize):
    """Return the number of tile rows of a block."""
    return max(1, BLOCK_BYTES // (36 * across * (c + o) * itemsize))


@inner_jit
def _first_pixels(a, down, row):
    """Return the row of pixels, counted through all images, at which a tile row of outputs begins."""
    return row // down * a.shape[1] + min(4 * (row % down), a.shape[1])


@inner_jit
def _fetch(a, first, last, part, to_write):
    """Fetch one of 36 parts of some rows of pixels, counted through all images, into the caches."""
    row = a.shape[2] * a.shape[3]
    begin, end = min(first, a.shape[0] * a.shape[1]) * row, min(last, a.shape[0] * a.shape[1]) * row
    size = (end - begin + 35) // 36
    if to_write:
        prefetch_rows_to_write(address_of(a, begin + part * size), 0, 1, size, a.dtype.type(0))
    else:
        prefetch_far_rows(address_of(a, begin + part * size), 0, 1, size, a.dtype.type(0))


@inner_jit
def _block_of_outputs(
    x, skipped, W, transformed, b, top, left, floor, out, first, rows, needed, begin, end, V, M, exceptions, square
):
    """Compute ``rows`` tile rows, from ``first`` on counted through all images of ``out``; image i is image i − skipped of x.
    The products leave time to fetch the outputs, and the rows ``begin`` to ``end`` of ``needed``, which are needed next."""
    c, o = x.shape[3], out.shape[3]
    down, across = (out.shape[1] + 3) // 4, (out.shape[2] + 3) // 4
    tiles, width, no_floor, plane = rows * across, 2 * vector_width(floor), x.dtype.type(-np.inf), _plane(c, o)
    zeros = np.zeros(o, x.dtype)
    for row in range(rows):
        image, p = (first + row) // down - skipped, (first + row) % down
        indirect_call(_inputs, (x, image, p, across, top, left, V, exceptions, row * across, square))
    for k in range(36):
        _fetch(out, _first_pixels(out, down, first), _first_pixels(out, down, first + rows), k, True)
        _fetch(needed, begin, end, k, False)
        for n0 in range(0, o, width):
            micro_kernel(
                tiles,
                min(width, o - n0),
                (address_of(V, k * c), 36 * c, 0, 1),
                (address_of(transformed, k * plane + n0), 0, o),
                (address_of(zeros, 0), 0),
                (address_of(M, k * o + n0), 36 * o),
                (1, c),
                no_floor,
            )
    for row in range(rows):
        image, p = (first + row) // down, (first + row) % down
        indirect_call(_outputs, (M, row * across, b, floor, out, image, p, across, exceptions, square))
    for tile in range(tiles):
        if exceptions[tile]:
            image, p = (first + tile // across) // down, (first + tile // across) % down
            indirect_call(_directly, (x, skipped, W, b, top, left, floor, out, image, p, tile % across, square))


@inner_jit
def _forward_task(x, W, transformed, b, top, left, floor, out, rows, task):
    """Compute one block: ``rows`` tile rows, counted through all images."""
    c, o = x.shape[3], out.shape[3]
    down, across = (out.shape[1] + 3) // 4, (out.shape[2] + 3) // 4
    first = task * rows
    count = min(rows, x.shape[0] * down - first)
    V, M = aligned_empty(count * across * 36 * c, x), aligned_empty(count * across * 36 * o, x)
    square, exceptions = np.empty(36 * max(c, o), x.dtype), np.empty(count * across, np.bool_)
    begin, end = _first_pixels(x, down, first + count), _first_pixels(x, down, first + 2 * count)
    block = (x, 0, W, transformed, b, top, left, floor, out, first, count, x, begin, end, V, M, exceptions, square)
    indirect_call(_block_of_outputs, block)


@inner_jit
def _transformed(W):
    """Return the transformed weights, and whether they are too large for the transforms."""
    c, o = W.shape[2], W.shape[3]
    transformed, squares = np.empty(36 * _plane(c, o), W.dtype), np.empty(c, W.dtype)
    parallel_for(_taps_task, (W, transformed, squares), c)
    for k in range(c):
        if not squares[k] <= LARGEST:
            return transformed, True
    return transformed, False


@jit
def forward(x, W, b, window, floor, out):
    n, c, o = x.shape[0], x.shape[3], out.shape[3]
    transformed, too_large = _transformed(W)
    if too_large:
        indirect_call(conv_direct.forward, (x, W, b, window, floor, out))
        return
    down, across = (out.shape[1] + 3) // 4, (out.shape[2] + 3) // 4
    most = _tile_rows(across, c, o, x.itemsize)
    tasks = (n * down + most * MIN_TASKS - 1) // (most * MIN_TASKS) * MIN_TASKS
    rows = max(1, (n * down + tasks - 1) // max(1, tasks))
    arguments = (x, W, transformed, b, window.top, window.left, floor, out, rows)
    parallel_for(_forward_task, arguments, (n * down + rows - 1) // rows)


@inner_jit
def _add_products(V, D, tiles, partial_sums, task, x, x_begin, x_end, dy, dy_begin, dy_end):
    """Add Vᵀ D of some tiles to the dU of one group. This leaves time to fetch the rows of X and of dY that are needed next."""
    c, o, zero = x.shape[3], dy.shape[3], dy.dtype.type(0)
    width, no_floor, plane = 2 * vector_width(zero), dy.dtype.type(-np.inf), _plane(c, o)
    for k in range(36):
        _fetch(x, x_begin, x_end, k, False)
        _fetch(dy, dy_begin, dy_end, k, False)
        for n0 in range(0, o, width):
            total = address_of(partial_sums, (task * 36 + k) * plane + n0)
            micro_kernel(
                c,
                min(width, o - n0),
                (address_of(V, k * c), 1, 0, 36 * c),
                (address_of(D, k * o + n0), 0, 36 * o),
                (total, o),
                (total, o),
                (1, tiles),
                no_floor,
            )


@inner_jit
def _weight_gradient_task(x, dy, top, left, partial_sums, exception, rows, task):
    """Compute the dU of one group of images, or set exception[task] if there is a tile for the direct formula among them."""
    n, c, o = x.shape[0], x.shape[3], dy.shape[3]
    down, across = (dy.shape[1] + 3) // 4, (dy.shape[2] + 3) // 4
    V, D = aligned_empty(rows * across * 36 * c, x), aligned_empty(rows * across * 36 * o, x)
    square, exceptions = np.empty(36 * max(c, o), x.dtype), np.empty(rows * across, np.bool_)
    partial_sums[task], exception[task] = dy.dtype.type(0), False
    start, end = task * n // len(partial_sums) * down, (task + 1) * n // len(partial_sums) * down
    for first in range(start, end, rows):
        count = min(rows, end - first)
        for row in range(count):
            image, p = (first + row) // down, (first + row) % down
            indirect_call(_inputs, (x, image, p, across, top, left, V, exceptions, row * across, square))
            indirect_call(_gradients, (dy, image, p, across, D, exceptions, row * across, square))
        if any_of(exceptions, count * across):
            exception[task] = True
            return
        then, last = first + count, first + count + rows
        x_next = (x, _first_pixels(x, down, then), _first_pixels(x, down, last))
        dy_next = (dy, _first_pixels(dy, down, then), _first_pixels(dy, down, last))
        indirect_call(_add_products, (V, D, count * across, partial_sums, task, *x_next, *dy_next))


@inner_jit
def _taps_back(partial_sums, dW):
    """Set dW = Gᵀ dU G, where dU is the sum over the groups of ``partial_sums``."""
    dU = np.empty(partial_sums.shape[1], dW.dtype)
    indirect_call(add_partial_sums, (partial_sums, dU))
    parallel_for(_taps_back_task, (dU, dW), dW.shape[2])


@jit
def weight_gradient(x, dy, window, dW):
    c, o = dW.shape[2], dW.shape[3]
    partial_sums = empty_partial_sums(dy.shape[0], 36 * _plane(c, o), dy)
    exception = np.empty(len(partial_sums), np.bool_)
    rows = _tile_rows((dy.shape[2] + 3) // 4, c, o, x.itemsize)
    arguments = (x, dy, window.top, window.left, partial_sums, exception, rows)
    parallel_for(_weight_gradient_task, arguments, len(partial_sums))
    if any_of(exception, len(exception)):
        indirect_call(conv_direct.weight_gradient, (x, dy, window, dW))
        return
    _taps_back(partial_sums, dW)


@jit
def input_gradient(dy, W, window, out):
    kh, kw, c, _ = W.shape
    back = Window(kh, kw, 1, 1, 2 - window.top, 2 - window.left, 1, 1)
    indirect_call(forward, (dy, conv_direct.rotate(W), np.zeros(c, W.dtype), back, W.dtype.type(-np.inf), out))


@inner_jit
def _normalized_backward_task(x, z, m, a, b, s, dy, rotated, transformed, window, images, partial_sums, exception, out, task):
    """Compute the dU of one group of images and their dX, for ``images`` of them at a time, whose gradient of the convolution's
    outputs z stays in the caches; or set exception[task] if there is a tile for the direct formula in dU."""
    n, c, o = x.shape[0], x.shape[3], dy.shape[3]
    down, across = (dy.shape[1] + 3) // 4, (dy.shape[2] + 3) // 4
    out_down, out_across = (out.shape[1] + 3) // 4, (out.shape[2] + 3) // 4
    tiles, size = images * max(down * across, out_down * out_across), dy.shape[1] * dy.shape[2] * o
    V, D = aligned_empty(tiles * 36 * max(c, o), x), aligned_empty(tiles * 36 * max(c, o), x)
    gradient = aligned_empty(images * size, x)[: images * size].reshape((images, dy.shape[1], dy.shape[2], o))
    square, exceptions, zeros = np.empty(36 * max(c, o), x.dtype), np.empty(tiles, np.bool_), np.zeros(c, x.dtype)
    partial_sums[task], exception[task] = x.dtype.type(0), False
    end = (task + 1) * n // len(partial_sums)
    for first in range(task * n // len(partial_sums), end, images):
        count = min(images, end - first)
        then, last = first + count, first + count + images
        indirect_call(normalization.input_gradient_rows, (z, m, a, b, s, dy, gradient, first * size, count * size))
        for row in range(count * down):
            image, p = row // down, row % down
            indirect_call(_inputs, (x, first + image, p, across, window.top, window.left, V, exceptions, row * across, square))
            indirect_call(_gradients, (gradient, image, p, across, D, exceptions, row * across, square))
        exception[task] |= any_of(exceptions, count * down * across)
        next_rows = (x, then * x.shape[1], last * x.shape[1], dy, then * dy.shape[1], last * dy.shape[1])
        indirect_call(_add_products, (V, D, count * down * across, partial_sums, task, *next_rows))
        block = (gradient, first, rotated, transformed, zeros, 2 - window.top, 2 - window.left, x.dtype.type(-np.inf), out)
        rows = (first * out_down, count * out_down, z, then * z.shape[1], last * z.shape[1])
        indirect_call(_block_of_outputs, (*block, *rows, V, D, exceptions, square))


@jit
def normalized_backward(x, W, z, mean, rstd, gamma, dy, mean_dy, mean_dy_xhat, window, dW, out):
    """Compute dW and dX of a convolution with output z, where dy is the gradient of the normalized z."""
    c, o = dW.shape[2], dW.shape[3]
    partial_sums = empty_partial_sums(dy.shape[0], 36 * _plane(c, o), dy)
    exception = np.empty(len(partial_sums), np.bool_)
    rotated = conv_direct.rotate(W)
    transformed, too_large = _transformed(rotated)
    if not too_large:
        m, a, b, s = normalization.input_gradient_factors(z, mean, rstd, gamma, mean_dy, mean_dy_xhat)
        images = max(1, _tile_rows((dy.shape[2] + 3) // 4, c, o, x.itemsize) // ((dy.shape[1] + 3) // 4))
        arguments = (x, z, m, a, b, s, dy, rotated, transformed, window, images, partial_sums, exception, out)
        parallel_for(_normalized_backward_task, arguments, len(partial_sums))
        if not any_of(exception, len(exception)):
            _taps_back(partial_sums, dW)
            return
    flat, flat_z = dy.reshape(dy.size), z.reshape(z.size)
    indirect_call(normalization.input_gradient, (flat_z, mean, rstd, gamma, flat, mean_dy, mean_dy_xhat, flat))
    indirect_call(weight_gradient, (x, dy, window, dW))
    if too_large:
        indirect_call(input_gradient, (dy, W, window, out))
