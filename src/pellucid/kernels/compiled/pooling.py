"""Pooling's arithmetic in pieces for the team, each some pictures: which taps of a window lie inside the picture is found
for whole runs of windows, and the loops of ``taps.py`` do them one run at a time.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.taps import (
    APART,
    AVERAGE,
    AVERAGE_BACK,
    MAXIMUM,
    MAXIMUM_BACK,
    OVERLAPPING,
    QUARTERS,
    clear,
    windows,
)
from pellucid.kernels.compiled.team import share
from pellucid.kernels.compiled.vectors import address
from pellucid.kernels.window import Window

PIECE = 16_384  # numbers that a piece has at least: some microseconds
_NAMES = np.empty((0, 0, 0, 0), np.uint8)  # where nothing is chosen


@jit
def _runs(count, size, k, s, before, d):  # type: ignore[no-untyped-def]
    """Along one side of the picture: (first window, end, first tap, end) of windows that have the same taps inside it."""
    runs, found = np.empty((count, 4), np.int64), 0
    for q in range(count):
        start = q * s - before
        first = max(0, (d - 1 - start) // d)
        end = max(first, min(k, (size - start + d - 1) // d))
        if found == 0 or runs[found - 1, 2] != first or runs[found - 1, 3] != end:
            runs[found, 0], runs[found, 2], runs[found, 3] = q, first, end
            found += 1
        runs[found - 1, 1] = q + 1
    return runs[:found]


@jit
def _piece(what, x, y, chosen, window, down, across, kind, clearing, images, piece):  # type: ignore[no-untyped-def]
    n, h, w, c = x.shape
    oh, ow = y.shape[1], y.shape[2]
    _, kw, sh, sw, top, left, dh, dw = window
    zero, name = x.dtype.type(0), chosen.dtype.type(0)
    for image in range(piece * images, min((piece + 1) * images, n)):
        if clearing:
            clear(address(x, image * h * w * c), h * w * c, zero)
        for u in range(len(down)):
            p1, p2, i1, i2 = down[u, 0], down[u, 1], down[u, 2], down[u, 3]
            for p in range(p1, p2):
                for v in range(len(across)):
                    q1, q2, j1, j2 = across[v, 0], across[v, 1], across[v, 2], across[v, 3]
                    if i1 == i2 or j1 == j2:  # nothing but padding
                        continue
                    pixel = ((image * h + p * sh - top + i1 * dh) * w + q1 * sw - left + j1 * dw) * c
                    output = ((image * oh + p) * ow + q1) * c
                    windows(
                        what, kind, address(x, pixel), address(y, output), address(chosen, output), i2 - i1, j2 - j1,
                        dh * w * c, dw * c, i1 * kw + j1, kw, q2 - q1, sw * c, c, zero, name,
                    )  # fmt: skip


@jit
def _pool(what, x, y, chosen, window):  # type: ignore[no-untyped-def]
    """Between the pictures x and what the windows make of them, y; ``what`` tells in which direction."""
    n, h, w, c = x.shape
    oh, ow = y.shape[1], y.shape[2]
    kh, kw, sh, sw, top, left, dh, dw = window
    down, across = _runs(oh, h, kh, sh, top, dh), _runs(ow, w, kw, sw, left, dw)
    kind = OVERLAPPING
    if sh > (kh - 1) * dh and sw > (kw - 1) * dw:
        whole = len(down) == len(across) == 1 and down[0, 3] - down[0, 2] == across[0, 3] - across[0, 2] == 2
        kind = QUARTERS if whole else APART
    everywhere = kind != OVERLAPPING and dh == dw == 1 and sh == kh and sw == kw and oh * sh - top >= h and ow * sw - left >= w
    clearing = what in (MAXIMUM_BACK, AVERAGE_BACK) and not everywhere
    images = max(1, PIECE // max(1, h * w * c))
    share(_piece, (what, x, y, chosen, window, down, across, kind, clearing, images), (n + images - 1) // images)


def max_pool(x: Array, window: Window, out: Array, chosen: Array) -> Array:
    _pool(MAXIMUM, x, out, chosen, window)
    return out


def max_pool_backward(dy: Array, chosen: Array, window: Window, out: Array) -> Array:
    _pool(MAXIMUM_BACK, out, dy, chosen, window)
    return out


def average_pool(x: Array, window: Window, out: Array) -> Array:
    _pool(AVERAGE, x, out, _NAMES, window)
    return out


def average_pool_backward(dy: Array, window: Window, out: Array) -> Array:
    _pool(AVERAGE_BACK, out, dy, _NAMES, window)
    return out


def global_average_pool(x: Array, out: Array) -> Array:
    return average_pool(x, Window(x.shape[1], x.shape[2]), out[:, None, None])[:, 0, 0]


def global_average_pool_backward(dy: Array, out: Array) -> Array:
    return average_pool_backward(dy[:, None, None], Window(out.shape[1], out.shape[2]), out)
