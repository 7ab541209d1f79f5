"""Embeddings of numbers: a number becomes several values that a dense layer can tell apart.

A dense layer with a smooth or piecewise linear activation learns slow functions of a number before quick ones, while what is
to be predicted often depends on a column of a table by steps and in narrow ranges. The layers in this file offer such functions
of each number to the layers after them (Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep
learning", 2022).
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.config import Count, Positive
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ConfigError, ShapeError
from pellucid.initializers import Normal, Uniform
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class Periodic(Layer):
    """y_jl = cos 2π(f_jl x_j + φ_jl): waves of each feature j with learned frequencies f and phases φ; (n, k) -> (n, k, waves).

    With t = f x + φ, in turns:

        dt = −2π sin(2πt) dy          df = Σ dt x          dφ = Σ dt          dx = Σ_l f_jl dt_jl

    The initial frequencies are N(0, sigma²): ``sigma`` is the most important setting. With a small one the waves are slow, and
    their mixtures are smooth functions of x; with a large one they are quick, and the network learns the training set by heart.

    Followed by :class:`~pellucid.layers.dense_per_position.DensePerPosition`, it is the embedding PBLD without its last part,
    the number itself, which a graph adds (Holzmüller, Grinsztajn and Steinwart, 2024); with a ReLU after that, PLR (Gorishniy,
    Rubachev and Babenko, 2022), whose sines and cosines without phases span the same functions.

    Slots: ``frequencies`` (k, waves), and ``phases`` (k, waves), initially uniform from −½ to ½; both exempt from weight decay.
    """

    records: ClassVar[bool] = True

    waves: Count = 16
    sigma: Positive = 0.1

    def build(self, shape: Shape) -> LayerSpec:
        (k,) = self.expect(shape, 1, "put Flatten() before it")
        slots = {
            "frequencies": Slot((k, self.waves), Normal(self.sigma), decay=False),
            "phases": Slot((k, self.waves), Uniform(-0.5, 0.5), decay=False),
        }
        return LayerSpec((k, self.waves), slots, multiply_adds=k * self.waves)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x)
        return ctx.kernels.periodic(x, p.frequencies, p.phases, out=ctx.buffer("y", (*x.shape, self.waves)))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        ctx.kernels.periodic_backward(x, p.frequencies, p.phases, dy, g.frequencies, g.phases)
        if not ctx.needs_dx:
            return None
        return ctx.kernels.periodic_input_gradient(x, p.frequencies, p.phases, dy, out=ctx.gradient(x.shape))


@dataclass(frozen=True)
class PiecewiseLinear(Layer):
    """y_b = (x_j − s_b)/w_b limited to [0, 1], for each bin b from s_b to s_b + w_b of each feature j: (n, k) -> (n, all bins).

    A number becomes 1 for each bin below it, 0 for each bin above it, and for the bin in which it is the fraction that is below
    it. Below the first bin of a feature and above its last one the line goes on, without a limit. A dense layer of the bins is
    a piecewise linear function of the number, of which each weight is the rise over one bin (piecewise linear encoding:
    Gorishniy, Rubachev and Babenko, 2022). dx_j = Σ dy_b/w_b over the bins of feature j that are not at a limit.

    ``edges`` are the edges of the bins of each feature, in rising order, one more than bins. They are not trained:
    ``PiecewiseLinear.at_quantiles(x, 16)`` places them so that each bin has as many of the training samples x as the others.

    Raises ConfigError for edges that do not rise, ShapeError for another number of features.
    """

    records: ClassVar[bool] = True

    edges: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        for j, edges in enumerate(self.edges):
            if len(edges) < 2 or any(not second > first for first, second in itertools.pairwise(edges)):
                raise ConfigError(
                    f"PiecewiseLinear: the edges of feature {j} are {edges}; two or more in rising order are needed: (0.0, 1.0)"
                )

    @classmethod
    def at_quantiles(cls, x: Any, bins: int = 16) -> PiecewiseLinear:
        """Return the layer with edges at the quantiles of the training samples x (n, k), as the layer reads them.

        Equal quantiles are one edge, so that a feature with few values has few bins; a constant one has a bin of width 1.
        """
        quantiles = np.quantile(np.asarray(x, np.float64), np.linspace(0, 1, bins + 1), axis=0)
        edges = [np.unique(column.astype(np.float32).astype(np.float64)) for column in quantiles.T]
        return cls(tuple(tuple((one if len(one) > 1 else np.array([one[0], one[0] + 1])).tolist()) for one in edges))

    @functools.cached_property
    def bins(self) -> tuple[Array, Array]:
        """The feature of each bin (m), and as an array (4, m) its start, 1/width, and the limits of y."""
        features = np.repeat(np.arange(len(self.edges)), [len(one) - 1 for one in self.edges])
        largest = float(np.finfo(np.float32).max)
        lines = [
            (start, 1 / (stop - start), 0.0 if i else -largest, 1.0 if i < len(edges) - 2 else largest)
            for edges in self.edges
            for i, (start, stop) in enumerate(itertools.pairwise(edges))
        ]
        return features, np.array(lines).T.copy()

    def build(self, shape: Shape) -> LayerSpec:
        (k,) = self.expect(shape, 1, "put Flatten() before it")
        if k != len(self.edges):
            raise ShapeError(f"PiecewiseLinear has edges for {len(self.edges)} features, the samples have {k}")
        return LayerSpec((len(self.bins[0]),))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x)
        features, _ = self.bins
        return ctx.kernels.bin_fractions(x, features, self._lines(x), out=ctx.buffer("y", (len(x), len(features))))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.needs_dx:
            return None
        (x,) = ctx.kept
        return ctx.kernels.bin_fractions_gradient(x, self.bins[0], self._lines(x), dy, out=ctx.gradient(x.shape))

    def _lines(self, x: Array) -> Array:
        return self.bins[1].astype(x.dtype, copy=False)
