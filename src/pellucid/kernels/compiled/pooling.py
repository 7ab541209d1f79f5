"""The kernels of pooling. A task is some images.

A *run* is a sequence of windows that have the same taps inside the image; ``pooling_simd`` computes one run at a time.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import inner_jit, jit
from pellucid.kernels.compiled.pooling_simd import (
    AVERAGE,
    AVERAGE_BACKWARD,
    DISJOINT,
    MAX,
    MAX_BACKWARD,
    OVERLAPPING,
    TWO_BY_TWO,
    clear,
    pool_windows,
)
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.window import Window

TASK_SIZE = 16_384  # elements of a task, at least: some microseconds
_NO_INDICES = np.empty((0, 0, 0, 0), np.uint8)


@inner_jit
def _runs(count, size, k, stride, before, dilation):
    """Return, along one axis of the image, the runs of windows that have the same taps inside it: rows of (first window,
    end, first tap, end)."""
    runs, found = np.empty((count, 4), np.int64), 0
    for q in range(count):
        start = q * stride - before
        first = max(0, (dilation - 1 - start) // dilation)
        end = max(first, min(k, (size - start + dilation - 1) // dilation))
        if found == 0 or runs[found - 1, 2] != first or runs[found - 1, 3] != end:
            runs[found, 0], runs[found, 2], runs[found, 3] = q, first, end
            found += 1
        runs[found - 1, 1] = q + 1
    return runs[:found]


@inner_jit
def _pool_task(operation, x, y, indices, window, down, across, kind, clear_first, images, task):
    n, h, w, c = x.shape
    oh, ow = y.shape[1], y.shape[2]
    _, kw, sh, sw, top, left, dh, dw = window
    zero, index_zero = x.dtype.type(0), indices.dtype.type(0)
    for image in range(task * images, min((task + 1) * images, n)):
        if clear_first:
            clear(address_of(x, image * h * w * c), h * w * c, zero)
        for u in range(len(down)):
            p1, p2, i1, i2 = down[u, 0], down[u, 1], down[u, 2], down[u, 3]
            for p in range(p1, p2):
                for v in range(len(across)):
                    q1, q2, j1, j2 = across[v, 0], across[v, 1], across[v, 2], across[v, 3]
                    if i1 == i2 or j1 == j2:  # nothing but padding
                        continue
                    pixel = ((image * h + p * sh - top + i1 * dh) * w + q1 * sw - left + j1 * dw) * c
                    output = ((image * oh + p) * ow + q1) * c
                    addresses = address_of(x, pixel), address_of(y, output), address_of(indices, output)
                    taps = i2 - i1, j2 - j1, dh * w * c, dw * c, i1 * kw + j1, kw
                    pool_windows(operation, kind, addresses, taps, (q2 - q1, sw * c, c), zero, index_zero)


@jit
def _pool(operation, x, y, indices, window):
    """Apply an operation between the images x and the outputs y of the windows; a backward one writes x."""
    n, h, w, c = x.shape
    oh, ow = y.shape[1], y.shape[2]
    kh, kw, sh, sw, top, left, dh, dw = window
    down, across = _runs(oh, h, kh, sh, top, dh), _runs(ow, w, kw, sw, left, dw)
    kind = OVERLAPPING
    if sh > (kh - 1) * dh and sw > (kw - 1) * dw:
        whole = len(down) == len(across) == 1 and down[0, 3] - down[0, 2] == across[0, 3] - across[0, 2] == 2
        kind = TWO_BY_TWO if whole else DISJOINT
    adjacent = kind != OVERLAPPING and dh == dw == 1 and sh == kh and sw == kw
    covered = adjacent and oh * sh - top >= h and ow * sw - left >= w  # every pixel is in a window
    clear_first = operation in (MAX_BACKWARD, AVERAGE_BACKWARD) and not covered
    images = max(1, TASK_SIZE // max(1, h * w * c))
    arguments = (operation, x, y, indices, window, down, across, kind, clear_first, images)
    parallel_for(_pool_task, arguments, (n + images - 1) // images)


def max_pool(x: Array, window: Window, out: Array, indices: Array) -> Array:
    _pool(MAX, x, out, indices, window)
    return out


def max_pool_backward(dy: Array, indices: Array, window: Window, out: Array) -> Array:
    _pool(MAX_BACKWARD, out, dy, indices, window)
    return out


def average_pool(x: Array, window: Window, out: Array) -> Array:
    _pool(AVERAGE, x, out, _NO_INDICES, window)
    return out


def average_pool_backward(dy: Array, window: Window, out: Array) -> Array:
    _pool(AVERAGE_BACKWARD, out, dy, _NO_INDICES, window)
    return out


def global_average_pool(x: Array, out: Array) -> Array:
    return average_pool(x, Window(x.shape[1], x.shape[2]), out[:, None, None])[:, 0, 0]


def global_average_pool_backward(dy: Array, out: Array) -> Array:
    return average_pool_backward(dy[:, None, None], Window(out.shape[1], out.shape[2]), out)
