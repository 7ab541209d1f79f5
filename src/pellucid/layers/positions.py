"""Layers that add to each vector of a sequence a vector that states its position.

Attention treats the vectors that it reads as a set: if they come in another order, its outputs are the same in that order.
The vector that is added distinguishes the first word from the last.

    y_s = x_s + w_s         dx_s = dy_s         dw_s = Σ dy_s over the samples         for the positions s = 0, 1, …

:class:`LearnedPositions` trains w, and :class:`SinusoidalPositions` computes it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.config import Positive
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import Initializer, Normal
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context

_HINT = "put it after an Embedding, or after a layer with outputs at each position"


@dataclass(frozen=True)
class LearnedPositions(Layer):
    """y_s = x_s + w_s with a trained vector w_s for each position s: (n, time, width) -> (n, time, width).

    Sequences may be shorter than those that the layer was built for, but not longer: there is no vector for more positions. In
    generation, positions count from the beginning of the sequence, however many passes read it.

    >>> import numpy as np
    >>> from pellucid import LearnedPositions
    >>> from pellucid.testing import run_layer
    >>> out = run_layer(LearnedPositions(), np.zeros((3, 2, 1)), np.ones((3, 2, 1)))
    >>> out.gradient[:2].tolist()  # each position is in three samples
    [3.0, 3.0]

    Slots: ``W`` (time, width), filled by ``init``, by default with N(0, 0.02²), as in GPT-2 (Radford et al., 2019).
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    init: Initializer = Normal(0.02)

    def build(self, shape: Shape) -> LayerSpec:
        self.expect(shape, 2, _HINT)
        return LayerSpec(shape, {"W": Slot(shape, self.init)})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        first, longest = _places(x, ctx)
        if longest > len(p.W):
            raise ShapeError(
                f"{self} has vectors for {len(p.W)} positions, got sequences of {longest}: read them in windows of "
                f"{len(p.W)}, or compile the network for longer ones"
            )
        return ctx.kernels.add_positions(x, p.W, first, out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        ctx.kernels.positions_gradient(dy, g.W)
        return dy


@dataclass(frozen=True)
class SinusoidalPositions(Layer):
    """y_s = x_s + w_s with sines and cosines of the position s (Vaswani et al., 2017): (n, time, width) -> (n, time, width).

        w_s,2i = sin(s/bⁱ)        w_s,2i+1 = cos(s/bⁱ)        b = longest^(2/width)

    Each pair of entries turns like the hand of a clock, the first by one radian from position to position, the last by about
    1/``longest``. The vector of a later position s + k is that of s, with each pair turned by an angle that depends on k
    alone, so a linear map can find "k places before". Nothing is trained, and sequences may have any length.

    The values are between −1 and 1. The vectors x should have the same order of size: after an Embedding with small vectors,
    a Rescale(√width) does that, as in the paper.
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    longest: Positive = 10_000.0

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(self.expect(shape, 2, _HINT))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        first, longest = _places(x, ctx)
        w = sinusoids(longest, x.shape[2], self.longest, x.dtype)
        return ctx.kernels.add_positions(x, w, first, out=ctx.buffer("y", x.shape))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return dy


def _places(x: Array, ctx: Context) -> tuple[Array, int]:
    """Return the position of the first vector of each sequence in x, and how many positions a sequence can have."""
    if ctx.past is not None:
        return ctx.past.read, ctx.past.capacity
    first = ctx.buffer("first", x.shape[:1], np.int64)
    first.fill(0)
    return first, x.shape[1]


@functools.lru_cache(maxsize=16)  # computing it takes longer than adding it
def sinusoids(steps: int, width: int, longest: float, dtype: Any) -> Array:
    """Return the vectors (steps, width) of :class:`SinusoidalPositions`, in a shared array that must not be changed."""
    pairs = -(-width // 2)
    angles = np.arange(steps)[:, None] / longest ** (2 * np.arange(pairs) / width)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(steps, 2 * pairs)[:, :width].astype(dtype, order="C")
