"""What a unit looks for: the image that excites it most, and the digits that do.

The image is found by activation maximization (Erhan, Bengio, Courville and Vincent, 2009): starting from black, the pixels
follow the gradient of the unit's output, while the parameters stay as they are. The unit of a convolution is taken in the
middle of its map, and before its activation, so that the gradient does not vanish where the activation is 0:

    x ← clip((1 − decay) · blur(x + rate · g / rms(g)), 0, 1)        g = ∂y_unit/∂x

The blur moves each pixel towards the mean of its neighbours, and the decay leaves only what the unit needs. See the example
"Activation maximization" in the documentation.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.app.api import pack
from pellucid.app.digits import ValidationDigits
from pellucid.app.networks import SHAPE, Network
from pellucid.app.tabs.inside_stages import Stage, stages
from pellucid.core.memory import Array
from pellucid.layers.activations import Activation
from pellucid.model.activations import scaled
from pellucid.model.model import Model
from pellucid.networks import Sequential
from pellucid.training.execution import chunks

STEPS, RATE, SMOOTHING, DECAY = 40, 0.15, 0.5, 0.1  # chosen by eye, on the networks for drawings
CHUNK = 50  # digits at once
SHOWN = 8  # digits of each unit
MAX_NETWORKS = 20  # whose results are kept


@dataclass
class _Known:
    """What has been computed for one model."""

    model: Model
    images: dict[tuple[str, int], Array]
    best: dict[str, Any] | None = None


class UnitCache:
    """What the units of the networks look for, computed when it is first asked for."""

    def __init__(self, digits: ValidationDigits):
        self._digits = digits
        self._known: dict[int, _Known] = {}
        self._lock = threading.Lock()

    def _of(self, network: Network) -> _Known:
        """Return what is known about a network: a network that is trained again has a new model."""
        key = id(network.model)
        if key not in self._known:
            self._known[key] = _Known(network.model, {})  # the model is kept, so that no other gets its id
            while len(self._known) > MAX_NETWORKS:
                del self._known[next(iter(self._known))]
        return self._known[key]

    def image(self, network: Network, stage: Stage, unit: int) -> Array:
        """Return the image (28, 28, 1) that excites a unit most, from 0 to 1."""
        with self._lock:
            known = self._of(network)
            if (stage.name, unit) not in known.images:
                known.images[stage.name, unit] = maximize(network.model, target_layer(stage), unit)
            return known.images[stage.name, unit]

    def digits(self, network: Network, stage: Stage, unit: int) -> dict[str, Any]:
        """Return the digits that excite a unit most. Raises DataError if there are no digits on this machine."""
        name, x, y = self._digits.load()
        with self._lock:
            known = self._of(network)
            if known.best is None:
                known.best = strongest(network, x)
            values, places = known.best[stage.name]
        order = np.argsort(-values[:, unit], kind="stable")[:SHOWN]
        return {
            "data": name,
            "count": len(x),
            "digits": [
                {
                    "image": pack(x[i]),
                    "label": int(y[i]),
                    "value": float(values[i, unit]),
                    "place": None if places is None else [int(one) for one in places[i, unit]],
                }
                for i in order
            ],
        }


def target_layer(stage: Stage) -> str:
    """Return the path of the last layer of a stage before its activation."""
    return [path for path, layer in stage.layers.items() if not isinstance(layer, Activation)][-1]


def maximize(model: Model, path: str, unit: int) -> Array:
    """Return the image (28, 28, 1), from 0 to 1, for which a unit of the layer at ``path`` has the largest output found."""
    execution = model.state.execution(_first_layers(model, path), needs_dx=True)
    g = model.state.layout.views(model.state.layout.zeros(np.float32))  # the gradients of the parameters, which are not used

    def observer(at: str, what: str, array: Array) -> None:
        if at == path and what == "gradient":  # of the output of this layer alone
            array[...] = 0
            middle = tuple(size // 2 for size in array.shape[1:-1])
            array[(0, *middle, unit)] = 1

    execution.observe(observer)
    x = np.zeros((1, *SHAPE), np.float32)
    for _ in range(STEPS):
        y = execution.forward(np.ascontiguousarray(x), keep=True)
        dx = execution.backward(np.zeros_like(y), g)
        x = x + RATE * dx / (np.sqrt((dx**2).mean()) + 1e-8)
        x = np.clip((1 - DECAY) * _blur(x), 0, 1)
    image: Array = x[0]
    return image


def _first_layers(model: Model, path: str) -> Any:
    """Return the network up to the layer at ``path``, if it is a sequence of layers, and otherwise the whole network."""
    network: Any = model.network
    if not isinstance(network, Sequential):
        return network
    names = [node.name for node in network.ordered_nodes()]
    return Sequential(*network.layers[: names.index(path.split(".")[0]) + 1])


def _blur(x: Array) -> Array:
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    neighbours = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    return (1 - SMOOTHING) * x + SMOOTHING * neighbours / 4


def strongest(network: Network, x: Array) -> dict[str, tuple[Array, Array | None]]:
    """Return for each stage the largest output (n, units) of each unit for n images, and its place (n, units, 2) in the map."""
    model = network.model
    wanted = {stage.last: stage.name for stage in stages(network)}
    found: dict[str, list[tuple[Array, Array | None]]] = {name: [] for name in wanted.values()}

    def observer(path: str, what: str, output: Array) -> None:
        if path in wanted:
            found[wanted[path]].append(_largest(output))

    execution, batch = model.state.execution(model.network, observer=observer), scaled(model, x)
    for rows in chunks(len(batch), CHUNK):
        execution.forward(np.ascontiguousarray(batch[rows]))
    return {name: _joined(parts) for name, parts in found.items()}


def _largest(output: Array) -> tuple[Array, Array | None]:
    n, units = len(output), output.shape[-1]
    if output.ndim != 4:
        return output.reshape(n, -1, units).max(axis=1), None
    flat = output.reshape(n, -1, units)
    place = flat.argmax(axis=1)
    return flat.max(axis=1), np.stack(np.divmod(place, output.shape[2]), axis=-1)


def _joined(parts: list[tuple[Array, Array | None]]) -> tuple[Array, Array | None]:
    places = [place for _, place in parts if place is not None]
    return np.concatenate([values for values, _ in parts]), np.concatenate(places) if places else None
