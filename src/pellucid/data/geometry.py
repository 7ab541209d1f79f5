"""The geometry of an augmentation: where each pixel of an image is read, and the same for maps of classes and of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels import Kernels

IDENTITY = np.array([1, 0, 0, 0, 1, 0], np.float32)


@dataclass(frozen=True)
class Geometry:
    """The positions at which n images of h × w pixels are read.

    Pixel (p, q) is read at (a p + b q + c, d p + e q + f), with the six coefficients in ``maps`` (n, 6), plus the smooth
    displacement Σ down[p, k] across[q, l] fields[i, axis, k l] on both axes; down (h, k), across (w, l), fields (n, 2, k·l).
    """

    maps: Array
    fields: Array
    down: Array
    across: Array

    @classmethod
    def affine(cls, maps: Array, h: int, w: int) -> Geometry:
        """Return the geometry of affine maps alone."""
        return cls(maps, np.empty((len(maps), 2, 0), np.float32), np.empty((h, 0), np.float32), np.empty((w, 0), np.float32))

    def where(self, changed: Array) -> Geometry:
        """Return the geometry that leaves the other images as they are; ``changed`` (n) is boolean."""
        maps = np.where(changed[:, None], self.maps, IDENTITY)
        return Geometry(maps, self.fields * changed[:, None, None].astype(np.float32), self.down, self.across)

    def nearest(self, values: Array) -> tuple[Array, Array]:
        """Return the maps ``values`` (n, h, w, …) as the images show them, and which pixels are inside, as bool (n, h, w).

        Each pixel takes the value of the nearest pixel; outside it is 0.
        """
        n, h, w = values.shape[:3]
        rows, columns = self._positions(h, w)
        i, j = (np.rint(np.clip(place, -2, max(h, w) + 1)).astype(np.int64) for place in (rows, columns))
        inside = (i >= 0) & (i < h) & (j >= 0) & (j < w)
        moved = values[np.arange(n)[:, None, None], np.where(inside, i, 0), np.where(inside, j, 0)]
        moved[~inside] = 0
        return moved, inside

    def interpolated(self, values: Array, kernels: Kernels) -> tuple[Array, Array]:
        """Return the maps ``values`` (n, h, w, k) as the images show them, interpolated, and which pixels are inside (n, h, w).

        A pixel is inside where all pixels that it is interpolated from are; outside it is 0.
        """
        n, h, w = values.shape[:3]
        out = np.empty(values.shape, np.float32)
        self.warp(np.ascontiguousarray(values, np.float32), np.arange(n), 1.0, out, kernels)
        rows, columns = self._positions(h, w)
        slack = 1e-3  # of a pixel: rounding of the positions
        inside = (rows >= -slack) & (rows <= h - 1 + slack) & (columns >= -slack) & (columns <= w - 1 + slack)
        out[~inside] = 0
        return out, inside

    def warp(self, x: Array, rows: Array, factor: float, out: Array, kernels: Kernels) -> None:
        """out[i] = factor · x[rows[i]] as read at these positions; see the kernel ``warp``."""
        n = len(rows)
        thickness, boxes = np.zeros(n, np.float32), np.zeros((n, 4), np.int64)
        kernels.warp(x, rows, factor, self.maps, self.fields, self.down, self.across, thickness, boxes, 0.0, 0, rows, out)

    def _positions(self, h: int, w: int) -> tuple[Array, Array]:
        p, q = np.arange(h, dtype=np.float32)[:, None], np.arange(w, dtype=np.float32)
        m = self.maps[:, :, None, None]
        rows, columns = m[:, 0] * p + m[:, 1] * q + m[:, 2], m[:, 3] * p + m[:, 4] * q + m[:, 5]
        if self.fields.size:
            moved = self.down @ self.fields.reshape(len(rows), 2, self.down.shape[1], self.across.shape[1]) @ self.across.T
            rows, columns = rows + moved[:, 0], columns + moved[:, 1]
        return rows, columns
