"""ONNX operators of layers for images: convolution, pooling, padding, cropping and upsampling.

Those of global pooling, padding, cropping and upsampling are the same for sequences.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.memory import Shape
from pellucid.export.onnx.basics import OnnxEmitter, Slots
from pellucid.export.onnx.graph import CHANNELS_FIRST, Graph, Value
from pellucid.kernels.window import Window
from pellucid.layers import (
    AveragePool2D,
    Conv2D,
    ConvTranspose2D,
    Crop1D,
    Crop2D,
    Layer,
    MaxPool2D,
    UpSample1D,
    UpSample2D,
    ZeroPad1D,
    ZeroPad2D,
)
from pellucid.layers.window import place_window


def conv2d(graph: Graph, layer: Conv2D, p: Slots, x: Value) -> Value:
    window, size = layer.place_window(x.shape)
    W = graph.constant("W", p["W"].transpose(3, 2, 0, 1))  # (filters, channels/groups, kh, kw)
    bias = [graph.constant("b", p["b"])] if layer.bias else []
    name = graph.node(
        "Conv",
        graph.name_of(x, CHANNELS_FIRST),
        W,
        *bias,
        group=layer.groups,
        dilations=[window.dh, window.dw],
        **window_attributes(window, x.shape, size),
    )
    return graph.value(name, (*size, layer.filters), CHANNELS_FIRST)


def conv_transpose2d(graph: Graph, layer: ConvTranspose2D, p: Slots, x: Value) -> Value:
    """Add a ConvTranspose.

    ONNX removes ``pads`` from the border of the full output. If the output of the layer extends beyond the last position of
    the kernel, as with padding="same" and a small kernel, ``output_padding`` adds the missing rows and columns.
    """
    size = layer.size(x.shape)
    window = layer.window((1, *size, layer.filters))
    W = graph.constant("W", p["W"].transpose(3, 2, 0, 1))  # (channels, filters/groups, kh, kw)
    bias = [graph.constant("b", p["b"])] if layer.bias else []
    excess = [  # rows and columns to remove at the bottom and on the right; negative: to add
        (i - 1) * s + (k - 1) * d + 1 - before - o
        for i, s, k, d, before, o in (
            (x.shape[0], window.sh, window.kh, window.dh, window.top, size[0]),
            (x.shape[1], window.sw, window.kw, window.dw, window.left, size[1]),
        )
    ]
    name = graph.node(
        "ConvTranspose",
        graph.name_of(x, CHANNELS_FIRST),
        W,
        *bias,
        group=layer.groups,
        dilations=[window.dh, window.dw],
        kernel_shape=[window.kh, window.kw],
        strides=[window.sh, window.sw],
        pads=[window.top, window.left, *(max(n, 0) for n in excess)],
        output_padding=[max(-n, 0) for n in excess],
    )
    return graph.value(name, (*size, layer.filters), CHANNELS_FIRST)


def pool(operator: str, **attributes: Any) -> OnnxEmitter:
    """Return the emitter of MaxPool or AveragePool. Padding is never the maximum and is not counted in the average."""

    def emit(graph: Graph, layer: MaxPool2D | AveragePool2D, p: Slots, x: Value) -> Value:
        window, size = place_window(layer, x.shape, layer.kernel_size, layer.stride or layer.kernel_size, layer.padding)
        pooled = graph.node(
            operator, graph.name_of(x, CHANNELS_FIRST), **window_attributes(window, x.shape, size), **attributes
        )
        return graph.value(pooled, (*size, x.shape[2]), CHANNELS_FIRST)

    return emit


def global_pool(operator: str) -> OnnxEmitter:
    """Return the emitter of GlobalAveragePool or GlobalMaxPool."""

    def emit(graph: Graph, layer: Layer, p: Slots, x: Value) -> Value:
        pooled = graph.node(operator, graph.name_of(x, x.channels_first))  # (n, c, 1, …)
        return graph.value(graph.node("Flatten", pooled, axis=1), x.shape[-1:])

    return emit


def zero_pad(graph: Graph, layer: ZeroPad2D | ZeroPad1D, p: Slots, x: Value) -> Value:
    sides = ((0, 0), *layer.borders(), (0, 0))
    before, after = ([sides[axis][end] for axis in x.layout] for end in (0, 1))
    padded = graph.node("Pad", x.names[x.layout], graph.constant("pads", [*before, *after]))
    return graph.value(padded, layer.build(x.shape).shape, x.layout)


def crop(graph: Graph, layer: Crop2D | Crop1D, p: Slots, x: Value) -> Value:
    borders = layer.borders()
    starts = [before for before, _ in borders]
    ends = [size - after for size, (_, after) in zip(x.shape, borders, strict=False)]
    axes = [x.layout.index(axis) for axis in range(1, len(borders) + 1)]
    bounds = [graph.constant(name, values) for name, values in (("starts", starts), ("ends", ends), ("axes", axes))]
    return graph.value(graph.node("Slice", x.names[x.layout], *bounds), layer.build(x.shape).shape, x.layout)


def upsample(graph: Graph, layer: UpSample2D | UpSample1D, p: Slots, x: Value) -> Value:
    """Add a Resize by whole factors: "asymmetric" and "floor" read pixel ⌊p/f⌋, "half_pixel" has the rule of the layer."""
    shape = layer.build(x.shape).shape
    scales = [after / before for after, before in zip(shape[:-1], x.shape[:-1], strict=True)]
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    linear = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    attributes = nearest if layer.interpolation == "nearest" else linear
    factors = graph.constant("scales", np.array([1, 1, *scales], np.float32))
    resized = graph.node("Resize", graph.name_of(x, x.channels_first), "", factors, **attributes)
    return graph.value(resized, shape, x.channels_first)


def window_attributes(window: Window, shape: Shape, size: tuple[int, int]) -> dict[str, list[int]]:
    """Return kernel_shape, strides and pads of a convolution or pooling operator.

    At the bottom and on the right only the padding that windows reach is included: further padding has no effect, and ONNX
    Runtime rejects a pooling whose padding is as wide as its kernel.
    """
    kernel, strides, dilations = (window.kh, window.kw), (window.sh, window.sw), (window.dh, window.dw)
    before = (window.top, window.left)
    after = [
        max((o - 1) * s + (k - 1) * d + 1 - b - i, 0)
        for o, s, k, d, b, i in zip(size, strides, kernel, dilations, before, shape[:2], strict=True)
    ]
    return {"kernel_shape": list(kernel), "strides": list(strides), "pads": [*before, *after]}
