"""Variations: the same drawing as other hands would draw it, by changes of its strokes.

The 30 writers of the pen digits wrote upright, at leisure, and with a pen that gives a point every hundredth of a second. The
changes here are what else occurs on a screen. They change points, not pixels, so that lines stay as wide as they are:

- structure: the pen is not lifted between strokes; strokes do not meet; strokes begin or end earlier, or with a hook; a one
  gets a serif or a foot, a seven a bar;
- geometry: bent axes, rotation, slant, aspect;
- the pen: few points, tremble, another width.

A drawing and the random numbers of a generator determine the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.drawings.strokes import resampled

Strokes = list[Array]

# How often each change is made. About one drawing in fifteen has no change of structure and of the pen.
CHANCES = {"join": 0.15, "gap": 0.12, "trim": 0.15, "hook": 0.2, "add": 0.2, "bend": 0.3, "few": 0.4, "tremble": 0.45}
# Limits of the geometry. The images are also rotated and sheared a little during training, which adds to these.
ROTATION, WIDE_ROTATION = 10.0, 35.0  # degrees: a standard deviation, and the limit for one drawing in five
SLANT, WIDE_SLANT = 0.12, 0.35  # the tangent: the same
NARROWEST = 0.55  # of the width, for one drawing in five; otherwise ±15 %
TREMBLE = (0.005, 0.045)  # of the drawing's height
FEWEST, FEWEST_OF_OTHERS = 5, 12  # points in a stroke of a digit, and of another drawing
SPACING = 0.02  # of the drawing's size, between points that are added
PEN_WIDTH = 0.12  # standard deviation of the logarithm


def varied(drawing: Sequence[Array], random: np.random.Generator, label: int | None) -> Strokes:
    """Return the drawing with random changes of structure, geometry and pen, as strokes in a square of about 1 by 1.

    ``label`` is the digit that it shows: only ones and sevens get additional strokes. With None, for other drawings, it has
    no change that could make a digit of it: joined strokes would turn "=" into a 2, few points a scribble into a 6.
    """
    strokes = unit_size(drawing)
    changes: list[tuple[str, Callable[[Strokes, np.random.Generator], Strokes]]] = [
        ("trim", trimmed),
        ("hook", hooked),
        ("gap", parted),
        ("join", lambda strokes, _: joined(strokes)),
    ]
    if label is not None and label in ADDITIONS:
        changes.insert(0, ("add", ADDITIONS[label]))
    if label is None:
        changes = [("hook", hooked), ("gap", parted)]
    changes.append(("bend", bent))
    for name, change in changes:
        if random.random() < CHANCES[name]:
            strokes = change(strokes, random)
    strokes = transformed(strokes, random)
    if random.random() < CHANCES["few"]:
        strokes = few_points(strokes, random, FEWEST_OF_OTHERS if label is None else FEWEST)
    if random.random() < CHANCES["tremble"]:
        strokes = trembling(strokes, random.uniform(*TREMBLE), random)
    return strokes


def pen_width(random: np.random.Generator) -> float:
    """Return a random factor for the width of the pen, near 1."""
    return float(np.exp(np.clip(random.normal(0, PEN_WIDTH), -0.3, 0.3)))


def unit_size(drawing: Sequence[Array]) -> Strokes:
    """Return the strokes with the centre of their bounding box at 0 and its longer side 1; a dot stays a dot."""
    points = np.concatenate(drawing)
    low, high = points.min(axis=0), points.max(axis=0)
    size = float((high - low).max()) or 1.0
    return [(stroke - (low + high) / 2) / size for stroke in drawing]


def joined(strokes: Strokes, spacing: float = SPACING) -> Strokes:
    """Return one stroke: the pen goes from the end of each stroke straight to the beginning of the next.

    The points on the way are ``spacing`` apart.
    """
    parts = [strokes[0]]
    for stroke in strokes[1:]:
        parts += [line(parts[-1][-1], stroke[0], spacing)[1:-1], stroke]
    return [np.concatenate(parts)]


def parted(strokes: Strokes, random: np.random.Generator) -> Strokes:
    """Return the drawing with strokes that do not meet: one of several is moved, or the only one is interrupted."""
    if len(strokes) > 1:
        moved = int(random.integers(len(strokes)))
        shift = random.normal(0, 0.05, 2)
        return [stroke + shift if i == moved else stroke for i, stroke in enumerate(strokes)]
    path = resampled(strokes[0], SPACING)
    gap = max(1, round(len(path) * random.uniform(0.02, 0.06)))
    if len(path) < 4 * gap + 4:
        return strokes
    start = int(random.integers(gap + 1, len(path) - 2 * gap))
    return [path[:start], path[start + gap :]]


def trimmed(strokes: Strokes, random: np.random.Generator) -> Strokes:
    """Return the drawing with up to a tenth of one stroke missing at its beginning or end: a serif, a hook, a closed loop."""
    chosen = int(random.integers(len(strokes)))
    path = resampled(strokes[chosen], SPACING)
    missing = round(len(path) * random.uniform(0.02, 0.1))
    if len(path) < 8 or missing < 1:
        return strokes
    shorter = path[missing:] if random.random() < 0.5 else path[:-missing]
    return [shorter if i == chosen else stroke for i, stroke in enumerate(strokes)]


def hooked(strokes: Strokes, random: np.random.Generator) -> Strokes:
    """Return the drawing with a short hook where the pen touches down or leaves, as hurried people make them."""
    chosen = int(random.integers(len(strokes)))
    path = strokes[chosen]
    if len(path) < 3:
        return strokes
    at_end = bool(random.random() < 0.5)
    near, end = (path[-3], path[-1]) if at_end else (path[2], path[0])
    back = np.arctan2(*(near - end)[::-1]) + random.choice([-1, 1]) * random.uniform(0.3, 2.2)
    tip = end + random.uniform(0.04, 0.13) * np.array([np.cos(back), np.sin(back)])
    hook = line(end, tip)[1:]
    longer = np.concatenate([path, hook] if at_end else [hook[::-1], path])
    return [longer if i == chosen else stroke for i, stroke in enumerate(strokes)]


def _one_with_more(strokes: Strokes, random: np.random.Generator) -> Strokes:
    """Return a one with a serif at its top, a foot, or both. One that does not stand upright stays as it is."""
    path = max(strokes, key=len)
    top, bottom = path[path[:, 1].argmin()], path[path[:, 1].argmax()]
    points = np.concatenate(strokes)
    if np.ptp(points[:, 0]) > 0.35:  # it has a serif already
        return [*strokes, _foot(bottom, random)] if random.random() < 0.5 else strokes
    added = []
    if random.random() < 0.7:
        serif = np.array([-random.uniform(0.12, 0.35), random.uniform(0.05, 0.3)])
        added.append(line(top + serif, top))
    if not added or random.random() < 0.4:
        added.append(_foot(bottom, random))
    return [*strokes, *added]


def _foot(bottom: Array, random: np.random.Generator) -> Array:
    return _across(bottom, (0.1, 0.3), 0.02, random)


def _across(point: Array, reach: tuple[float, float], tilt: float, random: np.random.Generator) -> Array:
    """Return a nearly level line through a point, with random lengths ``reach`` to the left and to the right."""
    sides = np.stack([random.uniform(*reach, 2) * (-1, 1), random.normal(0, tilt, 2)], axis=1)
    return line(point + sides[0], point + sides[1])


def _seven_with_bar(strokes: Strokes, random: np.random.Generator) -> Strokes:
    """Return a seven with a bar through its leg, high or low; one that has more strokes than one stays as it is."""
    if len(strokes) > 1:
        return strokes
    (path,) = strokes
    points = resampled(path, SPACING)
    height = random.uniform(0.4, 0.75)
    at = points[: points[:, 1].argmax() + 1]
    crossing = at[np.abs(at[:, 1] - (points[:, 1].min() + height * np.ptp(points[:, 1]))).argmin()]
    return [path, _across(crossing, (0.12, 0.3), 0.03, random)]


ADDITIONS: dict[int, Callable[[Strokes, np.random.Generator], Strokes]] = {1: _one_with_more, 7: _seven_with_bar}


def bent(strokes: Strokes, random: np.random.Generator) -> Strokes:
    """Return the drawing with bent and unevenly stretched axes: x' = x + a y² + b x² + c xy, and the same for y."""
    a, b, c, d, e, f = random.normal(0, 0.12, 6)

    def moved(p: Array) -> Array:
        x, y = p[:, 0], p[:, 1]
        return np.stack([x + a * y * y + b * x * x + c * x * y, y + d * y * y + e * x * x + f * x * y], axis=1)

    return [moved(stroke) for stroke in strokes]


def transformed(strokes: Strokes, random: np.random.Generator) -> Strokes:
    """Return the drawing rotated, slanted and narrowed or widened: a little, or one drawing in five by much for each."""
    wide = random.random(3) < 0.2
    degrees = random.uniform(-WIDE_ROTATION, WIDE_ROTATION) if wide[0] else random.normal(0, ROTATION)
    slant = random.uniform(-WIDE_SLANT, WIDE_SLANT) if wide[1] else random.normal(0, SLANT)
    width = random.uniform(NARROWEST, 1.0) if wide[2] else np.exp(random.uniform(-0.15, 0.15))
    angle = np.deg2rad(np.clip(degrees, -WIDE_ROTATION, WIDE_ROTATION))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ [[width, slant], [0.0, 1.0]]
    return [stroke @ matrix.T for stroke in strokes]


def few_points(strokes: Strokes, random: np.random.Generator, fewest: int = FEWEST) -> Strokes:
    """Return the drawing with few points in each stroke: every third to fifth, or ``fewest`` to twice as many in each."""
    if random.random() < 0.3:
        step = int(random.integers(3, 6))
        return [np.concatenate([stroke[:-1:step], stroke[-1:]]) for stroke in strokes]
    count = int(random.integers(fewest, 2 * fewest + 1))
    return [stroke[np.unique(np.rint(np.linspace(0, len(stroke) - 1, count)).astype(np.int64))] for stroke in strokes]


def trembling(strokes: Strokes, deviation: float, random: np.random.Generator) -> Strokes:
    """Return the drawing with each point moved at random, by ``deviation`` times the drawing's height in x and in y."""
    points = np.concatenate(strokes)
    amount = deviation * (float(np.ptp(points[:, 1])) or float(np.ptp(points[:, 0])))
    return [stroke + random.normal(0, amount, stroke.shape) for stroke in strokes]


def line(start: Array, end: Array, spacing: float = SPACING) -> Array:
    """Return points on a straight line, ``spacing`` apart."""
    parts = max(1, int(np.ceil(np.hypot(*(end - start)) / spacing)))
    points: Array = start + (end - start) * (np.arange(parts + 1) / parts)[:, None]
    return points
