"""ONNX operators of normalization layers."""

from __future__ import annotations

import math

import numpy as np

from pellucid.export.onnx.basics import Slots
from pellucid.export.onnx.graph import CHANNELS_FIRST, Graph, Value
from pellucid.layers import BatchNorm, GroupNorm, LayerNorm, RMSNorm


def batch_norm(graph: Graph, layer: BatchNorm, p: Slots, x: Value) -> Value:
    """Add a BatchNormalization for vectors and images.

    The operator expects the channels directly after the batch axis. For other shapes add y = (x − μ)·rγ + β, where r is
    1/√(σ² + ε).
    """
    if len(x.shape) in (1, 3):
        layout = CHANNELS_FIRST if len(x.shape) == 3 else x.pellucid_layout
        constants = [graph.constant(name, p[name]) for name in ("gamma", "beta", "running_mean", "running_variance")]
        name = graph.node("BatchNormalization", graph.name_of(x, layout), *constants, epsilon=layer.epsilon)
        return graph.value(name, x.shape, layout)
    scale = p["gamma"] / np.sqrt(p["running_variance"].astype(np.float64) + layer.epsilon)
    centered = graph.elementwise("Sub", x, p["running_mean"])
    return graph.elementwise("Add", graph.elementwise("Mul", centered, scale), p["beta"])


def layer_norm(graph: Graph, layer: LayerNorm, p: Slots, x: Value) -> Value:
    affine = [graph.constant(name, p[name]) for name in ("gamma", "beta") if name in p]
    return graph.op("LayerNormalization", x, *affine, axis=-1, epsilon=layer.epsilon)


def rms_norm(graph: Graph, layer: RMSNorm, p: Slots, x: Value) -> Value:
    """Add x / √(mean(x²) + ε) · γ: RMSNormalization is an operator since opset 23 only."""
    name, epsilon = graph.name_of(x), graph.constant("epsilon", layer.epsilon)
    mean = graph.node("ReduceMean", graph.node("Mul", name, name), axes=[-1], keepdims=1)
    root = graph.node("Sqrt", graph.node("Add", mean, epsilon))
    return graph.value(graph.node("Mul", graph.node("Div", name, root), graph.constant("gamma", p["gamma"])), x.shape)


def group_norm(graph: Graph, layer: GroupNorm, p: Slots, x: Value) -> Value:
    """Add an InstanceNormalization of the groups, each reshaped to a row, then γ and β of each channel."""
    *positions, c = x.shape
    channels_first = x.channels_first
    rows = graph.constant("rows", [0, layer.groups, math.prod(positions) * (c // layer.groups)])
    ones, zeros = (graph.constant(name, fill(layer.groups)) for name, fill in (("ones", np.ones), ("zeros", np.zeros)))
    groups = graph.node("Reshape", graph.name_of(x, channels_first), rows)
    normalized = graph.node("InstanceNormalization", groups, ones, zeros, epsilon=layer.epsilon)
    restored = graph.node("Reshape", normalized, graph.constant("shape", [0, c, *positions]))
    channels = graph.value(restored, x.shape, channels_first)
    return graph.elementwise("Add", graph.elementwise("Mul", channels, p["gamma"]), p["beta"])
