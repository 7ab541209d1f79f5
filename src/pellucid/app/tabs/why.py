"""The tab Why: the contribution of each pixel of a drawing to the predicted class, or to any other class."""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid import explain
from pellucid.app.api import DRAWING_FIELDS, RequestFields, get, pack, post
from pellucid.app.digits import ValidationDigits
from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.errors import ConfigError

BACKGROUND_IMAGES = 100  # the baselines of expected gradients


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab."""
    attribution = functools.partial(_attribution, state.networks, ValidationDigits(state.data_dir))
    methods = [
        {"name": name, "about": method.about, "complete": method.complete, "signed": method.signed}
        for name, method in explain.METHODS.items()
    ]
    return [
        get("/api/why/methods", lambda: {"methods": methods}),
        post("/api/why/attribution", attribution, *DRAWING_FIELDS, "network", "method", "target", "against"),
    ]


def _attribution(networks: Networks, digits: ValidationDigits, request: RequestFields) -> dict[str, Any]:
    network = networks.get(request.text("network"))
    method = explain.METHODS[request.text("method", explain.METHODS)]
    target, against = (request.text(field, network.classes, None) for field in ("target", "against"))
    image = request.image(networks.kernels)
    answer = {"image": pack(image[0]), "prediction": network.predict(image)}
    background = digits.load()[1][:BACKGROUND_IMAGES] if method.needs_background else None
    start = time.perf_counter()
    try:
        attribution = method(network.model, image, target=target, against=against, background=background)
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
        "layer": attribution.layers[0] if attribution.layers else "",
    }
