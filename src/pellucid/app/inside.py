"""The tab Inside: what every layer of a network makes of a drawing, and the weights between them.

A network is shown as stages. A stage is a layer with weights together with what follows it (normalization, activation), or a
pooling layer; what only passes numbers on (Flatten, Dropout) is no stage. Convolutions and pools are feature maps, dense layers
are neurons. The dense layers' weights are sent once; what a drawing does to the stages is sent for each drawing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid.app.body import Body, answer
from pellucid.app.drawing import DRAWING, guess, packed, picture
from pellucid.app.networks import Network, Networks
from pellucid.layers import Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, GaussianNoise, Reshape, SpatialDropout2D
from pellucid.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from pellucid.model.activations import activations
from pellucid.networks import primitives

OPENS = (Dense, Conv2D, ConvTranspose2D, MaxPool2D, AveragePool2D, GlobalAveragePool2D)
PASSES = (Flatten, Reshape, Dropout, SpatialDropout2D, GaussianNoise)


@dataclass(frozen=True)
class Stage:
    """``name`` is the layer's path; ``end`` that of the last layer that belongs to it; ``reads`` the path before it, if any."""

    name: str
    end: str
    about: str
    reads: str | None
    dense: bool


def stages(network: Network) -> list[Stage]:
    """The stages of a network in order."""
    found: list[Stage] = []
    before: str | None = None
    for path, layer in primitives(network.model.network):
        about = str(layer)
        if isinstance(layer, OPENS):
            found.append(Stage(path, path, about, before, isinstance(layer, Dense)))
        elif found and not isinstance(layer, PASSES):
            last = found[-1]
            found[-1] = Stage(last.name, path, f"{last.about}, {about}", last.reads, last.dense)
        before = path
    return found


def routes(networks: Networks) -> list[BaseRoute]:
    """The routes of this tab."""
    return [
        answer("/api/weights", functools.partial(_weights, networks), "network"),
        answer("/api/inside", functools.partial(_inside, networks), *DRAWING, "network"),
    ]


def _weights(networks: Networks, body: Body) -> dict[str, Any]:
    network = networks.get(body.text("network"))
    weights = network.model.weights
    return {
        "stages": [
            {
                "name": stage.name, "about": stage.about, "dense": stage.dense,
                **({"shape": weights[f"{stage.name}.W"].shape, "weights": packed(weights[f"{stage.name}.W"])}
                   if stage.dense else {}),
            }
            for stage in stages(network)
        ],
    }  # fmt: skip


def _inside(networks: Networks, body: Body) -> dict[str, Any]:
    network = networks.get(body.text("network"))
    x = picture(body)
    made = activations(network.model, x)
    shown = []
    for stage in stages(network):
        values = made[stage.end][0]
        entry: dict[str, Any] = {"name": stage.name, "shape": values.shape}
        if stage.dense:
            inputs = x / np.float32(255) if stage.reads is None else made[stage.reads]
            entry |= {"values": packed(values), "inputs": packed(inputs.reshape(-1))}  # in the order of the weights' rows
        else:
            most = float(np.abs(values).max()) or 1.0
            entry |= {"scale": most, "maps": packed(np.round(127 + 127 * values / most).astype(np.uint8))}
        shown.append(entry)
    return {"picture": packed(x[0]), "stages": shown, "guess": guess(network, x)}
