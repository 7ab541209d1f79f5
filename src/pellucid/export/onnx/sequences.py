"""ONNX operators of convolution and pooling over sequences: those of images, with one axis of positions."""

from __future__ import annotations

from typing import Any

from pellucid.core.memory import Shape
from pellucid.export.onnx.basics import OnnxEmitter, Slots
from pellucid.export.onnx.graph import Graph, Value
from pellucid.export.onnx.images import window_attributes
from pellucid.export.onnx.past import Past
from pellucid.kernels.window import Window
from pellucid.layers import AveragePool1D, Conv1D, MaxPool1D
from pellucid.layers.window import place_window_1d


def conv1d(graph: Graph, layer: Conv1D, p: Slots, x: Value) -> Value:
    window, steps = layer.place_window(x.shape)
    W = graph.constant("W", p["W"].transpose(2, 1, 0))  # (filters, channels/groups, taps)
    bias = [graph.constant("b", p["b"])] if layer.bias else []
    attributes, before = _attributes(window, x.shape, steps), (layer.kernel_size - 1) * layer.dilation
    if graph.past is not None and before:
        x, attributes["pads"] = _after_past(graph, graph.past, x, before), [0, 0]
    name = graph.node(
        "Conv", graph.name_of(x, x.channels_first), W, *bias, group=layer.groups, dilations=[window.dw], **attributes
    )
    return graph.value(name, (steps, layer.filters), x.channels_first)


def _after_past(graph: Graph, past: Past, x: Value, before: int) -> Value:
    """Return the steps x after the ``before`` steps that precede them, which are 0 before a sequence; keep the last ones."""
    c = x.shape[1]
    zeros = graph.constant("zeros", [0, before, 0, 0, 0, 0])  # before the first step: the past may be shorter
    padded = graph.node("Pad", past.read("steps", ("past_steps", c), (before, c)), zeros)
    bounds = [graph.constant(name, [value]) for name, value in (("first", -before), ("end", 2**62), ("axis", 1))]
    joined = graph.node("Concat", graph.node("Slice", padded, *bounds), graph.name_of(x), axis=1)
    past.keep("steps", graph.node("Slice", joined, *bounds))
    return graph.value(joined, x.shape)


def pool(operator: str, **attributes: Any) -> OnnxEmitter:
    """Return the emitter of MaxPool or AveragePool. Padding is never the maximum and is not counted in the average."""

    def emit(graph: Graph, layer: MaxPool1D | AveragePool1D, p: Slots, x: Value) -> Value:
        window, steps = place_window_1d(layer, x.shape, layer.kernel_size, layer.stride or layer.kernel_size, layer.padding)
        pooled = graph.node(operator, graph.name_of(x, x.channels_first), **_attributes(window, x.shape, steps), **attributes)
        return graph.value(pooled, (steps, x.shape[1]), x.channels_first)

    return emit


def _attributes(window: Window, shape: Shape, steps: int) -> dict[str, list[int]]:
    """Return kernel_shape, strides and pads for the time axis: those of images of one row, without the row."""
    every_axis = window_attributes(window, (1, shape[0]), (1, steps))
    return {name: values[1::2] for name, values in every_axis.items()}
