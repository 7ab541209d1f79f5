"""The tab Compare: several networks on the same images, and the images that make up each count.

Each network predicts each part of a data set once: later requests use the stored predictions
(:mod:`pellucid.app.predictions`). While a request is computed, the page asks for its progress by a ticket, a name that it gives
to the request, and may cancel it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid.app.api import RequestFields, pack, post
from pellucid.app.networks import Network, Networks
from pellucid.app.predictions import CancelledError, Card, Part, PredictionStore, Progress
from pellucid.app.state import AppState
from pellucid.app.tabs import compare_tables
from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.runs.comparison import Comparison

MIN_NETWORKS, MAX_NETWORKS = 2, 6
IMAGES_PER_ANSWER = 60
CONFUSIONS = 5  # the most frequent ones of each network
PARTS = ("test", "validation")
FIELDS = ("networks", "part", "data")  # of every request


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab."""
    networks, store, tickets = state.networks, PredictionStore(state.runs, state.data_dir), Tickets()
    cell = ("network", "true", "predicted")
    return [
        post("/api/compare/results", functools.partial(_results, networks, store, tickets), *FIELDS, "ticket"),
        post("/api/compare/progress", tickets.look_up, "ticket"),
        post("/api/compare/cancel", tickets.cancel, "ticket"),
        post("/api/compare/images", functools.partial(_images, networks, store), *FIELDS, *cell, "first"),
        *compare_tables.routes(state),
    ]


class Tickets:
    """The progress of the requests that are being computed, by their tickets."""

    def __init__(self) -> None:
        self._progress: dict[str, Progress] = {}

    @contextlib.contextmanager
    def progress(self, ticket: str | None) -> Iterator[Progress]:
        """Make the progress of a request known during the ``with`` block."""
        progress = Progress()
        if ticket is not None:
            self._progress[ticket] = progress
        try:
            yield progress
        finally:
            if ticket is not None:
                self._progress.pop(ticket, None)

    def look_up(self, request: RequestFields) -> dict[str, Any]:
        """Return the progress of the request with that ticket; after its end, the state "unknown"."""
        progress = self._progress.get(request.text("ticket"))
        return {"state": "unknown"} if progress is None else progress.now

    def cancel(self, request: RequestFields) -> dict[str, Any]:
        """Cancel the request with that ticket, and return whether it was still being computed."""
        progress = self._progress.get(request.text("ticket"))
        if progress is not None:
            progress.cancel()
        return {"cancelled": progress is not None}


@dataclass
class _Selection:
    """Networks and one part of one data set. ``classes`` are those of the data or of the network that knows the most."""

    networks: Sequence[Network]
    part: Part
    card: Card
    y: Array
    probabilities: dict[str, Array]
    comparison: Comparison
    classes: tuple[str, ...]


def _select(
    networks: Networks, store: PredictionStore, request: RequestFields, progress: Progress, *, with_images: bool = False
) -> _Selection:
    """Return what a request selects. ``with_images`` loads the images even where the predictions for them are known."""
    names = request.texts("networks", MAX_NETWORKS)
    part = request.text("part", PARTS, "test")
    if len(set(names)) < len(names):
        raise ConfigError("the list of networks contains the same network twice")
    if len(names) < MIN_NETWORKS:
        raise ConfigError(f"choose {MIN_NETWORKS} to {MAX_NETWORKS} networks")
    selected = networks.select(names)
    datasets = [_training_data(network) for network in selected]
    data = request.text("data", [name for name, _ in datasets], None) or datasets[0][0]
    first = next(one for one, (name, _) in zip(selected, datasets, strict=True) if name == data)
    chosen = Part(data, _training_data(first)[1], part)
    if with_images:
        store.samples(chosen, progress)
    found = store.predictions(selected, chosen, first.settings.get("data", {}).get("sha256"), progress)
    probabilities = {one.name: found[one.name].probabilities for one in selected}
    labels = {name: p.argmax(axis=1) for name, p in probabilities.items()}
    known = found[selected[0].name]
    classes = max([known.card.classes, *(one.classes for one in selected)], key=len)
    return _Selection(selected, chosen, known.card, known.y, probabilities, Comparison(known.y, labels), classes)


def _training_data(network: Network) -> tuple[str, int]:
    """Return the name of the data that a network was trained on, and the seed of its split."""
    data = network.settings.get("data", {})
    return str(data.get("requested", "mnist")), int(data.get("split_seed", 0))


def _results(networks: Networks, store: PredictionStore, tickets: Tickets, request: RequestFields) -> dict[str, Any]:
    with tickets.progress(request.text("ticket", None, None)) as progress:
        try:
            selection = _select(networks, store, request, progress)
        except CancelledError:
            return {"cancelled": True}
    comparison, card, n = selection.comparison, selection.card, len(selection.y)
    return {
        "data": {"name": card.name, "part": selection.part.part, "source": card.source, "n": n},
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
    notes, card = [], selection.card
    for network in selection.networks:
        data = network.settings.get("data", {})
        name = data.get("name", "data that its run does not name")
        if name != card.name:
            notes.append(f"{network.name} was trained on {name}, not on {card.name}")
        elif data.get("sha256") != card.sha256:
            notes.append(f"{network.name} was trained on another version of the files of {name}")
        elif data.get("split_seed", 0) != _training_data(selection.networks[0])[1]:
            notes.append(f"{network.name} was trained with another split: its training set may contain validation images")
        missing = sorted(set(card.classes) - set(network.classes))
        if missing:
            classes = " or ".join(repr(one) for one in missing)
            notes.append(f"{network.name} cannot predict {classes}: all images of these classes count as wrong")
    return notes


def _images(networks: Networks, store: PredictionStore, request: RequestFields) -> dict[str, Any]:
    """Return images of a cell of the confusion matrix of ``network``, those with the highest probability first.

    Without ``network``, they are the images on which the networks disagree, the hardest first.
    """
    selection = _select(networks, store, request, Progress(), with_images=True)
    samples, _ = store.samples(selection.part, Progress())
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
            for row, image in zip(shown, samples.x[shown], strict=True)
        ],
    }
