"""ONNX operators of attention. The heads are an axis: (n, time, width) becomes (n, heads, time, width/heads)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from pellucid.core.memory import Array
from pellucid.export.onnx.basics import Slots
from pellucid.export.onnx.graph import Graph, Value
from pellucid.export.onnx.past import Past
from pellucid.layers import Attention, CrossAttention
from pellucid.layers.attention import ROTARY_BASE


def attention(graph: Graph, layer: Attention, p: Slots, x: Value) -> Value:
    w = x.shape[1]
    q, k, v = (_dense(graph, x, p, "W", "b", slice(part * w, (part + 1) * w)) for part in range(3))
    q, k, v = (_split(graph, one, layer.heads) for one in (q, k, v))
    if layer.rotary:
        cos, sin = _rotations(graph, *q.shape[1:])
        q, k = _rotate(graph, q, cos, sin), _rotate(graph, k, cos, sin)
    if graph.past is not None:
        for_head = layer.heads, w // layer.heads
        k = graph.value(graph.past.extended("key", graph.name_of(k), *for_head), k.shape)
        v = graph.value(graph.past.extended("value", graph.name_of(v), *for_head), v.shape)
    return _dense(graph, _means(graph, layer, q, k, v, None), p, "Wo", "bo")


def cross_attention(graph: Graph, layer: CrossAttention, p: Slots, x: Value, source: Value, mask: Value | None = None) -> Value:
    w = x.shape[1]
    q = _dense(graph, x, p, "Wq", "bq")
    k, v = (_dense(graph, source, p, "Wkv", "bkv", slice(part * w, (part + 1) * w)) for part in range(2))
    q, k, v = (_split(graph, one, layer.heads) for one in (q, k, v))
    return _dense(graph, _means(graph, layer, q, k, v, mask), p, "Wo", "bo")


def _dense(graph: Graph, x: Value, p: Slots, W: str, b: str, columns: slice = slice(None)) -> Value:
    """Return X W + b for some columns of W and b."""
    weights = p[W][:, columns]
    y = graph.op("MatMul", x, graph.constant(W, weights), shape=(x.shape[0], weights.shape[1]))
    return graph.op("Add", y, graph.constant(b, p[b][columns])) if b in p else y


def _split(graph: Graph, x: Value, heads: int) -> Value:
    """Return (time, width) as (heads, time, width/heads)."""
    t, w = x.shape
    x = graph.op("Reshape", x, graph.constant("shape", [0, 0, heads, w // heads]), shape=(t, heads, w // heads))
    return graph.op("Transpose", x, perm=[0, 2, 1, 3], shape=(heads, t, w // heads))


def _rotations(graph: Graph, t: int, d: int) -> list[str]:
    """Return the names of cos and ± sin (time, d) of the angles, which grow with the position."""
    angles = np.arange(t)[:, None] * ROTARY_BASE ** (-2 * np.arange(d // 2) / d)
    cos, sin = np.cos(angles), np.sin(angles)
    tables = graph.constant("cos", np.hstack([cos, cos])), graph.constant("sin", np.hstack([-sin, sin]))
    return [table if graph.past is None else graph.node("Gather", table, graph.past.positions()) for table in tables]


def _rotate(graph: Graph, x: Value, cos: str, sin: str) -> Value:
    """Turn pairs of columns by the angles: x cos + (the columns exchanged) (± sin)."""
    d = x.shape[2]
    exchanged = graph.op("Gather", x, graph.constant("order", [*range(d // 2, d), *range(d // 2)]), axis=3)
    return graph.op("Add", graph.op("Mul", x, cos), graph.op("Mul", exchanged, sin))


def _means(graph: Graph, layer: Attention | CrossAttention, q: Value, k: Value, v: Value, mask: Value | None) -> Value:
    """Return the means of v (time, width), weighted by the softmax of Q Kᵀ/√d. Where nothing is visible, they are zero."""
    heads, t, d = q.shape
    s, shape = k.shape[1], (heads, t, k.shape[1])
    scores = graph.op("MatMul", q, graph.op("Transpose", k, perm=[0, 1, 3, 2], shape=(heads, d, s)), shape=shape)
    scores = graph.op("Mul", scores, graph.constant("scale", 1 / math.sqrt(d)))
    visible: list[str] = []
    if layer.causal and graph.past is not None:
        visible.append(graph.past.once("visible", partial(_not_later, graph, graph.past, graph.name_of(k))))
    elif layer.causal:
        triangle: Array = np.arange(s) <= np.arange(t)[:, None] + (s - t)
        visible.append(graph.constant("triangle", triangle, bool))
    if mask is not None:
        zero = graph.constant("zero", 0.0)
        reads = graph.node("Not", graph.node("Equal", graph.name_of(mask), zero))
        visible.append(graph.node("Unsqueeze", reads, graph.constant("axes", [1, 2])))
    if visible:
        both = visible[0] if len(visible) == 1 else graph.node("And", *visible)
        lowest = graph.constant("lowest", float(np.finfo(np.float32).min))
        chosen = graph.value(graph.node("Where", both, graph.name_of(scores), lowest), shape)
        weights = graph.op("Softmax", chosen, axis=-1)
        weights = graph.value(graph.node("Where", both, graph.name_of(weights), graph.constant("none", 0.0)), shape)
    else:
        weights = graph.op("Softmax", scores, axis=-1)
    o = graph.op("Transpose", graph.op("MatMul", weights, v, shape=(heads, t, d)), perm=[0, 2, 1, 3], shape=(t, heads, d))
    return graph.op("Reshape", o, graph.constant("joined", [0, 0, heads * d]), shape=(t, heads * d))


def _not_later(graph: Graph, past: Past, keys: str) -> str:
    """Return whether each position that is read may read each key (time, past + time): those of later positions it may not."""
    first, one = graph.constant("zero", 0), graph.constant("one", 1)
    key_positions = graph.node("Range", first, past.scalar(keys, 2), one)
    return graph.node("LessOrEqual", key_positions, graph.node("Unsqueeze", past.positions(), graph.constant("axis", [1])))
