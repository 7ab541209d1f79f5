"""Ink: how much of each pixel a pen covers."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array

AT_ONCE = 256  # segments


def ink(segments: Array, radius: float, out: Array) -> Array:
    """out (h, w) from 0 to 1: the most that any of the ``segments`` (s, 4) covers of a pixel, each a line from (row, column) to
    (row, column) of a round pen of that ``radius``, in pixels. A pixel whose centre is d from the line is covered by
    radius + ½ − d, at least 0 and at most 1: the edge is one pixel wide.
    """
    h, w = out.shape
    rows, columns = np.arange(h, dtype=out.dtype)[:, None], np.arange(w, dtype=out.dtype)
    out[...] = 0
    for first in range(0, len(segments), AT_ONCE):
        r, c, r1, c1 = segments[first : first + AT_ONCE].T[:, :, None, None]
        down, right = r1 - r, c1 - c
        length = down * down + right * right  # squared; 0 for a dot
        along = ((rows - r) * down + (columns - c) * right) / np.where(length > 0, length, 1)
        along = np.clip(along, 0, 1)
        distance = np.hypot(rows - (r + along * down), columns - (c + along * right))
        np.maximum(out, np.clip(radius + 0.5 - distance, 0, 1).max(axis=0), out=out)
    return out
