"""Data sets in the plane: small problems that can be plotted, and features of their points.

Each function of ``PLANAR`` draws n points x (n, 2) with labels y (n). The classes alternate, so that a few consecutive rows
contain all of them. The seed determines the position of a point within its shape. ``noise`` is the standard deviation of a
Gaussian displacement from there. More noise moves the same points further in the same directions. All shapes are centred on
zero and extend to about 2 in at least one direction, so that one learning rate suits all of them.

Each function of ``SURFACES`` draws n points of a square with numbers y (n) for regression: heights between −1 and 1 of a
surface over the plane. There, ``noise`` is the standard deviation of a Gaussian error of y.

:func:`with_features` replaces the coordinates of the points by functions of them, such as x₁².
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from pellucid.core.config import Count, NonNegative, validate
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.data.dataset import Dataset
from pellucid.errors import DataError, did_you_mean


def moons(n: int = 300, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Return two interleaved half circles.

    With t from 0 to π, class 0 is (cos t − ½, sin t − ¼) and class 1 is (½ − cos t, ¼ − sin t), both times 1.3. A curved line
    separates them; a straight line does not.
    """
    t, sign = _positions(n, 2, seed, "moons") * np.pi, 1 - 2 * _labels(n, 2)
    return _with_noise(1.3 * np.stack([sign * (np.cos(t) - 0.5), sign * (np.sin(t) - 0.25)], axis=1), 2, noise, seed, "moons")


def circles(n: int = 300, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Return two rings around zero: class 0 with radius 2, class 1 with radius 1. The decision boundary is a closed curve."""
    angle, radius = 2 * np.pi * _positions(n, 2, seed, "circles"), 2.0 - _labels(n, 2)
    return _with_noise(_polar(radius, angle), 2, noise, seed, "circles")


def spirals(n: int = 300, noise: float = 0.2, seed: int = 0, classes: int = 2) -> Dataset:
    """Return a spiral arm for each of the ``classes``, wound once around zero.

    At a distance r from 0 to 2, the arm of class c is at the angle 2π (r/2 + c/classes). The distances are r = 2√u with u
    spread evenly over 0 … 1. This is the most difficult of these problems.
    """
    radius = 2 * np.sqrt(_positions(n, classes, seed, "spirals"))
    angle = 2 * np.pi * (radius / 2 + _labels(n, classes) / classes)
    return _with_noise(_polar(radius, angle), classes, noise, seed, "spirals")


def blobs(n: int = 300, noise: float = 0.2, seed: int = 0, classes: int = 3) -> Dataset:
    """Return round clouds of points, one for each of the ``classes``.

    The centres are equally spaced on a circle of radius 1.5, the first at the top. ``noise`` is the standard deviation of the
    clouds. Straight lines separate them as long as the clouds are small.
    """
    angle = np.pi / 2 + 2 * np.pi * _labels(n, classes) / classes
    return _with_noise(_polar(np.full(n, 1.5), angle), classes, noise, seed, "blobs")


def xor(n: int = 300, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Return four squares, of which those diagonally opposite have the same class.

    |x₁| and |x₂| are uniform between 0.2 and 2; the class is 1 where the signs of x₁ and x₂ differ. A network with a single
    layer cannot solve this problem (Minsky and Papert, 1969).
    """
    y, quarter = _labels(n, 2), np.arange(n) // 2 % 2
    first = 1 - 2 * quarter
    signs = np.stack([first, np.where(y == 1, -first, first)], axis=1)
    return _with_noise(signs * (0.2 + 1.8 * generator(seed, "planar", "xor").random((n, 2))), 2, noise, seed, "xor")


PLANAR: dict[str, Callable[[int, float, int], Dataset]] = {
    "moons": moons,
    "circles": circles,
    "spirals": spirals,
    "blobs": blobs,
    "xor": xor,
}


def plane(n: int = 300, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Return heights of an inclined plane: y = (x₁ + x₂)/4. A single linear layer represents it."""
    return _heights(lambda x1, x2: (x1 + x2) / 4, n, noise, seed, "plane")


def saddle(n: int = 300, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Return heights of a saddle: y = x₁ x₂/4. It is linear in the feature x₁ x₂, and not in x₁ and x₂."""
    return _heights(lambda x1, x2: x1 * x2 / 4, n, noise, seed, "saddle")


def ripples(n: int = 300, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Return heights of ripples around zero: y = cos πr at the distance r. This is the most difficult of these surfaces."""
    return _heights(lambda x1, x2: np.cos(np.pi * np.hypot(x1, x2)), n, noise, seed, "ripples")


SURFACES: dict[str, Callable[[int, float, int], Dataset]] = {"plane": plane, "saddle": saddle, "ripples": ripples}

FEATURES: dict[str, Callable[[Array, Array], Array]] = {
    "x1": lambda x1, x2: x1,
    "x2": lambda x1, x2: x2,
    "x1^2": lambda x1, x2: x1 * x1,
    "x2^2": lambda x1, x2: x2 * x2,
    "x1*x2": lambda x1, x2: x1 * x2,
    "sin(x1)": lambda x1, x2: np.sin(x1),
    "sin(x2)": lambda x1, x2: np.sin(x2),
}


def features(x: Array, names: Iterable[str]) -> Array:
    """Return these features of the points x (n, 2), in this order: (n, features). Raises DataError for an unknown name."""
    chosen = tuple(names)
    if not chosen:
        raise DataError(f"there are no features: expected at least one of {', '.join(FEATURES)}")
    for name in chosen:
        if name not in FEATURES:
            raise DataError(f"there is no feature {name!r}: {did_you_mean(name, FEATURES)}")
    x1, x2 = np.ascontiguousarray(x.T)
    return np.stack([FEATURES[name](x1, x2) for name in chosen], axis=1)


def with_features(data: Dataset, *names: str) -> Dataset:
    """Return the data set with features of its points in the place of their coordinates: ``with_features(xor(), "x1*x2")``."""
    return Dataset(features(data.x, names), data.y, classes=data.classes, name=data.name)


def _heights(surface: Callable[[Array, Array], Array], n: int, noise: float, seed: int, name: str) -> Dataset:
    """Return points, uniform over the square |x₁|, |x₂| ≤ 2, with their noisy heights."""
    validate(n, Count, "planar data", "n")
    noise = validate(noise, NonNegative, name, "noise")
    x = generator(seed, "planar", name).uniform(-2, 2, (n, 2))
    y = surface(*x.T) + noise * generator(seed, "planar", name, "noise").standard_normal(n)
    return Dataset(x.astype(np.float32), y.astype(np.float32), name=name)


def _labels(n: int, classes: int) -> Array:
    """Return the labels 0, 1, …, 0, 1, …. Raises ConfigError and DataError for impossible counts."""
    validate(n, Count, "planar data", "n")
    if not isinstance(classes, int) or not 2 <= classes <= n:
        raise DataError(f"{n} points of {classes!r} classes: expected at least two classes, and at least one point for each")
    return np.arange(n) % classes


def _positions(n: int, classes: int, seed: int, name: str) -> Array:
    """Return a position from 0 to 1 for each point (n,), spread evenly within each class.

    For a class of k points, the range 0 … 1 is divided into k parts, and each point is at a random position within its own
    part. Independent positions would leave gaps that look like structure.
    """
    y = _labels(n, classes)
    part, count = np.arange(n) // classes, np.bincount(y)[y]
    positions: Array = (part + generator(seed, "planar", name).random(n)) / count
    return positions


def _polar(radius: Array, angle: Array) -> Array:
    """Return the points (n, 2) with these polar coordinates (n)."""
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _with_noise(shape: Array, classes: int, noise: float, seed: int, name: str) -> Dataset:
    """Return the points ``shape`` (n, 2), displaced by Gaussian noise, with their labels."""
    noise = validate(noise, NonNegative, name, "noise")
    displacements = generator(seed, "planar", name, "noise").standard_normal(shape.shape)
    x = (shape + noise * displacements).astype(np.float32)
    return Dataset(x, _labels(len(shape), classes), classes=[str(label) for label in range(classes)], name=name)
