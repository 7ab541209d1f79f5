"""Batch normalization folded into the layer before it, for prediction.

In prediction the statistics are constants, so a layer y = W·x + b with a normalization after it is one layer of its kind:

    γ (W·x + b − μ) r + β = W'·x + b'          W' = W γr     b' = β + (b − μ) γr     r = 1/√(σ² + ε)

(Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference", 2018, section
3.2.) W' and b' are computed in each pass, from the parameters and running statistics as they are then: these are memory that
anyone may write to, and to compare W with a copy would take as long as to multiply it. The products take as many
multiplications as W has elements. If that is more than the normalization of the outputs would take, as for few samples and wide
layers, then the outputs are normalized instead, in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array, Shape, Views, views_of
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.normalization import BatchNorm


@dataclass(frozen=True)
class _Folded(Layer):
    """A layer with a bias, the normalization after it, and the ReLU after that if there is one. It only predicts.

    ``layer_slots`` and ``norm_slots`` are the names of their slots in those of the network, which this layer receives. ``bias``
    says whether the layer has a slot b.
    """

    layer: Layer
    norm: BatchNorm
    layer_slots: str
    norm_slots: str
    bias: bool
    relu: bool = False

    def build(self, shape: Shape) -> LayerSpec:
        spec = self.layer.build(shape)
        slots = {f"{self.layer_slots}.{name}": slot for name, slot in spec.slots.items() if self.bias or name != "b"}
        slots |= {f"{self.norm_slots}.{name}": slot for name, slot in self.norm.build(spec.shape).slots.items()}
        return LayerSpec(spec.shape, slots, spec.multiply_adds)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        own, norm, state = p[self.layer_slots], p[self.norm_slots], ctx.state[self.norm_slots]
        rows, W = x.size // x.shape[-1], own.W
        o = W.shape[-1:]
        rstd = 1 / np.sqrt(state.running_variance.astype(np.float64) + self.norm.epsilon)
        if rows * o[0] < W.size:
            y = self.layer.forward(own if self.bias else views_of({"W": W, "b": np.zeros(o, W.dtype)}), x, ctx)
            normalize = ctx.kernels.normalize_relu if self.relu else ctx.kernels.normalize
            return normalize(y, state.running_mean.astype(np.float64), rstd, norm.gamma, norm.beta, out=y)
        scale = norm.gamma * rstd
        folded_W, folded_b = ctx.buffer("folded W", W.shape), ctx.buffer("folded b", o)
        np.multiply(W, scale.astype(W.dtype), out=folded_W)
        folded_b[...] = norm.beta + ((own.b if self.bias else 0) - state.running_mean.astype(np.float64)) * scale
        layer = self.layer.absorb(ReLU()) if self.relu else self.layer
        assert layer is not None
        return layer.forward(views_of({"W": folded_W, "b": folded_b}), x, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        raise NotImplementedError("a folded layer has no backward pass: training runs the layers themselves")

    def absorb(self, following: Layer) -> Layer | None:
        if self.relu or not isinstance(following, ReLU):
            return None
        return _Folded(self.layer, self.norm, self.layer_slots, self.norm_slots, self.bias, relu=True)


def fold(layer: Layer, following: Layer, layer_slots: str, norm_slots: str) -> Layer | None:
    """Return a layer that predicts what ``layer`` and the ``following`` normalization do, or None if there is none.

    Its slots are those of the network around them, where those of the two layers have the names ``layer_slots`` and
    ``norm_slots``.
    """
    with_bias = layer.with_bias() if isinstance(following, BatchNorm) else None
    if with_bias is None:
        return None
    assert isinstance(following, BatchNorm)
    return _Folded(with_bias, following, layer_slots, norm_slots, bias=with_bias is layer)
