"""Attention: the output at each position of a sequence is a weighted mean of all positions, with weights from their content.

A *query* qᵢ is compared with the *keys* kⱼ of all positions, and reads the mean of their *values* vⱼ, weighted by how well the
keys match (Vaswani et al., 2017, "Attention is all you need"). Queries, keys and values are products of the inputs with learned
matrices:

    Q = X W_q + b_q      K = X W_k + b_k      V = X W_v + b_v
    S = Q Kᵀ/√d          s_ij = qᵢ·kⱼ/√d                 the scores: one row for each query, one column for each key
    A = softmax(S)       a_ij = e^(s_ij) / Σ_l e^(s_il)  the weights of each query, whose sum is 1
    O = A V              oᵢ = Σ_j a_ij vⱼ

This is done by several *heads*, each with its own d = width/heads columns of Q, K and V; their outputs O, side by side, go
through one more matrix, Y = O W_o + b_o. The scores are divided by √d because the product of two vectors with d independent
entries of variance 1 has the variance d: without it, the softmax of scores of long vectors would be close to 0 or 1, where its
gradient vanishes.

**Which keys a query reads.** With ``causal=True``, query i reads the keys 0 … i: the output at a position depends on no later
one, as a model that predicts the next token requires. A padding mask excludes keys for all queries. The scores of excluded keys
are −∞ and their weights 0. If a query has no key at all, its weights are all 0, not 0/0, and its output O is 0.

**The backward pass.** With the upstream gradient dO = ∂C/∂O of a head, for each step above in reverse order:

    oᵢ = Σ_j a_ij vⱼ               dvⱼ = Σᵢ a_ij doᵢ           dV = Aᵀ dO     the value j is read by every query i
                                   da_ij = doᵢ·vⱼ              dA = dO Vᵀ

The softmax: a weight depends on all scores of its row. With e_j = e^(s_j) and Z = Σ_l e_l, a_j = e_j/Z has the derivatives

    ∂a_j/∂s_l = (δ_jl e_j Z − e_j e_l)/Z² = a_j (δ_jl − a_l)          δ_jl = 1 if j = l, else 0

    ds_l = Σ_j da_j ∂a_j/∂s_l = Σ_j da_j a_j δ_jl − a_l Σ_j da_j a_j = a_l (da_l − Σ_j a_j da_j)

so dS = A ⊙ (dA − D), with one number for each row, Dᵢ = Σ_j a_ij da_ij. It needs no sum over the keys:

    Dᵢ = Σ_j a_ij (doᵢ·vⱼ) = doᵢ·(Σ_j a_ij vⱼ) = doᵢ·oᵢ

    s_ij = qᵢ·kⱼ/√d                dqᵢ = Σ_j ds_ij kⱼ/√d       dQ = dS K/√d
                                   dkⱼ = Σᵢ ds_ij qᵢ/√d        dK = dSᵀ Q/√d

An excluded key has a_ij = 0, so ds_ij = 0: nothing flows to it. The rest are products as in a dense layer
(:mod:`pellucid.layers.dense`): for example dW_q = Xᵀ dQ, and dX = dQ W_qᵀ + dK W_kᵀ + dV W_vᵀ, since X is used three times.

With ``dropout``, O = (A ⊙ M) V where m_ij is 0 with this probability, and else 1/(1 − dropout). Then dV = (A ⊙ M)ᵀ dO and
dA = M ⊙ (dO Vᵀ), and Dᵢ = Σ_j a_ij m_ij (doᵢ·vⱼ) = doᵢ·oᵢ still holds. M is not stored, it is drawn again.

**Memory.** S and A have t² entries for each head. The compiled kernels compute them in tiles that stay in the cache (Dao et
al., 2022, "FlashAttention"): forward with the maximum and the sum of the scores so far, by which each tile rescales what the
tiles before it have added up; backward from tiles that are computed again with A = exp(S − L), where Lᵢ = log Σ_j e^(s_ij) is
all that is kept of them. So the memory grows with t, not with t².

**Rotary positions.** The outputs of attention do not depend on the order of its inputs: exchanging two keys with their values
changes nothing. Layers before it can add positions to X. With ``rotary=True`` instead, the vectors qᵢ and kⱼ are rotated, pair
by pair of their columns, by angles proportional to their positions i and j (Su et al., 2021). A product of two rotated vectors
depends on the difference of the angles alone, so that the scores depend on i − j. Rotations are orthogonal: their gradient is
the rotation back.

**Generation.** With ``causal=True``, keys and values do not depend on later positions. Where a sequence is read in several
passes (``ctx.past``), they are remembered, and a pass computes the queries, keys and values of its own positions only.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.config import Count, FractionBelowOne
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import Blockwise, GlorotUniform, Initializer, Zeros
from pellucid.layers.base import Layer, LayerSpec, Merge
from pellucid.layers.context import Context, Memory
from pellucid.layers.dense import no_bias

ROTARY_BASE = 10_000.0  # the pair j of d/2 turns by the angle i·base^(−2j/d) at position i: by 1 to nearly 1/base


@dataclass(frozen=True)
class Attention(Layer):
    """Self-attention: every position of a sequence reads every other one. (n, time, width) -> (n, time, width).

    ``heads`` must divide the width. With ``causal=True`` a position reads itself and those before it only. ``dropout`` is the
    probability that a weight is dropped in training. ``rotary=True`` turns queries and keys by their positions. ``bias=False``
    omits b and bo. :mod:`pellucid.layers.attention` has the formulas and their derivatives.

    A block of a Transformer is ``Residual(LayerNorm(), Attention(4, causal=True))`` followed by
    ``Residual(LayerNorm(), Dense(4 * width), GELU(), Dense(width))``.

    >>> import numpy as np
    >>> from pellucid import Attention, Zeros
    >>> from pellucid.testing import run_layer
    >>> x = np.array([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])
    >>> run_layer(Attention(1, init=Zeros()), x).y.tolist()  # all weights are 1/3, and all values 0
    [[[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]]

    Slots: ``W`` (width, 3·width) for queries, keys and values, in this order, filled by ``init`` block by block; ``Wo`` (width,
    width), filled by ``output_init``; their biases ``b`` (3·width) and ``bo`` (width), initially zero and exempt from weight
    decay.
    """

    hint_for_several_inputs: ClassVar[str] = "CrossAttention(heads) reads queries from one node, keys and values from another"

    heads: Count
    causal: bool = False
    dropout: FractionBelowOne = 0.0
    rotary: bool = False
    bias: bool = True
    init: Initializer = GlorotUniform()
    output_init: Initializer = GlorotUniform()

    @property
    def records(self) -> bool:  # type: ignore[override]
        """Whether each step calls the same kernels with the same arguments: the key of a dropout changes."""
        return self.dropout == 0

    @property
    def continues(self) -> bool:
        return self.causal

    def build(self, shape: Shape) -> LayerSpec:
        time, width = self.expect(shape, 2, "put an Embedding before it, or Reshape((time, features))")
        d = _head_width(self, width)
        if self.rotary and d % 2:
            raise ShapeError(
                f"{self} turns pairs of columns, but each head has {d} of the {width}: use {_divisors(width, even=True)} heads"
            )
        slots = {
            "W": Slot((width, 3 * width), Blockwise(self.init, 3)),
            "Wo": Slot((width, width), self.output_init),
        }
        if self.bias:
            slots["b"] = Slot((3 * width,), Zeros(), decay=False)
            slots["bo"] = Slot((width,), Zeros(), decay=False)
        return LayerSpec(shape, slots, multiply_adds=time * width * (4 * width + 2 * time))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        n, t, w = x.shape
        qkv = ctx.buffer("qkv", (n, t, 3 * w))
        ctx.kernels.affine(_rows(x), p.W, p.b if self.bias else no_bias(ctx, 3 * w), out=_rows(qkv))
        if ctx.past is not None:
            return _output(self, p, self._attend_to_past(qkv, ctx.past, ctx), ctx)
        if self.rotary:
            _rotate(qkv[..., : 2 * w], 2 * self.heads, ctx)
        o = _attend(self, qkv[..., :w], qkv[..., w : 2 * w], qkv[..., 2 * w :], None, ctx)
        ctx.keep(x, qkv, *ctx.kept)
        return _output(self, p, o, ctx)

    def _attend_to_past(self, qkv: Array, past: Memory, ctx: Context) -> Array:
        """Return O of positions that follow those that were read: their keys and values are remembered too."""
        n, t, w = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        if self.rotary:
            _rotate_further(qkv[..., : 2 * w], 2 * self.heads, past, ctx)
        keys, values = past.array("keys", (w, past.capacity)), past.array("values", (past.capacity, w))
        return ctx.kernels.remembered_attention(qkv, keys, values, past.read, self.heads, out=ctx.buffer("o", (n, t, w)))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, qkv, *kept = ctx.kept
        w = x.shape[2]
        dqkv = ctx.scratch("dqkv", qkv.shape)
        parts = (slice(0, w), slice(w, 2 * w), slice(2 * w, None))
        _attend_backward(self, p, g, dy, ctx, [qkv[..., part] for part in parts], kept, [dqkv[..., part] for part in parts])
        if self.rotary:
            _rotate(dqkv[..., : 2 * w], 2 * self.heads, ctx, inverse=True)
        ctx.kernels.affine_backward(_rows(x), _rows(dqkv), g.W, g.b if self.bias else no_bias(ctx, 0))
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(x.shape)
        ctx.kernels.affine_input_gradient(_rows(dqkv), p.W, out=_rows(dx))
        return dx


@dataclass(frozen=True)
class CrossAttention(Merge):
    """Attention between two nodes of a Graph: the queries come from the first, the keys and values from the second.

    The inputs are (t, width), (s, features) and, optionally, a padding mask (s), which is zero where the second input is
    padding: these positions are never read, and a sample of padding alone gives bo. The output is (t, width), as the queries
    are. ``heads`` must divide the width. With ``causal=True``, query i reads the keys 0 … i + s − t.

    ::

        Graph(Node("decoder", Attention(4, causal=True), "target"),
              Node("cross", CrossAttention(4), "decoder", "encoder", "mask"))

    ``CrossAttention(heads)`` with one node as both inputs is self-attention with a padding mask.

    Slots: ``Wq`` (width, width) for the queries, ``Wkv`` (features, 2·width) for keys and values, in this order, filled by
    ``init`` block by block; ``Wo`` (width, width), filled by ``output_init``; their biases ``bq``, ``bkv`` and ``bo``,
    initially zero and exempt from weight decay, unless ``bias=False``.
    """

    heads: Count
    causal: bool = False
    dropout: FractionBelowOne = 0.0
    bias: bool = True
    init: Initializer = GlorotUniform()
    output_init: Initializer = GlorotUniform()

    @property
    def records(self) -> bool:  # type: ignore[override]
        """Whether each step calls the same kernels with the same arguments: the key of a dropout changes."""
        return self.dropout == 0

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        if len(shapes) not in (2, 3):
            raise ShapeError(
                f"{self} expects two inputs, for queries and for keys and values, and optionally a mask; got {len(shapes)}"
            )
        if len(shapes[0]) != 2 or len(shapes[1]) != 2:
            raise ShapeError(f"{self} expects two sequences (time, features), got {shapes[0]} and {shapes[1]}")
        (t, width), (s, features) = shapes[:2]
        if len(shapes) == 3 and shapes[2] != (s,):
            raise ShapeError(
                f"{self} expects a mask ({s},) as its third input, one value for each of the {s} keys, got {shapes[2]}; 0 is "
                "padding"
            )
        _head_width(self, width)
        slots = {
            "Wq": Slot((width, width), self.init),
            "Wkv": Slot((features, 2 * width), Blockwise(self.init, 2)),
            "Wo": Slot((width, width), self.output_init),
        }
        if self.bias:
            for name, size in (("bq", width), ("bkv", 2 * width), ("bo", width)):
                slots[name] = Slot((size,), Zeros(), decay=False)
        products = t * width * width + s * features * 2 * width + t * width * width
        return LayerSpec((t, width), slots, multiply_adds=products + 2 * t * s * width)

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        x, source, *rest = xs
        (n, t, w), s = x.shape, source.shape[1]
        q, kv = ctx.buffer("q", (n, t, w)), ctx.buffer("kv", (n, s, 2 * w))
        ctx.kernels.affine(_rows(x), p.Wq, p.bq if self.bias else no_bias(ctx, w), out=_rows(q))
        ctx.kernels.affine(_rows(source), p.Wkv, p.bkv if self.bias else no_bias(ctx, 2 * w), out=_rows(kv))
        mask = rest[0].astype(q.dtype, copy=False) if rest else None
        o = _attend(self, q, kv[..., :w], kv[..., w:], mask, ctx)
        ctx.keep(x, source, mask, q, kv, *ctx.kept)
        return _output(self, p, o, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array] | None:
        x, source, mask, q, kv, *kept = ctx.kept
        w = x.shape[2]
        dq, dkv = ctx.scratch("dq", q.shape), ctx.scratch("dkv", kv.shape)
        inputs, gradients = [q, kv[..., :w], kv[..., w:]], [dq, dkv[..., :w], dkv[..., w:]]
        _attend_backward(self, p, g, dy, ctx, inputs, kept, gradients)
        ctx.kernels.affine_backward(_rows(x), _rows(dq), g.Wq, g.bq if self.bias else no_bias(ctx, 0))
        ctx.kernels.affine_backward(_rows(source), _rows(dkv), g.Wkv, g.bkv if self.bias else no_bias(ctx, 0))
        if not ctx.needs_dx:
            return None
        dx, dsource = ctx.gradient(x.shape), ctx.buffer("dsource", source.shape)
        ctx.kernels.affine_input_gradient(_rows(dq), p.Wq, out=_rows(dx))
        ctx.kernels.affine_input_gradient(_rows(dkv), p.Wkv, out=_rows(dsource))
        if mask is None:
            return [dx, dsource]
        dmask, zeros = ctx.buffer("dmask", mask.shape), ctx.buffer("zeros", mask.shape)
        zeros.fill(0)
        ctx.kernels.copy(zeros.reshape(-1), dmask.reshape(-1))  # the output is constant between the values of a mask
        return [dx, dsource, dmask]


def _head_width(layer: Attention | CrossAttention, width: int) -> int:
    """Return the number of columns of each head. Raises ShapeError if the heads do not divide the width."""
    if width % layer.heads:
        raise ShapeError(
            f"{layer} divides the {width} columns of its input among {layer.heads} heads, which is not possible; use "
            f"{_divisors(width)} heads, or a Dense with a multiple of {layer.heads} units before it"
        )
    return width // layer.heads


def _divisors(width: int, even: bool = False) -> str:
    """Return the numbers of heads into which the columns can be divided, with an even number of columns each if ``even``."""
    found = [str(h) for h in range(1, width + 1) if width % h == 0 and (not even or width // h % 2 == 0)]
    return " or ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def _rows(a: Array) -> Array:
    """Return the vectors (n, t, width) as the rows of a matrix."""
    return a.reshape(-1, a.shape[-1])


def _rotate(x: Array, heads: int, ctx: Context, inverse: bool = False) -> None:
    """Turn the vectors of each head in x (n, t, columns) by their positions, in place; with ``inverse``, turn them back."""
    ctx.kernels.rotary(x, heads, rotations(x.shape[1], x.shape[2] // heads, x.dtype), inverse, out=x)


def _rotate_further(x: Array, heads: int, past: Memory, ctx: Context) -> None:
    """Turn vectors by their positions, which follow those that were read before."""
    (n, t, _), d = x.shape, x.shape[2] // heads
    table = rotations(past.capacity, d, x.dtype)
    if t == 1:  # all samples as the positions of one
        rows = ctx.kernels.gather(table.reshape(len(table), d), past.read, ctx.buffer("rotations", (n, d)))
        x = x[:, 0][None]
        ctx.kernels.rotary(x, heads, rows.reshape(n, 2, d // 2), False, out=x)
        return
    for i, first in enumerate(past.read.tolist()):
        ctx.kernels.rotary(x[i : i + 1], heads, table[first : first + t], False, out=x[i : i + 1])


@functools.lru_cache(maxsize=16)  # computing it takes longer than turning the vectors
def rotations(steps: int, d: int, dtype: Any) -> Array:
    """Return the cosines and sines (steps, 2, d/2) for the positions of vectors of d columns, which must not be changed."""
    angles = np.arange(steps)[:, None] * ROTARY_BASE ** (-2 * np.arange(d // 2) / d)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(dtype, order="C")


def _dropout(layer: Attention | CrossAttention, ctx: Context) -> tuple[float, int, int]:
    """Return the rate of dropout, its key, and the position of the first sample in the batch."""
    if not ctx.training or layer.dropout == 0:
        return 0.0, 0, 0
    return layer.dropout, ctx.random, ctx.offset


def _attend(layer: Attention | CrossAttention, q: Array, k: Array, v: Array, mask: Array | None, ctx: Context) -> Array:
    """Return O, and keep O, log Σ exp S and the mask."""
    n, t, w = q.shape
    o, log_sum = ctx.buffer("o", (n, t, w)), ctx.buffer("log_sum", (n, layer.heads, t))
    mask = ctx.buffer("no mask", (n, 0)) if mask is None else mask
    ctx.kernels.attention(q, k, v, layer.heads, mask, layer.causal, *_dropout(layer, ctx), log_sum, out=o)
    ctx.keep(o, log_sum, mask)
    return o


def _output(layer: Attention | CrossAttention, p: Views, o: Array, ctx: Context) -> Array:
    """Return Y = O W_o + b_o."""
    y = ctx.buffer("y", o.shape)
    ctx.kernels.affine(_rows(o), p.Wo, p.bo if layer.bias else no_bias(ctx, o.shape[2]), out=_rows(y))
    return y


def _attend_backward(
    layer: Attention | CrossAttention,
    p: Views,
    g: Views,
    dy: Array,
    ctx: Context,
    inputs: Sequence[Array],
    kept: Sequence[Array],
    gradients: Sequence[Array],
) -> None:
    """Write the gradients of W_o and b_o, and those of ``inputs``, Q, K and V, into ``gradients``."""
    (q, k, v), (dq, dk, dv), (o, log_sum, mask) = inputs, gradients, kept
    do, dropout = ctx.scratch("do", o.shape), _dropout(layer, ctx)
    ctx.kernels.affine_backward(_rows(o), _rows(dy), g.Wo, g.bo if layer.bias else no_bias(ctx, 0))
    ctx.kernels.affine_input_gradient(_rows(dy), p.Wo, out=_rows(do))
    ctx.kernels.attention_backward(q, k, v, layer.heads, mask, layer.causal, *dropout, log_sum, o, do, dq, dk, dv)
