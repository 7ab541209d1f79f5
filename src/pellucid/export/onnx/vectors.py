"""Layers that work on single numbers and on vectors, as ONNX operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.export.onnx.graph import INT64, PICTURE, Graph, Value
from pellucid.layers import (
    ELU,
    GELU,
    BatchNorm,
    Dense,
    Embedding,
    Flatten,
    GroupNorm,
    HardSigmoid,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    PReLU,
    Rescale,
    Reshape,
    SiLU,
    Softmax,
)

Slots = Mapping[str, Array]
Form = Callable[..., Value]  # (graph, layer, p, *inputs) -> output


def same(graph: Graph, layer: Any, p: Slots, x: Value) -> Value:
    """What does nothing in prediction."""
    return x


def each(operator: str) -> Form:
    """An activation that ONNX has under that name."""
    return lambda graph, layer, p, x: graph.each(operator, x)


def rescale(graph: Graph, layer: Rescale, p: Slots, x: Value) -> Value:
    return graph.each("Add", graph.each("Mul", x, layer.scale), layer.offset)


def leaky_relu(graph: Graph, layer: LeakyReLU, p: Slots, x: Value) -> Value:
    return graph.each("LeakyRelu", x, alpha=layer.slope)


def prelu(graph: Graph, layer: PReLU, p: Slots, x: Value) -> Value:
    return graph.each("PRelu", x, p["slope"])


def elu(graph: Graph, layer: ELU, p: Slots, x: Value) -> Value:
    return graph.each("Elu", x, alpha=layer.alpha)


def silu(graph: Graph, layer: SiLU, p: Slots, x: Value) -> Value:
    return graph.each("Mul", x, graph.each("Sigmoid", x))


def gelu(graph: Graph, layer: GELU, p: Slots, x: Value) -> Value:
    """x (1 + erf(x/√2))/2: an operator of that name came with opset 20."""
    erf = graph.each("Erf", graph.each("Mul", x, math.sqrt(0.5)))
    return graph.each("Mul", graph.each("Mul", x, graph.each("Add", erf, 1.0)), 0.5)


def hard_sigmoid(graph: Graph, layer: HardSigmoid, p: Slots, x: Value) -> Value:
    return graph.each("HardSigmoid", x, alpha=1 / 6, beta=0.5)


def softmax(operator: str) -> Form:
    """Softmax or LogSoftmax, over the last axis wherever it is."""

    def form(graph: Graph, layer: Softmax | LogSoftmax, p: Slots, x: Value) -> Value:
        return graph.each(operator, x, axis=x.layout.index(len(x.shape)))

    return form


def dense(graph: Graph, layer: Dense, p: Slots, x: Value) -> Value:
    W, b = graph.constant("W", p["W"]), graph.constant("b", p["b"])
    return graph.op("Gemm", x, W, b, shape=(layer.units,))


def flatten(graph: Graph, layer: Flatten, p: Slots, x: Value) -> Value:
    return graph.op("Flatten", x, axis=1, shape=(math.prod(x.shape),))


def reshape(graph: Graph, layer: Reshape, p: Slots, x: Value) -> Value:
    shape = layer.build(x.shape).shape
    return graph.op("Reshape", x, graph.constant("shape", [0, *shape]), shape=shape)  # 0: as long as it is


def embedding(graph: Graph, layer: Embedding, p: Slots, x: Value) -> Value:
    W = p["W"]
    if layer.padding is not None:
        W = W.copy()
        W[layer.padding] = 0
    rows = graph.named(graph.op("Cast", x, to=INT64))
    return graph.value(graph.node("Gather", graph.constant("W", W), rows), (*x.shape, layer.width))


def batch_norm(graph: Graph, layer: BatchNorm, p: Slots, x: Value) -> Value:
    """ONNX wants the channels behind the batch; where they stand elsewhere and are no picture's, y = (x − μ)·rγ + β."""
    if len(x.shape) in (1, 3):
        layout = PICTURE if len(x.shape) == 3 else x.ours
        constants = [graph.constant(name, p[name]) for name in ("gamma", "beta", "running_mean", "running_variance")]
        name = graph.node("BatchNormalization", graph.named(x, layout), *constants, epsilon=layer.epsilon)
        return graph.value(name, x.shape, layout)
    rate = p["gamma"] / np.sqrt(p["running_variance"].astype(np.float64) + layer.epsilon)
    return graph.each("Add", graph.each("Mul", graph.each("Sub", x, p["running_mean"]), rate), p["beta"])


def layer_norm(graph: Graph, layer: LayerNorm, p: Slots, x: Value) -> Value:
    gamma, beta = graph.constant("gamma", p["gamma"]), graph.constant("beta", p["beta"])
    return graph.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=layer.epsilon)


def group_norm(graph: Graph, layer: GroupNorm, p: Slots, x: Value) -> Value:
    """An instance normalization of the groups, each a row of numbers; then γ and β of each channel."""
    *places, c = x.shape
    front = (0, len(x.shape), *range(1, len(x.shape)))  # channels behind the batch
    rows = graph.constant("rows", [0, layer.groups, math.prod(places) * (c // layer.groups)])
    ones, zeros = (graph.constant(name, fill(layer.groups)) for name, fill in (("ones", np.ones), ("zeros", np.zeros)))
    groups = graph.node("Reshape", graph.named(x, front), rows)
    even = graph.node("InstanceNormalization", groups, ones, zeros, epsilon=layer.epsilon)
    again = graph.value(graph.node("Reshape", even, graph.constant("shape", [0, c, *places])), x.shape, front)
    return graph.each("Add", graph.each("Mul", again, p["gamma"]), p["beta"])
