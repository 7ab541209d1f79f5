"""The stages in which the tab Inside shows a network.

A stage is a pooling layer, or a layer with weights and the normalization and activation after it. Layers that only pass values
on (Flatten, Dropout) are not part of a stage. Convolutions and pooling layers are shown as feature maps, dense layers as
neurons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pellucid.app.networks import SHAPE, Network
from pellucid.core.memory import Shape
from pellucid.kernels.window import Window
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
from pellucid.layers.window import as_pair, place_window
from pellucid.networks import Sequential, primitives

CONVOLUTIONS = (Conv2D, Conv1D, ConvTranspose2D)
MAXIMA = (MaxPool2D, MaxPool1D)
MEANS = (AveragePool2D, AveragePool1D)
GLOBAL_MAXIMA = (GlobalMaxPool2D, GlobalMaxPool1D)
GLOBAL_MEANS = (GlobalAveragePool2D, GlobalAveragePool1D)
FIRST_LAYERS = (Dense, UpSample2D, UpSample1D, *CONVOLUTIONS, *MAXIMA, *MEANS, *GLOBAL_MAXIMA, *GLOBAL_MEANS)  # of a stage
PATTERNS = ((7, "strokes"), (14, "ends, corners and crossings of strokes"), (22, "parts of digits"))  # up to this many pixels
PASSIVE_LAYERS = (Flatten, Permute, Repeat, Reshape, Dropout, AlphaDropout, SpatialDropout2D, GaussianNoise)


@dataclass(frozen=True)
class Stage:
    """One stage: its ``layers`` by their paths, in order, and the path of the layer ``before`` it, None for the input."""

    layers: Mapping[str, Any]
    before: str | None

    @property
    def name(self) -> str:
        """The path of its first layer."""
        return next(iter(self.layers))

    @property
    def first(self) -> Any:
        """Its first layer."""
        return self.layers[self.name]

    @property
    def last(self) -> str:
        """The path of its last layer, whose output is that of the stage."""
        return next(reversed(list(self.layers)))

    @property
    def about(self) -> str:
        """Its layers with their settings."""
        return ", ".join(map(str, self.layers.values()))

    @property
    def dense(self) -> bool:
        """Whether it is shown as neurons, and not as feature maps."""
        return isinstance(self.first, Dense)

    @property
    def learned(self) -> bool:
        """Whether its first layer has weights, so that each of its units looks for a pattern of its own."""
        return isinstance(self.first, (Dense, *CONVOLUTIONS))


def stages(network: Network) -> list[Stage]:
    """Return the stages of a network in order."""
    found: list[Stage] = []
    before: str | None = None
    for path, layer in primitives(network.model.network):
        if isinstance(layer, FIRST_LAYERS):
            found.append(Stage({path: layer}, before))
        elif found and not isinstance(layer, PASSIVE_LAYERS):
            found[-1] = replace(found[-1], layers={**found[-1].layers, path: layer})
        before = path
    return found


def window_of(layer: Conv2D | MaxPool2D | AveragePool2D, shape: Shape) -> Window:
    """Return the window of a layer for images of ``shape`` (h, w, c)."""
    if isinstance(layer, Conv2D):
        return layer.place_window(shape)[0]
    stride = layer.kernel_size if layer.stride is None else layer.stride
    return place_window(layer, shape, layer.kernel_size, stride, layer.padding)[0]


def receptive_field(network: Network, stage: Stage) -> dict[str, float] | None:
    """Return which pixels of the drawing the place (row, column) of a map depends on: a square of ``size`` pixels, whose centre
    is ``first`` + ``step`` · (row, column). None if other layers than convolutions and pooling change the place of a value.
    """
    layers: Any = network.model.network
    if not isinstance(layers, Sequential):
        return None
    size, step, first = 1.0, 1.0, 0.0
    shape: Any = SHAPE
    for node in layers.ordered_nodes():
        layer, before = node.layer, shape
        shape = layer.build(before).shape
        if isinstance(layer, (Conv2D, MaxPool2D, AveragePool2D)):
            window = window_of(layer, before)
            if (window.kh, window.sh, window.top, window.dh) != (window.kw, window.sw, window.left, window.dw):
                return None
            span = (window.kh - 1) * window.dh
            first += step * (span / 2 - window.top)
            size += step * span
            step *= window.sh
        elif shape[:2] != before[:2] or isinstance(layer, Permute):
            return None
        if node.name == stage.name:
            return {"size": size, "step": step, "first": first}
    return None


def captions(network: Network, found: list[Stage], shapes: list[Shape]) -> list[str]:
    """Return a caption in plain words for each stage, given the shapes of their outputs."""
    lines: list[str] = []
    for i, (stage, shape) in enumerate(zip(found, shapes, strict=True)):
        if stage.dense and i == len(found) - 1:
            lines.append(f"{shape[-1]} neurons, one for each answer")
        else:
            lines.append(_caption(stage.first, shape[-1], receptive_field(network, stage)))
    return lines


def _caption(layer: Any, n: int, field: dict[str, float] | None) -> str:
    if isinstance(layer, Dense):
        return f"{_several(n, 'neuron')}, each a weighted sum of all values before"
    if isinstance(layer, CONVOLUTIONS):
        what, seen = _pattern(int(field["size"])) if field else ("patterns in the maps before", "")
        return f"{_several(n, 'filter')} that look{'s' if n == 1 else ''} for {what}{seen}"
    maps = "the same map" if n == 1 else f"the same {n} maps"
    if isinstance(layer, (*GLOBAL_MAXIMA, *GLOBAL_MEANS)):
        return f"{maps}, each reduced to one number: its {'mean' if isinstance(layer, GLOBAL_MEANS) else 'largest value'}"
    if isinstance(layer, (*MAXIMA, *MEANS)):
        kind = "mean" if isinstance(layer, MEANS) else "largest"
        return f"{maps}, smaller: the {kind} of each {' × '.join(map(str, as_pair(layer.kernel_size)))} values"
    return f"{maps}, enlarged"


def _pattern(size: int) -> tuple[str, str]:
    """Return what patterns of this many pixels are parts of, in words, and which pixels a place of the map sees."""
    words = next((words for limit, words in PATTERNS if size <= limit), "whole digits")
    return words, f"; each place sees {f'{size} × {size} pixels' if size < SHAPE[0] else 'the whole image'}"


def _several(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
