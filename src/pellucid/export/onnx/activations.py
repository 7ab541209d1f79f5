"""ONNX operators of activations."""

from __future__ import annotations

import math

from pellucid.export.onnx.basics import OnnxEmitter, Slots
from pellucid.export.onnx.graph import Graph, Value
from pellucid.layers import ELU, GELU, SELU, HardSigmoid, LeakyReLU, LogSoftmax, Mish, PReLU, ReLU6, SiLU, Softmax
from pellucid.layers.activations import SELU_ALPHA, SELU_SCALE


def activation(operator: str) -> OnnxEmitter:
    """Return the emitter of an activation that is one ONNX operator without attributes."""
    return lambda graph, layer, p, x: graph.elementwise(operator, x)


def leaky_relu(graph: Graph, layer: LeakyReLU, p: Slots, x: Value) -> Value:
    return graph.elementwise("LeakyRelu", x, alpha=layer.slope)


def prelu(graph: Graph, layer: PReLU, p: Slots, x: Value) -> Value:
    return graph.elementwise("PRelu", x, p["slope"])


def elu(graph: Graph, layer: ELU, p: Slots, x: Value) -> Value:
    return graph.elementwise("Elu", x, alpha=layer.alpha)


def silu(graph: Graph, layer: SiLU, p: Slots, x: Value) -> Value:
    """Add x sigmoid(x)."""
    return graph.elementwise("Mul", x, graph.elementwise("Sigmoid", x))


def gelu(graph: Graph, layer: GELU, p: Slots, x: Value) -> Value:
    """Add x (1 + erf(x/√2))/2, or x σ(2u) with u = √(2/π) (x + 0.044715 x³), the approximation by tanh.

    The operator Gelu exists only from opset 20 on.
    """
    if layer.approximate:
        square = graph.elementwise("Mul", x, x)
        factor = graph.elementwise("Add", graph.elementwise("Mul", square, 0.044715), 1.0)
        u2 = graph.elementwise("Mul", graph.elementwise("Mul", x, factor), 2 * math.sqrt(2 / math.pi))
        return graph.elementwise("Mul", x, graph.elementwise("Sigmoid", u2))
    erf = graph.elementwise("Erf", graph.elementwise("Mul", x, math.sqrt(0.5)))
    return graph.elementwise("Mul", graph.elementwise("Mul", x, graph.elementwise("Add", erf, 1.0)), 0.5)


def mish(graph: Graph, layer: Mish, p: Slots, x: Value) -> Value:
    """Add x tanh(log(1 + eˣ)). The operator Mish exists only from opset 18 on."""
    return graph.elementwise("Mul", x, graph.elementwise("Tanh", graph.elementwise("Softplus", x)))


def relu6(graph: Graph, layer: ReLU6, p: Slots, x: Value) -> Value:
    return graph.elementwise("Clip", x, 0.0, 6.0)


def selu(graph: Graph, layer: SELU, p: Slots, x: Value) -> Value:
    return graph.elementwise("Selu", x, alpha=SELU_ALPHA, gamma=SELU_SCALE)


def hard_sigmoid(graph: Graph, layer: HardSigmoid, p: Slots, x: Value) -> Value:
    return graph.elementwise("HardSigmoid", x, alpha=1 / 6, beta=0.5)


def softmax(operator: str) -> OnnxEmitter:
    """Return the emitter of Softmax or LogSoftmax over the channels, at their position in the layout of the input."""

    def emit(graph: Graph, layer: Softmax | LogSoftmax, p: Slots, x: Value) -> Value:
        return graph.elementwise(operator, x, axis=x.layout.index(len(x.shape)))

    return emit
