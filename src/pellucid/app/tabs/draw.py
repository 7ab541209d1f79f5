"""The tab Draw: the predictions of the networks for a drawing, drawings to choose from, and corrections."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid.app.api import DRAWING_FIELDS, RequestFields, get, pack, post
from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.data.drawings.corrections import Corrections
from pellucid.data.drawings.rendering import digit
from pellucid.data.drawings.strokes import CLASSES, resampled
from pellucid.data.drawings.styles import styled_digit
from pellucid.errors import ConfigError, DataError

MAX_NETWORKS = 12  # of one request
MAX_SAVED = 60  # corrections in the list of the page
LOADING_TIMEOUT = 20.0  # seconds
# The drawings to choose from, by their numbers in styles.py: a one and a nine with a foot, an open four, a seven crossed low, …
EXAMPLES = (30, 21, 52, 63, 24, 25, 46, 27, 68, 59)
EXAMPLE_SIZE = 640  # of the longer side of an example, in units of the pad, which has 1000 in each direction
EXAMPLE_DISTANCE = 25  # between the points of an example, in units of the pad


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab. ``/api/networks`` and ``/api/predict`` serve other programs as well."""
    networks, corrections = state.networks, state.corrections
    return [
        get("/api/networks", functools.partial(_list_networks, networks)),
        post("/api/predict", functools.partial(_predict, networks), *DRAWING_FIELDS, "networks"),
        get("/api/draw/examples", _examples),
        post("/api/draw/correct", functools.partial(_correct, corrections), "strokes", "canvas", "label", "predicted"),
        get("/api/draw/saved", functools.partial(_saved, corrections)),
        post("/api/draw/uncorrect", functools.partial(_uncorrect, corrections), "name"),
        post("/api/draw/learn", functools.partial(_learn, state)),
        post("/api/draw/unlearn", functools.partial(_unlearn, state)),
        get("/api/draw/corrections", lambda: {"folder": str(corrections.folder), "corrections": corrections.drawings()}),
    ]


def _list_networks(networks: Networks) -> dict[str, Any]:
    networks.loaded.wait(LOADING_TIMEOUT)
    return {"networks": [network.describe() for network in networks.select(None)]}


def _predict(networks: Networks, request: RequestFields) -> dict[str, Any]:
    image = request.image(networks.kernels)
    selected = networks.select(request.texts("networks", MAX_NETWORKS, None))[:MAX_NETWORKS]
    predictions = [network.predict(image) for network in selected]
    if predictions:
        networks.answered.set()
    return {"image": pack(image[0]), "predictions": predictions}


@functools.cache
def _examples() -> dict[str, Any]:
    """Return a drawing of each digit in the middle of the pad. No network was trained on these drawings."""
    return {"examples": [_example(number) for number in EXAMPLES]}


def _example(number: int) -> dict[str, Any]:
    strokes, label = styled_digit(number, "page")
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = EXAMPLE_SIZE / float((high - low).max())
    placed = [(stroke - (low + high) / 2) * scale + 500 for stroke in strokes]
    return {"label": CLASSES[label], "strokes": [np.rint(resampled(one, EXAMPLE_DISTANCE)).tolist() for one in placed]}


def _saved(corrections: Corrections) -> dict[str, Any]:
    """Return the newest corrections, the newest first, with their images."""
    newest = list(corrections.named().items())[::-1]
    shown = [
        {"name": name, "label": one["label"], "predicted": one.get("predicted"), "image": pack(digit(one["strokes"]))}
        for name, one in newest[:MAX_SAVED]
    ]
    return {"count": len(newest), "saved": shown}


def _uncorrect(corrections: Corrections, request: RequestFields) -> dict[str, Any]:
    corrections.remove(request.text("name"))
    return {}


def _correct(corrections: Corrections, request: RequestFields) -> dict[str, Any]:
    label, predicted = request.text("label", CLASSES), request.text("predicted", CLASSES, None)
    count = corrections.add(request.strokes(), request.canvas(), label, predicted)
    return {"count": count, "folder": str(corrections.folder)}


def _learn(state: AppState, request: RequestFields) -> dict[str, Any]:
    """Let the networks of the package learn all corrections, and return the effect on each."""
    drawings = state.corrections.drawings()
    if not drawings:
        raise DataError("there is nothing to learn: save a correction first")
    with state.learning:
        effects = state.networks.adapt(drawings)
    if not effects:
        raise ConfigError("only the two networks of the package learn corrections, and they are not loaded")
    return {"count": len(drawings), "effects": [{"network": name, **dataclasses.asdict(one)} for name, one in effects.items()]}


def _unlearn(state: AppState, request: RequestFields) -> dict[str, Any]:
    """Give the networks of the package the parameters that they have there."""
    with state.learning:
        state.networks.adapt([])
    return {}
