"""Drawings of digits as images in the form of MNIST.

The digits of MNIST are scans, resized to fit into 20×20 pixels with their aspect ratio kept, and shifted so that their centre
of mass is in the middle of 28×28 pixels (LeCun, Cortes and Burges, 1998). Their strokes are about equally wide. A network
that is trained on them misclassifies many drawings of another size, position or pen width. The function :func:`digit`
converts drawings to that form, from strokes or from images.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.drawings.strokes import check_strokes, even_strokes
from pellucid.data.images.image_file import border_median, has_light_border
from pellucid.errors import ConfigError, DataError, ShapeError, did_you_mean
from pellucid.kernels import load

SIDE, BOX = 28, 20  # pixels: the image, and the longer side of the digit in it
PEN = 2.4  # pixels: the mean width of the strokes of MNIST
SPACING = 0.2  # pixels along a stroke: points closer together than this are merged
FAINT = 0.15  # of the darkest ink: fainter pixels are dust or paper

Normalization = Literal["mass", "box", "none"]
NORMALIZATIONS: tuple[Normalization, ...] = ("mass", "box", "none")


def digit(drawing: Any, normalization: str = "mass", canvas: tuple[float, float] | None = None) -> Array:
    """Return a drawing as an image (28, 28, 1) of bytes with light ink on black, in the form of MNIST.

    ``drawing`` is a list of strokes, each a list of points (x, y), x to the right and y down, in any unit. Or it is a grey
    image (h, w) or (h, w, 1) of any size, of bytes or values from 0 to 1, with dark ink on light paper or light ink on dark.
    Strokes are first made even (:func:`~pellucid.data.drawings.strokes.even_strokes`), so that few points and many, steady and
    trembling hands give nearly the same image.

    ``normalization`` is one of:

    - "mass": the ink is resized to fit into 20×20 with its aspect ratio kept, and its centre of mass is in the middle;
    - "box": the same, with the middle of its bounding box in the middle;
    - "none": the whole ``canvas`` (width, height) or image is resized, which shows the effect of the normalization. The default
      canvas is the bounding box of the strokes.

    Raises DataError for an empty drawing, for one that is too long, and for coordinates that are not finite; ShapeError for
    other arrays; ConfigError for another normalization.
    """
    if normalization not in NORMALIZATIONS:
        raise ConfigError(f"there is no normalization {normalization!r}: {did_you_mean(normalization, NORMALIZATIONS)}")
    if isinstance(drawing, np.ndarray):
        return _from_image(drawing, normalization)
    return _from_strokes(even_strokes(check_strokes(drawing)), normalization, canvas)


def image_of(strokes: list[Array], width: float = 1.0) -> Array:
    """Return strokes as ``digit`` does, normalized by mass, with a pen whose width is ``width`` times PEN.

    The strokes are not checked.
    """
    return _from_strokes(even_strokes(strokes), "mass", None, PEN * width)


def _from_strokes(strokes: list[Array], normalization: str, canvas: tuple[float, float] | None, pen: float = PEN) -> Array:
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (SIDE - 1) / 2  # the coordinates of a pixel are those of its centre
    if normalization == "none":
        size = np.asarray(canvas if canvas is not None else np.maximum(high - low, 1e-9), np.float64)
        if size.shape != (2,) or not (np.isfinite(size) & (size > 0)).all():
            raise DataError(f"canvas must be a width and a height above 0, got {canvas}")
        origin = np.zeros(2) if canvas is not None else low
        return _to_bytes(_draw(_segments([(stroke - origin) * (SIDE / size.max()) - 0.5 for stroke in strokes]), pen))
    longest = float((high - low).max())
    scale = (BOX - pen) / longest if longest > 0 else 0.0  # a dot stays a dot
    segments = _segments([(stroke - (low + high) / 2) * scale + middle for stroke in strokes])
    image = _draw(segments, pen)
    if normalization == "box":
        return _to_bytes(image)
    pixel, ink = np.arange(SIDE), float(image.sum())
    centre = [float(image.sum(axis=1) @ pixel) / ink, float(image.sum(axis=0) @ pixel) / ink]
    limit = (SIDE - BOX) / 2  # a larger shift would move ink out of the image
    shift = np.clip([middle - centre[0], middle - centre[1]], -limit, limit)
    return _to_bytes(_draw(segments + np.tile(shift, 2), pen))


def _segments(strokes: list[Array]) -> Array:
    """Return strokes of points (x, y) in pixels as segments (s, 4) from (row, column) to (row, column)."""
    segments = []
    for stroke in strokes:
        steps = stroke[1:] - stroke[:-1]
        length = np.concatenate([[0.0], np.cumsum(np.sqrt((steps * steps).sum(axis=1)))])
        interval = length // SPACING
        kept = np.flatnonzero(interval[1:] > interval[:-1]) + 1  # the first point in each interval of that length
        path = stroke[np.concatenate([[0], kept, [len(stroke) - 1]]), ::-1]
        segments.append(np.concatenate([path[:-1], path[1:]], axis=1))
    return np.concatenate(segments)


def _draw(segments: Array, pen: float) -> Array:
    """Return an image (28, 28) with values from 0 to 1 of the segments, drawn with a pen of this width in pixels."""
    return load().draw_strokes(segments.astype(np.float32), pen / 2, np.empty((SIDE, SIDE), np.float32))


def _from_image(image: Array, normalization: str) -> Array:
    grey = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    if grey.ndim != 2 or 0 in grey.shape:
        raise ShapeError(f"an image of a drawing must be grey, (h, w) or (h, w, 1), got the shape {image.shape}")
    values = grey.astype(np.float64) * (1 if grey.dtype == np.uint8 else 255)
    if not np.isfinite(values).all():
        raise DataError("this image has pixels that are not finite")
    background = border_median(values)
    ink = background - values if has_light_border(values) else values - background
    darkest = float(ink.max())
    if darkest < 0.1 * 255:
        raise DataError("this image is empty")
    ink = np.clip((ink / darkest - FAINT) / (1 - FAINT), 0, 1)
    if normalization == "none":
        return _to_bytes(_resize(ink, SIDE))
    rows, columns = (np.flatnonzero(ink.max(axis=axis)) for axis in (1, 0))
    fitted = _resize(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], BOX)
    if normalization == "mass":
        shifts = []
        for axis in (0, 1):
            inked = np.flatnonzero(fitted.max(axis=1 - axis))
            shift = round((SIDE - 1) / 2 - float(fitted.sum(axis=1 - axis) @ np.arange(SIDE)) / float(fitted.sum()))
            shifts.append(int(np.clip(shift, -inked[0], SIDE - 1 - inked[-1])))
        fitted = np.roll(fitted, shifts, (0, 1))
    return _to_bytes(fitted)


def _resize(ink: Array, side: int) -> Array:
    """Resize ``ink`` (h, w) so that its longer side is ``side``, and centre it. Each pixel is the mean of what it covers."""
    h, w = ink.shape
    scale = side / max(h, w)
    tall, wide = max(1, round(h * scale)), max(1, round(w * scale))
    small = _area_weights(h, tall) @ ink @ _area_weights(w, wide).T
    canvas = np.zeros((SIDE, SIDE))
    top, left = (SIDE - tall) // 2, (SIDE - wide) // 2
    canvas[top : top + tall, left : left + wide] = small
    return canvas


def _area_weights(old: int, new: int) -> Array:
    """Return (new, old): the fraction of each new pixel that each old pixel covers."""
    edges = np.arange(new + 1) * old / new
    starts, ends = edges[:-1, None], edges[1:, None]
    pixel = np.arange(old)
    overlap = np.clip(np.minimum(ends, pixel + 1) - np.maximum(starts, pixel), 0, None)
    return overlap / overlap.sum(axis=1, keepdims=True)


def _to_bytes(ink: Array) -> Array:
    return np.round(255 * np.clip(ink, 0, 1)).astype(np.uint8)[..., None]
