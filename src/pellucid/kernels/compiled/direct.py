"""Convolutions whose taps lie side by side: products of the pictures where they lie.

The pixels that a row of taps meets are one stretch of kw·c numbers in memory, and the next place's begin a stride further on.
The register tiles of ``tiles.py`` read them there, so that nothing is copied but pictures that need padding.
"""

from __future__ import annotations

import numpy as np

from pellucid.kernels.compiled.far import far
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.sums import added, rows_for
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.tiles import tiles
from pellucid.kernels.compiled.vectors import address, copy, numbers_in_a_vector
from pellucid.kernels.window import Window

PIECE = 400_000  # multiply-adds that a piece has at least: some ten microseconds
STRIPS = 4  # of filters, two vectors wide, in a piece of a gradient


@jit
def _plan(n, rows, work):  # type: ignore[no-untyped-def]
    """(pictures of a piece, bands of a picture) where one picture takes ``work`` multiply-adds over so many rows."""
    if work >= 2 * PIECE:
        return 1, max(1, min(rows, work // PIECE, 32 // max(1, min(n, 32))))
    return max(1, PIECE // max(1, work)), 1


@jit
def _canvas(x, image, top, left, first, canvas):  # type: ignore[no-untyped-def]
    """canvas[r, s] = x[image, first + r − top, s − left], and zero outside the picture. canvas (rows, columns, c)."""
    h, w, c = x.shape[1], x.shape[2], x.shape[3]
    rows, columns = canvas.shape[0], canvas.shape[1]
    zero, flat = x.dtype.type(0), canvas.reshape(canvas.size)
    begin = min(max(left, 0), columns)
    end = max(min(left + w, columns), begin)
    X = x.reshape(x.size)
    for r in range(rows):
        row, here = first + r - top, r * columns * c
        if row < 0 or row >= h:
            flat[here : here + columns * c] = zero
            continue
        flat[here : here + begin * c] = zero
        flat[here + end * c : here + columns * c] = zero
        if end > begin:
            there = ((image * h + row) * w + begin - left) * c
            copy(address(X, there), 0, address(flat, here + begin * c), 0, 1, (end - begin) * c, zero)


@jit
def _forward_piece(x, W, b, window, floor, out, images, bands, piece):  # type: ignore[no-untyped-def]
    n, h, w, c = x.shape
    oh, ow, o = out.shape[1], out.shape[2], out.shape[3]
    kh, kw, sh, sw, top, left, _, _ = window
    width = 2 * numbers_in_a_vector(floor)
    p1, p2 = piece % bands * oh // bands, (piece % bands + 1) * oh // bands
    first_image = piece // bands * images
    rows, columns = (p2 - p1 - 1) * sh + kh, (ow - 1) * sw + kw
    inside = top == 0 and left == 0 and (oh - 1) * sh + kh <= h and columns <= w
    canvas = np.empty((0, 0, 0) if inside else (max(rows, 0), columns, c), x.dtype)
    for image in range(first_image, min(first_image + images, n)):
        if inside:
            a, row = address(x, ((image * h + p1 * sh) * w) * c), w * c
        else:
            far(_canvas, (x, image, top, left, p1 * sh, canvas))
            a, row = address(canvas, 0), columns * c
        for n0 in range(0, o, width):
            for p in range(p1, p2):
                place = address(out, ((image * oh + p) * ow) * o + n0)
                here = a + (p - p1) * sh * row * x.itemsize
                tiles(
                    ow, min(width, o - n0), here, sw * c, row, 1, address(W, n0), kw * c * o, o,
                    address(b, n0), 0, place, o, kh, kw * c, floor,
                )  # fmt: skip


@jit
def forward(x, W, b, window, floor, out):  # type: ignore[no-untyped-def]
    images, bands = _plan(x.shape[0], out.shape[1], out.shape[1] * out.shape[2] * W.size)
    pieces = (x.shape[0] + images - 1) // images * bands
    share(_forward_piece, (x, W, b, window, floor, out, images, bands), pieces)


@jit
def _weights_piece(x, dy, window, sums, strips, piece):  # type: ignore[no-untyped-def]
    """One group's part of dW, for one row of taps and some strips of filters."""
    n, h, w, c = x.shape
    oh, ow, o = dy.shape[1], dy.shape[2], dy.shape[3]
    kh, kw, sh, sw, top, left, _, _ = window
    zero = dy.dtype.type(0)
    width, none = 2 * numbers_in_a_vector(zero), dy.dtype.type(-np.inf)
    across = (o + strips * width - 1) // (strips * width)
    group, i, n1 = piece // (across * kh), piece // across % kh, piece % across * strips * width
    n2, groups = min(n1 + strips * width, o), sums.shape[0]
    columns = (ow - 1) * sw + kw
    inside = top == 0 and left == 0 and (oh - 1) * sh + kh <= h and columns <= w
    canvas = np.empty((0, 0, 0) if inside else ((oh - 1) * sh + 1, columns, c), x.dtype)
    zeros = np.zeros(width, dy.dtype)
    begin, end = group * n // groups, (group + 1) * n // groups
    for image in range(begin, end):
        if inside:
            a, row = address(x, ((image * h + i) * w) * c), w * c
        else:
            far(_canvas, (x, image, top, left, i, canvas))
            a, row = address(canvas, 0), columns * c
        for n0 in range(n1, n2, width):
            place = address(sums, (group * kh + i) * kw * c * o + n0)
            s, to_s = (address(zeros, 0), 0) if image == begin else (place, o)
            tiles(
                kw * c, min(width, n2 - n0), a, 1, sh * row, sw * c, address(dy, image * oh * ow * o + n0), ow * o, o,
                s, to_s, place, o, oh, ow, none,
            )  # fmt: skip


@jit
def _one_channel_piece(x, dy, window, sums, piece):  # type: ignore[no-untyped-def]
    """One group's part of dW where a picture has one channel: a row of taps would be too short a tile. Each tap's view of the
    picture is copied into a row of its own, and all of them are multiplied at once."""
    n = len(x)
    oh, ow, o = dy.shape[1], dy.shape[2], dy.shape[3]
    kh, kw, sh, _, top, left, _, _ = window
    zero = dy.dtype.type(0)
    width, none = 2 * numbers_in_a_vector(zero), dy.dtype.type(-np.inf)
    columns = ow - 1 + kw
    canvas = np.empty(((oh - 1) * sh + kh, columns, 1), x.dtype)
    views = np.empty((kh * kw, oh * ow), x.dtype)
    sums[piece] = zero
    for image in range(piece * n // len(sums), (piece + 1) * n // len(sums)):
        far(_canvas, (x, image, top, left, 0, canvas))
        for i in range(kh):
            for j in range(kw):
                copy(address(canvas, i * columns + j), sh * columns, address(views, (i * kw + j) * oh * ow), ow, oh, ow, zero)
        for n0 in range(0, o, width):
            place = address(sums, piece * kh * kw * o + n0)
            tiles(
                kh * kw, min(width, o - n0), address(views, 0), oh * ow, 0, 1, address(dy, image * oh * ow * o + n0), 0, o,
                place, o, place, o, 1, oh * ow, none,
            )  # fmt: skip


@jit
def weights(x, dy, window, dW):  # type: ignore[no-untyped-def]
    block = STRIPS * 2 * numbers_in_a_vector(dy.dtype.type(0))
    across = (dy.shape[3] + block - 1) // block
    sums = rows_for(dy.shape[0], dW.size, dy)
    share(_weights_piece, (x, dy, window, sums, STRIPS), len(sums) * window.kh * across)
    far(added, (sums, dW.reshape(dW.size)))


@jit
def weights_one_channel(x, dy, window, dW):  # type: ignore[no-untyped-def]
    sums = rows_for(dy.shape[0], dW.size, dy)
    share(_one_channel_piece, (x, dy, window, sums), len(sums))
    far(added, (sums, dW.reshape(dW.size)))


@jit
def _turned_piece(W, out, piece):  # type: ignore[no-untyped-def]
    """out[i, j, f, k] = W[kh − 1 − i, kw − 1 − j, k, f], for one tap."""
    kh, kw, c, o = W.shape
    i, j = piece // kw, piece % kw
    for f in range(o):
        for k in range(c):
            out[i, j, f, k] = W[kh - 1 - i, kw - 1 - j, k, f]


@jit
def turned(W):  # type: ignore[no-untyped-def]
    """The weights turned by half a circle, filters for channels: with stride 1, dX is the convolution of dY with them."""
    kh, kw, c, o = W.shape
    out = np.empty((kh, kw, o, c), W.dtype)
    share(_turned_piece, (W, out), kh * kw)
    return out


@jit
def input_gradient(dy, W, window, out):  # type: ignore[no-untyped-def]
    kh, kw, c, _ = W.shape
    back = Window(kh, kw, 1, 1, kh - 1 - window.top, kw - 1 - window.left, 1, 1)
    far(forward, (dy, turned(W), np.zeros(c, W.dtype), back, W.dtype.type(-np.inf), out))
