"""The tab Why: what each pixel of a drawing did for a network's guess, or for any other digit."""

from __future__ import annotations

import functools
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid import data as sources, explain
from pellucid.app.body import Body, answer, tell
from pellucid.app.drawing import DRAWING, guess, packed, picture
from pellucid.app.networks import Networks
from pellucid.core.memory import Array
from pellucid.errors import ConfigError

BACKGROUND = 100  # pictures that expected gradients compare a drawing with


class Background:
    """Pictures of digits for expected gradients, read when they are first asked for."""

    def __init__(self, data_dir: Path | None):
        self.data_dir = data_dir
        self._pictures: Array | None = None
        self._lock = threading.Lock()

    def pictures(self) -> Array:
        """(100, 28, 28, 1) bytes of MNIST's validation set. Raises DataError where there is none."""
        with self._lock:
            if self._pictures is None:
                self._pictures = sources.load("mnist", self.data_dir).validation.limit(BACKGROUND).x
            return self._pictures


def routes(networks: Networks, data_dir: Path | None) -> list[BaseRoute]:
    """The routes of this tab."""
    background = Background(data_dir)
    described = [
        {"name": name, "about": one.about, "complete": one.complete, "signed": one.signed}
        for name, one in explain.METHODS.items()
    ]
    return [
        tell("/api/methods", lambda: {"methods": described}),
        answer("/api/why", functools.partial(_why, networks, background), *DRAWING, "network", "method", "target", "against"),
    ]


def _why(networks: Networks, background: Background, body: Body) -> dict[str, Any]:
    network = networks.get(body.text("network"))
    name = body.text("method", explain.METHODS)
    target, against = (body.text(field, network.classes, None) for field in ("target", "against"))
    x = picture(body)
    method = explain.METHODS[name]
    others = background.pictures() if method.needs_background else None
    began = time.perf_counter()
    try:
        told = method(network.model, x, target=target, against=against, background=others)
    except ConfigError as error:
        if not method.needs_convolution:
            raise
        # of a network without one: nothing is wrong with the request
        return {"picture": packed(x[0]), "refused": str(error), "guess": guess(network, x)}
    milliseconds = 1000 * (time.perf_counter() - began)
    values = told.values[0, ..., 0]
    return {
        "picture": packed(x[0]),
        "values": packed(values.astype(np.float32)),
        "most": float(np.abs(values).max()),
        "sum": float(values.sum()),
        "output": float(told.output[0]),
        "baseline_output": float(told.baseline_output[0]),
        "completeness_error": float(told.completeness_error[0]),
        "milliseconds": milliseconds,
        "guess": guess(network, x),
    }
