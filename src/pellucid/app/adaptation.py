"""Adaptation: the last layer of a network learns a user's corrections within a second, and forgets nothing.

The layers before the last one stay as they are, so their outputs h are computed once. The last layer, W h + b, is trained for a
few iterations of L-BFGS on the corrections with their labels, together with a sample of the network's own training data, the
replay set, with the network's own probabilities as targets: where nobody corrected it, it is to answer as before (Li and Hoiem,
"Learning without Forgetting", 2016).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np

from pellucid.core import rng
from pellucid.core.memory import Array
from pellucid.data.drawings.rendering import digit, image_of
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT, check_strokes
from pellucid.data.drawings.variations import pen_width, varied
from pellucid.errors import ConfigError
from pellucid.layers import Dense, Softmax
from pellucid.losses import CrossEntropy
from pellucid.model.activations import activations
from pellucid.model.model import Model
from pellucid.networks import Sequential
from pellucid.optim import LBFGS

REPLAY_FILE = "replay.npz"  # in the folder app/pair of the package
VARIATIONS = 6  # of each correction, so that the user's next drawing of the same kind is read as well
WEIGHT, MAX_WEIGHT = 0.01, 0.1  # of a correction with its variations, and of all together, relative to the replay set
MAX_CORRECTIONS = 60  # the latest ones; more would take more than a second
ITERATIONS = 15
CHUNK = 128  # samples whose activations are in memory at once


@dataclass(frozen=True)
class Replay:
    """A sample of the training data (n, 28, 28, 1), and drawings of other writers with labels, to measure the effect."""

    x: Array
    check_x: Array
    check_y: Array

    @classmethod
    def of_package(cls) -> Replay:
        """Return the set that is part of the package."""
        with files("pellucid.app").joinpath("pair").joinpath(REPLAY_FILE).open("rb") as file, np.load(file) as arrays:
            return cls(arrays["x"], arrays["check_x"], arrays["check_y"])


@dataclass(frozen=True)
class Effect:
    """What an adaptation changed: fractions of the corrections, and of the other writers' drawings, that are read correctly."""

    corrections: tuple[float, float]  # before and after
    others: tuple[float, float]
    seconds: float


class Adaptation:
    """The adaptation of one network. The network itself stays as it is; :meth:`learn` returns a changed copy.

    Raises ConfigError for a network whose last layers are not Dense and Softmax, or whose classes are not those of drawings.
    """

    def __init__(self, model: Model, replay: Replay):
        paths = [path for path in model.weights if path.endswith(".W")]
        self.model, self.replay, self.last = model, replay, paths[-1].removesuffix(".W") if paths else ""
        if model.classes != CLASSES or model.weights.get(f"{self.last}.b", np.empty(0)).shape != (len(CLASSES),):
            raise ConfigError("only networks for drawings that end with Dense and Softmax learn corrections")

    @cached_property
    def _replayed(self) -> tuple[Array, Array]:
        """The inputs of the last layer for the replay set, and the network's probabilities."""
        return self._features(self.replay.x), self.model.predict(self.replay.x)

    def learn(self, corrections: Sequence[Mapping[str, Any]]) -> tuple[Model, Effect]:
        """Return a network that has learned these corrections, as ``Corrections.drawings()`` returns them, and the effect."""
        start = time.perf_counter()
        latest = corrections[-MAX_CORRECTIONS:]
        images, labels = _images(latest)
        replayed, probabilities = self._replayed
        features = self._features(images)
        targets = np.concatenate([probabilities, np.eye(len(CLASSES), dtype=np.float32)[labels]])
        each = min(WEIGHT, MAX_WEIGHT / len(latest)) * len(replayed) / (1 + VARIATIONS)
        weights = np.concatenate([np.ones(len(replayed)), np.full(len(images), each)]).astype(np.float32)
        head = Sequential(Dense(len(CLASSES)), Softmax()).compile(features.shape[1:], CrossEntropy(), LBFGS())
        for name, array in head.weights.items():
            array[...] = self.model.weights[f"{self.last}.{name[-1]}"]
        head.fit(np.concatenate([replayed, features]), targets, sample_weight=weights, epochs=ITERATIONS)
        changed = self.model.copy()
        for name, array in head.weights.items():
            changed.weights[f"{self.last}.{name[-1]}"][...] = array
        drawn = np.stack([digit(one["strokes"]) for one in latest])
        true = np.array([CLASSES.index(one["label"]) for one in latest])
        of_corrections, of_others = (
            tuple(float((model.predict(x).argmax(axis=1) == y).mean()) for model in (self.model, changed))
            for x, y in ((drawn, true), (self.replay.check_x, self.replay.check_y))
        )
        return changed, Effect(of_corrections, of_others, time.perf_counter() - start)  # type: ignore[arg-type]

    def _features(self, x: Array) -> Array:
        """Return the inputs (n, d) of the last layer."""
        found = []
        for first in range(0, len(x), CHUNK):
            outputs = activations(self.model, x[first : first + CHUNK])
            paths = list(outputs)
            found.append(outputs[paths[paths.index(self.last) - 1]])
        return np.concatenate(found)


def _images(corrections: Sequence[Mapping[str, Any]]) -> tuple[Array, Array]:
    """Return each correction and its variations as images, and their labels."""
    images, labels = list[Array](), list[int]()
    for number, one in enumerate(corrections):
        strokes = check_strokes(one["strokes"])
        images.append(digit(strokes))
        for repetition in range(VARIATIONS):
            random = rng.generator(0, "adaptation", number, repetition)
            label = None if one["label"] == NO_DIGIT else int(one["label"])
            images.append(image_of(varied(strokes, random, label), pen_width(random)))
        labels += [CLASSES.index(one["label"])] * (1 + VARIATIONS)
    return np.stack(images), np.array(labels)
