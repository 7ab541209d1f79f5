"""Convolutions by im2col: for dilation, for groups, and for dX where dY is much smaller than X.

What the window sees at each position becomes a row of a matrix, kh·kw·c/g values, for one band of output rows at a time; matrix
products do the rest (Chellapilla, Puri and Simard, 2006). For dX, the rows are added to the pixels they came from (col2im).
"""

from __future__ import annotations

import numpy as np

from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.micro_kernel import micro_kernel
from pellucid.kernels.compiled.reductions import add_partial_sums, empty_partial_sums
from pellucid.kernels.compiled.simd import add_rows, address_of, copy_rows, vector_width
from pellucid.kernels.compiled.thread_pool import parallel_for

BAND_SIZE = 32_768  # elements in the patches of a band: a good part of the second-level cache


@inner_jit
def positions_inside(size, count, stride, offset):
    """Return the range (first, end) of those of ``count`` positions whose pixel, position·stride + offset, is in an image of
    that size."""
    first = 0 if offset >= 0 else (-offset + stride - 1) // stride
    end = 0 if offset >= size else (size - 1 - offset) // stride + 1
    return min(first, count), max(min(end, count), min(first, count))


@inner_jit
def _im2col(x, image, window, group, channels, p1, p2, ow, patches, back):
    """Set patches[(p, q), (i, j, k)] to what tap (i, j) of one group sees at position (p, q), for the output rows p1 to p2.
    With ``back``, add the patches to the pixels instead (col2im)."""
    h, w, c, zero = x.shape[1], x.shape[2], x.shape[3], x.dtype.type(0)
    kh, kw, sh, sw, top, left, dh, dw = window
    deep = kh * kw * channels
    X, P = x.reshape(x.size), patches.reshape(patches.size)
    if not back:
        P[: (p2 - p1) * ow * deep] = 0
    for i in range(kh):
        for j in range(kw):
            q1, q2 = positions_inside(w, ow, sw, j * dw - left)
            for p in range(p1, p2):
                row = p * sh - top + i * dh
                if row < 0 or row >= h or q1 == q2:
                    continue
                pixel = address_of(X, ((image * h + row) * w + q1 * sw - left + j * dw) * c + group * channels)
                patch = address_of(P, ((p - p1) * ow + q1) * deep + (i * kw + j) * channels)
                if back:
                    add_rows(patch, deep, pixel, sw * c, q2 - q1, channels, zero)
                else:
                    copy_rows(pixel, sw * c, patch, deep, q2 - q1, channels, zero)


@inner_jit
def _rows_per_band(ow, deep, oh):
    """Return the number of output rows of a band."""
    return max(1, min(oh, BAND_SIZE // max(1, ow * deep)))


@inner_jit
def _forward_task(x, W, b, window, groups, floor, out, task):
    """Compute Y of one image."""
    oh, ow, o = out.shape[1], out.shape[2], out.shape[3]
    channels, filters = W.shape[2], o // groups
    deep, width = W.shape[0] * W.shape[1] * channels, 2 * vector_width(floor)
    band = _rows_per_band(ow, deep, oh)
    patches = np.empty((band * ow, deep), x.dtype)
    for group in range(groups):
        for p1 in range(0, oh, band):
            p2 = min(p1 + band, oh)
            indirect_call(_im2col, (x, task, window, group, channels, p1, p2, ow, patches, False))
            for n0 in range(0, filters, width):
                f = group * filters + n0
                micro_kernel(
                    (p2 - p1) * ow,
                    min(width, filters - n0),
                    (address_of(patches, 0), deep, 0, 1),
                    (address_of(W, f), 0, o),
                    (address_of(b, f), 0),
                    (address_of(out, ((task * oh + p1) * ow) * o + f), o),
                    (1, deep),
                    floor,
                )


@inner_jit
def _weight_gradient_task(x, dy, window, groups, partial_sums, task):
    """Compute the dW of one group of images."""
    n, oh, ow, o = dy.shape
    channels, filters, zero = x.shape[3] // groups, o // groups, dy.dtype.type(0)
    deep, width, no_floor = window[0] * window[1] * channels, 2 * vector_width(zero), dy.dtype.type(-np.inf)
    band = _rows_per_band(ow, deep, oh)
    patches = np.empty((band * ow, deep), x.dtype)
    partial_sums[task] = zero
    for image in range(task * n // len(partial_sums), (task + 1) * n // len(partial_sums)):
        for group in range(groups):
            for p1 in range(0, oh, band):
                p2 = min(p1 + band, oh)
                indirect_call(_im2col, (x, image, window, group, channels, p1, p2, ow, patches, False))
                for n0 in range(0, filters, width):
                    f = group * filters + n0
                    total = address_of(partial_sums, task * deep * o + f)
                    micro_kernel(
                        deep,
                        min(width, filters - n0),
                        (address_of(patches, 0), 1, 0, deep),
                        (address_of(dy, ((image * oh + p1) * ow) * o + f), 0, o),
                        (total, o),
                        (total, o),
                        (1, (p2 - p1) * ow),
                        no_floor,
                    )


@inner_jit
def _filters_first(W, groups):
    """Return the weights as a matrix (filters, kh·kw·c/g)."""
    o = W.shape[3]
    deep = W.size // max(1, o)
    out, flat = np.empty((o, deep), W.dtype), W.reshape(W.size)
    for f in range(u64(o)):
        for k in range(u64(deep)):
            out[f, k] = flat[k * u64(o) + f]
    return out


@inner_jit
def _input_gradient_task(dy, transposed, window, groups, out, task):
    """Compute dX of one image; ``transposed`` are the weights from :func:`_filters_first`."""
    oh, ow, o = dy.shape[1], dy.shape[2], dy.shape[3]
    channels, filters, zero = out.shape[3] // groups, o // groups, dy.dtype.type(0)
    deep, width, no_floor = window[0] * window[1] * channels, 2 * vector_width(zero), dy.dtype.type(-np.inf)
    band = _rows_per_band(ow, deep, oh)
    patches, zeros = np.empty((band * ow, deep), dy.dtype), np.zeros(deep, dy.dtype)
    out[task] = zero
    for group in range(groups):
        for p1 in range(0, oh, band):
            p2 = min(p1 + band, oh)
            for n0 in range(0, deep, width):
                micro_kernel(
                    (p2 - p1) * ow,
                    min(width, deep - n0),
                    (address_of(dy, ((task * oh + p1) * ow) * o + group * filters), o, 0, 1),
                    (address_of(transposed, group * filters * deep + n0), 0, deep),
                    (address_of(zeros, n0), 0),
                    (address_of(patches, n0), deep),
                    (1, filters),
                    no_floor,
                )
            indirect_call(_im2col, (out, task, window, group, channels, p1, p2, ow, patches, True))


@jit
def forward(x, W, b, window, groups, floor, out):
    parallel_for(_forward_task, (x, W, b, window, groups, floor, out), len(x))


@jit
def weight_gradient(x, dy, window, groups, dW):
    partial_sums = empty_partial_sums(dy.shape[0], dW.size, dy)
    parallel_for(_weight_gradient_task, (x, dy, window, groups, partial_sums), len(partial_sums))
    indirect_call(add_partial_sums, (partial_sums, dW.reshape(dW.size)))


@jit
def input_gradient(dy, W, window, groups, out):
    parallel_for(_input_gradient_task, (dy, _filters_first(W, groups), window, groups, out), len(dy))
