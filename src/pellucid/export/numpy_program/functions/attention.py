"""Attention: sequences x (n, time, width), whose columns are divided among the heads."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def attention(
    x: Array,
    W: Array,
    Wo: Array,
    *,
    heads: int,
    causal: bool = False,
    rotary: bool = False,
    b: Array | float = 0.0,
    bo: Array | float = 0.0,
) -> Array:
    """Return the sequences x after each position has read the others; with ``causal``, those before it and itself."""
    q, k, v = np.split(x @ W + b, 3, axis=2)
    if rotary:
        q, k = rotate(q, heads), rotate(k, heads)
    return weighted_means(q, k, v, heads, causal) @ Wo + bo


def cross_attention(
    x: Array,
    source: Array,
    mask: Array | None = None,
    *,
    heads: int,
    Wq: Array,
    Wkv: Array,
    Wo: Array,
    causal: bool = False,
    bq: Array | float = 0.0,
    bkv: Array | float = 0.0,
    bo: Array | float = 0.0,
) -> Array:
    """Return what each position of x reads in ``source``, except where ``mask`` (n, source time) is zero."""
    k, v = np.split(source @ Wkv + bkv, 2, axis=2)
    return weighted_means(x @ Wq + bq, k, v, heads, causal, mask) @ Wo + bo


def weighted_means(
    q: Array,
    k: Array,
    v: Array,
    heads: int,
    causal: bool,
    mask: Array | None = None,
) -> Array:
    """Return the means of the values v, weighted by the softmax of the products of queries q and keys k in each head."""
    n, t, width = q.shape
    s, d = k.shape[1], width // heads
    q, k, v = (a.reshape(n, a.shape[1], heads, d).swapaxes(1, 2) for a in (q, k, v))
    scores = q @ k.swapaxes(2, 3) / np.sqrt(np.float32(d))
    visible = np.ones((1, 1, t, s), bool)
    if causal:  # the last query reads all keys
        visible = visible & (np.arange(s) <= np.arange(t)[:, None] + (s - t))
    if mask is not None:
        visible = visible & (mask[:, None, None, :] != 0)
    scores = np.where(visible, scores, np.float32(-1e38))
    largest = scores.max(axis=3, keepdims=True)
    weights = np.exp(scores - largest, where=visible, out=np.zeros_like(scores))
    total = weights.sum(axis=3, keepdims=True)
    weights = weights / np.where(total == 0, np.float32(1), total)  # 0 without keys
    return (weights @ v).swapaxes(1, 2).reshape(n, t, width)


def rotate(x: Array, heads: int) -> Array:
    """Return x with the columns j and j + d/2 of each head turned by an angle that grows with the position."""
    n, t, width = x.shape
    half = width // heads // 2
    angle = np.arange(t)[:, None] / 10000.0 ** (np.arange(half) / half)
    cos = np.cos(angle)[:, None].astype(np.float32)
    sin = np.sin(angle)[:, None].astype(np.float32)
    first, second = np.split(x.reshape(n, t, heads, 2 * half), 2, axis=3)
    turned = first * cos - second * sin, first * sin + second * cos
    return np.concatenate(turned, axis=3).reshape(n, t, width)
