"""ONNX operators of dense layers, embeddings, layers that change the shape, and merges.

An emitter is a function ``(graph, layer, p, *inputs) -> output`` that adds the operators of one layer to a graph. ``p`` holds
the parameters and running statistics of the layer by slot name; inputs and output are
:class:`~pellucid.export.onnx.graph.Value` objects. The operators are those of opset 17.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.export.onnx.graph import INT64, Graph, Value
from pellucid.layers import (
    Average,
    Concatenate,
    Dense,
    Embedding,
    Flatten,
    LearnedPositions,
    Maximum,
    Merge,
    Permute,
    Repeat,
    Rescale,
    Reshape,
    SinusoidalPositions,
    Slice,
    SwiGLU,
    Unembedding,
)
from pellucid.layers.positions import sinusoids

Slots = Mapping[str, Array]
OnnxEmitter = Callable[..., Value]  # (graph, layer, p, *inputs) -> output


def identity(graph: Graph, layer: Any, p: Slots, x: Value) -> Value:
    """Add nothing, for layers that do nothing in prediction."""
    return x


def dense(graph: Graph, layer: Dense, p: Slots, x: Value) -> Value:
    bias = [graph.constant("b", p["b"])] if layer.bias else []
    shape, W = (*x.shape[:-1], layer.units), graph.constant("W", p["W"])
    if len(shape) == 1:
        return graph.op("Gemm", x, W, *bias, shape=shape)
    y = graph.op("MatMul", x, W, shape=shape)  # Gemm takes matrices only
    return graph.op("Add", y, *bias) if layer.bias else y


def embedding(graph: Graph, layer: Embedding, p: Slots, x: Value) -> Value:
    W = p["W"]
    if layer.padding is not None:
        W = W.copy()
        W[layer.padding] = 0
    rows = graph.name_of(graph.op("Cast", x, to=INT64))
    return graph.value(graph.node("Gather", graph.constant("W", W), rows), (*x.shape, layer.width))


def unembedding(graph: Graph, layer: Unembedding, p: Slots, x: Value) -> Value:
    shape, W = (*x.shape[:-1], layer.entries), graph.constant("W", p["W"])
    if len(shape) == 1:
        return graph.op("Gemm", x, W, transB=1, shape=shape)
    return graph.op("MatMul", x, graph.node("Transpose", W, perm=[1, 0]), shape=shape)  # W may be that of an embedding


def learned_positions(graph: Graph, layer: LearnedPositions, p: Slots, x: Value) -> Value:
    return _add_positions(graph, x, p["W"])


def sinusoidal_positions(graph: Graph, layer: SinusoidalPositions, p: Slots, x: Value) -> Value:
    return _add_positions(graph, x, sinusoids(*x.shape, layer.longest, np.float32))


def _add_positions(graph: Graph, x: Value, w: Array) -> Value:
    """Add the rows of w (time, width) to the vectors of a sequence: from the first one on, or those after the past."""
    if graph.past is None:
        return graph.elementwise("Add", x, w)
    return graph.op("Add", x, graph.node("Gather", graph.constant("W", w), graph.past.positions()))


def swiglu(graph: Graph, layer: SwiGLU, p: Slots, x: Value) -> Value:
    shape = (*x.shape[:-1], layer.units)
    halves = []
    for k, name in enumerate(("gates", "values")):
        columns = slice(k * layer.units, (k + 1) * layer.units)
        half = graph.op("MatMul", x, graph.constant(f"W.{name}", p["W"][:, columns]), shape=shape)
        halves.append(graph.op("Add", half, graph.constant(f"b.{name}", p["b"][columns])) if layer.bias else half)
    gates, values = halves
    return graph.op("Mul", graph.op("Mul", gates, graph.op("Sigmoid", gates)), values)


def rescale(graph: Graph, layer: Rescale, p: Slots, x: Value) -> Value:
    return graph.elementwise("Add", graph.elementwise("Mul", x, layer.scale), layer.offset)


def slice_axis(graph: Graph, layer: Slice, p: Slots, x: Value) -> Value:
    size, layout = x.shape[layer.axis], x.layout
    start, stop, _ = slice(layer.start, layer.stop).indices(size)
    axis = layout.index(layer.axis % len(x.shape) + 1)
    bounds = [graph.constant(name, [value]) for name, value in (("start", start), ("stop", stop), ("axis", axis))]
    return graph.value(graph.node("Slice", x.names[layout], *bounds), layer.build(x.shape).shape, layout)


def flatten(graph: Graph, layer: Flatten, p: Slots, x: Value) -> Value:
    return graph.op("Flatten", x, axis=1, shape=(math.prod(x.shape),))


def reshape(graph: Graph, layer: Reshape, p: Slots, x: Value) -> Value:
    shape = layer.build(x.shape).shape
    return graph.op("Reshape", x, graph.constant("shape", [0, *shape]), shape=shape)  # 0 keeps the batch size


def permute(graph: Graph, layer: Permute, p: Slots, x: Value) -> Value:
    """Add nothing: the same values, whose layout is described by the axes of the output."""
    position = {axis + 1: k + 1 for k, axis in enumerate(layer.axes)} | {0: 0}  # axis of the input -> axis of the output
    permuted = Value(layer.build(x.shape).shape)
    for layout, name in x.names.items():
        permuted.names[tuple(position[axis] for axis in layout)] = name
    return permuted


def repeat(graph: Graph, layer: Repeat, p: Slots, x: Value) -> Value:
    (k,) = x.shape
    column = graph.node("Unsqueeze", graph.name_of(x), graph.constant("axis", [1]))  # (n, 1, k)
    return graph.value(graph.node("Expand", column, graph.constant("shape", [1, layer.times, k])), (layer.times, k))


def merge(operator: str) -> OnnxEmitter:
    """Return the emitter of a merge that applies an element-wise ONNX operator of two inputs to one input after another."""

    def emit(graph: Graph, layer: Merge, p: Slots, *xs: Value) -> Value:
        result = xs[0]
        for x in xs[1:]:
            result = graph.elementwise(operator, result, x)
        return result

    return emit


def average(graph: Graph, layer: Average, p: Slots, *xs: Value) -> Value:
    return graph.elementwise("Mean", *xs)


def maximum(graph: Graph, layer: Maximum, p: Slots, *xs: Value) -> Value:
    return graph.elementwise("Max", *xs)


def concatenate(graph: Graph, layer: Concatenate, p: Slots, *xs: Value) -> Value:
    layout, axis = graph.common_layout(xs), layer.axis % len(xs[0].shape)
    name = graph.node("Concat", *(graph.name_of(x, layout) for x in xs), axis=layout.index(axis + 1))
    return graph.value(name, layer.build([x.shape for x in xs]).shape, layout)
