"""DeepLIFT with the rescale rule: contributions are propagated backward in proportion to differences from the baseline.

A gradient describes the effect of a small change. DeepLIFT describes the effect of the *whole* change from the baseline b to
the sample x, unit by unit. Instead of a gradient, a multiplier m is propagated backward, so that m Δ is the contribution of a
unit, where Δ is its value at x minus its value at b:

- A layer that is affine in prediction (dense, convolution, average pooling, batch normalization): m_x = Wᵀ m_y, the gradient.
- An activation y = f(x): m_x = m_y Δy/Δx, the slope of the chord instead of the tangent. It is also nonzero for a unit that is
  saturated or off at x. For Δx near 0, where the chord becomes the tangent, f'(x) is used.
- A layer that expands each feature to several values (waves, bins): the sum of m_y Δy over these, divided by Δx.
- A maximum (max pooling, the merge Maximum): all of m_y Δy goes to one input, the maximum at x or the maximum at b, whichever
  is larger.
- Any other layer (softmax, layer normalization, recurrent layers, the merge Multiply, user-defined layers): the mean of the
  gradient of the layer along the straight line between its inputs at b and at x, by Gauss-Legendre quadrature. For an
  activation this mean is Δy/Δx, and for an affine layer the gradient: the rules above are closed forms of this one. For a
  product of two inputs it is exact: each multiplier is the mean of the other input at b and at x.

Each rule conserves Σ m_x Δx = Σ m_y Δy. The contributions of the inputs therefore add up to f(x) − f(b).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape, Views
from pellucid.explain.attribution import Attribution
from pellucid.explain.attributor import Attributor
from pellucid.explain.explained_output import ClassChoice, OutputKind
from pellucid.explain.output_position import Position
from pellucid.layers import (
    Activation,
    Add,
    AlphaDropout,
    Average,
    AveragePool1D,
    AveragePool2D,
    BatchNorm,
    Concatenate,
    Context,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Crop1D,
    Crop2D,
    Dense,
    DensePerPosition,
    Dropout,
    Embedding,
    Exp,
    Flatten,
    GaussianNoise,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    Identity,
    Layer,
    LayerSpec,
    LearnedPositions,
    LearnedScale,
    LogSoftmax,
    Maximum,
    MaxPool1D,
    MaxPool2D,
    Merge,
    Parametric,
    Periodic,
    Permute,
    PiecewiseLinear,
    PReLU,
    Repeat,
    Rescale,
    Reshape,
    Reverse,
    SinusoidalPositions,
    Slice,
    Softmax,
    SpatialDropout2D,
    Subtract,
    Take,
    Unembedding,
    UpSample1D,
    UpSample2D,
    ZeroPad1D,
    ZeroPad2D,
)
from pellucid.model.model import Model
from pellucid.training.execution import chunks

AFFINE = (
    AlphaDropout,
    AveragePool1D,
    AveragePool2D,
    BatchNorm,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Crop1D,
    Crop2D,
    Dense,
    DensePerPosition,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    Identity,
    LearnedPositions,
    LearnedScale,
    Permute,
    Repeat,
    Rescale,
    Reshape,
    Reverse,
    SinusoidalPositions,
    Slice,
    SpatialDropout2D,
    Take,
    Unembedding,
    UpSample1D,
    UpSample2D,
    ZeroPad1D,
    ZeroPad2D,
)
AFFINE_MERGES = (Add, Average, Concatenate, Subtract)
MAXIMA = (GlobalMaxPool1D, GlobalMaxPool2D, MaxPool1D, MaxPool2D)
QUADRATURE_NODES = 32


def deeplift(
    model: Model,
    x: Array,
    target: ClassChoice | None = None,
    *,
    against: ClassChoice | None = None,
    of: OutputKind = "logit",
    position: Position | None = None,
    baseline: Array | None = None,
    dtype: Any = np.float32,
) -> Attribution:
    """Return φᵢ = mᵢ (xᵢ − bᵢ), DeepLIFT with the rescale rule (Shrikumar, Greenside and Kundaje, 2017).

    The docstring of this module has the rules for the multipliers m. They take one forward and one backward pass. Completeness
    ("summation-to-delta") is a theorem; the error is that of rounding, and of the quadrature in layers that need it, such as a
    user-defined activation with a kink. Token indices, which an Embedding looks up, have no gradient and get 0.

    For the other arguments and the errors raised see :func:`~pellucid.explain.gradient` and
    :func:`~pellucid.explain.integrated_gradients`.
    """
    attributor = Attributor(model, x, target, against, of, position, dtype, _with_rule)
    function, coefficients, n = attributor.model, attributor.explained.coefficients, len(attributor.x)
    b = function.baseline(baseline, n)
    multipliers = np.empty_like(attributor.x)
    samples_per_chunk = max(1, function.chunk // 2)
    function.chunk = 2 * samples_per_chunk  # a sample and its baseline are in the same chunk
    for rows in chunks(n, samples_per_chunk):
        pairs = np.concatenate([attributor.x[rows], b[rows]])
        gradients = function.gradient(pairs, np.concatenate([coefficients[rows], coefficients[rows]]))
        multipliers[rows] = gradients[: len(pairs) // 2]
    values = (attributor.x - b) * multipliers
    return attributor.attribution("deeplift", values, attributor.output_at(b), complete=True)


def _with_rule(layer: Any) -> Any:
    """Return a layer or merge with the same forward pass, whose backward pass is the rule for this kind of layer."""
    if isinstance(layer, Merge):
        if isinstance(layer, AFFINE_MERGES):
            return layer
        return (_MaximumMergeRule if isinstance(layer, Maximum) else _MeanGradientMergeRule)(layer)
    if isinstance(layer, (*AFFINE, Embedding)):  # there is no line between the integers that an Embedding looks up
        return layer
    if isinstance(layer, MAXIMA):
        return _MaximumRule(layer)
    if isinstance(layer, (Periodic, PiecewiseLinear)):
        return _ExpansionRule(layer)
    elementwise = isinstance(layer, (Activation, Exp, Parametric, PReLU)) and not isinstance(layer, (Softmax, LogSoftmax))
    return _ChordRule(layer) if elementwise else _MeanGradientRule(layer)


@dataclass(frozen=True)
class _Rule(Layer, ABC):
    """A layer whose backward pass computes multipliers.

    A batch consists of n samples, followed by their n baselines. The multipliers of both halves are equal.
    """

    layer: Layer

    @abstractmethod
    def multipliers(self, p: Views, g: Views, m: Array, x: Array, y: Array, ctx: Context) -> Array:
        """Return m_x (n, …) for the multipliers m = m_y (n, …) and the 2n inputs x and outputs y of the layer."""

    def build(self, shape: Shape) -> LayerSpec:
        return self.layer.build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y = self.layer.forward(p, x, ctx)
        ctx.keep(ctx.kept, x, y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        kept, x, y = ctx.kept
        ctx.keep(*kept)
        m = dy[: len(x) // 2].copy()  # backward of the layer can run several times, and may overwrite dy
        dx = ctx.buffer("multipliers", x.shape)
        dx[: len(m)] = self.multipliers(p, g, m, x, y, ctx)
        dx[len(m) :] = dx[: len(m)]
        return dx

    def layer_gradient(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array:
        """Return the gradient that the layer itself computes from dy, which it may overwrite."""
        dx = self.layer.backward(p, g, dy, ctx)
        assert dx is not None
        return dx


def _divide_by_difference(contributions: Array, x: Array, otherwise: Array) -> Array:
    """Return the contributions divided by Δx, for the 2n inputs x; ``otherwise`` where Δx is lost in rounding errors."""
    n = len(x) // 2
    difference = x[:n] - x[n:]
    significant = np.abs(difference) > np.finfo(x.dtype).eps ** (2 / 3)
    return np.divide(contributions, difference, out=otherwise, where=significant)


@dataclass(frozen=True)
class _ChordRule(_Rule):
    """The rule of an element-wise activation: m_x = m_y Δy/Δx."""

    def multipliers(self, p: Views, g: Views, m: Array, x: Array, y: Array, ctx: Context) -> Array:
        n = len(m)
        contributions = m * (y[:n] - y[n:])
        tangent = self.layer_gradient(p, g, np.concatenate([m, m]), ctx)[:n].copy()
        return _divide_by_difference(contributions, x, tangent)


@dataclass(frozen=True)
class _ExpansionRule(_Rule):
    """The rule of a layer that expands each feature x to several values y: m_x = Σ m_y Δy/Δx over these."""

    def multipliers(self, p: Views, g: Views, m: Array, x: Array, y: Array, ctx: Context) -> Array:
        n = len(m)
        contributions = m * (y[:n] - y[n:])
        if isinstance(self.layer, PiecewiseLinear):
            of_bins, contributions = contributions, np.zeros_like(x[:n])
            np.add.at(contributions.T, self.layer.bins[0], of_bins.T)
        else:
            contributions = contributions.sum(axis=-1)
        tangent = self.layer_gradient(p, g, np.concatenate([m, m]), ctx)[:n].copy()
        return _divide_by_difference(contributions, x, tangent)


@dataclass(frozen=True)
class _MaximumRule(_Rule):
    """The rule of a maximum, see :func:`_maximum_multipliers`."""

    def multipliers(self, p: Views, g: Views, m: Array, x: Array, y: Array, ctx: Context) -> Array:
        return _maximum_multipliers(lambda dy: [self.layer_gradient(p, g, dy, ctx)], m, [x], y)[0]


@dataclass(frozen=True)
class _MeanGradientRule(_Rule):
    """The rule of any layer: the mean gradient along the line from the baseline to the sample."""

    def multipliers(self, p: Views, g: Views, m: Array, x: Array, y: Array, ctx: Context) -> Array:
        def gradients(points: Sequence[Array]) -> list[Array]:
            self.layer.forward(p, points[0], ctx)
            return [self.layer_gradient(p, g, m.copy(), ctx)]

        return _mean_gradients(gradients, [x])[0]


@dataclass(frozen=True)
class _MergeRule(Merge, ABC):
    """A merge whose backward pass computes multipliers, as :class:`_Rule` does for a layer."""

    merge: Merge

    @abstractmethod
    def multipliers(self, p: Views, g: Views, m: Array, xs: Sequence[Array], y: Array, ctx: Context) -> list[Array]:
        """Return m_x (n, …) of every input for the multipliers m = m_y (n, …), the 2n inputs ``xs`` and the 2n outputs y."""

    def build(self, shapes: Sequence[Shape]) -> LayerSpec:
        return self.merge.build(shapes)

    def forward(self, p: Views, xs: Sequence[Array], ctx: Context) -> Array:
        y = self.merge.forward(p, xs, ctx)
        ctx.keep(ctx.kept, xs, y)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Sequence[Array]:
        kept, xs, y = ctx.kept
        ctx.keep(*kept)
        found = self.multipliers(p, g, dy[: len(dy) // 2].copy(), xs, y, ctx)
        return [np.concatenate([m_x, m_x]).astype(dy.dtype, copy=False) for m_x in found]

    def merge_gradients(self, p: Views, g: Views, dy: Array, ctx: Context) -> list[Array]:
        """Return the gradients that the merge itself computes from dy, which it may overwrite."""
        gradients = self.merge.backward(p, g, dy, ctx)
        assert gradients is not None
        return list(gradients)


@dataclass(frozen=True)
class _MaximumMergeRule(_MergeRule):
    """The rule of a maximum, see :func:`_maximum_multipliers`."""

    def multipliers(self, p: Views, g: Views, m: Array, xs: Sequence[Array], y: Array, ctx: Context) -> list[Array]:
        return _maximum_multipliers(lambda dy: self.merge_gradients(p, g, dy, ctx), m, xs, y)


@dataclass(frozen=True)
class _MeanGradientMergeRule(_MergeRule):
    """The rule of any merge: the mean gradient along the line from the inputs at the baseline to those at the sample."""

    def multipliers(self, p: Views, g: Views, m: Array, xs: Sequence[Array], y: Array, ctx: Context) -> list[Array]:
        def gradients(points: Sequence[Array]) -> list[Array]:
            self.merge.forward(p, points, ctx)
            return self.merge_gradients(p, g, m.copy(), ctx)

        return _mean_gradients(gradients, xs)


def _maximum_multipliers(gradients: Callable[[Array], list[Array]], m: Array, xs: Sequence[Array], y: Array) -> list[Array]:
    """Return the multipliers of the inputs of a maximum: all of m_y Δy goes to the input with the larger maximum.

    ``gradients(dy)`` are the gradients of the 2n inputs ``xs``, which the layer or merge sends to the maxima. If the sample's
    maximum is the larger one, its input has Δx ≥ Δy > 0, because the baseline at this input is at most the baseline's maximum.
    If the baseline's maximum is larger, the same holds with opposite signs. So Δy/Δx is between 0 and 1.
    """
    n = len(m)
    tangents = [dx[:n].copy() for dx in gradients(np.concatenate([m, m]))]
    change = y[:n] - y[n:]
    contributions = m * change
    of_sample, of_baseline = np.where(change > 0, contributions, 0), np.where(change > 0, 0, contributions)
    routed = gradients(np.concatenate([of_sample, of_baseline]))
    return [_divide_by_difference(dx[:n] + dx[n:], x, tangent) for dx, x, tangent in zip(routed, xs, tangents, strict=True)]


def _mean_gradients(gradients: Callable[[Sequence[Array]], list[Array]], xs: Sequence[Array]) -> list[Array]:
    """Return the means of ``gradients(points)`` along the line between the two halves of ``xs``: baselines and samples."""
    n = len(xs[0]) // 2
    lines = [(x[n:], x[:n] - x[n:]) for x in xs]
    totals = [np.zeros(difference.shape) for _, difference in lines]
    for node, weight in zip(*np.polynomial.legendre.leggauss(QUADRATURE_NODES), strict=True):  # on [−1, 1]
        points = [start + difference.dtype.type((1 + node) / 2) * difference for start, difference in lines]
        for total, dx in zip(totals, gradients(points), strict=True):
            total += weight / 2 * dx
    return totals
