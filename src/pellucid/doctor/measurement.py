"""A measurement: the activations and gradients of a network on one batch, layer by layer, reduced to a few numbers each.

The batch is computed again without fusion, in training mode, on memory of its own: the model is not changed, and its next step
makes the same bits as without the measurement.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.doctor.flat_sides import DYING, SATURATING
from pellucid.networks import primitives, trailing_layers
from pellucid.optim.chain import rates_of
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep


@dataclass
class Measurement:
    """What one batch of ``samples`` samples shows, by the path of the layer.

    - ``dead`` (units): the units of an activation that are on its flat side for all samples and positions
    - ``saturated``: the share of the values of a sigmoid or tanh that are on a flat side
    - ``gradients``: the norm of the gradient of the loss with respect to the output of a layer with parameters, in the order
      of computation
    - ``slopes``: the norm of the gradient of the layer's parameters
    - ``loss``: the mean loss of the batch
    """

    samples: int
    loss: float = 0.0
    dead: dict[str, Array] = field(default_factory=dict)
    saturated: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, float] = field(default_factory=dict)
    slopes: dict[str, float] = field(default_factory=dict)


class Probe:
    """Measures a network on batches. Its memory is reused from one measurement to the next."""

    def __init__(self, state: ModelState):
        self.state = state
        self.layers = dict(primitives(state.body))
        self.parameters = trained_layers(state)
        self._ends = {id(layer) for layer in _last_layers(state)}
        self._step = GradientStep(state, plan=state.body, observer=self._observe)
        self._measurement = Measurement(0)

    @property
    def gradient(self) -> Array:
        """The flat gradient of the last measurement; the caller may overwrite it."""
        return self._step.gradient

    def measure(self, x: Any, targets: Any, weights: Any, step: int, offset: int = 0) -> Measurement:
        """Return the measurement of the batch; the arguments are those of :class:`GradientStep`."""
        self._measurement = measured = Measurement(len(x))
        with np.errstate(all="ignore"):
            measured.loss = self._step(x, targets, weights, step, offset)
        measured.gradients = {path: measured.gradients[path] for path in self.parameters if path in measured.gradients}
        measured.slopes = norms(self.state, self.parameters, self._step.gradient)
        return measured

    def _observe(self, path: str, what: str, array: Array) -> None:
        layer, measured = self.layers.get(path), self._measurement
        if what == "gradient":
            if path in self.parameters:
                measured.gradients[path] = norm(array)
        elif type(layer) in DYING:
            flat = DYING[type(layer)](layer, array)
            measured.dead[path] = np.asarray(flat.reshape(-1, flat.shape[-1]).all(axis=0))
        elif type(layer) in SATURATING and id(layer) not in self._ends:
            measured.saturated[path] = float(SATURATING[type(layer)](layer, array).mean())


def _last_layers(state: ModelState) -> list[Any]:
    """Return the last layer of each output, whose activation has the range of the targets: it may be saturated."""
    names = list(state.output.parts) if isinstance(state.output, SeveralOutputs) else [None]
    return [layer for name in names for layer in trailing_layers(state.network, name)[-1:]]


def trained_layers(state: ModelState) -> dict[str, list[str]]:
    """Return the paths of the parameters of each layer that is trained, by the path of the layer, in the order of computation.

    Frozen layers, and those whose factor of the learning rate is 0, are left out.
    """
    factors: dict[str, float] = {}
    for pattern, factor in rates_of(state.updater.optimizer):
        factors |= dict.fromkeys((path for path in state.layout if fnmatch.fnmatchcase(path, pattern)), factor)
    found: dict[str, list[str]] = {path: [] for path, _ in primitives(state.body)}
    for path, slot in state.layout.items():
        layer = path.rpartition(".")[0]
        if slot.trained and factors.get(path) != 0 and layer in found:
            found[layer].append(path)
    return {layer: paths for layer, paths in found.items() if paths}


def weights_of(state: ModelState, layers: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the weights among the parameters of each layer: without biases, which are small at the start of a training."""
    found = {layer: [path for path in paths if state.layout[path].decay] for layer, paths in layers.items()}
    return {layer: paths for layer, paths in found.items() if paths}


def norms(state: ModelState, layers: Mapping[str, list[str]], vector: Array) -> dict[str, float]:
    """Return the norm of the part of a flat vector that belongs to each layer."""
    return {layer: math.hypot(*(norm(state.layout.array(vector, path)) for path in paths)) for layer, paths in layers.items()}


def norm(array: Array) -> float:
    """Return ‖array‖, in the accuracy of float32, without a copy of a large array."""
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):  # an infinite norm is a result
        return float(np.sqrt(np.float64(np.dot(flat, flat))))
