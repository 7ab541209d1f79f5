"""The tab Draw: what each network makes of a drawing, and the answers that people corrected."""

from __future__ import annotations

import base64
import functools
import time
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid.app.body import Body, answer, tell
from pellucid.app.networks import Network, Networks
from pellucid.core.memory import Array
from pellucid.data.drawings.corrections import Corrections
from pellucid.data.drawings.rendering import CLASSES, NO_DIGIT, digit

MOST = 12  # networks asked at once
PATIENCE = 20.0  # seconds for the networks to be loaded
DRAWING = ("strokes", "normalization", "canvas")


def picture(body: Body) -> Array:
    """The drawing of a request as networks see it: (1, 28, 28, 1) bytes."""
    return digit(body.strokes(), body.normalization(), body.canvas())[None]


def packed(values: Array) -> str:
    """Numbers as the page reads them: base64 of bytes, or of float32 in the order of this machine's and every browser's."""
    return base64.b64encode(values.astype(values.dtype if values.dtype == np.uint8 else "<f4").tobytes()).decode()


def routes(networks: Networks, corrections: Corrections) -> list[BaseRoute]:
    """The routes of this tab."""
    return [
        tell("/api/networks", functools.partial(_networks, networks)),
        answer("/api/predict", functools.partial(_predict, networks), *DRAWING, "networks"),
        answer("/api/correct", functools.partial(_correct, corrections), "strokes", "canvas", "label", "said"),
        tell("/api/corrections", lambda: {"folder": str(corrections.folder), "corrections": corrections.drawings()}),
    ]


def _networks(networks: Networks) -> dict[str, Any]:
    networks.ready.wait(PATIENCE)
    return {"networks": [network.described() for network in networks.some(None)]}


def _predict(networks: Networks, body: Body) -> dict[str, Any]:
    x = picture(body)
    asked = networks.some(body.texts("networks", MOST, None))
    return {"picture": packed(x[0]), "guesses": [guess(network, x) for network in asked[:MOST]]}


def guess(network: Network, x: Array) -> dict[str, Any]:
    """What a network makes of a picture: its class, how sure it is, and how long it took."""
    began = time.perf_counter()
    p = network.model.predict(x)[0]
    milliseconds = 1000 * (time.perf_counter() - began)
    order = np.argsort(-p)
    label, second = network.classes[order[0]], network.classes[order[1]]
    return {
        "network": network.name,
        "label": label,
        "digit": label != NO_DIGIT,
        "second": second,
        "probabilities": [round(float(value), 6) for value in p],
        "doubt": float(1 - p[order[0]]),
        "milliseconds": milliseconds,
    }


def _correct(corrections: Corrections, body: Body) -> dict[str, Any]:
    label, said = body.text("label", CLASSES), body.text("said", CLASSES, None)
    kept = corrections.keep(body.strokes(), body.canvas(), label, said)
    return {"kept": kept, "folder": str(corrections.folder)}
