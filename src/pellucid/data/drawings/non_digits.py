"""Random drawings that are not digits: scribbles, letters, signs and things.

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
from pellucid.data.drawings.rendering import digit
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT
from pellucid.errors import ConfigError, did_you_mean

KINDS: Final = ("scribble", "capital", "sign", "pair", "small letter", "thing")
TRAINING_KINDS: Final = ("scribble", "capital", "sign", "pair")  # the others are only in the test set
SCRIBBLE_LENGTH: Final = 6  # relative to its size; that of an 8 is about 4


def non_digit_images(part: str, kinds: Sequence[str], count: int) -> Dataset:
    """Return ``count`` drawings of these ``kinds`` as images (28, 28, 1) of bytes with the label "no digit".

    The kinds alternate. Each ``part`` (training, validation or test set) has different drawings.
    """
    x = np.stack([digit(non_digit(kinds[i % len(kinds)], i, part)) for i in range(count)])
    return Dataset(x, np.full(count, CLASSES.index(NO_DIGIT)), classes=CLASSES, name=f"non-digits {part}")


def non_digit(kind: str, number: int, part: str = "train") -> list[Array]:
    """Return a random drawing: strokes (n, 2) with x to the right and y down, in a square of about 10 by 10.

    A pair is about twice as wide. ``kind``, ``number`` and ``part`` determine the drawing. Raises ConfigError for an unknown
    kind.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no kind of drawing {kind!r}: {did_you_mean(kind, KINDS)}")
    random = rng.generator(0, "nondigit", part, kind, number)
    if kind == "scribble":
        return _distorted(_scribble(random), random)
    if kind == "pair":  # two letters side by side
        left, right = _from_template("capital", random), _from_template("capital", random)
        offset = np.array([random.uniform(9, 12), 0.0])
        return _distorted([*left, *(stroke + offset for stroke in right)], random)
    return _distorted(_from_template(kind, random), random)


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
