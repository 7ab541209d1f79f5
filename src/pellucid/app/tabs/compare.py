"""The tab Compare: several networks on the same images, and the images that make up each count.

Data sets are loaded once, and each network predicts each part of them once. Later requests use the stored predictions.
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

from pellucid.app.api import RequestFields, pack, post
from pellucid.app.networks import DIGITS, SHAPE, Network, Networks
from pellucid.app.state import AppState
from pellucid.core.memory import Array
from pellucid.data import Dataset, Splits
from pellucid.data.sources import registry
from pellucid.errors import ConfigError, DataError
from pellucid.model.model import Model
from pellucid.runs.comparison import Comparison

MIN_NETWORKS, MAX_NETWORKS = 2, 6
IMAGES_PER_ANSWER = 60
MAX_DATASETS, MAX_PREDICTIONS = 3, 24  # kept in memory; one prediction is of one network for one part of a data set
CONFUSIONS = 5  # the most frequent ones of each network
PARTS = ("test", "validation")
FIELDS = ("networks", "part", "data")  # of every request


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab."""
    networks, cache = state.networks, PredictionCache(state.data_dir)
    cell = ("network", "true", "predicted")
    return [
        post("/api/compare/results", functools.partial(_results, networks, cache), *FIELDS),
        post("/api/compare/images", functools.partial(_images, networks, cache), *FIELDS, *cell, "first"),
    ]


class PredictionCache:
    """The most recently used data sets, and the predictions of the networks for them."""

    def __init__(self, data_dir: Path | None):
        self._data_dir = data_dir
        self._splits: OrderedDict[tuple[str, int], Splits] = OrderedDict()
        self._predictions: OrderedDict[tuple[int, str, int, str], tuple[Model, Array]] = OrderedDict()
        self._lock = threading.Lock()  # a second request for the same results waits for the first

    def splits(self, name: str, seed: int) -> Splits:
        """Return a data set, loaded on first use. Raises what ``registry.load`` raises."""
        with self._lock:
            if (name, seed) not in self._splits:
                self._splits[name, seed] = registry.load(name, self._data_dir, seed)
            self._splits.move_to_end((name, seed))
            while len(self._splits) > MAX_DATASETS:
                self._splits.popitem(last=False)
            return self._splits[name, seed]

    def probabilities(self, network: Network, name: str, seed: int, part: str, x: Array) -> Array:
        """Return the probabilities that a network computes for the images x of a part: (n, k)."""
        key = id(network.model), name, seed, part
        with self._lock:
            if key not in self._predictions:  # the model is kept too, so that no other model gets its id
                self._predictions[key] = network.model, network.model.predict(x)
            self._predictions.move_to_end(key)
            while len(self._predictions) > MAX_PREDICTIONS:
                self._predictions.popitem(last=False)
            return self._predictions[key][1]


@dataclass
class _Selection:
    """Networks and one part of one data set. ``classes`` are those of the data or of the network that knows the most."""

    networks: Sequence[Network]
    splits: Splits
    part: Dataset
    y: Array
    probabilities: dict[str, Array]
    comparison: Comparison
    classes: tuple[str, ...]


def _select(networks: Networks, cache: PredictionCache, request: RequestFields) -> _Selection:
    names = request.texts("networks", MAX_NETWORKS)
    part = request.text("part", PARTS, "test")
    if len(set(names)) < len(names):
        raise ConfigError("the list of networks contains the same network twice")
    if len(names) < MIN_NETWORKS:
        raise ConfigError(f"choose {MIN_NETWORKS} to {MAX_NETWORKS} networks")
    selected = networks.select(names)
    datasets = [_training_data(network) for network in selected]
    data = request.text("data", [name for name, _ in datasets], None) or datasets[0][0]
    seed = next(seed for name, seed in datasets if name == data)
    splits = cache.splits(data, seed)
    samples: Dataset = getattr(splits, part)
    if samples.shape != SHAPE or (splits.classes or ())[:10] != DIGITS:
        raise DataError(f"{splits.name} does not contain images of digits")
    probabilities = {one.name: cache.probabilities(one, data, seed, part, samples.x) for one in selected}
    labels = {name: p.argmax(axis=1) for name, p in probabilities.items()}
    y = np.asarray(samples.y)
    classes = max([splits.classes or DIGITS, *(one.classes for one in selected)], key=len)
    return _Selection(selected, splits, samples, y, probabilities, Comparison(y, labels), classes)


def _training_data(network: Network) -> tuple[str, int]:
    """Return the name of the data that a network was trained on, and the seed of its split."""
    data = network.settings.get("data", {})
    return str(data.get("requested", "mnist")), int(data.get("split_seed", 0))


def _results(networks: Networks, cache: PredictionCache, request: RequestFields) -> dict[str, Any]:
    selection = _select(networks, cache, request)
    comparison, splits, n = selection.comparison, selection.splits, len(selection.y)
    return {
        "data": {"name": splits.name, "part": request.text("part", PARTS, "test"), "source": splits.source, "n": n},
        "datasets": list(dict.fromkeys(_training_data(network)[0] for network in selection.networks)),
        "classes": selection.classes,
        "notes": _notes(selection),
        "networks": [_network_results(network, selection) for network in selection.networks],
        "pairs": [{**vars(pair), "text": str(pair)} for pair in comparison.mcnemar_tests()],
        "disputed": len(comparison.disagreements()),
        "all_wrong": int(np.all([labels != selection.y for labels in comparison.predictions.values()], axis=0).sum()),
    }


def _network_results(network: Network, selection: _Selection) -> dict[str, Any]:
    comparison, name = selection.comparison, network.name
    return {
        **network.describe(),
        "accuracy": comparison.correct(name) / len(selection.y),
        "correct": comparison.correct(name),
        "interval": comparison.interval(name),
        "seconds": network.metrics.get("seconds"),
        "confusion": confusion_matrix(selection.y, comparison.predictions[name], len(selection.classes)),
        "confusions": [
            {"true": true, "predicted": predicted, "count": count}
            for true, predicted, count in comparison.confusions(name, CONFUSIONS)
        ],
    }


def confusion_matrix(y: Array, predicted: Array, k: int) -> Array:
    """Return the number of samples of each class (row) for each predicted class (column): (k, k)."""
    matrix: Array = np.bincount(y * k + predicted, minlength=k * k).reshape(k, k)
    return matrix


def _notes(selection: _Selection) -> list[str]:
    """Return warnings: networks that were trained on other data, and classes that a network does not have."""
    notes, splits = [], selection.splits
    for network in selection.networks:
        data = network.settings.get("data", {})
        name = data.get("name", "data that its run does not name")
        if name != splits.name:
            notes.append(f"{network.name} was trained on {name}, not on {splits.name}")
        elif data.get("sha256") != splits.sha256:
            notes.append(f"{network.name} was trained on another version of the files of {name}")
        elif data.get("split_seed", 0) != _training_data(selection.networks[0])[1]:
            notes.append(f"{network.name} was trained with another split: its training set may contain validation images")
        missing = sorted(set(splits.classes or DIGITS) - set(network.classes))
        if missing:
            classes = " or ".join(repr(one) for one in missing)
            notes.append(f"{network.name} cannot predict {classes}: all images of these classes count as wrong")
    return notes


def _images(networks: Networks, cache: PredictionCache, request: RequestFields) -> dict[str, Any]:
    """Return images of a cell of the confusion matrix of ``network``, those with the highest probability first.

    Without ``network``, they are the images on which the networks disagree, the hardest first.
    """
    selection = _select(networks, cache, request)
    comparison, classes = selection.comparison, selection.classes
    name = request.text("network", comparison.predictions, None)
    if name is None:
        rows = comparison.disagreements()
    else:
        true, predicted = (request.integer(field, 0, len(classes) - 1) for field in ("true", "predicted"))
        rows = np.flatnonzero((selection.y == true) & (comparison.predictions[name] == predicted))
        rows = rows[np.argsort(-selection.probabilities[name][rows].max(axis=1), kind="stable")]
    first = request.integer("first", 0, 10**9, 0)
    shown = rows[first : first + IMAGES_PER_ANSWER]
    return {
        "count": len(rows),
        "first": first,
        "classes": classes,
        "images": [
            {
                "image": pack(image),
                "true": int(selection.y[row]),
                "index": int(row),
                "predictions": [
                    {"network": one, "label": int(labels[row]), "probability": float(selection.probabilities[one][row].max())}
                    for one, labels in comparison.predictions.items()
                ],
            }
            for row, image in zip(shown, selection.part.x[shown], strict=True)
        ],
    }
