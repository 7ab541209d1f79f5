"""Layers that work on pictures, as ONNX operators."""

from __future__ import annotations

from typing import Any

from pellucid.core.memory import Shape
from pellucid.export.onnx.graph import PICTURE, Graph, Value
from pellucid.export.onnx.vectors import Form, Slots
from pellucid.kernels.window import Window
from pellucid.layers import AveragePool2D, Conv2D, ConvTranspose2D, GlobalAveragePool2D, MaxPool2D, ZeroPad2D
from pellucid.layers.window import border, place


def conv2d(graph: Graph, layer: Conv2D, p: Slots, x: Value) -> Value:
    window, size = layer.place(x.shape)
    W = graph.constant("W", p["W"].transpose(3, 2, 0, 1))  # (filters, channels/groups, kh, kw)
    bias = [graph.constant("b", p["b"])] if layer.bias else []
    name = graph.node(
        "Conv",
        graph.named(x, PICTURE),
        W,
        *bias,
        group=layer.groups,
        dilations=[window.dh, window.dw],
        **_window(window, x.shape, size),
    )
    return graph.value(name, (*size, layer.filters), PICTURE)


def conv_transpose2d(graph: Graph, layer: ConvTranspose2D, p: Slots, x: Value) -> Value:
    """Its canvas is cut at the padding; where that reaches beyond the last print, as with "same" and a small kernel, the
    rest is ONNX's output_padding."""
    size = layer.size(x.shape)
    window = layer.window((1, *size, layer.filters))
    W = graph.constant("W", p["W"].transpose(3, 2, 0, 1))  # (channels, filters/groups, kh, kw)
    bias = [graph.constant("b", p["b"])] if layer.bias else []
    missing = [
        (i - 1) * s + (k - 1) * d + 1 - before - o
        for i, s, k, d, before, o in (
            (x.shape[0], window.sh, window.kh, window.dh, window.top, size[0]),
            (x.shape[1], window.sw, window.kw, window.dw, window.left, size[1]),
        )
    ]
    name = graph.node(
        "ConvTranspose",
        graph.named(x, PICTURE),
        W,
        *bias,
        group=layer.groups,
        dilations=[window.dh, window.dw],
        kernel_shape=[window.kh, window.kw],
        strides=[window.sh, window.sw],
        pads=[window.top, window.left, *(max(n, 0) for n in missing)],
        output_padding=[max(-n, 0) for n in missing],
    )
    return graph.value(name, (*size, layer.filters), PICTURE)


def pool(operator: str, **attributes: Any) -> Form:
    """MaxPool or AveragePool; padding is nothing, neither a maximum nor counted."""

    def form(graph: Graph, layer: MaxPool2D | AveragePool2D, p: Slots, x: Value) -> Value:
        window, size = place(layer, x.shape, layer.kernel_size, layer.stride or layer.kernel_size, layer.padding)
        name = graph.node(operator, graph.named(x, PICTURE), **_window(window, x.shape, size), **attributes)
        return graph.value(name, (*size, x.shape[2]), PICTURE)

    return form


def global_average_pool(graph: Graph, layer: GlobalAveragePool2D, p: Slots, x: Value) -> Value:
    means = graph.node("GlobalAveragePool", graph.named(x, PICTURE))  # (n, c, 1, 1)
    return graph.value(graph.node("Flatten", means, axis=1), x.shape[2:])


def zero_pad(graph: Graph, layer: ZeroPad2D, p: Slots, x: Value) -> Value:
    (top, bottom), (left, right) = border(layer.padding)
    at = x.layout
    before, behind = ([(0, a, b, 0)[axis] for axis in at] for a, b in ((top, left), (bottom, right)))
    height, width, channels = x.shape
    name = graph.node("Pad", x.names[at], graph.constant("pads", [*before, *behind]))
    return graph.value(name, (top + height + bottom, left + width + right, channels), at)


def _window(window: Window, shape: Shape, size: tuple[int, int]) -> dict[str, list[int]]:
    """Kernel, strides and pads. Below and on the right only as much padding as windows reach: ONNX Runtime refuses a pool
    whose padding is as wide as its kernel, and what is more is never seen."""
    kernel, strides, dilations = (window.kh, window.kw), (window.sh, window.sw), (window.dh, window.dw)
    before = (window.top, window.left)
    behind = [
        max((o - 1) * s + (k - 1) * d + 1 - b - i, 0)
        for o, s, k, d, b, i in zip(size, strides, kernel, dilations, before, shape[:2], strict=True)
    ]
    return {"kernel_shape": list(kernel), "strides": list(strides), "pads": [*before, *behind]}
