"""Convolutions whose taps do not lie side by side: dilated ones, and ones in groups.

What the window sees at each place becomes a row of a matrix, kh·kw·c/g numbers, a band of the picture at a time; products do
the rest. Back from dY, the rows are added to the pixels they came from.
"""

from __future__ import annotations

import numba
import numpy as np

from pellucid.kernels.compiled.far import far
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.sums import added, rows_for
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.tiles import tiles
from pellucid.kernels.compiled.vectors import add_to, address, copy, numbers_in_a_vector

U = numba.uint64
BAND = 32_768  # numbers in a band of patches: a good part of the second-level cache


@jit
def reach(size, count, step, shift):  # type: ignore[no-untyped-def]
    """(first, behind the last) of the ``count`` places whose pixel, place·step + shift, lies in a picture of that size."""
    first = 0 if shift >= 0 else (-shift + step - 1) // step
    last = 0 if shift >= size else (size - 1 - shift) // step + 1
    return min(first, count), max(min(last, count), min(first, count))


@jit
def _moved(x, image, window, group, channels, p1, p2, ow, patches, back):  # type: ignore[no-untyped-def]
    """patches[(p, q), (i, j, k)] = what tap (i, j) of one group meets at the place (p, q), for the rows p1 to p2; or
    ``back``: added to the pixel it came from."""
    h, w, c, zero = x.shape[1], x.shape[2], x.shape[3], x.dtype.type(0)
    kh, kw, sh, sw, top, left, dh, dw = window
    deep = kh * kw * channels
    X, P = x.reshape(x.size), patches.reshape(patches.size)
    if not back:
        P[: (p2 - p1) * ow * deep] = 0
    for i in range(kh):
        for j in range(kw):
            q1, q2 = reach(w, ow, sw, j * dw - left)
            for p in range(p1, p2):
                row = p * sh - top + i * dh
                if row < 0 or row >= h or q1 == q2:
                    continue
                pixel = address(X, ((image * h + row) * w + q1 * sw - left + j * dw) * c + group * channels)
                patch = address(P, ((p - p1) * ow + q1) * deep + (i * kw + j) * channels)
                if back:
                    add_to(patch, deep, pixel, sw * c, q2 - q1, channels, zero)
                else:
                    copy(pixel, sw * c, patch, deep, q2 - q1, channels, zero)


@jit
def _rows_of_a_band(ow, deep, oh):  # type: ignore[no-untyped-def]
    return max(1, min(oh, BAND // max(1, ow * deep)))


@jit
def _forward_piece(x, W, b, window, groups, floor, out, piece):  # type: ignore[no-untyped-def]
    """Y of one picture."""
    oh, ow, o = out.shape[1], out.shape[2], out.shape[3]
    channels, filters = W.shape[2], o // groups
    deep, width = W.shape[0] * W.shape[1] * channels, 2 * numbers_in_a_vector(floor)
    band = _rows_of_a_band(ow, deep, oh)
    patches = np.empty((band * ow, deep), x.dtype)
    for group in range(groups):
        for p1 in range(0, oh, band):
            p2 = min(p1 + band, oh)
            far(_moved, (x, piece, window, group, channels, p1, p2, ow, patches, False))
            for n0 in range(0, filters, width):
                f = group * filters + n0
                place = address(out, ((piece * oh + p1) * ow) * o + f)
                tiles(
                    (p2 - p1) * ow, min(width, filters - n0), address(patches, 0), deep, 0, 1, address(W, f), 0, o,
                    address(b, f), 0, place, o, 1, deep, floor,
                )  # fmt: skip


@jit
def _weights_piece(x, dy, window, groups, sums, piece):  # type: ignore[no-untyped-def]
    """dW of one group of pictures."""
    n, oh, ow, o = dy.shape
    channels, filters, zero = x.shape[3] // groups, o // groups, dy.dtype.type(0)
    deep, width, none = window[0] * window[1] * channels, 2 * numbers_in_a_vector(zero), dy.dtype.type(-np.inf)
    band = _rows_of_a_band(ow, deep, oh)
    patches = np.empty((band * ow, deep), x.dtype)
    sums[piece] = zero
    for image in range(piece * n // len(sums), (piece + 1) * n // len(sums)):
        for group in range(groups):
            for p1 in range(0, oh, band):
                p2 = min(p1 + band, oh)
                far(_moved, (x, image, window, group, channels, p1, p2, ow, patches, False))
                for n0 in range(0, filters, width):
                    f = group * filters + n0
                    place = address(sums, piece * deep * o + f)
                    tiles(
                        deep, min(width, filters - n0), address(patches, 0), 1, 0, deep,
                        address(dy, ((image * oh + p1) * ow) * o + f), 0, o, place, o, place, o, 1, (p2 - p1) * ow, none,
                    )  # fmt: skip


@jit
def _by_filter(W, groups):  # type: ignore[no-untyped-def]
    """The weights as (filters, kh·kw·c/g)."""
    o = W.shape[3]
    deep = W.size // max(1, o)
    out, flat = np.empty((o, deep), W.dtype), W.reshape(W.size)
    for f in range(U(o)):
        for k in range(U(deep)):
            out[f, k] = flat[k * U(o) + f]
    return out


@jit
def _input_piece(dy, turned, window, groups, out, piece):  # type: ignore[no-untyped-def]
    """dX of one picture; ``turned`` are the weights :func:`_by_filter`."""
    oh, ow, o = dy.shape[1], dy.shape[2], dy.shape[3]
    channels, filters, zero = out.shape[3] // groups, o // groups, dy.dtype.type(0)
    deep, width, none = window[0] * window[1] * channels, 2 * numbers_in_a_vector(zero), dy.dtype.type(-np.inf)
    band = _rows_of_a_band(ow, deep, oh)
    patches, zeros = np.empty((band * ow, deep), dy.dtype), np.zeros(deep, dy.dtype)
    out[piece] = zero
    for group in range(groups):
        for p1 in range(0, oh, band):
            p2 = min(p1 + band, oh)
            for n0 in range(0, deep, width):
                tiles(
                    (p2 - p1) * ow, min(width, deep - n0), address(dy, ((piece * oh + p1) * ow) * o + group * filters), o, 0, 1,
                    address(turned, group * filters * deep + n0), 0, deep, address(zeros, n0), 0,
                    address(patches, n0), deep, 1, filters, none,
                )  # fmt: skip
            far(_moved, (out, piece, window, group, channels, p1, p2, ow, patches, True))


@jit
def forward(x, W, b, window, groups, floor, out):  # type: ignore[no-untyped-def]
    share(_forward_piece, (x, W, b, window, groups, floor, out), len(x))


@jit
def weights(x, dy, window, groups, dW):  # type: ignore[no-untyped-def]
    sums = rows_for(dy.shape[0], dW.size, dy)
    share(_weights_piece, (x, dy, window, groups, sums), len(sums))
    far(added, (sums, dW.reshape(dW.size)))


@jit
def input_gradient(dy, W, window, groups, out):  # type: ignore[no-untyped-def]
    share(_input_piece, (dy, _by_filter(W, groups), window, groups, out), len(dy))
