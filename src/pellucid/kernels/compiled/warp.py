"""The kernel that augments images: it reads chosen images of a data set, and distorts each while it is in the cache."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import inner_jit, jit, u32, u64
from pellucid.kernels.compiled.noise import mix, row_stream
from pellucid.kernels.compiled.thread_pool import parallel_for

TASK_SIZE = 4_096  # elements: some ten microseconds


@inner_jit
def _field(lattice, down, across, half, field):
    """Set field[p, q] = Σ down[p, k] across[q, l] lattice[k l]; ``half`` (h, l) is scratch memory for the sums over k."""
    h, w, k, n = u64(down.shape[0]), u64(across.shape[1]), u64(down.shape[1]), u64(across.shape[0])
    for p in range(h):
        for j in range(n):
            half[p, j] = 0
        for i in range(k):
            factor = down[p, i]
            for j in range(n):
                half[p, j] += factor * lattice[i * n + j]
        for q in range(w):
            field[p, q] = 0
        for j in range(n):
            factor = half[p, j]
            for q in range(w):
                field[p, q] += factor * across[j, q]


@inner_jit
def _change_thickness(image, t, padded):
    """Blend each pixel with the largest of the cross around it, or the smallest if t is negative. ``padded``
    (h + 2, w + 2, c) is scratch memory with a border of zeros, for a copy of the image."""
    h, w, c = u64(image.shape[0]), u64(image.shape[1]), u64(image.shape[2])
    for p in range(h):  # padded[1:-1, 1:-1] = image would compile the text of an error message, with all of Numba's strings
        for q in range(w):
            for k in range(c):
                padded[p + u64(1), q + u64(1), k] = image[p, q, k]
    for p in range(h):
        for q in range(w):
            for k in range(c):
                v = padded[p + u64(1), q + u64(1), k]
                a, b = padded[p, q + u64(1), k], padded[p + u64(2), q + u64(1), k]
                d, e = padded[p + u64(1), q, k], padded[p + u64(1), q + u64(2), k]
                if t > 0:
                    image[p, q, k] = v + t * (max(v, a, b, d, e) - v)
                else:
                    image[p, q, k] = v + t * (v - min(v, a, b, d, e))


@inner_jit
def _add_noise(image, noise, a, m):
    """Add ``noise`` times the sum of four random bytes, less its mean, to each element; the bytes are added in pairs."""
    flat, F = image.reshape(image.size), image.dtype.type
    for j in range(u64(flat.size)):
        bits = mix(u32(a + u32(j) * m))
        bits = u32((bits & u32(0x00FF00FF)) + ((bits >> u32(8)) & u32(0x00FF00FF)))
        flat[j] += noise * (F((bits & u32(0xFFFF)) + (bits >> u32(16))) - F(510))


@inner_jit
def _warp_task(x, rows, factor, maps, fields, down, across, thickness, boxes, noise, low, high, row_ids, out, images, task):
    h, w, c, F = x.shape[1], x.shape[2], x.shape[3], out.dtype.type
    width = w + 2
    canvas = np.zeros(((h + 2) * width, c), out.dtype)
    padded = np.zeros((h + 2, w + 2, c), out.dtype)
    half, moved = np.empty((h, across.shape[0]), out.dtype), np.zeros((2, h, w), out.dtype)
    max_row, max_column = F(h), F(w)
    for i in range(task * images, min((task + 1) * images, len(rows))):
        source = x[rows[i]]
        for p in range(u64(h)):
            for q in range(u64(w)):
                for k in range(u64(c)):
                    canvas[u64(p + u64(1)) * u64(width) + q + u64(1), k] = factor * F(source[p, q, k])
        for axis in range(2 if fields.shape[2] else 0):
            indirect_call(_field, (fields[i, axis], down, across, half, moved[axis]))
        a, b, d = maps[i, 0], maps[i, 1], maps[i, 3]
        e, row0, column0 = maps[i, 4], maps[i, 2], maps[i, 5]
        for p in range(u64(h)):
            for q in range(u64(w)):
                row = min(max(a * F(p) + b * F(q) + row0 + moved[0, p, q], F(-1)), max_row) + F(1)
                column = min(max(d * F(p) + e * F(q) + column0 + moved[1, p, q], F(-1)), max_column) + F(1)
                r, s = min(u32(row), u32(h)), min(u32(column), u32(w))
                y, z = row - F(r), column - F(s)
                pixel = u64(r) * u64(width) + u64(s)
                for k in range(u64(c)):
                    above = canvas[pixel, k] * (F(1) - z) + canvas[pixel + u64(1), k] * z
                    below = canvas[pixel + u64(width), k] * (F(1) - z) + canvas[pixel + u64(width) + u64(1), k] * z
                    out[i, p, q, k] = above * (F(1) - y) + below * y
        if thickness[i] != 0:
            indirect_call(_change_thickness, (out[i], thickness[i], padded))
        out[i, boxes[i, 0] : boxes[i, 1], boxes[i, 2] : boxes[i, 3]] = F(0)
        if noise != 0:
            start, stride = row_stream(u32(row_ids[i]), low, high)
            indirect_call(_add_noise, (out[i], noise, start, stride))


@jit
def _warp(x, rows, factor, maps, fields, down, across, thickness, boxes, noise, low, high, row_ids, out):
    images = max(1, TASK_SIZE // (x.shape[1] * x.shape[2] * x.shape[3]))
    arguments = (x, rows, factor, maps, fields, down, across, thickness, boxes, noise, low, high, row_ids, out, images)
    parallel_for(_warp_task, arguments, (len(rows) + images - 1) // images)


def warp(
    x: Array,
    rows: Array,
    factor: float,
    maps: Array,
    fields: Array,
    down: Array,
    across: Array,
    thickness: Array,
    boxes: Array,
    noise: float,
    key: int,
    row_ids: Array,
    out: Array,
) -> Array:
    F = out.dtype.type
    low, high = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)
    across = np.ascontiguousarray(across.T)
    _warp(x, rows, F(factor), maps, fields, down, across, thickness, boxes, F(noise), low, high, row_ids, out)
    return out
