"""The kernels of attention: scaled dot products, softmax and weighted sums, for several heads, and rotary positions.

    S = Q Kᵀ/√d      A = softmax(S), over the keys      Y = A V

The columns of q (n, t, w), k and v (n, s, w) are divided among the heads: head h has d = w/heads of them, from h·d on. q, k and
v may be adjacent columns of a wider matrix. ``mask`` (n, s) is zero where a key is padding, which no query reads; a mask (n, 0)
stands for none. With ``causal``, query i reads the keys 0 … i + s − t: the last query reads all of them. A query without any
key has the output 0 and the gradient 0.

``log_sum`` (n, heads, t) is L = log Σⱼ exp(Sᵢⱼ) for each query, −∞ without keys. It is all that the backward pass needs
to compute A again, as exp(S − L). :mod:`pellucid.layers.attention` derives the gradients.

With dropout, ``rate`` of the weights A are zero and the others are multiplied by 1/(1 − rate). The mask is that of the kernel
``dropout`` for the array (n·heads·t, s) under the same ``key``, at the ``offset`` times heads·t.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.reference.noise import bits


def attention(
    q: Array,
    k: Array,
    v: Array,
    heads: int,
    mask: Array,
    causal: bool,
    rate: float,
    key: int,
    offset: int,
    log_sum: Array,
    out: Array,
) -> Array:
    """out = A V, and log_sum = L."""
    S = _scores(q, k, heads, mask, causal)
    top = S.max(axis=-1, initial=-np.inf)
    top[top == -np.inf] = 0  # without keys
    E = np.exp(S - top[..., None])
    total = E.sum(axis=-1)
    with np.errstate(divide="ignore"):
        log_sum[...] = top + np.log(total)
    A = E / np.where(total == 0, 1, total)[..., None]
    out[...] = _joined(_dropped(A, rate, key, offset) @ _split(v, heads))
    return out


def attention_backward(
    q: Array,
    k: Array,
    v: Array,
    heads: int,
    mask: Array,
    causal: bool,
    rate: float,
    key: int,
    offset: int,
    log_sum: Array,
    out: Array,
    dout: Array,
    dq: Array,
    dk: Array,
    dv: Array,
) -> None:
    """dV = Aᵀ dY,  dA = dY Vᵀ,  dS = A ⊙ (dA − Σ dY ⊙ Y),  dQ = dS K/√d,  dK = dSᵀ Q/√d."""
    Q, K, V, dY = (_split(one, heads) for one in (q, k, v, dout))
    L = np.where(log_sum == -np.inf, 0, log_sum)[..., None]
    A = np.exp(_scores(q, k, heads, mask, causal) - L)
    inner = _split(dout * out, heads).sum(axis=-1, keepdims=True)
    dv[...] = _joined(_dropped(A, rate, key, offset).swapaxes(2, 3) @ dY)
    dS = A * (_dropped(dY @ V.swapaxes(2, 3), rate, key, offset) - inner)
    dS /= dS.dtype.type(np.sqrt(Q.shape[-1]))
    dq[...] = _joined(dS @ K)
    dk[...] = _joined(dS.swapaxes(2, 3) @ Q)


def rotary(x: Array, heads: int, table: Array, inverse: bool, out: Array) -> Array:
    """Rotate pairs of columns by angles that grow with the position (Su et al., 2021, "RoFormer").

    x and out are (n, t, w), and may be the same array and adjacent columns of a wider one. ``table`` (t, 2, d/2) holds the
    cosines and sines of the angles at each position. In a head with columns x₁ … x_d, the pair (xⱼ, xⱼ₊d/₂) becomes

        (xⱼ cos − xⱼ₊d/₂ sin,  xⱼ sin + xⱼ₊d/₂ cos)

    The inverse, a rotation by the negative angles, is the transposed matrix: applied to dY it is the gradient.
    """
    n, t, w = x.shape
    cos, sin = table[:, None, 0], table[:, None, 1]  # the same for all heads
    first, second = np.split(x.reshape(n, t, heads, w // heads), 2, axis=-1)
    if inverse:
        sin = -sin
    out[...] = np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1).reshape(x.shape)
    return out


def _split(x: Array, heads: int) -> Array:
    """Return (n, t, heads·d) as (n, heads, t, d)."""
    n, t, w = x.shape
    return x.reshape(n, t, heads, w // heads).swapaxes(1, 2)


def _joined(x: Array) -> Array:
    """Return (n, heads, t, d) as (n, t, heads·d)."""
    n, heads, t, d = x.shape
    return x.swapaxes(1, 2).reshape(n, t, heads * d)


def _scores(q: Array, k: Array, heads: int, mask: Array, causal: bool) -> Array:
    """Return S (n, heads, t, s): −∞ where a query does not read a key."""
    Q, K = _split(q, heads), _split(k, heads)
    S: Array = Q @ K.swapaxes(2, 3)
    S /= S.dtype.type(np.sqrt(Q.shape[-1]))
    if mask.size:
        S = np.where(mask[:, None, None, :] == 0, -np.inf, S).astype(S.dtype, copy=False)
    if causal:
        t, s = S.shape[2:]
        S[:, :, np.arange(s) > np.arange(t)[:, None] + (s - t)] = -np.inf
    return S


def _dropped(A: Array, rate: float, key: int, offset: int) -> Array:
    """Return A with dropout: zeros, and the other weights times 1/(1 − rate)."""
    if rate == 0:
        return A
    n, heads, t, s = A.shape
    rows = np.arange(offset * heads * t, (offset + n) * heads * t, dtype=np.uint64)
    kept = bits(key, rows, s) >= np.uint32(rate * 2**32)
    return A * (kept.reshape(A.shape) * A.dtype.type(1 / (1 - rate)))
