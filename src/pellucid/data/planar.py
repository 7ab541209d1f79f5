"""Data sets in the plane: problems that one can see, and see solved.

Each function draws n points x (n, 2) with labels y (n): the classes take turns, so that any stretch of the set holds all
of them. Where a point lies within its shape comes from the seed; ``noise`` is the standard deviation of a Gaussian step
away from there, the same step for every noise, so that more noise moves the same points further. All shapes are centred
on zero and reach about 2 in each direction, so that one learning rate means the same for each of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.core.config import Count, NonNegative, checked
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.data.dataset import Dataset
from pellucid.errors import DataError


def moons(n: int = 300, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Two half circles that reach into each other: with t from 0 to π, class 0 is (cos t − ½, sin t − ¼) and class 1 is
    (½ − cos t, ¼ − sin t), both times 1.3. A curved line separates them; no straight one does."""
    t, sign = _spread(n, 2, seed, "moons") * np.pi, 1 - 2 * _labels(n, 2)
    return _noisy(1.3 * np.stack([sign * (np.cos(t) - 0.5), sign * (np.sin(t) - 0.25)], axis=1), 2, noise, seed, "moons")


def circles(n: int = 300, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Two rings around zero: class 0 of radius 2, class 1 of radius 1. The boundary must close."""
    angle, radius = 2 * np.pi * _spread(n, 2, seed, "circles"), 2.0 - _labels(n, 2)
    return _noisy(_polar(radius, angle), 2, noise, seed, "circles")


def spirals(n: int = 300, noise: float = 0.2, seed: int = 0, classes: int = 2) -> Dataset:
    """As many arms as ``classes``, wound once around zero: at a distance r from 0 to 2 the arm of class c stands at the angle
    2π (r/2 + c/classes). Points lie evenly along the area, r = 2√u. The hardest of these."""
    radius = 2 * np.sqrt(_spread(n, classes, seed, "spirals"))
    angle = 2 * np.pi * (radius / 2 + _labels(n, classes) / classes)
    return _noisy(_polar(radius, angle), classes, noise, seed, "spirals")


def blobs(n: int = 300, noise: float = 0.2, seed: int = 0, classes: int = 3) -> Dataset:
    """Round clouds: ``classes`` centres evenly on a circle of radius 1.5, the first one on top; ``noise`` is the clouds'
    standard deviation. Straight lines separate them as long as they are small."""
    angle = np.pi / 2 + 2 * np.pi * _labels(n, classes) / classes
    return _noisy(_polar(np.full(n, 1.5), angle), classes, noise, seed, "blobs")


def xor(n: int = 300, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Four squares, opposite ones of the same class: x₁ and x₂ lie evenly between 0.2 and 2 away from zero, on either side;
    class 1 where their signs differ. The problem that one layer cannot solve (Minsky and Papert, 1969)."""
    y, quarter = _labels(n, 2), np.arange(n) // 2 % 2
    first = 1 - 2 * quarter
    signs = np.stack([first, np.where(y == 1, -first, first)], axis=1)
    return _noisy(signs * (0.2 + 1.8 * generator(seed, "planar", "xor").random((n, 2))), 2, noise, seed, "xor")


PLANAR: dict[str, Callable[[int, float, int], Dataset]] = {
    "moons": moons,
    "circles": circles,
    "spirals": spirals,
    "blobs": blobs,
    "xor": xor,
}


def _labels(n: int, classes: int) -> Array:
    """0, 1, …, 0, 1, …: the classes take turns. Raises ConfigError and DataError for counts that cannot be."""
    checked(n, Count, "planar data", "n")
    if not isinstance(classes, int) or not 2 <= classes <= n:
        raise DataError(f"{n} points of {classes!r} classes: two classes or more, and a point of each at least")
    return np.arange(n) % classes


def _spread(n: int, classes: int, seed: int, name: str) -> Array:
    """For each point a number from 0 to 1, even within its class: the class's stretch is cut into as many parts as it has
    points, and each point falls somewhere into its own. Pure chance would leave gaps that look like structure."""
    y = _labels(n, classes)
    place, count = np.arange(n) // classes, np.bincount(y)[y]
    spread: Array = (place + generator(seed, "planar", name).random(n)) / count
    return spread


def _polar(radius: Array, angle: Array) -> Array:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _noisy(shape: Array, classes: int, noise: float, seed: int, name: str) -> Dataset:
    noise = checked(noise, NonNegative, name, "noise")
    steps = generator(seed, "planar", name, "noise").standard_normal(shape.shape)
    x = (shape + noise * steps).astype(np.float32)
    return Dataset(x, _labels(len(shape), classes), classes=[str(label) for label in range(classes)], name=name)
