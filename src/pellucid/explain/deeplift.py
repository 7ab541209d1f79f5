"""DeepLIFT's rescale rule: every unit hands on what it got in proportion to how far it and its inputs are from the baseline.

Where a gradient asks what a small change would do, DeepLIFT asks what the *whole* change from the baseline b to the sample x
has done, unit by unit. Backward goes not a slope but a multiplier m, so that m Δ is a unit's share (Δ: the unit at x less the
unit at b):

- a layer that is affine in prediction (dense, convolution, mean pooling, batch normalization): m_x = Wᵀ m_y, the gradient;
- an activation y = f(x): m_x = m_y Δy/Δx, the slope of the chord instead of the tangent, which a unit that is saturated, or
  off, at x has as well; where Δx is nothing the two are the same, and f'(x) is taken;
- a maximum: all of m_y Δy goes to the input that was the larger of the two maxima, the sample's or the baseline's;
- anything else (softmax, layer normalization, recurrent layers, layers of your own): the mean of the layer's gradients along
  the straight line between its inputs at b and at x, by Gauss-Legendre quadrature. For an activation that is Δy/Δx again, and
  for an affine layer the gradient: one rule, of which the others are what can be said in closed form.

Each conserves Σ m_x Δx = Σ m_y Δy, so from the output to the input nothing is lost: the shares add up to f(x) − f(b).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape, Views
from pellucid.explain.attribution import Attribution
from pellucid.explain.probe import Attributor
from pellucid.explain.question import Class, Of
from pellucid.layers import (
    Activation,
    AveragePool2D,
    BatchNorm,
    Context,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    Identity,
    Layer,
    LayerSpec,
    LogSoftmax,
    MaxPool2D,
    PReLU,
    Rescale,
    Reshape,
    Reverse,
    Softmax,
    SpatialDropout2D,
    ZeroPad2D,
)
from pellucid.model.model import Model

AFFINE = (
    AveragePool2D,
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    Identity,
    Rescale,
    Reshape,
    Reverse,
    SpatialDropout2D,
    ZeroPad2D,
)
NODES = 32  # of the quadrature


def deeplift(
    model: Model,
    x: Array,
    target: Class | None = None,
    *,
    against: Class | None = None,
    of: Of = "logit",
    baseline: Array | None = None,
    dtype: Any = np.float32,
) -> Attribution:
    """DeepLIFT with the rescale rule (Shrikumar, Greenside and Kundaje, 2017): φᵢ = mᵢ (xᵢ − bᵢ), with the multipliers of the
    module's page, in one pass forward and one backward.

    Completeness ("summation-to-delta") is a theorem; the error is that of rounding, and of the quadrature in layers that need
    it. A layer of your own that is an activation with a kink is one of these. (Numbers that an Embedding looks up have no
    slope, and get nothing.) For the other arguments and the errors raised
    see :func:`~pellucid.explain.gradient` and :func:`~pellucid.explain.integrated_gradients`.
    """
    asked = Attributor(model, x, target, against, of, dtype, _ruled)
    probe, c, n = asked.probe, asked.question.coefficients, len(asked.x)
    b = probe.baseline(baseline, n)
    multipliers = np.empty_like(asked.x)
    probe.chunk = 2 * max(1, probe.chunk // 2)  # a sample and its baseline go through together
    for start in range(0, n, probe.chunk // 2):
        rows = slice(start, start + probe.chunk // 2)
        pairs = np.concatenate([asked.x[rows], b[rows]])
        multipliers[rows] = probe.gradient(pairs, np.concatenate([c[rows], c[rows]]))[: len(pairs) // 2]
    q = asked.question
    values = (asked.x - b) * multipliers
    return Attribution("deeplift", values, asked.output, asked.answers(b), q.target, q.against, complete=True)


def _ruled(layer: Layer) -> Layer:
    if isinstance(layer, (*AFFINE, Embedding)):  # between the whole numbers that an Embedding looks up there is no way
        return layer
    if isinstance(layer, MaxPool2D):
        return _Larger(layer)
    by_number = isinstance(layer, (Activation, PReLU)) and not isinstance(layer, (Softmax, LogSoftmax))
    return _Chord(layer) if by_number else _Line(layer)


@dataclass(frozen=True)
class _Rule(Layer, ABC):
    """A layer whose backward pass is a rule for multipliers. The batch is n samples and then their n baselines, and what goes
    backward is the same for both halves."""

    layer: Layer

    @abstractmethod
    def multipliers(self, p: Views, g: Views, m: Array, x: Array, y: Array, ctx: Context) -> Array:
        """m_x (n, …) of m_y (n, …), for the layer's 2n inputs x and outputs y."""

    def build(self, shape: Shape) -> LayerSpec:
        return self.layer.build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y = self.layer.forward(p, x, ctx)
        ctx.keep(ctx.kept, x, y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        kept, x, y = ctx.kept
        ctx.keep(*kept)
        m = dy[: len(x) // 2].copy()  # the layer may be asked more than once, and writes where dy stands
        dx = ctx.buffer("multipliers", x.shape)
        dx[: len(m)] = self.multipliers(p, g, m, x, y, ctx)
        dx[len(m) :] = dx[: len(m)]
        return dx

    def slopes(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array:
        """What the layer itself makes of dy, which it may overwrite."""
        dx = self.layer.backward(p, g, dy, ctx)
        assert dx is not None
        return dx


def _divided(shares: Array, x: Array, otherwise: Array) -> Array:
    """Shares by the differences of the 2n inputs x: what is ``otherwise`` where these are lost in rounding."""
    n = len(x) // 2
    delta = x[:n] - x[n:]
    told = np.abs(delta) > np.finfo(x.dtype).eps ** (2 / 3)
    return np.divide(shares, delta, out=otherwise, where=told)


@dataclass(frozen=True)
class _Chord(_Rule):
    """An activation: m Δy/Δx."""

    def multipliers(self, p: Views, g: Views, m: Array, x: Array, y: Array, ctx: Context) -> Array:
        n = len(m)
        shares = m * (y[:n] - y[n:])
        tangent = self.slopes(p, g, np.concatenate([m, m]), ctx)[:n].copy()
        return _divided(shares, x, tangent)


@dataclass(frozen=True)
class _Larger(_Rule):
    """A maximum. Where the sample's is larger, its input has Δx ≥ Δy > 0, for there the baseline is at most its own maximum;
    where the baseline's is, likewise: Δy/Δx is between 0 and 1."""

    def multipliers(self, p: Views, g: Views, m: Array, x: Array, y: Array, ctx: Context) -> Array:
        n = len(m)
        tangent = self.slopes(p, g, np.concatenate([m, m]), ctx)[:n].copy()
        change = y[:n] - y[n:]
        given = m * change
        placed = self.slopes(p, g, np.concatenate([np.where(change > 0, given, 0), np.where(change > 0, 0, given)]), ctx)
        return _divided(placed[:n] + placed[n:], x, tangent)


@dataclass(frozen=True)
class _Line(_Rule):
    """Any layer: its mean gradient on the way from the baseline to the sample."""

    def multipliers(self, p: Views, g: Views, m: Array, x: Array, y: Array, ctx: Context) -> Array:
        n = len(m)
        start, way = x[n:], x[:n] - x[n:]
        total = np.zeros(way.shape)
        for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):  # on [−1, 1]
            self.layer.forward(p, start + x.dtype.type((1 + node) / 2) * way, ctx)
            total += weight / 2 * self.slopes(p, g, m.copy(), ctx)
        return total
