"""The kernel that augments images: it distorts chosen images of a data set. ``data/augmentation.py`` draws its arguments."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.reference.noise import bits


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
    """out[i] = factor · x[rows[i]], distorted and with noise; x (m, h, w, c), uint8 or floats, out (n, h, w, c).

    Pixel (p, q) is read at (a p + b q + c, d p + e q + f) by bilinear interpolation, with the six coefficients in ``maps``
    (n, 6). The smooth displacement Σ down[p, k] across[q, l] fields[i, axis, k l] is added to this position on both axes; down
    (h, k), across (w, l), fields (n, 2, k·l). Then each pixel v is blended with the largest value of itself and its four
    neighbours, v + t (max − v), or, if ``thickness`` t (n) is negative, with the smallest, v − |t| (v − min). ``boxes`` (n, 4),
    first row, end row, first column and end column, are set to 0. Last, ``noise`` times the sum of four random bytes, less its
    mean of 510, is added; the bytes are those of the hash in ``noise.py`` for ``key`` and ``row_ids`` (n).
    """
    (h, w, c), dtype = x.shape[1:], out.dtype
    p, q = np.arange(h, dtype=dtype)[:, None], np.arange(w, dtype=dtype)
    m = maps[:, :, None, None]
    row, column = m[:, 0] * p + m[:, 1] * q + m[:, 2], m[:, 3] * p + m[:, 4] * q + m[:, 5]
    if fields.size:
        lattice = fields.reshape(len(fields), 2, down.shape[1], across.shape[1])
        moved = down @ lattice @ across.T
        row, column = row + moved[:, 0], column + moved[:, 1]
    canvas = np.zeros((len(rows), h + 2, w + 2, c), dtype)
    canvas[:, 1:-1, 1:-1] = dtype.type(factor) * x[rows]
    i, y = _place(row, h)
    j, z = _place(column, w)
    n = np.arange(len(rows))[:, None, None]
    above = canvas[n, i, j] * (1 - z) + canvas[n, i, j + 1] * z
    below = canvas[n, i + 1, j] * (1 - z) + canvas[n, i + 1, j + 1] * z
    out[...] = above * (1 - y) + below * y
    if thickness.any():
        around = np.pad(out, ((0, 0), (1, 1), (1, 1), (0, 0)))
        cross = [out, around[:, :-2, 1:-1], around[:, 2:, 1:-1], around[:, 1:-1, :-2], around[:, 1:-1, 2:]]
        t = thickness[:, None, None, None]
        out += np.where(t > 0, t * (np.max(cross, axis=0) - out), t * (out - np.min(cross, axis=0)))
    for image, (first, end, left, right) in zip(out, boxes, strict=True):
        image[first:end, left:right] = 0
    if noise:
        random = bits(key, row_ids, h * w * c)
        total = sum((random >> np.uint32(8 * k) & np.uint32(255)).astype(dtype) for k in range(4))
        out += dtype.type(noise) * (total - dtype.type(510)).reshape(out.shape)
    return out


def _place(position: Array, size: int) -> tuple[Array, Array]:
    """Return (the pixel before the position, the distance from it) on a canvas with a border of one pixel."""
    inside = np.clip(position, -1, size) + position.dtype.type(1)
    before = np.minimum(inside.astype(np.int64), size)
    return before, (inside - before)[..., None].astype(position.dtype)
