"""Recurrent layers as ONNX operators: its own RNN, LSTM and GRU, and where steps are passed over, a Scan over time.

ONNX passes over the end of a sequence only, and has to be told where that begins; ``mask`` passes over any step. So a masked
layer is written out: the cell, as the body of a loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.export.onnx.graph import BOOL, FLOAT, TIME, Graph, Value
from pellucid.export.onnx.vectors import Slots
from pellucid.layers import GRU, LSTM, Reverse, SimpleRNN

# ONNX's name, and where its gates stand among ours: LSTM i, o, f, c of i, f, g, o; GRU z, r, h of r, z, n.
CELLS: dict[type, tuple[str, list[int]]] = {SimpleRNN: ("RNN", [0]), LSTM: ("LSTM", [0, 3, 1, 2]), GRU: ("GRU", [1, 0, 2])}


def recurrent(graph: Graph, layer: SimpleRNN | LSTM | GRU, p: Slots, x: Value) -> Value:
    if layer.mask is not None:
        return _masked(graph, layer, layer.mask, p, x)
    operator, order = CELLS[type(layer)]
    u = layer.units
    inside = np.zeros(len(order) * u, np.float32)  # ONNX has a second bias, with the product of the state
    if isinstance(layer, GRU):
        inside[2 * u :] = p["bh"]
    W, U, b, c = (_by_gate(array, order) for array in (p["W"], p["U"], p["b"], inside))
    weights = [graph.constant("W", W.T[None]), graph.constant("U", U.T[None]), graph.constant("b", np.append(b, c)[None])]
    reset = {"linear_before_reset": 1} if isinstance(layer, GRU) else {}
    every, last = graph.nodes(operator, graph.named(x, TIME), *weights, outputs=2, hidden_size=u, **reset)
    if layer.return_sequences:  # (t, 1, n, u), the 1 for the directions
        return graph.value(graph.node("Squeeze", every, graph.constant("axes", [1])), (x.shape[0], u), TIME)
    return graph.value(graph.node("Squeeze", last, graph.constant("axes", [0])), (u,))


def reverse(graph: Graph, layer: Reverse, p: Slots, x: Value) -> Value:
    layout = x.layout
    first, behind, step = (graph.constant(name, [value]) for name, value in (("from", -1), ("to", -(2**62)), ("step", -1)))
    axis = graph.constant("axis", [layout.index(1)])
    return graph.value(graph.node("Slice", x.names[layout], first, behind, axis, step), x.shape, layout)


def _by_gate(array: Array, order: list[int]) -> Array:
    """The blocks of the last axis in ONNX's order."""
    blocks = np.split(array, len(order), axis=-1)
    return np.concatenate([blocks[i] for i in order], axis=-1)


def _masked(graph: Graph, layer: SimpleRNN | LSTM | GRU, mask: float, p: Slots, x: Value) -> Value:
    """The loop. Where all features of a step are the mask, states stay and the output is zero."""
    u, samples = layer.units, graph.named(x)
    weights = {name: graph.constant(name, array) for name, array in p.items()}
    zero = graph.node("ConstantOfShape", graph.node("Concat", _batch(graph, samples), graph.constant("units", [u]), axis=0))
    states = ["h", "c"] if isinstance(layer, LSTM) else ["h"]
    body = graph.inner()
    before = [body.enter(name, (u,)) for name in states]
    now = body.enter("x", x.shape[1:])
    differs = body.node("Not", body.node("Equal", now, graph.constant("mask", mask)))
    seen = body.node("ReduceMax", body.node("Cast", differs, to=FLOAT), axes=[1], keepdims=1)
    here = body.node("Cast", seen, to=BOOL)
    after = _step(body, layer, weights, now, *before)
    for new, old in zip(after, before, strict=True):
        body.leave(body.node("Where", here, new, old), (u,))
    if layer.return_sequences:
        body.leave(body.node("Where", here, after[0], graph.constant("nothing", 0.0)), (u,))
    found = graph.nodes(
        "Scan",
        *[zero] * len(states),
        samples,
        outputs=len(states) + layer.return_sequences,
        body=body,
        num_scan_inputs=1,
        scan_input_axes=[1],
        **({"scan_output_axes": [1]} if layer.return_sequences else {}),
    )
    return graph.value(found[-1], (x.shape[0], u)) if layer.return_sequences else graph.value(found[0], (u,))


def _batch(graph: Graph, samples: str) -> str:
    """How many samples there are, as a vector of one number."""
    return graph.node("Shape", samples, start=0, end=1)


def _step(body: Graph, layer: Any, w: Mapping[str, str], x: str, h: str, c: str = "") -> list[str]:
    """The states after a step that counts; the formulas stand with the layers."""

    def gates(name: str, count: int) -> list[str]:
        return body.nodes("Split", name, outputs=count, axis=1)

    def add(one: str, other: str) -> str:
        return body.node("Add", one, other)

    def times(one: str, other: str) -> str:
        return body.node("Mul", one, other)

    of_x, of_h = add(body.node("MatMul", x, w["W"]), w["b"]), body.node("MatMul", h, w["U"])
    if isinstance(layer, SimpleRNN):
        return [body.node("Tanh", add(of_x, of_h))]
    if isinstance(layer, LSTM):
        i, f, g, o = gates(add(of_x, of_h), 4)
        i, f, g, o = body.node("Sigmoid", i), body.node("Sigmoid", f), body.node("Tanh", g), body.node("Sigmoid", o)
        c = add(times(f, c), times(i, g))
        return [times(o, body.node("Tanh", c)), c]
    (xr, xz, xn), (hr, hz, hn) = gates(of_x, 3), gates(of_h, 3)
    r, z = body.node("Sigmoid", add(xr, hr)), body.node("Sigmoid", add(xz, hz))
    n = body.node("Tanh", add(xn, times(r, add(hn, w["bh"]))))
    return [add(n, times(z, body.node("Sub", h, n)))]
