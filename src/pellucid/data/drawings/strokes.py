"""Drawings as strokes: their classes, the checks of their form, and strokes made even.

A mouse that is moved fast gives few points, a tablet gives many, and a hand may tremble. :func:`even_strokes` replaces the
points of a drawing by others at equal distances on a smooth curve, so that all of these give nearly the same image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError

NO_DIGIT = "no digit"  # the class of scribbles, letters and other things
CLASSES = (*"0123456789", NO_DIGIT)

MAX_POINTS, MAX_STROKES = 10_000, 1_000  # more than a patient person draws
MAX_COORDINATE = 1e9

# Lengths relative to the longer side of the drawing. Chosen on the writers 1 to 24 of the pen digits: see docs/drawing.md.
STEP = 0.03  # between the points of even strokes: half a pixel of MNIST
SMOOTHING = (0.03, 0.03)  # the standard deviations of the two passes of smoothing
MAX_LENGTH = 100  # of the lines together; a longer scribble stays as it is, which bounds the number of points


def check_strokes(drawing: Any) -> list[Array]:
    """Return a list of strokes as arrays (n, 2) of finite numbers, without empty strokes. Raises DataError."""
    if not isinstance(drawing, Sequence) or isinstance(drawing, str):
        raise DataError(f"a drawing must be a list of strokes, each a list of points (x, y), got {type(drawing).__name__}")
    if len(drawing) > MAX_STROKES:
        raise DataError(f"this drawing has {len(drawing):,} strokes; the limit is {MAX_STROKES:,}")
    if sum(len(stroke) for stroke in drawing if isinstance(stroke, (Sequence, np.ndarray))) > MAX_POINTS:
        raise DataError(f"this drawing has more than {MAX_POINTS:,} points")
    strokes = []
    for number, stroke in enumerate(drawing):
        try:
            points = np.asarray(stroke, np.float64)
        except (TypeError, ValueError, OverflowError):
            raise DataError(f"stroke {number} must be a list of points (x, y)") from None
        if points.size == 0:
            continue
        if points.ndim != 2 or points.shape[1] != 2:
            raise DataError(f"stroke {number} must be a list of points (x, y), got the shape {points.shape}")
        if not (np.abs(points) <= MAX_COORDINATE).all():
            raise DataError(f"stroke {number} has coordinates that are not finite or beyond ±{MAX_COORDINATE:g}")
        strokes.append(points)
    if not strokes:
        raise DataError("this drawing is empty")
    return strokes


def even_strokes(strokes: Sequence[Array]) -> list[Array]:
    """Return strokes (n, 2) that follow the same lines with points at equal distances, and without tremble.

    Each stroke is replaced by a smooth curve through its points, then twice by points at equal distances along it, which are
    smoothed along the line. The ends of a stroke stay where they are; a stroke without length becomes one point. All lengths
    are relative to the longer side of the drawing's bounding box. The second pass is there because tremble makes a line longer
    than it looks: after the first, distances along the line are nearly those that a steady hand gives.

    A drawing whose lines are together longer than MAX_LENGTH sides stays as it is.
    """
    points = np.concatenate(strokes)
    size = float((points.max(axis=0) - points.min(axis=0)).max())
    if sum(float(_distances(stroke).sum()) for stroke in strokes) > MAX_LENGTH * size:
        return list(strokes)
    return [_even(stroke, size) for stroke in strokes]


def _even(stroke: Array, size: float) -> Array:
    """Return one stroke of :func:`even_strokes`."""
    moved = np.ones(len(stroke), bool)
    moved[1:] = _distances(stroke) > 1e-9 * size
    path = stroke[moved]
    if len(path) == 1:
        return path
    path = catmull_rom(path, STEP * size / 2)
    for deviation in SMOOTHING:
        path = smoothed(resampled(path, STEP * size), deviation * size)
    return path


def catmull_rom(points: Array, step: float) -> Array:
    """Return points on a smooth curve through ``points`` (n, 2), no two of which follow each other at the same place.

    The curve is the centripetal Catmull-Rom spline (Yuksel, Schaefer and Keyser, "On the parameterization of Catmull-Rom
    curves", 2009), which has neither cusps nor loops between two points. Between p₁ and p₂, with the neighbours p₀ and p₃ and
    tᵢ = √|pᵢ₊₁ − pᵢ|, it is the cubic through p₁ and p₂ whose derivatives there, for u from 0 to 1, are

        m₁ = t₁ ((p₁ − p₀) / t₀ − (p₂ − p₀) / (t₀ + t₁)) + p₂ − p₁,
        m₂ = t₁ ((p₃ − p₂) / t₂ − (p₃ − p₁) / (t₁ + t₂)) + p₂ − p₁.

    The missing neighbour at either end is the mirror image of the other one. The points on a segment of the length d divide u
    into ⌈d / ``step``⌉ equal parts.
    """
    ends = 2 * points[[0, -1]] - points[[1, -2]]
    path = np.concatenate([ends[:1], points, ends[1:]])
    distance = _distances(path)
    t = np.sqrt(distance)[:, None]
    t0, t1, t2 = t[:-2], t[1:-1], t[2:]
    p0, p1, p2, p3 = path[:-3], path[1:-2], path[2:-1], path[3:]
    m1 = t1 * ((p1 - p0) / t0 - (p2 - p0) / (t0 + t1)) + p2 - p1
    m2 = t1 * ((p3 - p2) / t2 - (p3 - p1) / (t1 + t2)) + p2 - p1
    parts = np.maximum(1, np.ceil(distance[1:-1] / step)).astype(np.int64)
    segment = np.repeat(np.arange(len(parts)), parts)
    u = ((np.arange(len(segment)) - (np.cumsum(parts) - parts)[segment]) / parts[segment])[:, None]
    p1, p2, m1, m2 = p1[segment], p2[segment], m1[segment], m2[segment]
    curve = p1 + u * (m1 + u * (3 * (p2 - p1) - 2 * m1 - m2 + u * (2 * (p1 - p2) + m1 + m2)))
    return np.concatenate([curve, points[-1:]])


def resampled(path: Array, step: float) -> Array:
    """Return points at equal distances along ``path`` (n, 2), with its ends: ⌈length / ``step``⌉ + 1 of them, at least two."""
    along = np.concatenate([[0.0], np.cumsum(_distances(path))])
    parts = max(1, int(np.ceil(along[-1] / step)))
    at = along[-1] * np.arange(parts + 1) / parts
    return np.stack([np.interp(at, along, path[:, 0]), np.interp(at, along, path[:, 1])], axis=1)


def smoothed(path: Array, deviation: float) -> Array:
    """Return ``path`` (n, 2) of evenly spaced points with each replaced by a weighted mean of those near it along the line.

    The weights are exp(−j² / (2 s²)) for the point that is j points away, up to j = ⌈2.5 s⌉ and at most n − 1, with s =
    ``deviation`` / the mean distance of the points. Beyond an end e the path goes on with the mirror images 2 e − p of its
    points, so that the ends stay where they are.
    """
    n = len(path)
    s = deviation * (n - 1) / max(float(_distances(path).sum()), 1e-300)
    reach = int(min(np.ceil(2.5 * s), n - 1))
    if reach < 1:
        return path
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / s) ** 2)
    before, after = 2 * path[0] - path[reach:0:-1], 2 * path[-1] - path[-2 : -2 - reach : -1]
    longer = np.concatenate([before, path, after])
    means = [np.convolve(longer[:, axis], weights / weights.sum(), "valid") for axis in (0, 1)]
    return np.stack(means, axis=1)


def _distances(path: Array) -> Array:
    """Return the distances (n − 1) between successive points."""
    steps = path[1:] - path[:-1]
    return np.sqrt(steps[:, 0] * steps[:, 0] + steps[:, 1] * steps[:, 1])
