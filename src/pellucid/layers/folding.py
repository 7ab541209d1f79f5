"""Batch normalization folded into the layer before it, for prediction.

In prediction the statistics are constants, so a layer y = W·x + b with a normalization after it is one layer of its kind:

    γ (W·x + b − μ) r + β = W'·x + b'          W' = W γr     b' = β + (b − μ) γr     r = 1/√(σ² + ε)

(Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference", 2018, section
3.2.) W' and b' are computed in each pass, from the parameters and running statistics as they are then: these are memory that
anyone may write to, and to compare W with a copy would take as long as to multiply it. Where W has far more elements than the
outputs, as in wide dense layers with few samples, the outputs are normalized instead, in place.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import ClassVar

from pellucid.core.memory import Array, Shape, Views, views_of
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.dense import no_bias
from pellucid.layers.normalization import BatchNorm, running_statistics

# The rows of W for each row of x up to which folding takes less time: 10,000 elements of W take some two microseconds, and to
# normalize outputs takes four even if there are few.
MAX_ROWS_FOR_EACH = 16


@dataclass(frozen=True)
class _Folded(Layer):
    """A layer, the normalization after it, and with ``relu`` the ReLU after that. It only predicts.

    ``layer_slots`` and ``norm_slots`` are the names of their slots in those of the network, which this layer receives.
    """

    records: ClassVar[bool] = True

    layer: Layer
    norm: BatchNorm
    layer_slots: str
    norm_slots: str
    relu: bool = False

    def build(self, shape: Shape) -> LayerSpec:
        spec = self.layer.build(shape)
        slots = {f"{self.layer_slots}.{name}": slot for name, slot in spec.slots.items()}
        slots |= {f"{self.norm_slots}.{name}": slot for name, slot in self.norm.build(spec.shape).slots.items()}
        return LayerSpec(spec.shape, slots, spec.multiply_adds)

    @property
    def reads_sparse(self) -> bool:
        return self.layer.reads_sparse

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        own, norm, kernels = p[self.layer_slots], p[self.norm_slots], ctx.kernels
        mean, rstd = running_statistics(self.norm, ctx.state[self.norm_slots], ctx)
        rows_of_x, rows_of_W = math.prod(x.shape[:-1]), own.W.size // rstd.size
        if MAX_ROWS_FOR_EACH * rows_of_x < rows_of_W:
            y = self.layer.forward(own, x, ctx)
            normalize = kernels.normalize_relu if self.relu else kernels.normalize
            return normalize(y, mean, rstd, norm.gamma, norm.beta, out=y)
        W, b = ctx.buffer("folded W", own.W.shape), ctx.buffer("folded b", (rstd.size,))
        bias = own.b if self._with_bias is self.layer else no_bias(ctx, rstd.size)
        kernels.fold_normalization(own.W, bias, mean, rstd, norm.gamma, norm.beta, W, b)
        return self._combined.forward(views_of({"W": W, "b": b}), x, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        raise NotImplementedError("a folded layer has no backward pass: training runs the layers themselves")

    def absorb(self, following: Layer) -> Layer | None:
        return replace(self, relu=True) if isinstance(following, ReLU) and not self.relu else None

    @functools.cached_property
    def _with_bias(self) -> Layer:
        with_bias = self.layer.with_bias()
        assert with_bias is not None
        return with_bias

    @functools.cached_property
    def _combined(self) -> Layer:
        """The layer that computes all in one pass, from the folded weights."""
        combined = self._with_bias.absorb(ReLU()) if self.relu else self._with_bias
        assert combined is not None
        return combined


def fold(layer: Layer, following: Layer, layer_slots: str, norm_slots: str) -> Layer | None:
    """Return a layer that predicts what ``layer`` and the ``following`` normalization do, or None if there is none.

    Its slots are those of the network around them, where those of the two layers have the names ``layer_slots`` and
    ``norm_slots``.
    """
    if not isinstance(following, BatchNorm) or layer.with_bias() is None:
        return None
    return _Folded(layer, following, layer_slots, norm_slots)
