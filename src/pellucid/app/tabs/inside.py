"""The tab Inside: the activations of every layer for a drawing, and the weights of the dense layers.

A network is shown as a sequence of stages. A stage is a pooling layer, or a layer with weights and the normalization and
activation after it. Layers that only pass values on (Flatten, Dropout) are not part of a stage. Convolutions and pooling
layers are shown as feature maps, dense layers as neurons. The page loads the weights once, and the activations for each
drawing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid.app.api import DRAWING_FIELDS, RequestFields, pack, post
from pellucid.app.networks import Network, Networks
from pellucid.app.state import AppState
from pellucid.core.memory import Array
from pellucid.layers import (
    AlphaDropout,
    AveragePool1D,
    AveragePool2D,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    MaxPool1D,
    MaxPool2D,
    Permute,
    Repeat,
    Reshape,
    SpatialDropout2D,
    UpSample1D,
    UpSample2D,
)
from pellucid.model.activations import activations
from pellucid.networks import primitives

POOLING = (MaxPool2D, AveragePool2D, GlobalAveragePool2D, GlobalMaxPool2D)
POOLING_1D = (MaxPool1D, AveragePool1D, GlobalAveragePool1D, GlobalMaxPool1D)
FIRST_LAYERS = (Dense, Conv2D, Conv1D, ConvTranspose2D, UpSample2D, UpSample1D, *POOLING, *POOLING_1D)  # of a stage
PASSIVE_LAYERS = (Flatten, Permute, Repeat, Reshape, Dropout, AlphaDropout, SpatialDropout2D, GaussianNoise)


@dataclass(frozen=True)
class Stage:
    """One stage. ``name`` and ``last`` are the paths of its first and last layer, ``before`` that of the layer before it."""

    name: str
    last: str
    about: str
    before: str | None
    dense: bool


def stages(network: Network) -> list[Stage]:
    """Return the stages of a network in order."""
    found: list[Stage] = []
    before: str | None = None
    for path, layer in primitives(network.model.network):
        if isinstance(layer, FIRST_LAYERS):
            found.append(Stage(path, path, str(layer), before, isinstance(layer, Dense)))
        elif found and not isinstance(layer, PASSIVE_LAYERS):
            found[-1] = replace(found[-1], last=path, about=f"{found[-1].about}, {layer}")
        before = path
    return found


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab."""
    return [
        post("/api/inside/weights", functools.partial(_weights, state.networks), "network"),
        post("/api/inside/activations", functools.partial(_activations, state.networks), *DRAWING_FIELDS, "network"),
    ]


def _weights(networks: Networks, request: RequestFields) -> dict[str, Any]:
    network = networks.get(request.text("network"))
    described = []
    for stage in stages(network):
        entry: dict[str, Any] = {"name": stage.name, "about": stage.about, "dense": stage.dense}
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
