"""The kernel that draws strokes: for each segment, it visits only the pixels around it."""

from __future__ import annotations

import math

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import jit


@jit
def _draw_strokes(segments, radius, out):
    h, w, zero, one = out.shape[0], out.shape[1], out.dtype.type(0), out.dtype.type(1)
    reach = radius + out.dtype.type(0.5)
    out[:] = zero
    for s in range(segments.shape[0]):
        r, c, r1, c1 = segments[s, 0], segments[s, 1], segments[s, 2], segments[s, 3]
        down, right = r1 - r, c1 - c
        length = down * down + right * right
        scale = one / length if length > zero else zero
        top, bottom = max(0, math.ceil(min(r, r1) - reach)), min(h - 1, math.floor(max(r, r1) + reach))
        left, end = max(0, math.ceil(min(c, c1) - reach)), min(w - 1, math.floor(max(c, c1) + reach))
        for i in range(top, bottom + 1):
            for j in range(left, end + 1):
                along = min(max(((i - r) * down + (j - c) * right) * scale, zero), one)
                y, x = i - (r + along * down), j - (c + along * right)
                covered = min(max(reach - math.sqrt(y * y + x * x), zero), one)
                out[i, j] = max(out[i, j], covered)


def draw_strokes(segments: Array, radius: float, out: Array) -> Array:
    _draw_strokes(segments, out.dtype.type(radius), out)
    return out
