"""The tab Why: the contribution of each pixel of a drawing to the predicted class, or to any other class.

Three methods are shown first: FIRST. Occlusion is an experiment that anyone could make by hand. The values of integrated
gradients and of DeepLIFT add up to the difference that they explain, and yet they are not the same values. Measured on 20
digits with the convolutional network for drawings, the largest part that is missing from the sum is 4 % for integrated
gradients, less than 0.001 % for DeepLIFT, and 5 % for expected gradients, which take five times as long.

Every number has a unit. The error of completeness is shown for the methods for which completeness is a theorem. For the others
it would only measure that they answer another question.
"""

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
from pellucid.explain import Attribution

BACKGROUND_IMAGES = 100  # the baselines of expected gradients
FIRST = ("occlusion", "integrated-gradients", "deeplift")
COVERED = 4  # pixels: the width of the window of occlusion, a seventh of the image


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab."""
    attribution = functools.partial(_attribution, state.networks, ValidationDigits(state.data_dir))
    order = [*FIRST, *(name for name in explain.METHODS if name not in FIRST)]
    methods = [
        {"name": name, "about": explain.METHODS[name].about, "signed": explain.METHODS[name].signed, "first": name in FIRST}
        for name in order
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
    return {
        **answer,
        "values": pack(attribution.values[0, ..., 0].astype(np.float32)),
        "output": float(attribution.output[0]),
        "baseline_output": float(attribution.baseline_output[0]),
        "numbers": [*_numbers(attribution), {"label": "time", "value": milliseconds, "unit": "ms"}],
    }


def _numbers(attribution: Attribution) -> list[dict[str, Any]]:
    """Return what the page says about an attribution of one image: labels, values and units."""
    values = attribution.values[0]
    if attribution.complete:
        return [
            {"label": "to explain", "value": float(attribution.explained[0]), "unit": "logits"},
            {"label": "sum of all pixels", "value": float(values.sum(dtype=np.float64)), "unit": "logits"},
            {
                "label": "missing in the sum",
                "value": float(attribution.completeness_error[0]),
                "unit": "logits",
                "fraction": float(attribution.relative_error[0]),
            },
        ]
    if attribution.layers is not None:  # Grad-CAM: its values are compared with each other alone
        return [{"label": "found in", "text": attribution.layers[0] if values.any() else "no layer: nothing was found"}]
    largest = float(values.flat[np.abs(values).argmax()])
    if attribution.method == "occlusion":
        return [{"label": f"largest effect of {COVERED} × {COVERED} pixels", "value": COVERED**2 * largest, "unit": "logits"}]
    if attribution.method == "saliency":
        return [{"label": "most sensitive pixel", "value": largest, "unit": "logits from black to white"}]
    return [{"label": "largest of a pixel", "value": largest, "unit": "logits"}]
