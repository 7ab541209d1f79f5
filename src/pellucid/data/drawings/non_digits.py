"""Drawings that are no digits: scribbles, letters, signs and things, each a little different.

A network that has seen digits only calls everything a digit, and says so with confidence. Shown drawings of other kinds in
training as a class of their own, it learns to say so (Hendrycks, Mazeika and Dietterich, "Deep Anomaly Detection with Outlier
Exposure", 2019). Some kinds are kept for the test: what counts is what is said of drawings unlike all those before.

The templates are in nondigits.txt, without the letters that are drawn like a digit.
"""

from __future__ import annotations

import functools
import itertools
import math
from importlib.resources import files
from typing import Final

import numpy as np

from pellucid.core import rng
from pellucid.core.memory import Array
from pellucid.errors import ConfigError, did_you_mean

KINDS: Final = ("scribble", "capital", "sign", "pair", "small letter", "thing")
TANGLED: Final = 6  # times as long as it is large: an 8 has about 4
IN_TRAINING: Final = ("scribble", "capital", "sign", "pair")  # the others are for the test alone


def nondigit(kind: str, number: int, part: str = "train") -> list[Array]:
    """One drawing of that kind: strokes (n, 2), x to the right and y down, in a square of about 10 by 10. ``number`` and
    ``part`` name the chance in it. Raises ConfigError for another kind."""
    if kind not in KINDS:
        raise ConfigError(f"there is no kind of drawing {kind!r}: {did_you_mean(kind, KINDS)}")
    chance = rng.generator(0, "nondigit", part, kind, number)
    if kind == "scribble":
        return _turned(_scribble(chance), chance)
    if kind == "pair":  # two letters, as somebody writes a word
        one, other = _one("capital", chance), _one("capital", chance)
        beside = np.array([chance.uniform(9, 12), 0.0])
        return _turned([*one, *(line + beside for line in other)], chance)
    return _turned(_one(kind, chance), chance)


def _one(kind: str, chance: np.random.Generator) -> list[Array]:
    templates = _templates()[kind]
    return _shaken(templates[chance.integers(len(templates))], chance)


@functools.cache
def _templates() -> dict[str, list[list[Array]]]:
    """By kind, the strokes of every template."""
    found: dict[str, list[list[Array]]] = {}
    for row in files("pellucid.data.drawings").joinpath("non_digits.txt").read_text(encoding="utf-8").splitlines():
        if not row.startswith("#"):
            kind, _, strokes = row.split(": ")
            lines = [[[float(n) for n in point.split(",")] for point in line.split()] for line in strokes.split("|")]
            found.setdefault(kind, []).append([np.array(line) for line in lines])
    return found


def _scribble(chance: np.random.Generator) -> list[Array]:
    """A pen that wanders, its direction turning by chance, until it has gone far: a short stroke might be a 1, or a 6."""
    lines: list[Array] = []
    while sum(float(np.hypot(*np.diff(line, axis=0).T).sum()) for line in lines) < TANGLED * _extent(lines):
        n = int(chance.integers(20, 70))
        angles = np.cumsum(chance.normal(chance.normal(0, 0.15), chance.uniform(0.1, 0.6), n)) + chance.uniform(0, 2 * math.pi)
        steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * chance.uniform(0.6, 2.0)
        lines.append(chance.uniform(0, 10, 2) + np.cumsum(steps, axis=0))
    return lines


def _extent(lines: list[Array]) -> float:
    """The longer side of the box around the lines; 1 if there are none."""
    return float(np.ptp(np.concatenate(lines), axis=0).max()) if lines else 1.0


def _shaken(lines: list[Array], chance: np.random.Generator) -> list[Array]:
    """The same drawing by another hand: corners elsewhere, straight parts bent, and sometimes rounded."""
    made = []
    for line in lines:
        moved = line + chance.normal(0, 0.35, line.shape)
        parts = [moved[:1]]
        for start, end in itertools.pairwise(moved):
            t = np.linspace(0, 1, 7)[1:, None]
            across = np.array([start[1] - end[1], end[0] - start[0]]) * chance.normal(0, 0.06)
            parts.append(start + (end - start) * t + across * 4 * t * (1 - t))
        path = np.concatenate(parts)
        if len(path) > 8 and chance.random() < 0.5:
            middle = (path[:-2] + 2 * path[1:-1] + path[2:]) / 4
            path = np.concatenate([path[:1], middle, path[-1:]])
        made.append(path)
    return made


def _turned(lines: list[Array], chance: np.random.Generator) -> list[Array]:
    """Turned by some degrees, slanted, and stretched."""
    turn, slant = math.radians(chance.normal(0, 8)), chance.normal(0, 0.15)
    wide = math.exp(chance.normal(0, 0.2))
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ [[wide, slant], [0.0, 1 / wide]]
    return [line @ matrix.T for line in lines]
