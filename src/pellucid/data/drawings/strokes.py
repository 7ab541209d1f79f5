"""Drawings as strokes: their classes, and the checks of their form."""

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
