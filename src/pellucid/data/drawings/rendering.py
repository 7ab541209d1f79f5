"""Drawings of digits, brought into the form that networks know from MNIST.

A network trained on MNIST has seen digits that were fitted into 20×20 pixels with their aspect kept, drawn with a pen of about
the same width, and moved so that their centre of mass lies in the middle of 28×28 (LeCun, Cortes and Burges, 1998). Whatever
is drawn larger, smaller, elsewhere or with another pen looks strange to it: so drawings, whether they come as strokes or as
pictures, are all brought into that form by one function, ``digit``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, ShapeError, did_you_mean
from pellucid.kernels import load

SIDE, BOX = 28, 20  # pixels: the picture, and the longer side of what is drawn on it
PEN = 2.4  # pixels: as wide as MNIST's strokes are in the mean
POINTS, STROKES = 10_000, 1_000  # more than a patient person draws
NEAR = 0.2  # pixels along a stroke: of points nearer to each other one is enough
LARGEST = 1e9  # coordinates
PAPER = 127  # a border whose median is above this is light
FAINT = 0.15  # of the darkest ink: what is fainter is dust, or paper

NO_DIGIT = "no digit"  # what a network that knows them says of scribbles, letters and houses
CLASSES = (*"0123456789", NO_DIGIT)

Normalization = Literal["mass", "box", "none"]
NORMALIZATIONS: tuple[Normalization, ...] = ("mass", "box", "none")


def digit(drawing: Any, normalization: str = "mass", canvas: tuple[float, float] | None = None) -> Array:
    """A drawing as a picture (28, 28, 1) of bytes, light ink on black, as networks know them from MNIST.

    ``drawing`` is a list of strokes, each a list of points (x, y), x to the right and y down, in any unit; or a grey picture
    (h, w) or (h, w, 1), bytes or numbers from 0 to 1, of any size, ink dark on light or light on dark.

    ``normalization``: "mass" fits the ink into 20×20 with its aspect kept and puts its centre of mass into the middle; "box"
    puts the middle of its box there; "none" shrinks the whole ``canvas`` (width, height) or picture, and shows what
    normalization is good for. A canvas that is not given is the box around the strokes.

    Raises DataError for what is no drawing: without ink, too long, with coordinates that are no finite numbers; ShapeError for
    other arrays; ConfigError for another normalization.
    """
    if normalization not in NORMALIZATIONS:
        raise ConfigError(f"there is no normalization {normalization!r}: {did_you_mean(normalization, NORMALIZATIONS)}")
    if isinstance(drawing, np.ndarray):
        return _from_picture(drawing, normalization)
    return _from_strokes(strokes(drawing), normalization, canvas)


def strokes(drawing: Any) -> list[Array]:
    """A list of strokes as arrays (n, 2) of finite numbers, those without a point left out. Raises DataError."""
    if not isinstance(drawing, Sequence) or isinstance(drawing, str):
        raise DataError(f"a drawing is a list of strokes, each a list of points (x, y), got {type(drawing).__name__}")
    if len(drawing) > STROKES:
        raise DataError(f"this drawing has {len(drawing):,} strokes: {STROKES:,} can be")
    if sum(len(stroke) for stroke in drawing if isinstance(stroke, (Sequence, np.ndarray))) > POINTS:
        raise DataError(f"this drawing has more than {POINTS:,} points")
    found = []
    for number, stroke in enumerate(drawing):
        try:
            points = np.asarray(stroke, np.float64)
        except (TypeError, ValueError, OverflowError):
            raise DataError(f"stroke {number} is no list of points (x, y)") from None
        if points.size == 0:
            continue
        if points.ndim != 2 or points.shape[1] != 2:
            raise DataError(f"stroke {number} is no list of points (x, y): it has the shape {points.shape}")
        if not (np.abs(points) <= LARGEST).all():
            raise DataError(f"stroke {number} has coordinates that are no numbers, or beyond ±{LARGEST:g}")
        found.append(points)
    if not found:
        raise DataError("there is nothing on this drawing")
    return found


def _from_strokes(lines: list[Array], normalization: str, canvas: tuple[float, float] | None) -> Array:
    points = np.concatenate(lines)
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (SIDE - 1) / 2  # pixels are counted by their centres
    if normalization == "none":
        size = np.asarray(canvas if canvas is not None else np.maximum(high - low, 1e-9), np.float64)
        if size.shape != (2,) or not (np.isfinite(size) & (size > 0)).all():
            raise DataError(f"a canvas has a width and a height, got {canvas}")
        start = np.zeros(2) if canvas is not None else low
        return _bytes(_ink(_segments([(line - start) * (SIDE / size.max()) - 0.5 for line in lines])))
    longest = float((high - low).max())
    scale = (BOX - PEN) / longest if longest > 0 else 0.0  # a dot stays a dot
    segments = _segments([(line - (low + high) / 2) * scale + middle for line in lines])
    first = _ink(segments)
    if normalization == "box":
        return _bytes(first)
    pixel, ink = np.arange(SIDE), float(first.sum())
    centre = [float(first.sum(axis=1) @ pixel) / ink, float(first.sum(axis=0) @ pixel) / ink]
    most = (SIDE - BOX) / 2  # further, and ink would leave the picture
    move = np.clip([middle - centre[0], middle - centre[1]], -most, most)
    return _bytes(_ink(segments + np.tile(move, 2)))


def _segments(lines: list[Array]) -> Array:
    """Lines of points (x, y) in pixels as segments (s, 4) from (row, column) to (row, column)."""
    segments = []
    for line in lines:
        steps = line[1:] - line[:-1]
        stretch = np.concatenate([[0.0], np.cumsum(np.sqrt((steps * steps).sum(axis=1)))]) // NEAR
        kept = np.flatnonzero(stretch[1:] > stretch[:-1]) + 1  # the first point of each stretch of that length
        path = line[np.concatenate([[0], kept, [len(line) - 1]]), ::-1]
        segments.append(np.concatenate([path[:-1], path[1:]], axis=1))
    return np.concatenate(segments)


def _ink(segments: Array) -> Array:
    """(28, 28) from 0 to 1: the segments, drawn with the pen."""
    return load().ink(segments.astype(np.float32), PEN / 2, np.empty((SIDE, SIDE), np.float32))


def on_paper(picture: Array) -> bool:
    """Whether a grey picture (h, w, 1) of bytes shows ink on light paper: its border tells."""
    return _paper(picture[..., 0]) > PAPER


def _paper(grey: Array) -> float:
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])))


def _from_picture(picture: Array, normalization: str) -> Array:
    grey = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    if grey.ndim != 2 or 0 in grey.shape:
        raise ShapeError(f"a drawing as a picture is grey, (h, w) or (h, w, 1), got the shape {picture.shape}")
    values = grey.astype(np.float64) * (1 if grey.dtype == np.uint8 else 255)
    if not np.isfinite(values).all():
        raise DataError("this picture has pixels that are no numbers")
    paper = _paper(values)
    ink = paper - values if paper > PAPER else values - paper
    most = float(ink.max())
    if most < 0.1 * 255:
        raise DataError("there is nothing on this picture")
    ink = np.clip((ink / most - FAINT) / (1 - FAINT), 0, 1)
    if normalization == "none":
        return _bytes(_placed(ink, SIDE))
    rows, columns = (np.flatnonzero(ink.max(axis=axis)) for axis in (1, 0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    fitted = _placed(box, BOX)
    if normalization == "mass":
        moves = []
        for axis in (0, 1):
            inside = np.flatnonzero(fitted.max(axis=1 - axis))
            wanted = round((SIDE - 1) / 2 - float(fitted.sum(axis=1 - axis) @ np.arange(SIDE)) / float(fitted.sum()))
            moves.append(int(np.clip(wanted, -inside[0], SIDE - 1 - inside[-1])))
        fitted = np.roll(fitted, moves, (0, 1))
    return _bytes(fitted)


def _placed(ink: Array, side: int) -> Array:
    """``ink`` (h, w) in the middle of a canvas, its longer side that many pixels, each the mean of what falls on it."""
    h, w = ink.shape
    scale = side / max(h, w)
    tall, wide = max(1, round(h * scale)), max(1, round(w * scale))
    small = _shares(h, tall) @ ink @ _shares(w, wide).T
    canvas = np.zeros((SIDE, SIDE))
    top, left = (SIDE - tall) // 2, (SIDE - wide) // 2
    canvas[top : top + tall, left : left + wide] = small
    return canvas


def _shares(old: int, new: int) -> Array:
    """(new, old): what part of each new pixel each old one makes up."""
    edges = np.arange(new + 1) * old / new
    starts, ends = edges[:-1, None], edges[1:, None]
    pixel = np.arange(old)
    overlap = np.clip(np.minimum(ends, pixel + 1) - np.maximum(starts, pixel), 0, None)
    return overlap / overlap.sum(axis=1, keepdims=True)


def _bytes(ink: Array) -> Array:
    return np.round(255 * np.clip(ink, 0, 1)).astype(np.uint8)[..., None]
