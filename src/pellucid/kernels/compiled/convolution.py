"""Convolution's arithmetic in pieces for the team: each piece is some pictures, or some rows of one.

Two forms, and a third for 3×3 kernels (``winograd.py``):

- *direct*: the tap's pixels lie in the picture in rows of kw·c numbers, each of which is one stretch of memory. The register
  tiles of ``tiles.py`` read them where they are, so that nothing is copied but the picture when it needs padding.
- *patches*: with dilation or groups these stretches fall apart. What the window sees is copied into the rows of a matrix, a
  band of the picture at a time, and multiplied; back from dY, the rows are added to the pixels they came from.

A gradient of weights is a sum over all pictures: groups of pictures, whose number depends on the sizes alone, sum into rows
of their own, and these are added in their order.
"""

from __future__ import annotations

import numba
import numpy as np

from pellucid.kernels.compiled import patches, winograd
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.tiles import address, copy, numbers_in_a_vector, tiles
from pellucid.kernels.window import Window
from pellucid.memory import Array, Shape

U = numba.uint64
PIECE = 400_000  # multiply-adds that a piece has at least: some ten microseconds
SUMS = 16  # groups of pictures in a gradient, or fewer where these
SUMMED = 4_000_000  # numbers would not hold them
WINOGRAD = 16  # channels and filters that it takes at least: below, the transforms cost more than they save
STRIPS = 4  # of filters, two vectors wide, in a piece of such a gradient
STRETCH = 16_384  # numbers of a sum in one piece


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
            _canvas(x, image, top, left, p1 * sh, canvas)
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
def _forward(x, W, b, window, floor, out):  # type: ignore[no-untyped-def]
    images, bands = _plan(x.shape[0], out.shape[1], out.shape[1] * out.shape[2] * W.size)
    pieces = (x.shape[0] + images - 1) // images * bands
    share(_forward_piece, (x, W, b, window, floor, out, images, bands), pieces)


@jit
def _sums(n, size):  # type: ignore[no-untyped-def]
    return max(1, min(n, SUMS, SUMMED // max(1, size)))


@jit
def _mask_piece(y, dy, masked, sums, piece):  # type: ignore[no-untyped-def]
    """Σ dY of one group of pictures, and dY masked by a ReLU's output y."""
    n, o, zero = dy.shape[0], U(dy.shape[3]), dy.dtype.type(0)
    pixels = U(dy.shape[1] * dy.shape[2])
    Y, D, S = y.reshape(y.size), dy.reshape(dy.size), sums.reshape(sums.size)
    total, groups = U(piece) * o, sums.shape[0]
    for j in range(o):
        S[total + j] = zero
    one = np.empty(o, dy.dtype)  # picture by picture: a long sum loses more digits than many short ones
    for image in range(U(piece * n // groups), U((piece + 1) * n // groups)):
        one[:] = zero
        for i in range(image * pixels, (image + U(1)) * pixels):
            if masked:
                for j in range(o):
                    d = zero if Y[i * o + j] <= zero else D[i * o + j]
                    D[i * o + j] = d
                    one[j] += d
            else:
                for j in range(o):
                    one[j] += D[i * o + j]
        for j in range(o):
            S[total + j] += one[j]


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
            _canvas(x, image, top, left, i, canvas)
            a, row = address(canvas, 0), columns * c
        for n0 in range(n1, n2, width):
            place = address(sums, (group * kh + i) * kw * c * o + n0)
            s, to_s = (address(zeros, 0), 0) if image == begin else (place, o)
            tiles(
                kw * c, min(width, n2 - n0), a, 1, sh * row, sw * c, address(dy, image * oh * ow * o + n0), ow * o, o,
                s, to_s, place, o, oh, ow, none,
            )  # fmt: skip


@jit
def _added_piece(sums, out, piece):  # type: ignore[no-untyped-def]
    S, size = sums.reshape(sums.size), U(out.size)
    first = U(piece) * U(STRETCH)
    last = min(first + U(STRETCH), size)
    for i in range(first, last):
        out[i] = S[i]
    for group in range(U(1), U(sums.shape[0])):
        for i in range(first, last):
            out[i] += S[group * size + i]


@jit
def _added(sums, out):  # type: ignore[no-untyped-def]
    """out = Σ over the rows of ``sums``."""
    share(_added_piece, (sums, out.reshape(out.size)), (out.size + STRETCH - 1) // STRETCH)


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
        _canvas(x, image, top, left, 0, canvas)
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
def _biases(y, dy, masked, db):  # type: ignore[no-untyped-def]
    sums = np.empty((max(1, min(dy.shape[0], SUMS)), dy.shape[3]), dy.dtype)
    share(_mask_piece, (y, dy, masked, sums), len(sums))
    _added(sums, db)


@jit
def _weights_direct(x, dy, window, dW):  # type: ignore[no-untyped-def]
    block = STRIPS * 2 * numbers_in_a_vector(dy.dtype.type(0))
    across = (dy.shape[3] + block - 1) // block
    sums = np.empty((_sums(dy.shape[0], dW.size), dW.size), dy.dtype)
    share(_weights_piece, (x, dy, window, sums, STRIPS), len(sums) * window.kh * across)
    _added(sums, dW)


@jit
def _weights_winograd(x, dy, window, dW):  # type: ignore[no-untyped-def]
    size = 36 * dW.shape[2] * dW.shape[3]
    sums = np.empty((_sums(dy.shape[0], size), size), dy.dtype)
    winograd.sums_of_groups(x, dy, window.top, window.left, sums)
    dU = np.empty((36, dW.shape[2], dW.shape[3]), dy.dtype)
    _added(sums, dU)
    winograd.weights_from(dU, dW)


@jit
def _weights_one_channel(x, dy, window, dW):  # type: ignore[no-untyped-def]
    sums = np.empty((_sums(dy.shape[0], dW.size), dW.size), dy.dtype)
    share(_one_channel_piece, (x, dy, window, sums), len(sums))
    _added(sums, dW)


@jit
def _weights_patches(x, dy, window, groups, dW):  # type: ignore[no-untyped-def]
    sums = np.empty((_sums(dy.shape[0], dW.size), dW.size), dy.dtype)
    share(patches.weights_piece, (x, dy, window, groups, sums), len(sums))
    _added(sums, dW)


@jit
def _weights_depthwise(x, dy, window, dW):  # type: ignore[no-untyped-def]
    sums = np.empty((_sums(dy.shape[0], dW.size), dW.size), dy.dtype)
    share(patches.depthwise_weights_piece, (x, dy, window, sums), len(sums))
    _added(sums, dW)


@jit
def _forward_patches(x, W, b, window, groups, floor, out):  # type: ignore[no-untyped-def]
    share(patches.forward_piece, (x, W, b, window, groups, floor, out), len(x))


@jit
def _forward_depthwise(x, W, b, window, floor, out):  # type: ignore[no-untyped-def]
    share(patches.depthwise_piece, (x, W, b, window, floor, out), len(x))


@jit
def _turned_piece(W, out, piece):  # type: ignore[no-untyped-def]
    """out[i, j, f, k] = W[kh − 1 − i, kw − 1 − j, k, f], for one tap."""
    kh, kw, c, o = W.shape
    i, j = piece // kw, piece % kw
    for f in range(U(o)):
        for k in range(U(c)):
            out[i, j, f, k] = W[kh - 1 - i, kw - 1 - j, k, f]


@jit
def _turned(W):  # type: ignore[no-untyped-def]
    """The weights turned by half a circle, filters for channels: with stride 1, dX is the convolution of dY with them."""
    kh, kw, c, o = W.shape
    turned = np.empty((kh, kw, o, c), W.dtype)
    share(_turned_piece, (W, turned), kh * kw)
    return turned


@jit
def _input_winograd(dy, W, window, out):  # type: ignore[no-untyped-def]
    none, zeros = W.dtype.type(-np.inf), np.zeros(W.shape[2], W.dtype)
    winograd.forward(dy, _turned(W), zeros, 2 - window.top, 2 - window.left, none, out)


@jit
def _input_direct(dy, W, window, out):  # type: ignore[no-untyped-def]
    kh, kw, c, _ = W.shape
    turned = _turned(W)
    back = Window(kh, kw, 1, 1, kh - 1 - window.top, kw - 1 - window.left, 1, 1)
    _forward(dy, turned, np.zeros(c, W.dtype), back, W.dtype.type(-np.inf), out)


@jit
def _input_patches(dy, W, window, groups, out):  # type: ignore[no-untyped-def]
    share(patches.input_piece, (dy, patches.by_filter(W, groups), window, groups, out), len(dy))


@jit
def _input_depthwise(dy, W, window, out):  # type: ignore[no-untyped-def]
    share(patches.depthwise_input_piece, (dy, W, window, out), len(dy))


def form(W: Shape, window: Window, groups: int) -> str:
    """Which form a convolution with weights of that shape takes: ``direct``, ``winograd``, ``patches`` or ``depthwise``."""
    if groups > 1 and W[2] == 1 and W[3] == groups:
        return "depthwise"
    if groups > 1 or window.dh > 1 or window.dw > 1:
        return "patches"
    if W[:2] == (3, 3) and window.sh == window.sw == 1 and W[2] >= WINOGRAD and W[3] >= WINOGRAD:
        return "winograd"
    return "direct"


def _conv2d(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array, floor: float) -> Array:
    least = x.dtype.type(floor)
    kind = form(W.shape, window, groups)
    if kind == "direct":
        _forward(x, W, b, window, least, out)
    elif kind == "winograd":
        winograd.forward(x, W, b, window.top, window.left, least, out)
    elif kind == "patches":
        _forward_patches(x, W, b, window, groups, least, out)
    else:
        _forward_depthwise(x, W, b, window, least, out)
    return out


def conv2d(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
    return _conv2d(x, W, b, window, groups, out, -np.inf)


def conv2d_relu(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
    return _conv2d(x, W, b, window, groups, out, 0.0)


def _weights(x: Array, dy: Array, window: Window, groups: int, dW: Array) -> None:
    kind = form(dW.shape, window, groups)
    if len(x) == 0:
        dW.fill(0)
    elif kind == "winograd":
        _weights_winograd(x, dy, window, dW)
    elif kind == "patches":
        _weights_patches(x, dy, window, groups, dW)
    elif kind == "depthwise":
        _weights_depthwise(x, dy, window, dW)
    elif x.shape[3] == 1 and window.sw == 1:
        _weights_one_channel(x, dy, window, dW)
    else:
        _weights_direct(x, dy, window, dW)


def conv2d_backward(x: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
    _biases(dy, dy, False, db)
    _weights(x, dy, window, groups, dW)


def conv2d_relu_backward(x: Array, y: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
    _biases(y, dy, True, db)
    _weights(x, dy, window, groups, dW)


def conv2d_input_gradient(dy: Array, W: Array, window: Window, groups: int, out: Array) -> Array:
    kind = form(W.shape, window, groups)
    if kind == "winograd":
        _input_winograd(dy, W, window, out)
    elif kind == "depthwise":
        _input_depthwise(dy, W, window, out)
    elif kind == "patches" or window.sh > 1 or window.sw > 1:
        _input_patches(dy, W, window, groups, out)
    else:
        _input_direct(dy, W, window, out)
    return out
