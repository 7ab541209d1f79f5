"""The tab Why: the contribution of each pixel of a drawing to the predicted class, or to any other class."""

from __future__ import annotations

import functools
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid import data, explain
from pellucid.app.api import DRAWING_FIELDS, RequestFields, get, pack, post
from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.core.memory import Array
from pellucid.errors import ConfigError

BACKGROUND_IMAGES = 100  # the baselines of expected gradients


class Background:
    """Digit images for expected gradients, loaded when they are first used."""

    def __init__(self, data_dir: Path | None):
        self._data_dir = data_dir
        self._images: Array | None = None
        self._lock = threading.Lock()

    def images(self) -> Array:
        """Return (100, 28, 28, 1) bytes from the validation set of MNIST. Raises DataError if MNIST cannot be loaded."""
        with self._lock:
            if self._images is None:
                self._images = data.load("mnist", self._data_dir).validation.limit(BACKGROUND_IMAGES).x
            return self._images


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab."""
    attribution = functools.partial(_attribution, state.networks, Background(state.data_dir))
    methods = [
        {"name": name, "about": method.about, "complete": method.complete, "signed": method.signed}
        for name, method in explain.METHODS.items()
    ]
    return [
        get("/api/why/methods", lambda: {"methods": methods}),
        post("/api/why/attribution", attribution, *DRAWING_FIELDS, "network", "method", "target", "against"),
    ]


def _attribution(networks: Networks, background: Background, request: RequestFields) -> dict[str, Any]:
    network = networks.get(request.text("network"))
    method = explain.METHODS[request.text("method", explain.METHODS)]
    target, against = (request.text(field, network.classes, None) for field in ("target", "against"))
    image = request.image(networks.kernels)
    answer = {"image": pack(image[0]), "prediction": network.predict(image)}
    images = background.images() if method.needs_background else None
    start = time.perf_counter()
    try:
        attribution = method(network.model, image, target=target, against=against, background=images)
    except ConfigError as error:
        if not method.needs_convolution:
            raise
        return {**answer, "not_applicable": str(error)}  # the network has no convolution: the request itself is valid
    milliseconds = 1000 * (time.perf_counter() - start)
    values = attribution.values[0, ..., 0]
    return {
        **answer,
        "values": pack(values.astype(np.float32)),
        "sum": float(values.sum()),
        "output": float(attribution.output[0]),
        "baseline_output": float(attribution.baseline_output[0]),
        "completeness_error": float(attribution.completeness_error[0]),
        "milliseconds": milliseconds,
    }
