"""Layers that rescale values: by constants, or by learned factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Positive
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.initializers import Initializer, Ones
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context


@dataclass(frozen=True)
class Rescale(Layer):
    """y = scale · x + offset, y' = scale, with constants that are not trained.

    ``scale`` and ``offset`` are one number for all values, or one for each entry of the last axis. As the last layer of a
    regression network it converts the outputs to the units of the targets (euros, degrees), while the layers before it work
    with values of mean 0 and standard deviation 1.

    Raises ShapeError where there are more or fewer numbers than entries.
    """

    positionwise: ClassVar[bool] = True

    scale: Positive | tuple[Positive, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0

    def build(self, shape: Shape) -> LayerSpec:
        for name, value in (("scale", self.scale), ("offset", self.offset)):
            if isinstance(value, tuple) and len(value) != shape[-1]:
                raise ShapeError(
                    f"{self}: {name} has {len(value)} numbers for the shape {shape}, whose last axis has {shape[-1]}; give one "
                    "number for all, or one for each entry of the last axis"
                )
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        y = ctx.buffer("y", x.shape)
        np.multiply(x, np.asarray(self.scale, x.dtype), out=y)
        y += np.asarray(self.offset, x.dtype)
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        dy *= np.asarray(self.scale, dy.dtype)
        return dy


@dataclass(frozen=True)
class LearnedScale(Layer):
    """y = s ⊙ x, with a learned factor s for each value of a sample; any shape, which remains the same.

        dx = s ⊙ dy          ds = Σ dy ⊙ x over the batch

    As the first layer of a network for tables, with a learning rate some times as large as that of the weights, it learns
    which features count: a dense layer alone would have to change a whole row of W for that (the scaling layer of RealMLP:
    Holzmüller, Grinsztajn and Steinwart, 2024).

    Slots: ``scale``, of the shape of a sample, filled by ``init``, initially ones, and exempt from weight decay.
    """

    records: ClassVar[bool] = True

    init: Initializer = Ones()

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape, {"scale": Slot(shape, self.init, decay=False)})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x)
        y = ctx.buffer("y", x.shape)
        ctx.kernels.scale_features(_rows(x, p), p.scale.reshape(-1), out=_rows(y, p))
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        rows = _rows(dy, p)
        ctx.kernels.scale_features_backward(_rows(x, p), p.scale.reshape(-1), rows, g.scale.reshape(-1), out=rows)
        return dy


def _rows(x: Array, p: Views) -> Array:
    """Return the samples as rows."""
    return x.reshape(len(x), p.scale.size)
