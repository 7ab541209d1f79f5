"""Depthwise convolutions: each channel has weights of its own, and there is nothing to multiply matrices for. They go tap by
tap over all channels at once.
"""

from __future__ import annotations

import numba

from pellucid.kernels.compiled.far import far
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.patches import reach
from pellucid.kernels.compiled.sums import added, rows_for
from pellucid.kernels.compiled.team import share

U = numba.uint64


@jit
def _forward_piece(x, W, b, window, floor, out, piece):  # type: ignore[no-untyped-def]
    """Y of one picture, each channel with weights of its own."""
    h, w, c = x.shape[1], x.shape[2], U(x.shape[3])
    oh, ow = out.shape[1], out.shape[2]
    kh, kw, sh, sw, top, left, dh, dw = window
    X, Y, weights = x.reshape(x.size), out.reshape(out.size), W.reshape(W.size)
    for p in range(oh):
        start = U((piece * oh + p) * ow) * c
        for q in range(U(ow)):
            for k in range(c):
                Y[start + q * c + k] = b[k]
        for i in range(kh):
            row = p * sh - top + i * dh
            if row < 0 or row >= h:
                continue
            for j in range(kw):
                tap = U(i * kw + j) * c
                q1, q2 = reach(w, ow, sw, j * dw - left)
                for q in range(q1, q2):
                    here, there = U((piece * h + row) * w + q * sw - left + j * dw) * c, start + U(q) * c
                    for k in range(c):
                        Y[there + k] += X[here + k] * weights[tap + k]
        for k in range(start, start + U(ow) * c):
            Y[k] = floor if Y[k] < floor else Y[k]


@jit
def _weights_piece(x, dy, window, sums, piece):  # type: ignore[no-untyped-def]
    """dW of one group of pictures, each channel by itself."""
    h, w, c = x.shape[1], x.shape[2], U(x.shape[3])
    n, oh, ow = dy.shape[0], dy.shape[1], dy.shape[2]
    kh, kw, sh, sw, top, left, dh, dw = window
    X, D, S = x.reshape(x.size), dy.reshape(dy.size), sums.reshape(sums.size)
    sums[piece] = 0
    for image in range(piece * n // len(sums), (piece + 1) * n // len(sums)):
        for i in range(kh):
            for p in range(oh):
                row = p * sh - top + i * dh
                if row < 0 or row >= h:
                    continue
                for j in range(kw):
                    tap = (U(piece * kh * kw) + U(i * kw + j)) * c
                    q1, q2 = reach(w, ow, sw, j * dw - left)
                    for q in range(q1, q2):
                        here = U((image * h + row) * w + q * sw - left + j * dw) * c
                        there = U((image * oh + p) * ow + q) * c
                        for k in range(c):
                            S[tap + k] += X[here + k] * D[there + k]


@jit
def _input_piece(dy, W, window, out, piece):  # type: ignore[no-untyped-def]
    """dX of one picture, each channel by itself."""
    h, w, c = out.shape[1], out.shape[2], U(out.shape[3])
    oh, ow = dy.shape[1], dy.shape[2]
    kh, kw, sh, sw, top, left, dh, dw = window
    D, X, weights = dy.reshape(dy.size), out.reshape(out.size), W.reshape(W.size)
    out[piece] = 0
    for i in range(kh):
        for p in range(oh):
            row = p * sh - top + i * dh
            if row < 0 or row >= h:
                continue
            for j in range(kw):
                tap = U(i * kw + j) * c
                q1, q2 = reach(w, ow, sw, j * dw - left)
                for q in range(q1, q2):
                    here = U((piece * h + row) * w + q * sw - left + j * dw) * c
                    there = U((piece * oh + p) * ow + q) * c
                    for k in range(c):
                        X[here + k] += D[there + k] * weights[tap + k]


@jit
def forward(x, W, b, window, floor, out):  # type: ignore[no-untyped-def]
    share(_forward_piece, (x, W, b, window, floor, out), len(x))


@jit
def weights(x, dy, window, dW):  # type: ignore[no-untyped-def]
    sums = rows_for(dy.shape[0], dW.size, dy)
    share(_weights_piece, (x, dy, window, sums), len(sums))
    far(added, (sums, dW.reshape(dW.size)))


@jit
def input_gradient(dy, W, window, out):  # type: ignore[no-untyped-def]
    share(_input_piece, (dy, W, window, out), len(dy))
