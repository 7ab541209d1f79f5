"""Each layer as ONNX operators: a table from the class to a function ``(graph, layer, p, *inputs) -> output``.

``p`` holds the layer's arrays by the names of its slots. The operators are those of opset 17; that what they compute is what
the layer computes, at the border of a picture too, is checked for every class by a run in ONNX Runtime.
"""

from __future__ import annotations

from pellucid.export.onnx import pictures, recurrent, vectors
from pellucid.export.onnx.graph import Graph, Value
from pellucid.export.onnx.vectors import Form, Slots
from pellucid.layers import (
    ELU,
    GELU,
    GRU,
    LSTM,
    Add,
    AveragePool2D,
    BatchNorm,
    Concatenate,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    GroupNorm,
    HardSigmoid,
    Identity,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool2D,
    PReLU,
    ReLU,
    Rescale,
    Reshape,
    Reverse,
    Sigmoid,
    SiLU,
    SimpleRNN,
    Softmax,
    Softplus,
    SpatialDropout2D,
    Tanh,
    ZeroPad2D,
)


def add(graph: Graph, layer: Add, p: Slots, *xs: Value) -> Value:
    total = xs[0]
    for x in xs[1:]:
        total = graph.each("Add", total, x)
    return total


def concatenate(graph: Graph, layer: Concatenate, p: Slots, *xs: Value) -> Value:
    layout, axis = graph.common(xs), layer.axis % len(xs[0].shape)
    name = graph.node("Concat", *(graph.named(x, layout) for x in xs), axis=layout.index(axis + 1))
    return graph.value(name, layer.build([x.shape for x in xs]).shape, layout)


FORMS: dict[type, Form] = {
    ELU: vectors.elu,
    GELU: vectors.gelu,
    GRU: recurrent.recurrent,
    LSTM: recurrent.recurrent,
    Add: add,
    AveragePool2D: pictures.pool("AveragePool", count_include_pad=0),
    BatchNorm: vectors.batch_norm,
    Concatenate: concatenate,
    Conv2D: pictures.conv2d,
    ConvTranspose2D: pictures.conv_transpose2d,
    Dense: vectors.dense,
    Dropout: vectors.same,
    Embedding: vectors.embedding,
    Flatten: vectors.flatten,
    GaussianNoise: vectors.same,
    GlobalAveragePool2D: pictures.global_average_pool,
    GroupNorm: vectors.group_norm,
    HardSigmoid: vectors.hard_sigmoid,
    LayerNorm: vectors.layer_norm,
    LeakyReLU: vectors.leaky_relu,
    Identity: vectors.same,
    LogSoftmax: vectors.softmax("LogSoftmax"),
    MaxPool2D: pictures.pool("MaxPool"),
    PReLU: vectors.prelu,
    ReLU: vectors.each("Relu"),
    Rescale: vectors.rescale,
    Reshape: vectors.reshape,
    Reverse: recurrent.reverse,
    SiLU: vectors.silu,
    Sigmoid: vectors.each("Sigmoid"),
    SimpleRNN: recurrent.recurrent,
    Softmax: vectors.softmax("Softmax"),
    Softplus: vectors.each("Softplus"),
    SpatialDropout2D: vectors.same,
    Tanh: vectors.each("Tanh"),
    ZeroPad2D: pictures.zero_pad,
}
