"""Drawings of digits, brought into the form that networks know from MNIST.

A network trained on MNIST has seen digits that were fitted into 20×20 pixels with their aspect kept, drawn with a pen of about
the same width, and moved so that their centre of mass lies in the middle of 28×28 (LeCun, Cortes and Burges, 1998). Whatever
is drawn larger, smaller, elsewhere or with another pen looks strange to it: so drawings, whether they come as strokes or as
pictures, are all brought into that form by one function, ``digit``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from pellucid.errors import ConfigError, DataError, ShapeError, did_you_mean
from pellucid.kernels import load
from pellucid.memory import Array

SIDE, BOX = 28, 20  # pixels: the picture, and the longer side of what is drawn on it
PEN = 2.4  # pixels: as wide as MNIST's strokes are in the mean
POINTS, STROKES = 20_000, 1_000  # more than a patient person draws
NEAR = 0.2  # pixels: points closer to the one before change nothing
LARGEST = 1e9  # coordinates
PAPER = 127  # a border whose median is above this is light
FAINT = 0.15  # of the darkest ink: what is fainter is dust, or paper

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
        except (TypeError, ValueError):
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
        return _drawn([(line - start) * (SIDE / size.max()) - 0.5 for line in lines], np.zeros(2))
    longest = float((high - low).max())
    scale = (BOX - PEN) / longest if longest > 0 else 0.0  # a dot stays a dot
    placed = [(line - (low + high) / 2) * scale + middle for line in lines]
    if normalization == "box":
        return _drawn(placed, np.zeros(2))
    first = _drawn(placed, np.zeros(2))[..., 0].astype(np.float64)
    row, column = (float((first * axis).sum() / first.sum()) for axis in np.mgrid[:SIDE, :SIDE])
    most = (SIDE - BOX) / 2  # further, and ink would leave the picture
    return _drawn(placed, np.clip([middle - column, middle - row], -most, most))


def _drawn(lines: list[Array], shift: Array) -> Array:
    """Lines in pixels, (x, y), moved by ``shift``, drawn with the pen."""
    segments = []
    for line in lines:
        kept = [line[0]]
        for point in line[1:]:
            if math.dist(point, kept[-1]) >= NEAR:
                kept.append(point)
        path = np.asarray(kept)[:, ::-1] + shift[::-1]
        segments.append(np.hstack([path[:-1], path[1:]] if len(path) > 1 else [path, path]))
    covered = load().ink(np.concatenate(segments).astype(np.float32), PEN / 2, np.empty((SIDE, SIDE), np.float32))
    return np.round(255 * covered).astype(np.uint8)[..., None]


def _from_picture(picture: Array, normalization: str) -> Array:
    grey = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    if grey.ndim != 2 or 0 in grey.shape:
        raise ShapeError(f"a drawing as a picture is grey, (h, w) or (h, w, 1), got the shape {picture.shape}")
    values = grey.astype(np.float64) * (1 if grey.dtype == np.uint8 else 255)
    if not np.isfinite(values).all():
        raise DataError("this picture has pixels that are no numbers")
    border = np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])
    paper = float(np.median(border))
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
        for axis, index in enumerate(np.mgrid[:SIDE, :SIDE]):
            inside = np.flatnonzero(fitted.max(axis=1 - axis))
            wanted = round((SIDE - 1) / 2 - float((fitted * index).sum() / fitted.sum()))
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
