"""Normalization layers scale values to mean 0 and variance 1, then to a trained mean β and standard deviation γ.

    x̂ = (x − μ) r      r = 1/√(σ² + ε)      y = γ x̂ + β

μ and σ² = mean((x − μ)²) are the mean and the variance of a set of n values: one channel in the whole batch
(:class:`BatchNorm`), the last axis of one sample (:class:`LayerNorm`), or a group of channels of one sample
(:class:`GroupNorm`). μ and σ² depend on all values of their set, so the gradient reaches each x in three ways: directly,
through μ and through σ². With dx̂ = γ dy and ∂σ²/∂xᵢ = 2 (xᵢ − μ)/n (the term with ∂μ vanishes because the differences from
the mean sum to zero):

    ∂C/∂σ² = Σⱼ dx̂ⱼ (xⱼ − μ) · (−r³/2)                 ∂C/∂μ = −r Σⱼ dx̂ⱼ
    dxᵢ = r dx̂ᵢ + ∂C/∂σ² · 2 (xᵢ − μ)/n + ∂C/∂μ / n
        = r (dx̂ᵢ − mean(dx̂) − x̂ᵢ mean(dx̂ x̂))           means over the set
    dγ = Σ dy x̂,   dβ = Σ dy                           sums over all values with the same γ and β

So the gradient has no component in the two directions that do not change y: adding a constant to all x of the set, and
scaling them about their mean.

:class:`RMSNorm` only scales: μ and β are left out, and with them the terms that lead through them.

    x̂ = x r      r = 1/√(mean(x²) + ε)      y = γ x̂      dxᵢ = r (dx̂ᵢ − x̂ᵢ mean(dx̂ x̂))
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from pellucid.core.config import Count, FractionBelowOne, Positive
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import Ones, Zeros
from pellucid.layers.activations import ReLU
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.dense import no_bias


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalization (Ioffe and Szegedy, 2015) of each channel over the whole batch and all positions. Input (n, c) or
    (n, …, c).

    >>> import numpy as np
    >>> from pellucid import BatchNorm
    >>> from pellucid.testing import run_layer
    >>> x = np.array([[3.0], [3.0], [7.0], [7.0]])  # one channel: μ = 5, σ² = 4, the unbiased estimate is 16/3
    >>> out = run_layer(BatchNorm(epsilon=1e-12), x, dy=np.array([[8.0], [0.0], [4.0], [0.0]]))
    >>> out.y.ravel().round(6).tolist()
    [-1.0, -1.0, 1.0, 1.0]
    >>> out.dx.ravel().round(6).tolist()  # (dy − 3 + x̂)/2, because mean(dy) = 3 and mean(dy x̂) = −1
    [2.0, -2.0, 1.0, -1.0]
    >>> out.state["running_mean"].round(6).tolist(), out.state["running_variance"].round(6).tolist()
    ([0.5], [1.433333])

    *Training* uses μ and σ² of the whole batch, even if it is spread over several ranks: the sums and counts of the shards give
    the common mean, then the squared differences from it are summed (Chan, Golub and LeVeque, 1979). The two means in the
    gradient are also taken over all shards.

    *Prediction* uses running statistics, so that the output of a sample does not depend on the other samples. They start at
    mean 0 and variance 1, and every training step updates them:

        running ← momentum·running + (1 − momentum)·batch

    The momentum is defined as in Keras and TensorFlow; PyTorch's ``momentum`` is 1 − this one. σ² is divided by n, and the
    running variance by n − 1: the first is the variance of this batch, the second an unbiased estimate for all data (as in
    the paper and in PyTorch; Keras divides both by n). In prediction the statistics are constants, so dx = γ r dy.

    If a channel has only *one value* (a last batch of one sample, without positions), its variance is zero: the output is β,
    dx is 0, and the running statistics are not updated.

    Slots: ``gamma`` (c), initially ones, and ``beta`` (c), initially zeros, both exempt from weight decay; ``running_mean``
    and ``running_variance`` (c) are saved but not trained. A bias in the layer before has no effect: μ cancels it.
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    momentum: FractionBelowOne = 0.9
    epsilon: Positive = 1e-5

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} expects features or channels as the last axis, got single values")
        c = shape[-1:]
        running = {"running_mean": Slot(c, Zeros(), state=True), "running_variance": Slot(c, Ones(), state=True)}
        return LayerSpec(shape, {**_affine(shape[-1]), **running})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        statistics = batch_statistics(self, ctx.state, x, ctx)
        ctx.keep(x, statistics)
        return ctx.kernels.normalize(x, statistics.mean, statistics.rstd, p.gamma, p.beta, out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, statistics = ctx.kept
        ctx.kernels.normalize_backward(x, statistics.mean, statistics.rstd, dy, g.gamma, g.beta)
        return _input_gradient(p, g, x, statistics, dy, ctx) if ctx.needs_dx else None

    def absorb(self, following: Layer) -> Layer | None:
        return _BatchNormReLU(self) if isinstance(following, ReLU) else None


@dataclass(frozen=True)
class _BatchNormReLU(Layer):
    """BatchNorm and the ReLU after it: one pass for Y, and the gradient of the ReLU in the pass that sums dγ and dβ."""

    records: ClassVar[bool] = True

    norm: BatchNorm

    def build(self, shape: Shape) -> LayerSpec:
        return self.norm.build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        statistics = batch_statistics(self.norm, ctx.state, x, ctx)
        y = ctx.kernels.normalize_relu(x, statistics.mean, statistics.rstd, p.gamma, p.beta, out=ctx.buffer("y", x.shape))
        ctx.keep(x, y, statistics)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, y, statistics = ctx.kept
        ctx.kernels.normalize_relu_backward(x, y, statistics.mean, statistics.rstd, dy, g.gamma, g.beta)
        return _input_gradient(p, g, x, statistics, dy, ctx) if ctx.needs_dx else None


class Statistics(NamedTuple):
    """μ and r of each channel, in float64 because each is a sum of many values. ``n`` is the number of values of a channel
    in the whole batch, or 0 for running statistics, which are constants."""

    mean: Array
    rstd: Array
    n: float


def batch_statistics(norm: BatchNorm, state: Views, x: Array, ctx: Context) -> Statistics:
    """Return the statistics of the batch and update the running ones, ``state``, while training; otherwise return those."""
    momentum = norm.momentum
    if not ctx.training:
        mean, rstd = running_statistics(norm, state, ctx)
        return Statistics(mean, rstd, 0)
    mean, m2, rstd = ctx.buffer("statistics", (3, x.shape[-1]), np.float64)  # m2 is Σ (x − mean)²
    ctx.kernels.moments(x, mean, m2)
    n = float(x.size // x.shape[-1])
    if ctx.sums_over_shards():
        n = _add_up(n, mean, m2, ctx)
    if ctx.writes_state:
        running = state.running_mean, state.running_variance
    else:
        running = tuple(ctx.scratch("unused statistics", (2, x.shape[-1])))
    n = max(n, 1.0)  # an empty batch has the mean 0
    ctx.kernels.batch_statistics(n, mean, m2, momentum, norm.epsilon, *running, rstd)
    return Statistics(mean, rstd, n)


def _add_up(count: float, mean: Array, m2: Array, ctx: Context) -> float:
    """Make the moments of this shard of ``count`` values, which may be none, those of the whole batch. Returns its count."""
    sums = ctx.all_sum(np.append(count * mean, count))
    common = sums[:-1] / max(float(sums[-1]), 1.0)
    m2[...] = ctx.all_sum(m2 + count * np.square(mean - common))
    mean[...] = common
    return float(sums[-1])


def running_statistics(norm: BatchNorm, state: Views, ctx: Context) -> Array:
    """Return the running μ and r of each channel as an array (2, c) of float64."""
    wide = ctx.buffer("running statistics", (2, state.running_mean.size), np.float64)
    ctx.kernels.widen_statistics(state.running_mean, state.running_variance, norm.epsilon, wide[0], wide[1])
    return wide


def means_of_gradient(g: Views, statistics: Statistics, ctx: Context) -> Array:
    """Return mean(dy) and mean(dy x̂) of each channel as an array (2, c) of float64.

    They are dβ/n and dγ/n, summed over all shards; ``g`` holds those of this shard. If the statistics are constants, both means
    are zero.
    """
    means = ctx.buffer("means", (2, g.beta.size), np.float64)
    if not statistics.n:
        means.fill(0)
    elif ctx.sums_over_shards():
        means[...] = ctx.all_sum(np.array([g.beta, g.gamma], np.float64)) / statistics.n
    else:
        ctx.kernels.means_of_sums(statistics.n, g.gamma, g.beta, means[0], means[1])
    return means


def _input_gradient(p: Views, g: Views, x: Array, statistics: Statistics, dy: Array, ctx: Context) -> Array:
    """Return dX."""
    mean_dy, mean_dy_xhat = means_of_gradient(g, statistics, ctx)
    out = ctx.gradient(x.shape)
    return ctx.kernels.normalize_input_gradient(x, statistics.mean, statistics.rstd, p.gamma, dy, mean_dy, mean_dy_xhat, out)


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Layer normalization (Ba, Kiros and Hinton, 2016) of each sample, and each position in it, over the last axis. Input
    (n, c) or (n, …, c).

    Training and prediction are the same, and samples do not depend on each other. ``bias=False`` omits β.

    >>> import numpy as np
    >>> from pellucid import LayerNorm
    >>> from pellucid.testing import run_layer
    >>> out = run_layer(LayerNorm(epsilon=1e-12), np.array([[1.0, 3.0], [50.0, 10.0]]))
    >>> out.y.round(6).tolist()
    [[-1.0, 1.0], [1.0, -1.0]]

    Slots: ``gamma`` (c), initially ones, and ``beta`` (c), initially zeros, both exempt from weight decay.
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    epsilon: Positive = 1e-5
    bias: bool = field(default=True, metadata={"optional": True})  # younger than the layer: old files are without it

    def build(self, shape: Shape) -> LayerSpec:
        if not shape or shape[-1] < 2:
            raise ShapeError(f"{self} over {shape} is always beta: it needs two or more values on the last axis")
        return LayerSpec(shape, _affine(shape[-1], self.bias))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        mean, rstd = ctx.buffer("statistics", (2, x.size // x.shape[-1]))
        ctx.keep(x, mean, rstd)
        beta = p.beta if self.bias else no_bias(ctx, x.shape[-1])
        return ctx.kernels.layer_norm(x, p.gamma, beta, self.epsilon, ctx.buffer("y", x.shape), mean, rstd)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, mean, rstd = ctx.kept
        # one pass computes dγ, dβ and dX, so dX is returned even if it is not needed
        dbeta = g.beta if self.bias else ctx.scratch("unused dbeta", x.shape[-1:])
        return ctx.kernels.layer_norm_backward(x, p.gamma, mean, rstd, dy, g.gamma, dbeta, out=ctx.gradient(x.shape))


@dataclass(frozen=True)
class RMSNorm(Layer):
    """Root mean square normalization (Zhang and Sennrich, 2019) of each sample, and each position in it, over the last axis.
    Input (n, c) or (n, …, c).

    y = γ x/√(mean(x²) + ε): a LayerNorm without the mean and without β, with the same effect in Transformers and less to
    compute. Training and prediction are the same, and samples do not depend on each other.

    >>> import numpy as np
    >>> from pellucid import RMSNorm
    >>> from pellucid.testing import run_layer
    >>> out = run_layer(RMSNorm(epsilon=1e-12), np.array([[1.0, 7.0], [-10.0, 10.0]]))  # mean(x²) is 25, and 100
    >>> out.y.round(6).tolist()
    [[0.2, 1.4], [-1.0, 1.0]]

    Slots: ``gamma`` (c), initially ones, exempt from weight decay.
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    epsilon: Positive = 1e-5

    def build(self, shape: Shape) -> LayerSpec:
        if not shape or shape[-1] < 2:
            raise ShapeError(f"{self} over {shape} leaves only the sign: it needs two or more values on the last axis")
        return LayerSpec(shape, _affine(shape[-1], bias=False))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        rstd = ctx.buffer("rstd", (x.size // x.shape[-1],))
        ctx.keep(x, rstd)
        return ctx.kernels.rms_norm(x, p.gamma, self.epsilon, ctx.buffer("y", x.shape), rstd)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, rstd = ctx.kept
        # one pass computes dγ and dX, so dX is returned even if it is not needed
        return ctx.kernels.rms_norm_backward(x, p.gamma, rstd, dy, g.gamma, out=dy)


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Group normalization (Wu and He, 2018) of each sample over all its positions and one group of neighbouring channels
    (the last axis). Input (n, c) or (n, …, c).

    Training and prediction are the same, and samples do not depend on each other, so batches may be arbitrarily small.

    >>> import numpy as np
    >>> from pellucid import GroupNorm
    >>> from pellucid.testing import run_layer
    >>> x = np.array([[1.0, 3.0, 50.0, 10.0], [1.0, 3.0, 10.0, 50.0]]).reshape(1, 2, 4)  # two positions, four channels
    >>> run_layer(GroupNorm(2, epsilon=1e-12), x).y.round(6).tolist()
    [[[-1.0, 1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]]]

    With ``groups=1`` the whole sample is one set. With as many groups as channels each channel is one set, which is called
    instance normalization (Ulyanov, Vedaldi and Lempitsky, 2016).

    Slots: ``gamma`` (c), initially ones, and ``beta`` (c), initially zeros, both exempt from weight decay.
    """

    records: ClassVar[bool] = True

    groups: Count
    epsilon: Positive = 1e-5

    def build(self, shape: Shape) -> LayerSpec:
        channels = shape[-1] if shape else 0
        if not channels or channels % self.groups:
            raise ShapeError(f"{self} expects channels as the last axis, a multiple of {self.groups}, got {shape}")
        if math.prod(shape) == self.groups:
            raise ShapeError(f"{self} over {shape} is always beta: a group needs two or more values; use fewer groups")
        return LayerSpec(shape, _affine(channels))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        mean, rstd = ctx.buffer("statistics", (2, len(x), self.groups))
        ctx.keep(x, mean, rstd)
        return ctx.kernels.group_norm(x, p.gamma, p.beta, self.epsilon, ctx.buffer("y", x.shape), mean, rstd)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        x, mean, rstd = ctx.kept
        # the same passes compute dγ, dβ and dX, so dX is returned even if it is not needed
        return ctx.kernels.group_norm_backward(x, p.gamma, mean, rstd, dy, g.gamma, g.beta, out=dy)


def _affine(c: int, bias: bool = True) -> dict[str, Slot]:
    """Return the slots of γ and, with a bias, of β."""
    gamma = {"gamma": Slot((c,), Ones(), decay=False)}
    return gamma | {"beta": Slot((c,), Zeros(), decay=False)} if bias else gamma
