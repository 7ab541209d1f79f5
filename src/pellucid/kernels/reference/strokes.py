"""The kernel that draws strokes: how much of each pixel a pen covers."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array

SEGMENTS_AT_ONCE = 256  # bounds the memory of the temporary arrays (segments, h, w)


def draw_strokes(segments: Array, radius: float, out: Array) -> Array:
    """Set out (h, w) to the coverage of each pixel, from 0 to 1: the largest over the ``segments`` (s, 4).

    Each segment is a line from (row, column) to (row, column), drawn by a round pen of this ``radius`` in pixels. A pixel whose
    centre has the distance d from the line is covered by radius + ½ − d, clipped to [0, 1]: the edge is one pixel wide.
    """
    h, w = out.shape
    rows, columns = np.arange(h, dtype=out.dtype)[:, None], np.arange(w, dtype=out.dtype)
    out[...] = 0
    for first in range(0, len(segments), SEGMENTS_AT_ONCE):
        r, c, r1, c1 = segments[first : first + SEGMENTS_AT_ONCE].T[:, :, None, None]
        down, right = r1 - r, c1 - c
        length = down * down + right * right  # squared; 0 for a dot
        along = ((rows - r) * down + (columns - c) * right) / np.where(length > 0, length, 1)
        along = np.clip(along, 0, 1)
        distance = np.hypot(rows - (r + along * down), columns - (c + along * right))
        np.maximum(out, np.clip(radius + 0.5 - distance, 0, 1).max(axis=0), out=out)
    return out
