"""Digits in styles that the writers of the pen digits seldom use, generated as strokes.

Among them are the crossed seven, the one with flag and foot, the open four, and the nine with a straight leg, a curled leg or
a flat foot. The templates are in ``styles.txt``. Each drawing has moved points, and then the changes of ``variations.py``.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np

from pellucid.core import rng
from pellucid.core.memory import Array
from pellucid.data.drawings.strokes import catmull_rom
from pellucid.data.drawings.variations import line, varied

SPACING = 0.2  # between the points of a drawing, in the units of the templates
MOVED = 0.35  # standard deviation of the points of a template


def styled_digit(number: int, part: str = "train") -> tuple[list[Array], int]:
    """Return a random drawing of a digit as strokes (n, 2) with y down, and its label.

    ``number`` and ``part`` determine the drawing. The digits alternate, and so do the styles of each.
    """
    label = number % 10
    styles = _templates()[label]
    random = rng.generator(0, "style", part, number)
    template = styles[number // 10 % len(styles)]
    return varied([_drawn(points, curved, random) for points, curved in template], random, label), label


@functools.cache
def _templates() -> dict[int, list[list[tuple[Array, bool]]]]:
    """Return the styles of each digit, each a list of strokes: the points, and whether they are those of a curve."""
    from importlib.resources import files

    templates: dict[int, list[list[tuple[Array, bool]]]] = {}
    for row in files("pellucid.data.drawings").joinpath("styles.txt").read_text(encoding="utf-8").splitlines():
        if not row.startswith("#"):
            label, _, text = row.split(": ")
            strokes = []
            for stroke in text.split("|"):
                points = [[float(value) for value in point.split(",")] for point in stroke.removeprefix("~").split()]
                strokes.append((np.array(points), stroke.startswith("~")))
            templates.setdefault(int(label), []).append(strokes)
    return templates


def _drawn(points: Array, curved: bool, random: np.random.Generator) -> Array:
    """Return a template's stroke, with its points moved: straight lines, or curves between the points that occur twice."""
    corner = np.zeros(len(points), bool)
    corner[1:] = (points[1:] == points[:-1]).all(axis=1)
    moved = (points + random.normal(0, MOVED, points.shape))[~corner]
    if not curved:
        lines = [line(start, end, SPACING)[:-1] for start, end in itertools.pairwise(moved)]
        return np.concatenate([*lines, moved[-1:]])
    ends = [0, *(np.flatnonzero(corner) - np.arange(1, corner.sum() + 1)), len(moved) - 1]
    pieces = [catmull_rom(moved[a : b + 1], SPACING) for a, b in itertools.pairwise(ends) if b > a]
    return np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])
