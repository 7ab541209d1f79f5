"""The tab Inside: the activations of every layer for a drawing, the weights of the dense layers, and what each unit looks for.

The page loads the weights once, and the activations for each drawing. For the feature map that is opened it loads the numbers
from which it is computed, and for any unit that is opened the image and the digits that excite it most.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid.app.api import DRAWING_FIELDS, NotFoundError, RequestFields, pack, post
from pellucid.app.digits import ValidationDigits
from pellucid.app.networks import SHAPE, Network, Networks
from pellucid.app.state import AppState
from pellucid.app.tabs.inside_map import feature_map, find_stage
from pellucid.app.tabs.inside_stages import Stage, captions, receptive_field, stages
from pellucid.app.tabs.inside_units import UnitCache
from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.model.activations import activations

MAX_UNIT = 10**6


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab."""
    networks, cache = state.networks, UnitCache(ValidationDigits(state.data_dir))
    unit = ("network", "stage", "unit")
    return [
        post("/api/inside/weights", functools.partial(_weights, networks), "network"),
        post("/api/inside/activations", functools.partial(_activations, networks), *DRAWING_FIELDS, "network"),
        post("/api/inside/map", functools.partial(_feature_map, networks), *DRAWING_FIELDS, *unit),
        post("/api/inside/image", functools.partial(_image, networks, cache), *unit),
        post("/api/inside/digits", functools.partial(_digits, networks, cache), *unit),
    ]


def _weights(networks: Networks, request: RequestFields) -> dict[str, Any]:
    network = networks.get(request.text("network"))
    outputs = activations(network.model, np.zeros((1, *SHAPE), np.uint8))
    found = stages(network)
    shapes = [outputs[stage.last].shape[1:] for stage in found]
    described = []
    for stage, caption in zip(found, captions(network, found, shapes), strict=True):
        entry: dict[str, Any] = {
            "name": stage.name,
            "about": stage.about,
            "caption": caption,
            "dense": stage.dense,
            "learned": stage.learned,
            "field": receptive_field(network, stage),
        }
        if stage.dense:
            weights = network.model.weights[f"{stage.name}.W"]
            entry |= {"shape": weights.shape, "weights": pack(weights)}
        described.append(entry)
    return {"stages": described}


def _activations(networks: Networks, request: RequestFields) -> dict[str, Any]:
    network = networks.get(request.text("network"))
    image = request.image(networks.kernels)
    outputs = activations(network.model, image)
    described = []
    for stage in stages(network):
        values = outputs[stage.last][0]
        shape = (*values.shape, 1) if values.ndim == 2 else values.shape  # a sequence is one map, with a row for each step
        entry: dict[str, Any] = {"name": stage.name, "shape": shape}
        if stage.dense:
            inputs = image / np.float32(255) if stage.before is None else outputs[stage.before]
            entry |= {"values": pack(values), "inputs": pack(inputs.reshape(-1))}  # in the order of the rows of W
        else:
            entry["maps"] = pack(_signed_bytes(values))
        described.append(entry)
    return {"image": pack(image[0]), "stages": described, "prediction": network.predict(image)}


def _signed_bytes(values: Array) -> Array:
    """Return the values as bytes: 127 is zero, and 254 or 0 is the largest absolute value, positive or negative."""
    scale = float(np.abs(values).max()) or 1.0
    return np.round(127 + 127 * values / scale).astype(np.uint8)


def _feature_map(networks: Networks, request: RequestFields) -> dict[str, Any]:
    network = networks.get(request.text("network"))
    stage = find_stage(network, request.text("stage"))
    return feature_map(network, request.image(), stage, request.integer("unit", 0, MAX_UNIT))


def _image(networks: Networks, cache: UnitCache, request: RequestFields) -> dict[str, Any]:
    network, stage, unit = _unit(networks, request)
    return {"image": pack(cache.image(network, stage, unit))}


def _digits(networks: Networks, cache: UnitCache, request: RequestFields) -> dict[str, Any]:
    """Return the digits that excite a unit most, or the reason why there are none (``unavailable``), which is no error."""
    network, stage, unit = _unit(networks, request)
    try:
        return cache.digits(network, stage, unit)
    except DataError as error:
        return {"unavailable": str(error)}


def _unit(networks: Networks, request: RequestFields) -> tuple[Network, Stage, int]:
    """Return a unit of a layer with weights."""
    network = networks.get(request.text("network"))
    stage, unit = find_stage(network, request.text("stage")), request.integer("unit", 0, MAX_UNIT)
    if not stage.learned:
        raise NotFoundError(f"{stage.name} has no weights: its maps show what the layer before it looks for")
    if unit >= network.model.weights[f"{stage.name}.W"].shape[-1]:
        raise NotFoundError(f"{stage.name} has no unit {unit}")
    return network, stage, unit
