"""ONNX operators of the layers for tables."""

from __future__ import annotations

import math

from pellucid.export.onnx.basics import Slots
from pellucid.export.onnx.graph import Graph, Value
from pellucid.layers import DensePerPosition, LearnedScale, Periodic, PiecewiseLinear, Take


def learned_scale(graph: Graph, layer: LearnedScale, p: Slots, x: Value) -> Value:
    return graph.elementwise("Mul", x, p["scale"])


def take(graph: Graph, layer: Take, p: Slots, x: Value) -> Value:
    return graph.op("Gather", x, graph.constant("features", layer.features), axis=1, shape=(len(layer.features),))


def periodic(graph: Graph, layer: Periodic, p: Slots, x: Value) -> Value:
    column = graph.node("Unsqueeze", graph.name_of(x), graph.constant("axis", [2]))  # (n, k, 1)
    frequencies, phases = (graph.constant(name, 2 * math.pi * p[name]) for name in ("frequencies", "phases"))
    angle = graph.node("Add", graph.node("Mul", column, frequencies), phases)
    return graph.value(graph.node("Cos", angle), (*x.shape, layer.waves))


def piecewise_linear(graph: Graph, layer: PiecewiseLinear, p: Slots, x: Value) -> Value:
    """Add the fractions with Max and Min: the limits of Clip are single numbers."""
    features, (start, factor, low, high) = layer.bins
    y = graph.op("Gather", x, graph.constant("features", features), axis=1, shape=(len(features),))
    for operator, constant in (("Sub", start), ("Mul", factor), ("Max", low), ("Min", high)):
        y = graph.elementwise(operator, y, constant)
    return y


def dense_per_position(graph: Graph, layer: DensePerPosition, p: Slots, x: Value) -> Value:
    """Add a product of (n, p, 1, i) with (p, i, o) for each position."""
    axis = graph.constant("axis", [2])
    product = graph.node("MatMul", graph.node("Unsqueeze", graph.name_of(x), axis), graph.constant("W", p["W"]))
    y = graph.node("Add", graph.node("Squeeze", product, axis), graph.constant("b", p["b"]))
    return graph.value(y, (x.shape[0], layer.units))


def mixed(graph: Graph, p: Slots, x: Value, a: Value) -> Value:
    """Add x + w (a − x), for a parametric activation."""
    return graph.elementwise("Add", x, graph.elementwise("Mul", graph.elementwise("Sub", a, x), p["weight"]))
