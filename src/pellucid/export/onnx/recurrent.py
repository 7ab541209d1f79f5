"""ONNX operators of recurrent layers: RNN, LSTM and GRU, or a Scan over time if steps are masked.

The initial state becomes the inputs initial_h and initial_c, the last state is in the outputs Y_h and Y_c; each is (1, n, u)
with the number of directions, 1, as its first axis.

ONNX can skip steps only at the end of a sequence, and needs the length of each sequence for that. In Pellucid, ``mask`` skips
any step. A masked layer is therefore exported as a Scan whose body is the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.export.onnx.basics import Slots
from pellucid.export.onnx.graph import BOOL, FLOAT, TIME_FIRST, Graph, Value
from pellucid.export.onnx.past import Past
from pellucid.layers import GRU, LSTM, FromState, Reverse, SimpleRNN

# The ONNX operator, and for each of its gates the index of the same gate in Pellucid. The gates of an LSTM are i, o, f, c in
# ONNX and i, f, g, o in Pellucid (g is c); those of a GRU are z, r, h in ONNX and r, z, n in Pellucid (n is h).
CELLS: dict[type, tuple[str, list[int]]] = {SimpleRNN: ("RNN", [0]), LSTM: ("LSTM", [0, 3, 1, 2]), GRU: ("GRU", [1, 0, 2])}


Recurrent = SimpleRNN | LSTM | GRU


def recurrent(graph: Graph, layer: Recurrent, p: Slots, x: Value) -> Value:
    """Add the layer, which starts in the state zero, in a learned one, or in that after the past."""
    start = _learned_state(graph, layer, p, x) if layer.learn_state else []
    return _recurrent(graph, layer, p, x, start if graph.past is None else _state_after(graph, graph.past, layer, start))


def from_state(graph: Graph, layer: FromState, p: Slots, x: Value, state: Value) -> Value:
    """Add the layer, which starts in the state that another layer computes: (u), (2·u) or (parts, u) for each sample."""
    inner: Any = layer.layer
    parts = len(inner.states)
    flat = len(state.shape) == 1
    name = graph.name_of(state) if flat else graph.name_of(state, TIME_FIRST)
    names = graph.nodes("Split", name, outputs=parts, axis=1 if flat else 0) if parts > 1 else [name]
    if flat:
        names = [graph.node("Unsqueeze", name, graph.constant("axes", [0])) for name in names]
    return _recurrent(graph, inner, p, x, names)


def _recurrent(graph: Graph, layer: Recurrent, p: Slots, x: Value, start: list[str]) -> Value:
    """Add the layer with the initial states of these names, (1, n, u) each; without names they are zero."""
    if layer.mask is not None:
        return _masked(graph, layer, layer.mask, p, x, start)
    operator, order = CELLS[type(layer)]
    u = layer.units
    recurrent_bias = np.zeros(len(order) * u, np.float32)  # ONNX adds a second bias to the product with the state
    if isinstance(layer, GRU):
        recurrent_bias[2 * u :] = p["bh"]
    W, U, b, c = (_reorder_gates(array, order) for array in (p["W"], p["U"], p["b"], recurrent_bias))
    weights = [graph.constant("W", W.T[None]), graph.constant("U", U.T[None]), graph.constant("b", np.append(b, c)[None])]
    reset = {"linear_before_reset": 1} if isinstance(layer, GRU) else {}
    initial = ["", *start] if start else []  # an empty name in place of the lengths of the sequences
    parts = len(layer.states) if layer.return_state or graph.past is not None else 1
    every, *last = graph.nodes(
        operator, graph.name_of(x, TIME_FIRST), *weights, *initial, outputs=1 + parts, hidden_size=u, **reset
    )
    shape = layer.build(x.shape).shape
    if graph.past is not None:
        _keep_state(graph, graph.past, layer, [graph.node("Transpose", name, perm=TIME_FIRST) for name in last])
    if len(shape) == 1:
        return graph.value(graph.node("Squeeze", last[0], graph.constant("axes", [0])), shape)
    rows = last if layer.return_state else []
    if layer.return_sequences:  # (t, 1, n, u)
        rows = [graph.node("Squeeze", every, graph.constant("axes", [1])), *rows]
    return graph.value(rows[0] if len(rows) == 1 else graph.node("Concat", *rows, axis=0), shape, TIME_FIRST)


def reverse(graph: Graph, layer: Reverse, p: Slots, x: Value) -> Value:
    """Add a Slice of the time axis with step −1."""
    layout = x.layout
    start, stop, step = (graph.constant(name, [value]) for name, value in (("from", -1), ("to", -(2**62)), ("step", -1)))
    axis = graph.constant("axis", [layout.index(1)])
    return graph.value(graph.node("Slice", x.names[layout], start, stop, axis, step), x.shape, layout)


def _reorder_gates(array: Array, order: list[int]) -> Array:
    """Return the array with the blocks of its last axis in ONNX's order of the gates."""
    blocks = np.split(array, len(order), axis=-1)
    return np.concatenate([blocks[i] for i in order], axis=-1)


def _learned_state(graph: Graph, layer: Recurrent, p: Slots, x: Value) -> list[str]:
    """Add the learned initial states, repeated for every sample, and return their names."""
    one, units = graph.constant("one", [1]), graph.constant("units", [layer.units])
    shape = graph.node("Concat", one, _batch_size(graph, graph.name_of(x)), units, axis=0)
    return [graph.node("Expand", graph.constant(f"{name}0", p[f"{name}0"].reshape(1, 1, -1)), shape) for name in layer.states]


def _state_after(graph: Graph, past: Past, layer: Recurrent, start: list[str]) -> list[str]:
    """Return the names of the states (1, n, u) after the past; without one, those of ``start``, or zeros."""
    last = [graph.constant(name, [value]) for name, value in (("last", -1), ("end", 2**62), ("axis", 1))]
    states = []
    for k, name in enumerate(layer.states):
        before = past.read(name, ("past_state", layer.units), (1, layer.units))  # (n, 0 or 1, u)
        if start:
            first = graph.node("Transpose", start[k], perm=TIME_FIRST)
            both = graph.node("Concat", first, before, axis=1)
        else:
            both = graph.node("Pad", before, graph.constant("zeros", [0, 1, 0, 0, 0, 0]))
        states.append(graph.node("Transpose", graph.node("Slice", both, *last), perm=TIME_FIRST))
    return states


def _keep_state(graph: Graph, past: Past, layer: Recurrent, states: list[str]) -> None:
    """Declare the states (n, 1, u) as the past of the next pass."""
    for name, state in zip(layer.states, states, strict=True):
        past.keep(name, state)


def _masked(graph: Graph, layer: Recurrent, mask: float, p: Slots, x: Value, start: list[str]) -> Value:
    """Add the layer as a Scan. At a step whose features all equal the mask, the state does not change and the output is 0."""
    u, samples = layer.units, graph.name_of(x)
    learned = [f"{state}0" for state in layer.states]  # the initial states, which are in ``start``
    weights = {name: graph.constant(name, array) for name, array in p.items() if name not in learned}
    if start:
        initial = [graph.node("Squeeze", name, graph.constant("axes", [0])) for name in start]
    else:
        state_shape = graph.node("Concat", _batch_size(graph, samples), graph.constant("units", [u]), axis=0)
        initial = [graph.node("ConstantOfShape", state_shape)] * len(layer.states)
    states = layer.states
    body = graph.subgraph()
    before = [body.add_input(name, (u,)) for name in states]
    features = body.add_input("x", x.shape[1:])
    differs = body.node("Not", body.node("Equal", features, graph.constant("mask", mask)))
    any_differs = body.node("ReduceMax", body.node("Cast", differs, to=FLOAT), axes=[1], keepdims=1)
    present = body.node("Cast", any_differs, to=BOOL)
    after = _cell(body, layer, weights, features, *before)
    for new, old in zip(after, before, strict=True):
        body.add_output(body.node("Where", present, new, old), (u,))
    if layer.return_sequences:
        body.add_output(body.node("Where", present, after[0], graph.constant("nothing", 0.0)), (u,))
    outputs = graph.nodes(
        "Scan",
        *initial,
        samples,
        outputs=len(states) + layer.return_sequences,
        body=body,
        num_scan_inputs=1,
        scan_input_axes=[1],
        **({"scan_output_axes": [1]} if layer.return_sequences else {}),
    )
    shape = layer.build(x.shape).shape
    if graph.past is not None:
        axis = graph.constant("axis", [1])
        _keep_state(graph, graph.past, layer, [graph.node("Unsqueeze", name, axis) for name in outputs[: len(states)]])
    if len(shape) == 1:
        return graph.value(outputs[0], shape)
    rows = [outputs[-1]] if layer.return_sequences else []
    if layer.return_state:
        rows += [graph.node("Unsqueeze", name, graph.constant("axes", [1])) for name in outputs[: len(states)]]
    return graph.value(rows[0] if len(rows) == 1 else graph.node("Concat", *rows, axis=1), shape)


def _batch_size(graph: Graph, samples: str) -> str:
    """Add the number of samples, as a vector with one entry."""
    return graph.node("Shape", samples, start=0, end=1)


def _cell(body: Graph, layer: Any, w: Mapping[str, str], x: str, h: str, c: str = "") -> list[str]:
    """Add one time step and return the names of the new states. The formulas are in the docstrings of the layers."""

    def gates(name: str, count: int) -> list[str]:
        return body.nodes("Split", name, outputs=count, axis=1)

    def add(a: str, b: str) -> str:
        return body.node("Add", a, b)

    def multiply(a: str, b: str) -> str:
        return body.node("Mul", a, b)

    from_x, from_h = add(body.node("MatMul", x, w["W"]), w["b"]), body.node("MatMul", h, w["U"])
    if isinstance(layer, SimpleRNN):
        return [body.node("Tanh", add(from_x, from_h))]
    if isinstance(layer, LSTM):
        i, f, g, o = gates(add(from_x, from_h), 4)
        i, f, g, o = body.node("Sigmoid", i), body.node("Sigmoid", f), body.node("Tanh", g), body.node("Sigmoid", o)
        c = add(multiply(f, c), multiply(i, g))
        return [multiply(o, body.node("Tanh", c)), c]
    (xr, xz, xn), (hr, hz, hn) = gates(from_x, 3), gates(from_h, 3)
    r, z = body.node("Sigmoid", add(xr, hr)), body.node("Sigmoid", add(xz, hz))
    n = body.node("Tanh", add(xn, multiply(r, add(hn, w["bh"]))))
    return [add(n, multiply(z, body.node("Sub", h, n)))]
