"""The kernels of upsampling. A task is some images."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.simd import add_rows, address_of, copy_rows
from pellucid.kernels.compiled.thread_pool import parallel_for

TASK_SIZE = 16_384  # elements of the larger images in a task, at least: some microseconds


@inner_jit
def _images_per_task(large):
    return max(1, TASK_SIZE // max(1, large.shape[1] * large.shape[2] * large.shape[3]))


@inner_jit
def _nearest_task(small, large, back, images, task):
    """Copy each pixel of the small images to its block in the large ones. With ``back``, sum the blocks instead."""
    n, h, w, c = small.shape
    high, wide = large.shape[1], large.shape[2]
    fh, fw, zero = high // h, wide // w, small.dtype.type(0)
    for row in range(task * images * h, min((task + 1) * images, n) * h):
        pixels = address_of(small, row * w * c)
        for i in range(fh):
            for j in range(fw):
                place = address_of(large, ((row * fh + i) * wide + j) * c)
                if not back:
                    copy_rows(pixels, c, place, fw * c, w, c, zero)
                elif i == 0 and j == 0:
                    copy_rows(place, fw * c, pixels, c, w, c, zero)
                else:
                    add_rows(place, fw * c, pixels, c, w, c, zero)


@jit
def _nearest(small, large, back):
    images = _images_per_task(large)
    parallel_for(_nearest_task, (small, large, back, images), (len(small) + images - 1) // images)


@inner_jit
def _neighbours(size, factor, zero):
    """Return, for each of size·factor outputs, the two pixels between which it is, (…, 2), and the share of the second one."""
    pixels, shares = np.empty((size * factor, 2), np.int64), np.empty(size * factor, zero.dtype)
    for p in range(size * factor):
        numerator = min(max(2 * p + 1 - factor, 0), 2 * factor * (size - 1))
        rest = numerator % (2 * factor)
        pixels[p, 0] = numerator // (2 * factor)
        pixels[p, 1] = pixels[p, 0] + (rest > 0)
        shares[p] = rest / (2 * factor)
    return pixels, shares


@inner_jit
def _linear_task(x, out, rows, row_shares, columns, column_shares, images, task):
    """Interpolate between two rows, then between the pixels of the result."""
    n, h, w, c = x.shape[0], x.shape[1], u64(x.shape[2]), u64(x.shape[3])
    high, wide = out.shape[1], u64(out.shape[2])
    X, Y, between = x.reshape(x.size), out.reshape(out.size), np.empty(x.shape[2] * x.shape[3], x.dtype)
    one = x.dtype.type(1)
    for image in range(task * images, min((task + 1) * images, n)):
        for p in range(high):
            first, second = (u64(image * h + rows[p, 0])) * w * c, (u64(image * h + rows[p, 1])) * w * c
            share = row_shares[p]
            for k in range(w * c):
                between[k] = (one - share) * X[first + k] + share * X[second + k]
            start = u64(image * high + p) * wide * c
            for q in range(wide):
                left, right, place, part = u64(columns[q, 0]) * c, u64(columns[q, 1]) * c, start + q * c, column_shares[q]
                for k in range(c):
                    Y[place + k] = (one - part) * between[left + k] + part * between[right + k]


@inner_jit
def _linear_backward_task(dy, out, rows, row_shares, columns, column_shares, images, task):
    """Add each row of dY to the pixels of one row, then that row to two rows of dX."""
    n, h, w, c = out.shape[0], out.shape[1], u64(out.shape[2]), u64(out.shape[3])
    high, wide = dy.shape[1], u64(dy.shape[2])
    D, X, between = dy.reshape(dy.size), out.reshape(out.size), np.empty(out.shape[2] * out.shape[3], dy.dtype)
    zero, one = dy.dtype.type(0), dy.dtype.type(1)
    for image in range(task * images, min((task + 1) * images, n)):
        out[image] = zero
        for p in range(high):
            between[:] = zero
            start = u64(image * high + p) * wide * c
            for q in range(wide):
                left, right, place, part = u64(columns[q, 0]) * c, u64(columns[q, 1]) * c, start + q * c, column_shares[q]
                for k in range(c):
                    between[left + k] += (one - part) * D[place + k]
                for k in range(c):
                    between[right + k] += part * D[place + k]
            first, second = (u64(image * h + rows[p, 0])) * w * c, (u64(image * h + rows[p, 1])) * w * c
            share = row_shares[p]
            for k in range(w * c):
                X[first + k] += (one - share) * between[k]
            for k in range(w * c):
                X[second + k] += share * between[k]


@jit
def _linear(x, out):
    images, zero = _images_per_task(out), np.zeros(1, x.dtype)
    rows, row_shares = _neighbours(x.shape[1], out.shape[1] // x.shape[1], zero)
    columns, column_shares = _neighbours(x.shape[2], out.shape[2] // x.shape[2], zero)
    arguments = (x, out, rows, row_shares, columns, column_shares, images)
    parallel_for(_linear_task, arguments, (len(x) + images - 1) // images)


@jit
def _linear_backward(dy, out):
    images, zero = _images_per_task(dy), np.zeros(1, dy.dtype)
    rows, row_shares = _neighbours(out.shape[1], dy.shape[1] // out.shape[1], zero)
    columns, column_shares = _neighbours(out.shape[2], dy.shape[2] // out.shape[2], zero)
    arguments = (dy, out, rows, row_shares, columns, column_shares, images)
    parallel_for(_linear_backward_task, arguments, (len(out) + images - 1) // images)


def upsample_nearest(x: Array, out: Array) -> Array:
    _nearest(x, out, False)
    return out


def upsample_nearest_backward(dy: Array, out: Array) -> Array:
    _nearest(out, dy, True)
    return out


def upsample_linear(x: Array, out: Array) -> Array:
    _linear(x, out)
    return out


def upsample_linear_backward(dy: Array, out: Array) -> Array:
    _linear_backward(dy, out)
    return out
