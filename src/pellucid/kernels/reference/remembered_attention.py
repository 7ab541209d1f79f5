"""The kernel of attention in generation: the keys and values of earlier positions are remembered, not computed again.

A pass reads t further positions of each of n sequences: those with the numbers read[i], read[i] + 1, … of sequence i. It writes
their keys and values to the memory, and each of their queries reads all keys of the sequence up to its own:

    S = Q Kᵀ/√d      A = softmax(S), over the keys up to the query      Y = A V

``qkv`` (n, t, 3·w) holds the queries, keys and values side by side, the columns of each divided among the heads, as in
:mod:`~pellucid.kernels.reference.attention`. The memory of ``keys`` (n, w, capacity) is transposed, so that the scores of a
query are sums of its rows; that of ``values`` is (n, capacity, w). read[i] + t is at most ``capacity``.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def remembered_attention(qkv: Array, keys: Array, values: Array, read: Array, heads: int, out: Array) -> Array:
    """Write to the memory of keys and values, and out = A V."""
    _, t, w = out.shape
    d = w // heads
    q, k, v = np.split(qkv, 3, axis=2)
    for i, first in enumerate(read.tolist()):
        s = first + t
        keys[i, :, first:s], values[i, first:s] = k[i].T, v[i]
        Q, V = (x.reshape(-1, heads, d).swapaxes(0, 1) for x in (q[i], values[i, :s]))
        S = Q @ keys[i, :, :s].reshape(heads, d, s)
        S /= S.dtype.type(np.sqrt(d))
        S[:, np.arange(s) > first + np.arange(t)[:, None]] = -np.inf
        A = np.exp(S - S.max(axis=-1, keepdims=True))
        A /= A.sum(axis=-1, keepdims=True)
        out[i] = (A @ V).swapaxes(0, 1).reshape(t, w)
    return out
