"""Depthwise convolutions: each channel has its own filter, so instead of a product, loops run tap by tap over all channels."""

from __future__ import annotations

from pellucid.kernels.compiled.conv_im2col import positions_inside
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.reductions import add_partial_sums, empty_partial_sums
from pellucid.kernels.compiled.thread_pool import parallel_for


@inner_jit
def _forward_task(x, W, b, window, floor, out, task):
    """Compute Y of one image."""
    h, w, c = x.shape[1], x.shape[2], u64(x.shape[3])
    oh, ow = out.shape[1], out.shape[2]
    kh, kw, sh, sw, top, left, dh, dw = window
    X, Y, weights = x.reshape(x.size), out.reshape(out.size), W.reshape(W.size)
    for p in range(oh):
        start = u64((task * oh + p) * ow) * c
        for q in range(u64(ow)):
            for k in range(c):
                Y[start + q * c + k] = b[k]
        for i in range(kh):
            row = p * sh - top + i * dh
            if row < 0 or row >= h:
                continue
            for j in range(kw):
                tap = u64(i * kw + j) * c
                q1, q2 = positions_inside(w, ow, sw, j * dw - left)
                for q in range(q1, q2):
                    pixel, output = u64((task * h + row) * w + q * sw - left + j * dw) * c, start + u64(q) * c
                    for k in range(c):
                        Y[output + k] += X[pixel + k] * weights[tap + k]
        for k in range(start, start + u64(ow) * c):
            Y[k] = floor if Y[k] < floor else Y[k]


@inner_jit
def _weight_gradient_task(x, dy, window, partial_sums, task):
    """Compute the dW of one group of images."""
    h, w, c = x.shape[1], x.shape[2], u64(x.shape[3])
    n, oh, ow = dy.shape[0], dy.shape[1], dy.shape[2]
    kh, kw, sh, sw, top, left, dh, dw = window
    X, D, S = x.reshape(x.size), dy.reshape(dy.size), partial_sums.reshape(partial_sums.size)
    partial_sums[task] = 0
    for image in range(task * n // len(partial_sums), (task + 1) * n // len(partial_sums)):
        for i in range(kh):
            for p in range(oh):
                row = p * sh - top + i * dh
                if row < 0 or row >= h:
                    continue
                for j in range(kw):
                    tap = (u64(task * kh * kw) + u64(i * kw + j)) * c
                    q1, q2 = positions_inside(w, ow, sw, j * dw - left)
                    for q in range(q1, q2):
                        pixel = u64((image * h + row) * w + q * sw - left + j * dw) * c
                        output = u64((image * oh + p) * ow + q) * c
                        for k in range(c):
                            S[tap + k] += X[pixel + k] * D[output + k]


@inner_jit
def _input_gradient_task(dy, W, window, out, task):
    """Compute dX of one image."""
    h, w, c = out.shape[1], out.shape[2], u64(out.shape[3])
    oh, ow = dy.shape[1], dy.shape[2]
    kh, kw, sh, sw, top, left, dh, dw = window
    D, X, weights = dy.reshape(dy.size), out.reshape(out.size), W.reshape(W.size)
    out[task] = 0
    for i in range(kh):
        for p in range(oh):
            row = p * sh - top + i * dh
            if row < 0 or row >= h:
                continue
            for j in range(kw):
                tap = u64(i * kw + j) * c
                q1, q2 = positions_inside(w, ow, sw, j * dw - left)
                for q in range(q1, q2):
                    pixel = u64((task * h + row) * w + q * sw - left + j * dw) * c
                    output = u64((task * oh + p) * ow + q) * c
                    for k in range(c):
                        X[pixel + k] += D[output + k] * weights[tap + k]


@jit
def forward(x, W, b, window, floor, out):
    parallel_for(_forward_task, (x, W, b, window, floor, out), len(x))


@jit
def weight_gradient(x, dy, window, dW):
    partial_sums = empty_partial_sums(dy.shape[0], dW.size, dy)
    parallel_for(_weight_gradient_task, (x, dy, window, partial_sums), len(partial_sums))
    indirect_call(add_partial_sums, (partial_sums, dW.reshape(dW.size)))


@jit
def input_gradient(dy, W, window, out):
    parallel_for(_input_gradient_task, (dy, W, window, out), len(dy))
