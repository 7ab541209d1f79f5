"""Pooling's arithmetic: loops over windows and taps, the channels innermost.

A position before the picture is a huge number in unsigned arithmetic, so that one comparison finds both ends.
"""

from __future__ import annotations

import numba
import numpy as np

from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.reference.pooling import global_average_pool_backward  # a copy: NumPy is as fast as memory
from pellucid.kernels.window import Window
from pellucid.memory import Array

__all__ = [
    "average_pool",
    "average_pool_backward",
    "global_average_pool",
    "global_average_pool_backward",
    "max_pool",
    "max_pool_backward",
]

U = numba.uint64


@jit
def _max_pool(x, picture, window, outputs, out, chosen):  # type: ignore[no-untyped-def]
    n, h, w, c = picture
    kh, kw, sh, sw, top, left, dh, dw = window
    oh, ow = outputs
    number = chosen.dtype.type
    for b in range(n):
        for p in range(oh):
            for q in range(ow):
                o, first = ((b * oh + p) * ow + q) * c, True
                for i in range(kh):
                    for j in range(kw):
                        row, column = p * sh + i * dh - top, q * sw + j * dw - left
                        if row >= h or column >= w:
                            continue
                        s, tap = ((b * h + row) * w + column) * c, number(i * kw + j)
                        if first:
                            for k in range(c):
                                out[o + k] = x[s + k]
                                chosen[o + k] = tap
                            first = False
                        else:
                            for k in range(c):
                                v, best = x[s + k], out[o + k]
                                better = (best == best) & (not v <= best)  # NaN is no less than anything
                                out[o + k] = v if better else best
                                chosen[o + k] = tap if better else chosen[o + k]


@jit
def _max_pool_2x2(x, picture, outputs, out, chosen):  # type: ignore[no-untyped-def]
    n, h, w, c = picture
    oh, ow = outputs
    one, two, three = np.uint8(1), np.uint8(2), np.uint8(3)
    for b in range(n):
        for p in range(oh):
            for q in range(ow):
                o, s = ((b * oh + p) * ow + q) * c, ((b * h + p + p) * w + q + q) * c
                below = s + w * c
                for k in range(c):
                    best, tap = x[s + k], np.uint8(0)
                    v = x[s + c + k]
                    better = (best == best) & (not v <= best)
                    best, tap = v if better else best, one if better else tap
                    v = x[below + k]
                    better = (best == best) & (not v <= best)
                    best, tap = v if better else best, two if better else tap
                    v = x[below + c + k]
                    better = (best == best) & (not v <= best)
                    out[o + k] = v if better else best
                    chosen[o + k] = three if better else tap


@jit
def _max_pool_backward(dy, chosen, picture, window, outputs, out):  # type: ignore[no-untyped-def]
    n, h, w, c = picture
    kh, kw, sh, sw, top, left, dh, dw = window
    oh, ow = outputs
    places = np.empty(kh * kw, np.uint64)  # of each tap, from the window's corner on
    for i in range(kh):
        for j in range(kw):
            places[i * kw + j] = (i * dh * w + j * dw) * c
    out[:] = 0
    for b in range(n):
        for p in range(oh):
            for q in range(ow):
                o, corner = ((b * oh + p) * ow + q) * c, ((b * h + p * sh - top) * w + q * sw - left) * c
                for k in range(c):
                    out[corner + places[U(chosen[o + k])] + k] += dy[o + k]


@jit
def _max_pool_2x2_backward(dy, chosen, picture, outputs, out):  # type: ignore[no-untyped-def]
    n, h, w, c = picture
    oh, ow = outputs
    zero = dy.dtype.type(0)
    if h > oh + oh or w > ow + ow:  # an odd row or column at the end belongs to no window
        out[:] = 0
    for b in range(n):
        for p in range(oh):
            for i in range(U(2)):  # row by row, so that pixels are written one behind the other
                for q in range(ow):
                    for j in range(U(2)):
                        o, s = ((b * oh + p) * ow + q) * c, ((b * h + p + p + i) * w + q + q + j) * c
                        tap = np.uint8(i + i + j)
                        for k in range(c):
                            out[s + k] = dy[o + k] if chosen[o + k] == tap else zero


@jit
def _average_pool(x, picture, window, outputs, out):  # type: ignore[no-untyped-def]
    n, h, w, c = picture
    kh, kw, sh, sw, top, left, dh, dw = window
    oh, ow = outputs
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for b in range(n):
        for p in range(oh):
            for q in range(ow):
                o, count = ((b * oh + p) * ow + q) * c, zero
                for k in range(c):
                    out[o + k] = zero
                for i in range(kh):
                    for j in range(kw):
                        row, column = p * sh + i * dh - top, q * sw + j * dw - left
                        if row < h and column < w:
                            s = ((b * h + row) * w + column) * c
                            count += one
                            for k in range(c):
                                out[o + k] += x[s + k]
                for k in range(c):
                    out[o + k] /= count


@jit
def _average_pool_backward(dy, picture, window, outputs, out):  # type: ignore[no-untyped-def]
    n, h, w, c = picture
    kh, kw, sh, sw, top, left, dh, dw = window
    oh, ow = outputs
    zero, one = dy.dtype.type(0), dy.dtype.type(1)
    out[:] = 0
    for b in range(n):
        for p in range(oh):
            for q in range(ow):
                o, count = ((b * oh + p) * ow + q) * c, zero
                for i in range(kh):
                    for j in range(kw):
                        if p * sh + i * dh - top < h and q * sw + j * dw - left < w:
                            count += one
                share = one / count
                for i in range(kh):
                    for j in range(kw):
                        row, column = p * sh + i * dh - top, q * sw + j * dw - left
                        if row < h and column < w:
                            s = ((b * h + row) * w + column) * c
                            for k in range(c):
                                out[s + k] += dy[o + k] * share


def _sizes(*numbers: int) -> tuple[np.uint64, ...]:
    """Unsigned, as indices are: signed ones carry Python's wrap-around, and such loops are not vectorized."""
    return tuple(np.uint64(number) for number in numbers)


def _by_quarters(window: Window, picture: tuple[int, ...], outputs: tuple[int, ...]) -> bool:
    """Whether it is 2 × 2 windows side by side, all inside the picture: the usual case, with no pixel in two windows."""
    inside = 2 * outputs[1] <= picture[1] and 2 * outputs[2] <= picture[2]  # padding below and to the right shows here alone
    return window == Window(2, 2, 2, 2) and inside


def max_pool(x: Array, window: Window, out: Array, chosen: Array) -> Array:
    picture, outputs, flat = _sizes(*x.shape), _sizes(*out.shape[1:3]), (out.reshape(-1), chosen.reshape(-1))
    if _by_quarters(window, x.shape, out.shape):
        _max_pool_2x2(x.reshape(-1), picture, outputs, *flat)
    else:
        _max_pool(x.reshape(-1), picture, _sizes(*window), outputs, *flat)
    return out


def max_pool_backward(dy: Array, chosen: Array, window: Window, out: Array) -> Array:
    picture, outputs, flat = _sizes(*out.shape), _sizes(*dy.shape[1:3]), (dy.reshape(-1), chosen.reshape(-1))
    if _by_quarters(window, out.shape, dy.shape):
        _max_pool_2x2_backward(*flat, picture, outputs, out.reshape(-1))
    else:
        _max_pool_backward(*flat, picture, _sizes(*window), outputs, out.reshape(-1))
    return out


def average_pool(x: Array, window: Window, out: Array) -> Array:
    _average_pool(x.reshape(-1), _sizes(*x.shape), _sizes(*window), _sizes(*out.shape[1:3]), out.reshape(-1))
    return out


def average_pool_backward(dy: Array, window: Window, out: Array) -> Array:
    _average_pool_backward(dy.reshape(-1), _sizes(*out.shape), _sizes(*window), _sizes(*dy.shape[1:3]), out.reshape(-1))
    return out


def global_average_pool(x: Array, out: Array) -> Array:
    average_pool(x, Window(x.shape[1], x.shape[2]), out[:, None, None])
    return out
