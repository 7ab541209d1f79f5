"""A convolution and the batch normalization after it, as one layer of a training plan.

The upstream gradient of the convolution's outputs z is the input gradient of the normalization: a value for each of z, which is
computed from dY and z, and is read for dW and for dX. Maps of a batch are larger than the caches, so that writing these values
and reading them twice takes longer than computing them. One kernel therefore does all three for a few images at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.convolution import Conv2D
from pellucid.layers.dense import no_bias
from pellucid.layers.normalization import BatchNorm, batch_statistics, means_of_gradient


@dataclass(frozen=True)
class _Conv2DBatchNorm(Layer):
    """Conv2D without a bias, the BatchNorm after it, and with ``relu`` the ReLU after that.

    ``conv_slots`` and ``norm_slots`` are the names of their slots in those of the network, which this layer receives.
    """

    records: ClassVar[bool] = True

    conv: Conv2D
    norm: BatchNorm
    conv_slots: str
    norm_slots: str
    relu: bool = False

    def build(self, shape: Shape) -> LayerSpec:
        spec = self.conv.build(shape)
        slots = {f"{self.conv_slots}.{name}": slot for name, slot in spec.slots.items()}
        slots |= {f"{self.norm_slots}.{name}": slot for name, slot in self.norm.build(spec.shape).slots.items()}
        return replace(spec, slots=slots, all_outputs=2 * math.prod(spec.shape))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        conv, own, norm, kernels = self.conv, p[self.conv_slots], p[self.norm_slots], ctx.kernels
        window, size = conv.place_window(x.shape[1:])
        z = ctx.buffer("z", (len(x), *size, conv.filters))
        kernels.conv2d(x, own.W, no_bias(ctx, conv.filters), window, conv.groups, out=z)
        statistics = batch_statistics(self.norm, ctx.state[self.norm_slots], z, ctx)
        normalize = kernels.normalize_relu if self.relu else kernels.normalize
        y = normalize(z, statistics.mean, statistics.rstd, norm.gamma, norm.beta, out=ctx.buffer("y", z.shape))
        ctx.keep(x, z, y, statistics)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        conv, own, norm, kernels = self.conv, p[self.conv_slots], p[self.norm_slots], ctx.kernels
        x, z, y, statistics = ctx.kept
        mean, rstd, _ = statistics
        dnorm = g[self.norm_slots]
        if self.relu:
            kernels.normalize_relu_backward(z, y, mean, rstd, dy, dnorm.gamma, dnorm.beta)
        else:
            kernels.normalize_backward(z, mean, rstd, dy, dnorm.gamma, dnorm.beta)
        means, window = means_of_gradient(dnorm, statistics, ctx), conv.place_window(x.shape[1:])[0]
        out = ctx.gradient(x.shape) if ctx.needs_dx else ctx.scratch("no dX", (0, *x.shape[1:]))
        kernels.conv2d_normalized_backward(
            x, own.W, z, mean, rstd, norm.gamma, dy, means[0], means[1], window, conv.groups, g[self.conv_slots].W, out
        )
        return out if ctx.needs_dx else None

    def absorb(self, following: Layer) -> Layer | None:
        return replace(self, relu=True) if isinstance(following, ReLU) and not self.relu else None


def with_normalization(layer: Layer, following: Layer, layer_slots: str, norm_slots: str) -> Layer | None:
    """Return a layer that trains what ``layer`` and the ``following`` normalization are, or None if there is none.

    Its slots are those of the network around them, where those of the two layers have the names ``layer_slots`` and
    ``norm_slots``.
    """
    if type(layer) is Conv2D and not layer.bias and type(following) is BatchNorm:  # a subclass may redefine its passes
        return _Conv2DBatchNorm(layer, following, layer_slots, norm_slots)
    return None
