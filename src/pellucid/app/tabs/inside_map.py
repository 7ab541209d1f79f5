"""The arithmetic of one feature map: which values of the stage before are multiplied by which weights.

The value at row p and column q of a map of a convolution is

    b + Σ_c Σ_ij x[p·sh − top + i·dh, q·sw − left + j·dw, c] · W[i, j, c]

before the normalization and the activation of the stage. The page receives x, W, b and the window once for a drawing, and
computes the products at the place that the pointer shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.app.api import NotFoundError, pack
from pellucid.app.networks import Network
from pellucid.app.tabs.inside_stages import Stage, stages, window_of
from pellucid.core.memory import Array
from pellucid.kernels import load
from pellucid.kernels.window import Window
from pellucid.layers import AveragePool2D, Conv2D, MaxPool2D
from pellucid.model.activations import activations, scaled

TOLERANCE = 1e-3  # of the largest value: far above rounding, and below what another input would give


def find_stage(network: Network, name: str) -> Stage:
    """Return the stage of that name. Raises NotFoundError."""
    for stage in stages(network):
        if stage.name == name:
            return stage
    raise NotFoundError(f"{network.name} has no layer {name!r} that is shown")


def feature_map(network: Network, image: Array, stage: Stage, unit: int) -> dict[str, Any]:
    """Return one map of a stage for an image (1, 28, 28, 1), after each layer of the stage, and how its values are computed.

    ``kind`` is "convolution", "maximum" or "mean"; None where the page shows the values alone: for other layers, and where the
    input of a convolution is not the output of the layer before it, as in some Graphs.
    """
    outputs = activations(network.model, image)
    if not 0 <= unit < outputs[stage.last].shape[-1]:
        raise NotFoundError(f"{stage.name} has no map {unit}")
    maps = {path: _map(outputs[path], unit) for path in stage.layers}
    answer: dict[str, Any] = {
        "shape": maps[stage.name].shape,
        "steps": [{"layer": path, "about": str(stage.layers[path]), "values": pack(values)} for path, values in maps.items()],
        "kind": None,
    }
    x = scaled(network.model, image) if stage.before is None else outputs[stage.before]
    if x.ndim != 4:
        return answer
    return answer | (_computation(network, stage, x, unit, maps[stage.name]) or {})


def _map(output: Array, unit: int) -> Array:
    """Return the values (h, w) of one channel of the first sample; a sequence has one column, a vector one value."""
    values: Array = output[0][..., unit]
    return values.reshape(-1, 1) if values.ndim < 2 else values


def _computation(network: Network, stage: Stage, x: Array, unit: int, expected: Array) -> dict[str, Any] | None:
    """Return the input, the window and the weights of one map; None if they do not give the ``expected`` values (h, w)."""
    layer = stage.first
    if isinstance(layer, Conv2D):
        window = window_of(layer, x.shape[1:])
        weights = network.model.weights
        W = weights[f"{stage.name}.W"][..., unit : unit + 1]
        bias = float(weights[f"{stage.name}.b"][unit]) if layer.bias else 0.0
        count = W.shape[2]
        if x.shape[-1] != count * layer.groups or layer.build(x.shape[1:]).shape[:2] != expected.shape:
            return None  # another layer is the input
        first = unit // (layer.filters // layer.groups) * count  # the first channel of the group
        channels = np.ascontiguousarray(x[..., first : first + count])
        y = np.empty((1, *expected.shape, 1), np.float32)
        load("reference").conv2d(channels, np.ascontiguousarray(W), np.full(1, bias, np.float32), window, groups=1, out=y)
        if not _agree(y[0, ..., 0], expected):
            return None
        kernel = {"kernel": pack(np.ascontiguousarray(W[..., 0])), "bias": bias if layer.bias else None}
        return {"kind": "convolution", **_input(stage, channels, window, first), **kernel}
    if isinstance(layer, (MaxPool2D, AveragePool2D)):
        window = window_of(layer, x.shape[1:])
        kind = "maximum" if isinstance(layer, MaxPool2D) else "mean"
        return {"kind": kind, **_input(stage, x[..., unit : unit + 1], window, unit)}
    return None


def _input(stage: Stage, x: Array, window: Window, first: int) -> dict[str, Any]:
    is_image = stage.before is None
    return {
        "input": {"shape": x.shape[1:], "values": pack(x[0]), "first": first, "is_image": is_image},
        "window": {name: getattr(window, name) for name in ("kh", "kw", "sh", "sw", "top", "left", "dh", "dw")},
    }


def _agree(found: Array, expected: Array) -> bool:
    return bool(np.abs(found - expected).max() <= TOLERANCE * max(1.0, float(np.abs(expected).max())))
