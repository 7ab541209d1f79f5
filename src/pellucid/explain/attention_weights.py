"""The weights of attention: how much each position of a sequence takes from each other one, in each head.

    A = softmax(Q Kᵀ/√d)        a_ij: the part that position i takes from position j; Σ_j a_ij = 1

No kernel stores A. It is computed here by this formula from the input of each attention layer and its parameters, while the
network runs in prediction mode, and the output of the layer remains what its kernel computes. A query without any key has
weights of 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Views
from pellucid.errors import ConfigError
from pellucid.explain.tokens import samples_of
from pellucid.layers.attention import Attention, CrossAttention, rotations
from pellucid.layers.base import Layer, LayerSpec, Merge
from pellucid.layers.context import Context
from pellucid.model.model import Model
from pellucid.networks import primitives
from pellucid.networks.dag import map_layers

WEIGHTS = "weights"  # what an observer is called with, beside "output" and "gradient"


def attention_weights(model: Model, x: Any) -> dict[str, Array]:
    """Return the weights of every attention layer of a model, by the path of the layer.

    x is a text, or the tokens (t) of one, and each result is (heads, t, t): entry [h, i, j] is the part that head h takes from
    position j for its output at position i. Where the network reads a separator before each text, it is position 0. A row adds
    up to less than 1 where a network of full windows also reads what fills the window of a short text. For any other samples
    (n, *input shape) each result is (n, heads, t, s), with the t queries and s keys of each sample.

    The dictionary is empty if the network has no attention. Raises what ``Model.predict`` raises.
    """
    if not isinstance(model, Model):
        raise ConfigError(f"expected a Model, got {type(model).__name__}; look at the models of an ensemble one by one")
    batch, window = samples_of(model, x)
    found: dict[str, Array] = {}

    def observer(path: str, what: str, array: Array) -> None:
        if what == WEIGHTS:
            found[path] = array

    model.state.execution(map_layers(model.network, reporting), observer=observer).forward(batch)
    return found if window is None else {path: window.own(weights[0], 1, 2) for path, weights in found.items()}


def attention_layers(network: Any) -> dict[str, Attention | CrossAttention]:
    """Return the attention layers of a network by their paths, in the order of computation."""
    return {path: layer for path, layer in primitives(network) if isinstance(layer, (Attention, CrossAttention))}


def reporting(layer: Any) -> Any:
    """Return a layer that also reports its weights to the observer, as ``WEIGHTS``, if it is one of attention; and otherwise
    the layer itself."""
    if isinstance(layer, Attention):
        return _ReportingAttention(layer)
    return _ReportingCrossAttention(layer) if isinstance(layer, CrossAttention) else layer


@dataclass(frozen=True)
class _ReportingAttention(Layer):
    layer: Attention

    def build(self, shape: Any) -> LayerSpec:
        return self.layer.build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y = self.layer.forward(p, x, ctx)
        w = x.shape[2]
        qkv = _affine(x, p.W, p.b if self.layer.bias else None, ctx)
        q, k = (_heads(one, self.layer.heads) for one in (qkv[..., :w], qkv[..., w : 2 * w]))
        if self.layer.rotary:
            q, k = _turned(q), _turned(k)
        _report(ctx, _weights(q, k, self.layer.causal, None))
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return self.layer.backward(p, g, dy, ctx)


@dataclass(frozen=True)
class _ReportingCrossAttention(Merge):
    layer: CrossAttention

    def build(self, shapes: Any) -> LayerSpec:
        return self.layer.build(shapes)

    def forward(self, p: Views, xs: Any, ctx: Context) -> Array:
        y = self.layer.forward(p, xs, ctx)
        x, source, *rest = xs
        bias, heads = self.layer.bias, self.layer.heads
        q = _affine(x, p.Wq, p.bq if bias else None, ctx)
        k = _affine(source, p.Wkv, p.bkv if bias else None, ctx)[..., : x.shape[2]]
        _report(ctx, _weights(_heads(q, heads), _heads(k, heads), self.layer.causal, rest[0] if rest else None))
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Any:
        return self.layer.backward(p, g, dy, ctx)


def _report(ctx: Context, weights: Array) -> None:
    observer = ctx.shard_state.observer
    if observer is not None:
        observer(ctx.path, WEIGHTS, weights)


def _affine(x: Array, W: Array, b: Array | None, ctx: Context) -> Array:
    """Return x W + b for vectors x (n, t, width), by the kernel: a BLAS library may have other threads than the kernels."""
    n, t, w = x.shape
    y = np.empty((n * t, W.shape[1]), x.dtype)
    ctx.kernels.affine(x.reshape(-1, w), W, np.zeros(W.shape[1], x.dtype) if b is None else b, out=y)
    return y.reshape(n, t, -1)


def _heads(x: Array, heads: int) -> Array:
    """Return vectors (n, t, width) as (n, heads, t, d)."""
    n, t, w = x.shape
    return x.reshape(n, t, heads, w // heads).swapaxes(1, 2)


def _turned(x: Array) -> Array:
    """Return the vectors (n, heads, t, d) with each pair of columns (j, j + d/2) turned by the angle t · base^(−2j/d)."""
    t, d = x.shape[2:]
    cos, sin = rotations(t, d, x.dtype).swapaxes(0, 1)
    first, second = x[..., : d // 2], x[..., d // 2 :]
    return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)


def _weights(q: Array, k: Array, causal: bool, mask: Array | None) -> Array:
    """Return A (n, heads, t, s) for the queries (n, heads, t, d) and the keys (n, heads, s, d)."""
    t, s = q.shape[2], k.shape[2]
    scores = q @ k.swapaxes(2, 3) / np.sqrt(q.dtype.type(q.shape[3]))
    if causal:
        scores[..., ~np.tri(t, s, s - t, dtype=bool)] = -np.inf
    if mask is not None:
        scores[np.broadcast_to(mask[:, None, None, :] == 0, scores.shape)] = -np.inf
    top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    top[top == -np.inf] = 0  # without a key
    weights = np.exp(scores - top)
    total = weights.sum(axis=-1, keepdims=True)
    weights /= np.where(total == 0, 1, total)
    return weights
