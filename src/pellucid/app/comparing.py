"""The tab Compare: networks beside each other on the same pictures, and the pictures behind every number.

Data sets are read once, and each network is asked once about each part of them; whatever the page wants to know after that is
looked up.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid.app.body import Body, answer
from pellucid.app.drawing import packed
from pellucid.app.networks import DIGITS, SHAPE, Network, Networks
from pellucid.core.memory import Array
from pellucid.data import Dataset, Splits
from pellucid.data.sources import registry as sources
from pellucid.errors import ConfigError, DataError
from pellucid.model.model import Model
from pellucid.runs.comparison import Comparison

FEWEST, MOST = 2, 6  # networks beside each other
SHOWN = 60  # pictures in one answer
SETS, ASKED = 3, 24  # data sets, and networks' answers about one of their parts, that are kept
CONFUSIONS = 5  # of each network
PARTS = ("test", "validation")
WHAT = ("networks", "part", "data")  # of every request


def routes(networks: Networks, data_dir: Path | None) -> list[BaseRoute]:
    """The routes of this tab."""
    library = Library(data_dir)
    return [
        answer("/api/compare", functools.partial(_compare, networks, library), *WHAT),
        answer(
            "/api/compare/pictures", functools.partial(_pictures, networks, library), *WHAT, "network", "true", "said", "first"
        ),
    ]


class Library:
    """Data sets and what networks said of them, the last used ones."""

    def __init__(self, data_dir: Path | None):
        self.data_dir = data_dir
        self._sets: OrderedDict[tuple[str, int], Splits] = OrderedDict()
        self._said: OrderedDict[tuple[int, str, int, str], tuple[Model, Array]] = OrderedDict()
        self._lock = threading.Lock()  # who asks for the same at once shall wait, not work twice

    def splits(self, name: str, seed: int) -> Splits:
        """A data set. Raises what reading it raises."""
        with self._lock:
            if (name, seed) not in self._sets:
                self._sets[name, seed] = sources.load(name, self.data_dir, seed)
            self._sets.move_to_end((name, seed))
            while len(self._sets) > SETS:
                self._sets.popitem(last=False)
            return self._sets[name, seed]

    def probabilities(self, network: Network, name: str, seed: int, part: str, x: Array) -> Array:
        """(n, k): what a network says of each picture of that part."""
        key = id(network.model), name, seed, part
        with self._lock:
            if key not in self._said:  # the model is kept, too: as long as it is, no other has its id
                self._said[key] = network.model, network.model.predict(x)
            self._said.move_to_end(key)
            while len(self._said) > ASKED:
                self._said.popitem(last=False)
            return self._said[key][1]


@dataclass
class _Beside:
    """Networks on one part of one data set."""

    networks: Sequence[Network]
    splits: Splits
    part: Dataset
    y: Array
    probabilities: dict[str, Array]
    comparison: Comparison
    classes: tuple[str, ...]  # of the data, and those that only networks know


def _beside(networks: Networks, library: Library, body: Body) -> _Beside:
    names = body.texts("networks", MOST)
    part = body.text("part", PARTS, "test")
    if len(set(names)) < len(names):
        raise ConfigError("the same network is named twice")
    if len(names) < FEWEST:
        raise ConfigError(f"choose {FEWEST} to {MOST} networks")
    chosen = networks.some(names)
    origins = {_origin(network): None for network in chosen}
    wanted = body.text("data", [name for name, _ in origins], None) or next(iter(origins))[0]
    seed = next(seed for name, seed in origins if name == wanted)
    splits = library.splits(wanted, seed)
    samples: Dataset = getattr(splits, part)
    if samples.shape != SHAPE or (splits.classes or ())[:10] != DIGITS:
        raise DataError(f"{splits.name} holds no pictures of digits")
    said = {one.name: library.probabilities(one, wanted, seed, part, samples.x) for one in chosen}
    y = np.asarray(samples.y)
    classes = max([splits.classes or DIGITS, *(one.classes for one in chosen)], key=len)
    labels = {name: p.argmax(axis=1) for name, p in said.items()}
    return _Beside(chosen, splits, samples, y, said, Comparison(y, labels), classes)


def _origin(network: Network) -> tuple[str, int]:
    """The data that a network was trained on, as one asks for it, and the seed of its split."""
    data = network.settings.get("data", {})
    return str(data.get("asked_for", "mnist")), int(data.get("split_seed", 0))


def _compare(networks: Networks, library: Library, body: Body) -> dict[str, Any]:
    beside = _beside(networks, library, body)
    comparison, classes, n = beside.comparison, beside.classes, len(beside.y)
    return {
        "data": {"name": beside.splits.name, "part": body.text("part", PARTS, "test"), "source": beside.splits.source, "n": n},
        "origins": list({_origin(network)[0]: None for network in beside.networks}),
        "classes": classes,
        "notes": _notes(beside),
        "networks": [
            {
                **network.described(),
                "accuracy": comparison.correct(network.name) / n,
                "correct": comparison.correct(network.name),
                "interval": comparison.interval(network.name),
                "seconds": network.metrics.get("seconds"),
                "confusion": confusion(beside.y, comparison.predicted[network.name], len(classes)),
                "confusions": [
                    {"true": true, "said": said, "count": count}
                    for true, said, count in comparison.confusions(network.name, CONFUSIONS)
                ],
            }
            for network in beside.networks
        ],
        "pairs": [{**vars(pair), "text": str(pair)} for pair in comparison.pairs()],
        "disputed": len(comparison.disputed()),
        "all_wrong": int(np.all([labels != beside.y for labels in comparison.predicted.values()], axis=0).sum()),
    }


def confusion(y: Array, said: Array, k: int) -> Array:
    """(k, k): how many samples of each class (row) a network takes for each class (column)."""
    table: Array = np.bincount(y * k + said, minlength=k * k).reshape(k, k)
    return table


def _notes(beside: _Beside) -> list[str]:
    """What has to be known of these figures: which networks learned from other data, and what they cannot say."""
    notes, splits = [], beside.splits
    for network in beside.networks:
        data = network.settings.get("data", {})
        own = data.get("name", "data that its run does not name")
        if own != splits.name:
            notes.append(f"{network.name} learned from {own}, and is asked here about {splits.name}")
        elif data.get("sha256") != splits.sha256:
            notes.append(f"{network.name} learned from other files of {own} than are here")
        elif data.get("split_seed", 0) != _origin(beside.networks[0])[1]:
            notes.append(f"{network.name} learned from another split: some of the validation pictures may have been among them")
        only = sorted(set(splits.classes or DIGITS) - set(network.classes))
        if only:
            notes.append(f"{network.name} cannot say {' or '.join(repr(one) for one in only)}: it gets all such pictures wrong")
    return notes


def _pictures(networks: Networks, library: Library, body: Body) -> dict[str, Any]:
    """The pictures behind a cell of the confusion matrix of ``network``, those it was surest of first; without ``network``
    those on which the networks disagree, the hardest first."""
    beside = _beside(networks, library, body)
    comparison, classes = beside.comparison, beside.classes
    name = body.text("network", comparison.predicted, None)
    if name is None:
        rows = comparison.disputed()
    else:
        true, said = (body.whole(what, 0, len(classes) - 1) for what in ("true", "said"))
        rows = np.flatnonzero((beside.y == true) & (comparison.predicted[name] == said))
        rows = rows[np.argsort(-beside.probabilities[name][rows].max(axis=1), kind="stable")]
    first = body.whole("first", 0, 10**9, 0)
    shown = rows[first : first + SHOWN]
    return {
        "count": len(rows),
        "first": first,
        "classes": classes,
        "pictures": [
            {
                "picture": packed(picture),
                "true": int(beside.y[row]),
                "number": int(row),
                "said": [
                    {"network": one, "label": int(labels[row]), "probability": float(beside.probabilities[one][row].max())}
                    for one, labels in comparison.predicted.items()
                ],
            }
            for row, picture in zip(shown, beside.part.x[shown], strict=True)
        ],
    }
