"""Normalization layers: numbers brought to mean 0 and variance 1, then to a mean β and a spread γ that are learned.

    x̂ = (x − μ) r      r = 1/√(σ² + ε)      y = γ x̂ + β

μ and σ² = mean((x − μ)²) are taken over a set of n numbers: all of one channel in the batch (:class:`BatchNorm`), all of
one sample's last axis (:class:`LayerNorm`), or some channels of one sample (:class:`GroupNorm`). They depend on every number of
their set, so its gradient has three ways to each x: directly, through μ and through σ². With dx̂ = γ dy and
∂σ²/∂xᵢ = 2 (xᵢ − μ)/n (the term with ∂μ vanishes, for the differences to the mean add up to zero):

    ∂C/∂σ² = Σⱼ dx̂ⱼ (xⱼ − μ) · (−r³/2)                 ∂C/∂μ = −r Σⱼ dx̂ⱼ
    dxᵢ = r dx̂ᵢ + ∂C/∂σ² · 2 (xᵢ − μ)/n + ∂C/∂μ / n
        = r (dx̂ᵢ − mean(dx̂) − x̂ᵢ mean(dx̂ x̂))           means over the set
    dγ = Σ dy x̂,   dβ = Σ dy                           sums over all numbers that γ and β serve

What is left is a gradient without the two directions that cannot change y: adding the same to all x, and stretching them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pellucid.core.config import Count, FractionBelowOne, Positive
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import Ones, Zeros
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalization (Ioffe and Szegedy, 2015): each channel, over the whole batch and all positions. Input (n, c) or
    (n, …, c).

    >>> import numpy as np
    >>> from pellucid import BatchNorm
    >>> from pellucid.testing import run_layer
    >>> x = np.array([[3.0], [3.0], [7.0], [7.0]])  # one channel: μ = 5, σ² = 4, an unbiased estimate is 16/3
    >>> out = run_layer(BatchNorm(epsilon=1e-12), x, dy=np.array([[8.0], [0.0], [4.0], [0.0]]))
    >>> out.y.ravel().round(6).tolist()
    [-1.0, -1.0, 1.0, 1.0]
    >>> out.dx.ravel().round(6).tolist()  # (dy − 3 + x̂)/2, for mean(dy) = 3 and mean(dy x̂) = −1
    [2.0, -2.0, 1.0, -1.0]
    >>> out.state["running_mean"].round(6).tolist(), out.state["running_variance"].round(6).tolist()
    ([0.5], [1.433333])

    *Training* takes μ and σ² from the whole batch, into however many shards it is cut: counts and means of the shards are
    summed, then the squares about the common mean (Chan, Golub and LeVeque, 1979); the gradient's two means likewise.

    *Prediction* takes running figures instead, so that a sample's output does not depend on its neighbours:

        running ← momentum·running + (1 − momentum)·batch

    starting from mean 0 and variance 1. The momentum is Keras' and TensorFlow's; PyTorch's ``momentum`` is 1 − this one. σ²
    divides by n, the running variance by n − 1: one is the spread of this batch, the other an unbiased estimate for all
    data (as in the paper and in PyTorch; Keras divides both by n). The running figures are constants, so the layer is
    affine then, and dx = γ r dy.

    Of *one number* in a channel (a last batch of one sample, without positions) there is no spread: the output is β, the
    gradient towards the input 0, and the running figures are left as they are.

    Slots: ``gamma`` (c), ones at first, and ``beta`` (c), zeros, both left alone by weight decay; ``running_mean`` and
    ``running_variance`` (c) belong to the model's state. A bias in the layer before it has no effect, for μ takes it off.
    """

    momentum: FractionBelowOne = 0.9
    epsilon: Positive = 1e-5

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} wants features or channels as the last axis, got single numbers")
        c = shape[-1:]
        running = {"running_mean": Slot(c, Zeros(), state=True), "running_variance": Slot(c, Ones(), state=True)}
        return LayerSpec(shape, {**_affine(shape[-1]), **running})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        figures = _statistics(self, x, ctx)
        ctx.keep(x, figures)
        return ctx.kernels.normalize(x, figures.mean, figures.rstd, p.gamma, p.beta, out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, figures = ctx.kept
        ctx.kernels.normalize_backward(x, figures.mean, figures.rstd, dy, g.gamma, g.beta)
        return _input_gradient(p, g, x, figures, dy, ctx) if ctx.needs_dx else None

    def absorb(self, following: Layer) -> Layer | None:
        return _BatchNormReLU(self) if isinstance(following, ReLU) else None


@dataclass(frozen=True)
class _BatchNormReLU(Layer):
    """BatchNorm and the ReLU behind it: one pass for Y, and the mask in the pass that sums dγ and dβ."""

    norm: BatchNorm

    def build(self, shape: Shape) -> LayerSpec:
        return self.norm.build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        figures = _statistics(self.norm, x, ctx)
        y = ctx.kernels.normalize_relu(x, figures.mean, figures.rstd, p.gamma, p.beta, out=ctx.buffer("y", x.shape))
        ctx.keep(x, y, figures)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, y, figures = ctx.kept
        ctx.kernels.normalize_relu_backward(x, y, figures.mean, figures.rstd, dy, g.gamma, g.beta)
        return _input_gradient(p, g, x, figures, dy, ctx) if ctx.needs_dx else None


class _Statistics(NamedTuple):
    """μ and r of each channel, in float64: there are few of them, and many numbers go into each. ``n`` is how many in the
    whole batch; 0 where they are not the batch's, but constants."""

    mean: Array
    rstd: Array
    n: float


def _statistics(norm: BatchNorm, x: Array, ctx: Context) -> _Statistics:
    """The batch's while training, and the running figures follow; else the running figures."""
    state, keep = ctx.state, norm.momentum
    if not ctx.training:
        rstd = 1 / np.sqrt(state.running_variance.astype(np.float64) + norm.epsilon)
        return _Statistics(state.running_mean.astype(np.float64), rstd, 0)
    count = x.size // x.shape[-1]  # of this shard, which may be empty
    own, m2 = ctx.buffer("moments", (2, x.shape[-1]), np.float64)
    ctx.kernels.moments(x, own, m2)
    sums = ctx.all_sum(np.append(count * own, count))
    n = max(float(sums[-1]), 1.0)  # of no numbers at all the mean is 0
    mean = sums[:-1] / n
    m2 = ctx.all_sum(m2 + count * np.square(own - mean))
    if n > 1 and ctx.first:
        state.running_mean = keep * state.running_mean + (1 - keep) * mean
        state.running_variance = keep * state.running_variance + (1 - keep) * m2 / (n - 1)
    return _Statistics(mean, 1 / np.sqrt(m2 / n + norm.epsilon), n)


def _input_gradient(p: Views, g: Views, x: Array, figures: _Statistics, dy: Array, ctx: Context) -> Array:
    """dX. The two means are the sums dβ and dγ, which ``g`` has of this shard, over all shards and by n; of constants no
    gradient goes through the mean and the variance."""
    sums = np.array([g.beta, g.gamma], np.float64)
    mean_dy, mean_dy_xhat = ctx.all_sum(sums) / figures.n if figures.n else np.zeros_like(sums)
    out = ctx.gradient(x.shape)
    return ctx.kernels.normalize_input_gradient(x, figures.mean, figures.rstd, p.gamma, dy, mean_dy, mean_dy_xhat, out)


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Layer normalization (Ba, Kiros and Hinton, 2016): each sample (and position) by itself, over its last axis. Input
    (n, c) or (n, …, c). Training and prediction are the same, and the batch plays no part.

    >>> import numpy as np
    >>> from pellucid import LayerNorm
    >>> from pellucid.testing import run_layer
    >>> out = run_layer(LayerNorm(epsilon=1e-12), np.array([[1.0, 3.0], [50.0, 10.0]]))
    >>> out.y.round(6).tolist()
    [[-1.0, 1.0], [1.0, -1.0]]

    Slots: ``gamma`` (c), ones at first, and ``beta`` (c), zeros, both left alone by weight decay.
    """

    epsilon: Positive = 1e-5

    def build(self, shape: Shape) -> LayerSpec:
        if not shape or shape[-1] < 2:
            raise ShapeError(f"{self} over {shape} is always beta: it needs two or more numbers on the last axis")
        return LayerSpec(shape, _affine(shape[-1]))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        mean, rstd = ctx.buffer("statistics", (2, x.size // x.shape[-1]))
        ctx.keep(x, mean, rstd)
        return ctx.kernels.layer_norm(x, p.gamma, p.beta, self.epsilon, ctx.buffer("y", x.shape), mean, rstd)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, mean, rstd = ctx.kept
        # dγ and dβ come out of the same pass as dX, so it is computed in any case
        return ctx.kernels.layer_norm_backward(x, p.gamma, mean, rstd, dy, g.gamma, g.beta, out=ctx.gradient(x.shape))


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Group normalization (Wu and He, 2018): each sample by itself, over all its positions and, of its channels (the last
    axis), one group of neighbours after the other. Input (n, c) or (n, …, c). Training and prediction are the same, and the
    batch plays no part, so it may be as small as one likes.

    >>> import numpy as np
    >>> from pellucid import GroupNorm
    >>> from pellucid.testing import run_layer
    >>> x = np.array([[1.0, 3.0, 50.0, 10.0], [1.0, 3.0, 10.0, 50.0]]).reshape(1, 2, 4)  # two positions, four channels
    >>> run_layer(GroupNorm(2, epsilon=1e-12), x).y.round(6).tolist()
    [[[-1.0, 1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]]]

    With ``groups=1`` all of a sample is one set; with as many groups as channels each channel of a picture is, which is called
    instance normalization (Ulyanov, Vedaldi and Lempitsky, 2016).

    Slots: ``gamma`` (c), ones at first, and ``beta`` (c), zeros, both left alone by weight decay.
    """

    groups: Count
    epsilon: Positive = 1e-5

    def build(self, shape: Shape) -> LayerSpec:
        channels = shape[-1] if shape else 0
        if not channels or channels % self.groups:
            raise ShapeError(f"{self} wants channels as the last axis, a multiple of {self.groups}, got {shape}")
        if math.prod(shape) == self.groups:
            raise ShapeError(f"{self} over {shape} is always beta: a group needs two or more numbers; take fewer groups")
        return LayerSpec(shape, _affine(channels))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        mean, rstd = ctx.buffer("statistics", (2, len(x), self.groups))
        ctx.keep(x, mean, rstd)
        return ctx.kernels.group_norm(x, p.gamma, p.beta, self.epsilon, ctx.buffer("y", x.shape), mean, rstd)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, mean, rstd = ctx.kept
        # dX comes out of the same passes as dγ and dβ, so it is computed in any case
        return ctx.kernels.group_norm_backward(x, p.gamma, mean, rstd, dy, g.gamma, g.beta, out=dy)


def _affine(c: int) -> dict[str, Slot]:
    return {"gamma": Slot((c,), Ones(), decay=False), "beta": Slot((c,), Zeros(), decay=False)}
