"""Direct convolutions, for windows whose taps are adjacent: matrix products on the images in place.

The pixels that a row of taps sees are kw·c contiguous values in memory, and those of the next position begin one stride later.
The micro-kernel reads them in place, so only images that need padding are copied.
"""

from __future__ import annotations

import numpy as np

from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit
from pellucid.kernels.compiled.micro_kernel import micro_kernel
from pellucid.kernels.compiled.reductions import add_partial_sums, empty_partial_sums
from pellucid.kernels.compiled.simd import address_of, copy_rows, prefetch_far_rows, prefetch_rows_to_write, vector_width
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.window import Window

TASK_MULTIPLY_ADDS = 400_000  # of a task, at least: some ten microseconds
MIN_TASK_MULTIPLY_ADDS = 50_000  # where all of a pass is a few tasks: a microsecond, several times what a task costs
FEW_TASKS = 4
PANELS_PER_TASK = 4  # of the weight gradient; a panel is as many filters as two vectors have elements
MAX_PARTS = 32  # in a batch: images are not split into more


@inner_jit
def _split(n, rows, panels, multiply_adds):
    """Return (images of a task, parts of the panels, bands of an image), for n images with this many output rows, panels of
    filters, and multiply-adds each.

    The tasks of an image share the panels first, so that each of them reads its own part of the weights, then the rows.
    """
    size = max(MIN_TASK_MULTIPLY_ADDS, min(TASK_MULTIPLY_ADDS, n * multiply_adds // FEW_TASKS))
    if multiply_adds >= 2 * size:
        parts = max(1, min(multiply_adds // size, MAX_PARTS // max(1, min(n, MAX_PARTS))))
        return 1, min(panels, parts), max(1, min(rows, parts // min(panels, parts)))
    return max(1, size // max(1, multiply_adds)), 1, 1


@inner_jit
def _pad(x, image, top, left, first, padded):
    """Set padded[r, s] = x[image, first + r − top, s − left], and zero outside the image; ``padded`` (rows, columns, c)."""
    h, w, c = x.shape[1], x.shape[2], x.shape[3]
    rows, columns = padded.shape[0], padded.shape[1]
    zero, flat = x.dtype.type(0), padded.reshape(padded.size)
    begin = min(max(left, 0), columns)
    end = max(min(left + w, columns), begin)
    X = x.reshape(x.size)
    for r in range(rows):
        row, start = first + r - top, r * columns * c
        if row < 0 or row >= h:
            flat[start : start + columns * c] = zero
            continue
        flat[start : start + begin * c] = zero
        flat[start + end * c : start + columns * c] = zero
        if end > begin:
            source = ((image * h + row) * w + begin - left) * c
            copy_rows(address_of(X, source), 0, address_of(flat, start + begin * c), 0, 1, (end - begin) * c, zero)


@inner_jit
def _forward_task(x, W, b, window, floor, out, images, parts, bands, task):
    """Compute Y of some images; or of one image, some panels of filters in one band of output rows."""
    n, h, w, c = x.shape
    oh, ow, o = out.shape[1], out.shape[2], out.shape[3]
    kh, kw, sh, sw, top, left, _, _ = window
    width = 2 * vector_width(floor)
    panels, part = (o + width - 1) // width, task // bands % parts
    n1, n2 = part * panels // parts * width, min((part + 1) * panels // parts * width, o)
    p1, p2 = task % bands * oh // bands, (task % bands + 1) * oh // bands
    first_image = task // (bands * parts) * images
    rows, columns = (p2 - p1 - 1) * sh + kh, (ow - 1) * sw + kw
    inside = top == 0 and left == 0 and (oh - 1) * sh + kh <= h and columns <= w
    padded = np.empty((0, 0, 0) if inside else (max(rows, 0), columns, c), x.dtype)
    for image in range(first_image, min(first_image + images, n)):
        if inside:
            a, row = address_of(x, ((image * h + p1 * sh) * w) * c), w * c
        else:
            indirect_call(_pad, (x, image, top, left, p1 * sh, padded))
            a, row = address_of(padded, 0), columns * c
        for n0 in range(n1, n2, width):
            for p in range(p1, p2):
                if n0 == n1 and image + 1 < n:
                    following = ((image + 1) * h + min(p * sh, h - 1)) * w * c
                    prefetch_far_rows(address_of(x, following), 0, 1, min(kh, sh) * w * c, floor)
                    prefetch_rows_to_write(address_of(out, ((image * oh + p + 1) * ow) * o), 0, 1, ow * o, floor)
                micro_kernel(
                    ow,
                    min(width, o - n0),
                    (a + (p - p1) * sh * row * x.itemsize, sw * c, row, 1),
                    (address_of(W, n0), kw * c * o, o),
                    (address_of(b, n0), 0),
                    (address_of(out, ((image * oh + p) * ow) * o + n0), o),
                    (kh, kw * c),
                    floor,
                )


@jit
def forward(x, W, b, window, floor, out):
    n, oh, ow, o = out.shape
    panels = (o + 2 * vector_width(floor) - 1) // (2 * vector_width(floor))
    images, parts, bands = _split(n, oh, panels, oh * ow * W.size)
    tasks = (n + images - 1) // images * parts * bands
    parallel_for(_forward_task, (x, W, b, window, floor, out, images, parts, bands), tasks)


@inner_jit
def _weight_gradient_task(x, dy, window, partial_sums, per_task, task):
    """Compute one group's part of dW, for one row of taps and the filters of some panels."""
    n, h, w, c = x.shape
    oh, ow, o = dy.shape[1], dy.shape[2], dy.shape[3]
    kh, kw, sh, sw, top, left, _, _ = window
    zero = dy.dtype.type(0)
    width, no_floor = 2 * vector_width(zero), dy.dtype.type(-np.inf)
    across = (o + per_task * width - 1) // (per_task * width)
    group, i, n1 = task // (across * kh), task // across % kh, task % across * per_task * width
    n2, groups = min(n1 + per_task * width, o), partial_sums.shape[0]
    columns = (ow - 1) * sw + kw
    inside = top == 0 and left == 0 and (oh - 1) * sh + kh <= h and columns <= w
    padded = np.empty((0, 0, 0) if inside else ((oh - 1) * sh + 1, columns, c), x.dtype)
    zeros = np.zeros(width, dy.dtype)
    begin, end = group * n // groups, (group + 1) * n // groups
    for image in range(begin, end):
        if inside:
            a, row = address_of(x, ((image * h + i) * w) * c), w * c
        else:
            indirect_call(_pad, (x, image, top, left, i, padded))
            a, row = address_of(padded, 0), columns * c
        for n0 in range(n1, n2, width):
            total = address_of(partial_sums, (group * kh + i) * kw * c * o + n0)
            s, s_stride = (address_of(zeros, 0), 0) if image == begin else (total, o)
            micro_kernel(
                kw * c,
                min(width, n2 - n0),
                (a, 1, sh * row, sw * c),
                (address_of(dy, image * oh * ow * o + n0), ow * o, o),
                (s, s_stride),
                (total, o),
                (oh, ow),
                no_floor,
            )


@inner_jit
def _one_channel_task(x, dy, window, partial_sums, task):
    """Compute one group's part of dW for images of one channel, where a row of taps would be too small a tile. Each tap's view
    of the image is copied into a row of a matrix, and all of them are multiplied at once."""
    n = len(x)
    oh, ow, o = dy.shape[1], dy.shape[2], dy.shape[3]
    kh, kw, sh, _, top, left, _, _ = window
    zero = dy.dtype.type(0)
    width, no_floor = 2 * vector_width(zero), dy.dtype.type(-np.inf)
    columns = ow - 1 + kw
    padded = np.empty(((oh - 1) * sh + kh, columns, 1), x.dtype)
    views = np.empty((kh * kw, oh * ow), x.dtype)
    partial_sums[task] = zero
    for image in range(task * n // len(partial_sums), (task + 1) * n // len(partial_sums)):
        indirect_call(_pad, (x, image, top, left, 0, padded))
        for i in range(kh):
            for j in range(kw):
                view = address_of(views, (i * kw + j) * oh * ow)
                copy_rows(address_of(padded, i * columns + j), sh * columns, view, ow, oh, ow, zero)
        for n0 in range(0, o, width):
            total = address_of(partial_sums, task * kh * kw * o + n0)
            micro_kernel(
                kh * kw,
                min(width, o - n0),
                (address_of(views, 0), oh * ow, 0, 1),
                (address_of(dy, image * oh * ow * o + n0), 0, o),
                (total, o),
                (total, o),
                (1, oh * ow),
                no_floor,
            )


@jit
def weight_gradient(x, dy, window, dW):
    panel = PANELS_PER_TASK * 2 * vector_width(dy.dtype.type(0))
    across = (dy.shape[3] + panel - 1) // panel
    partial_sums = empty_partial_sums(dy.shape[0], dW.size, dy)
    tasks = len(partial_sums) * window.kh * across
    parallel_for(_weight_gradient_task, (x, dy, window, partial_sums, PANELS_PER_TASK), tasks)
    indirect_call(add_partial_sums, (partial_sums, dW.reshape(dW.size)))


@jit
def weight_gradient_one_channel(x, dy, window, dW):
    partial_sums = empty_partial_sums(dy.shape[0], dW.size, dy)
    parallel_for(_one_channel_task, (x, dy, window, partial_sums), len(partial_sums))
    indirect_call(add_partial_sums, (partial_sums, dW.reshape(dW.size)))


@inner_jit
def _rotate_task(W, out, task):
    """Set out[i, j, f, k] = W[kh − 1 − i, kw − 1 − j, k, f] for one tap."""
    kh, kw, c, o = W.shape
    i, j = task // kw, task % kw
    for f in range(o):
        for k in range(c):
            out[i, j, f, k] = W[kh - 1 - i, kw - 1 - j, k, f]


@inner_jit
def rotate(W):
    """Return the weights rotated by 180°, with filters as channels: with stride 1, dX is the convolution of dY with them."""
    kh, kw, c, o = W.shape
    out = np.empty((kh, kw, o, c), W.dtype)
    parallel_for(_rotate_task, (W, out), kh * kw)
    return out


@jit
def input_gradient(dy, W, window, out):
    kh, kw, c, _ = W.shape
    back = Window(kh, kw, 1, 1, kh - 1 - window.top, kw - 1 - window.left, 1, 1)
    indirect_call(forward, (dy, rotate(W), np.zeros(c, W.dtype), back, W.dtype.type(-np.inf), out))
