"""Random drawings that are not digits: scribbles, letters, signs, numbers, turned digits, shapes, figures, things.

A network that has only seen digits reads every drawing as a digit, with high confidence. With drawings of other kinds in its
training set, as a class of their own, it learns to reject them (Hendrycks, Mazeika and Dietterich, "Deep Anomaly Detection with
Outlier Exposure", 2019). Some kinds are only in the test set, which measures how it treats drawings of unknown kinds.

The templates are in ``non_digits.txt``. Letters that are drawn like a digit are not among them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from pellucid.core import rng
from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.data.drawings.rendering import digit, image_of
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT, catmull_rom
from pellucid.data.drawings.styles import styled_digit
from pellucid.data.drawings.variations import pen_width, varied
from pellucid.errors import ConfigError, did_you_mean

TRAINING_KINDS: Final = ("scribble", "capital", "sign", "pair", "number", "turned digit", "shapes", "figure", "struck out")
KINDS: Final = (*TRAINING_KINDS, "small letter", "thing")  # the last two are only in the test set
SCRIBBLE_LENGTH: Final = 6  # relative to its size; that of an 8 is about 4


def non_digit_images(part: str, kinds: Sequence[str], count: int) -> Dataset:
    """Return ``count`` drawings of these ``kinds`` as images (28, 28, 1) of bytes with the label "no digit".

    The kinds alternate. Each ``part`` (training, validation or test set) has different drawings.
    """
    x = np.stack([digit(non_digit(kinds[i % len(kinds)], i, part)) for i in range(count)])
    return Dataset(x, np.full(count, CLASSES.index(NO_DIGIT)), classes=CLASSES, name=f"non-digits {part}")


def varied_non_digits(part: str, kinds: Sequence[str], count: int) -> Dataset:
    """Return other drawings than :func:`non_digit_images`, with changes that the digits of a training set have as well.

    Otherwise a network would learn that whatever trembles, or has few points, is a digit.
    """
    images = []
    for i in range(count):
        random = rng.generator(0, "nondigit variation", part, i)
        drawing = varied(non_digit(kinds[i % len(kinds)], i, f"{part}, varied"), random, None)
        images.append(image_of(drawing, pen_width(random)))
    return Dataset(np.stack(images), np.full(count, CLASSES.index(NO_DIGIT)), classes=CLASSES, name=f"non-digits {part}")


def non_digit(kind: str, number: int, part: str = "train") -> list[Array]:
    """Return a random drawing: strokes (n, 2) with x to the right and y down, in a square of about 10 by 10.

    A pair and a number are two or three times as wide. ``kind``, ``number`` and ``part`` determine the drawing. Raises
    ConfigError for an unknown kind.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no kind of drawing {kind!r}: {did_you_mean(kind, KINDS)}")
    random = rng.generator(0, "nondigit", part, kind, number)
    if kind == "scribble":
        return _distorted(_scribble(random), random)
    if kind == "number":  # two or three digits side by side
        return _distorted(_number(random), random)
    if kind == "turned digit":
        return _distorted(_turned(random), random)
    if kind == "shapes":
        make = (_outline, _chain, _shapes)[random.integers(3)]
        return _distorted(make(random), random)
    if kind == "figure":
        make = (_mirrored, _attached)[random.integers(2)]
        return _distorted(make(random), random)
    if kind == "struck out":  # a digit with a zigzag line over it
        digit_strokes, _ = styled_digit(int(random.integers(1 << 30)), "struck out")
        return _distorted([*(10 * stroke for stroke in digit_strokes), _zigzag(random)], random)
    if kind == "pair":  # two letters side by side
        left, right = _from_template("capital", random), _from_template("capital", random)
        offset = np.array([random.uniform(9, 12), 0.0])
        return _distorted([*left, *(stroke + offset for stroke in right)], random)
    return _distorted(_from_template(kind, random), random)


def _number(random: np.random.Generator) -> list[Array]:
    """Return two or three digits beside each other that do not touch."""
    strokes, right = list[Array](), 0.0
    for _ in range(2 if random.random() < 0.7 else 3):
        drawing = styled_digit(int(random.integers(1 << 30)), "number")[0]
        left = min(float(stroke[:, 0].min()) for stroke in drawing)
        strokes += [10 * (stroke - np.array([left, 0])) + np.array([right, 0]) for stroke in drawing]
        right = max(float(stroke[:, 0].max()) for stroke in strokes) + random.uniform(1, 4)
    return strokes


def _turned(random: np.random.Generator) -> list[Array]:
    """Return a digit mirrored or upside down, where that is not a digit: some of them are letters, as p and h."""
    mirror = bool(random.random() < 0.5)
    label = int(random.choice([3, 6, 7, 9] if mirror else [3, 4, 7]))
    drawing = styled_digit(10 * int(random.integers(1 << 26)) + label, "turned")[0]
    factors = np.array([-10, 10] if mirror else [-10, -10])
    return [stroke * factors for stroke in drawing]


def _zigzag(random: np.random.Generator) -> Array:
    """Return a line that goes to and fro over the square between −5 and 5."""
    turns = int(random.integers(5, 10))
    corners = np.stack([np.linspace(-4.5, 4.5, turns), np.where(np.arange(turns) % 2, 3.5, -3.5)], axis=1)
    corners = corners + random.normal(0, 0.7, corners.shape)
    if random.random() < 0.5:
        corners = corners[:, ::-1]
    (line,) = _redrawn([corners], random)
    return line


def _outline(random: np.random.Generator) -> list[Array]:
    """Return a closed line with four to ten corners, sometimes round, and one to four short lines, arcs or dots with it."""
    corners = int(random.integers(4, 11))
    angles = (np.arange(corners) + random.uniform(0, 0.6, corners)) * (2 * math.pi / corners)
    path = np.stack([np.cos(angles), np.sin(angles)], axis=1) * random.uniform(2, 5, (corners, 1))
    path = np.concatenate([path, path[:1]])
    strokes = [path @ _rotation(random.uniform(0, math.pi))] if random.random() < 0.5 else _redrawn([path], random)
    for _ in range(int(random.integers(1, 5))):
        strokes.append(_arc(random, random.uniform(0.3, 2), random.uniform(-4, 4, 2)))
    return strokes


def _chain(random: np.random.Generator) -> list[Array]:
    """Return five to eight lines and arcs, each of which begins at the end or at a random point of one before it."""
    strokes = [_arc(random, random.uniform(1, 3), np.zeros(2))]
    for _ in range(int(random.integers(4, 8))):
        before = strokes[int(random.integers(len(strokes)))] if random.random() < 0.5 else strokes[-1]
        start = before[-1] if random.random() < 0.6 else before[int(random.integers(len(before)))]
        path = _arc(random, random.uniform(1, 3), np.zeros(2))
        strokes.append(path - path[0] + start)
    return strokes


def _shapes(random: np.random.Generator) -> list[Array]:
    """Return three to five arcs, circles and lines in places that are a little apart. Fewer could be a digit."""
    count = int(random.integers(3, 6))
    angles = (np.arange(count) + random.uniform(0, 0.7, count)) * (2 * math.pi / count)
    places = np.stack([np.cos(angles), np.sin(angles)], axis=1) * random.uniform(1.5, 4, (count, 1))
    return [_arc(random, random.uniform(1, 3), place) for place in places]


def _mirrored(random: np.random.Generator) -> list[Array]:
    """Return a drawing whose left and right side are alike, as of many things: an outline, and parts in it or beside it.

    One to three of the parts occur on both sides; up to two lie across the axis.
    """
    corners = int(random.integers(3, 7))
    y = np.linspace(-5, 5, corners) + random.uniform(-0.8, 0.8, corners)
    x = random.uniform(1, 5, corners)
    half = np.stack([x * (max(4.0, x.max()) / x.max()), y], axis=1)
    if random.random() < 0.6:
        half[0, 0] = 0  # a tip, or a notch
    if random.random() < 0.4:
        half[-1, 0] = 0
    outline = np.concatenate([half, half[::-1] * (-1, 1)])
    if random.random() < 0.75:
        outline = np.concatenate([outline, outline[:1]])
    strokes = _line_through(outline, random)
    for _ in range(int(random.integers(1, 4))):
        part = _arc(random, random.uniform(0.3, 2), np.array([random.uniform(1, 3.5), random.uniform(-4, 5)]))
        strokes += [part, part * (-1, 1) + random.normal(0, 0.2, 2)]
    for _ in range(int(random.integers(0, 3))):
        x = np.linspace(-1, 1, 13) * random.uniform(0.5, 3)
        strokes.append(np.stack([x, random.normal(0, 0.25) * x * x + random.uniform(-4, 4)], axis=1))
    return strokes


def _attached(random: np.random.Generator) -> list[Array]:
    """Return a closed line with three to eight corners, and two to four lines, arcs and loops that begin on it."""
    corners = int(random.integers(3, 9))
    angles = (np.arange(corners) + random.uniform(0, 0.6, corners)) * (2 * math.pi / corners)
    path = np.stack([np.cos(angles), np.sin(angles)], axis=1) * random.uniform(2.5, 4, (corners, 1))
    strokes = _line_through(np.concatenate([path, path[:1]]), random)
    outline = strokes[0]
    for _ in range(int(random.integers(2, 5))):
        part = _arc(random, random.uniform(1, 2.5), np.zeros(2))
        strokes.append(part - part[0] + outline[int(random.integers(len(outline)))])
    return strokes


def _line_through(corners: Array, random: np.random.Generator) -> list[Array]:
    """Return one stroke through these points: straight lines between them, drawn by hand, or a curve."""
    if random.random() < 0.5:
        return _redrawn([corners], random)
    return [catmull_rom(corners + random.normal(0, 0.2, corners.shape), 0.3)]


def _arc(random: np.random.Generator, size: float, middle: Array) -> Array:
    """Return a line, an arc, an ellipse or a wave of about this ``size``."""
    kind, stretch = int(random.integers(4)), random.uniform(0.5, 1, 2) * size
    if kind == 0:
        path = np.stack([np.linspace(-1, 1, 12), 0.1 * random.normal() * np.linspace(-1, 1, 12) ** 2], axis=1)
    elif kind == 3:
        x = np.linspace(-1, 1, 24)
        path = np.stack([x, 0.4 * np.sin(random.uniform(3, 9) * x)], axis=1)
    else:
        angles = random.uniform(0, 2 * math.pi) + np.linspace(0, 2 * math.pi if kind == 2 else random.uniform(1.5, 5), 24)
        path = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return (path * stretch) @ _rotation(random.uniform(0, math.pi)) + middle


def _rotation(angle: float) -> Array:
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def _from_template(kind: str, random: np.random.Generator) -> list[Array]:
    templates = _templates()[kind]
    return _redrawn(templates[random.integers(len(templates))], random)


@functools.cache
def _templates() -> dict[str, list[list[Array]]]:
    """Return the templates of each kind, each a list of strokes."""
    from importlib.resources import files

    templates: dict[str, list[list[Array]]] = {}
    for row in files("pellucid.data.drawings").joinpath("non_digits.txt").read_text(encoding="utf-8").splitlines():
        if not row.startswith("#"):
            kind, _, text = row.split(": ")
            strokes = [[[float(value) for value in point.split(",")] for point in stroke.split()] for stroke in text.split("|")]
            templates.setdefault(kind, []).append([np.array(stroke) for stroke in strokes])
    return templates


def _scribble(random: np.random.Generator) -> list[Array]:
    """Return random walks of the pen, long enough in total that they cannot be taken for a digit, such as a 1 or a 6."""
    strokes: list[Array] = []
    while sum(float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in strokes) < SCRIBBLE_LENGTH * _extent(strokes):
        n = int(random.integers(20, 70))
        turns = random.normal(random.normal(0, 0.15), random.uniform(0.1, 0.6), n)
        angles = np.cumsum(turns) + random.uniform(0, 2 * math.pi)
        steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * random.uniform(0.6, 2.0)
        strokes.append(random.uniform(0, 10, 2) + np.cumsum(steps, axis=0))
    return strokes


def _extent(strokes: list[Array]) -> float:
    """Return the longer side of the bounding box of the strokes, or 1 if there are none."""
    return float(np.ptp(np.concatenate(strokes), axis=0).max()) if strokes else 1.0


def _redrawn(strokes: list[Array], random: np.random.Generator) -> list[Array]:
    """Return the drawing with its corners moved, its straight lines bent, and sometimes with round corners."""
    redrawn = []
    for stroke in strokes:
        corners = stroke + random.normal(0, 0.35, stroke.shape)
        parts = [corners[:1]]
        for start, end in itertools.pairwise(corners):
            t = np.linspace(0, 1, 7)[1:, None]
            across = np.array([start[1] - end[1], end[0] - start[0]]) * random.normal(0, 0.06)
            parts.append(start + (end - start) * t + across * 4 * t * (1 - t))
        path = np.concatenate(parts)
        if len(path) > 8 and random.random() < 0.5:
            middle = (path[:-2] + 2 * path[1:-1] + path[2:]) / 4
            path = np.concatenate([path[:1], middle, path[-1:]])
        redrawn.append(path)
    return redrawn


def _distorted(strokes: list[Array], random: np.random.Generator) -> list[Array]:
    """Return the drawing rotated by a few degrees, sheared and stretched."""
    angle, shear = math.radians(random.normal(0, 8)), random.normal(0, 0.15)
    width = math.exp(random.normal(0, 0.2))
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = rotation @ [[width, shear], [0.0, 1 / width]]
    return [stroke @ matrix.T for stroke in strokes]
