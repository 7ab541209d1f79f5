"""Embedding: a table of vectors, one for each of a number of things that have no order, such as words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pellucid.core.config import Count, Range
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.initializers import Initializer, Normal
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context

Entries = Annotated[int, Range(1, 2**24)]  # as far as float32, in which a batch arrives, counts in whole numbers


@dataclass(frozen=True)
class Embedding(Layer):
    """y = W[x]: each number of the input, 0 … entries − 1, chooses a row of the table, (n, time) -> (n, time, width); other
    shapes likewise, (n, …) -> (n, …, width). It is a dense layer on one-hot vectors, without the zeros:

        dW[k] = Σ dy over all places where x = k          dX = 0, for between whole numbers nothing changes

    Give whole numbers of any dtype but uint8, which is taken for pictures: ``model.fit(tokens, y)`` with int64 tokens.

    At places where x is ``padding`` the output is zero, and that row of the table is neither read nor trained (PyTorch's
    ``padding_idx``): fill sequences up with it to one length. Slots: ``W`` (entries, width), from N(0, 1), as in PyTorch.

    Raises DataError for numbers that are not whole or out of range, with the first and its place.
    """

    entries: Entries
    width: Count
    padding: Annotated[int, Range(0)] | None = None
    init: Initializer = Normal(1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.padding is not None and self.padding >= self.entries:
            raise ConfigError(f"{self}: padding is one of the entries, 0 … {self.entries - 1}")

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} wants sequences (time,) of whole numbers, got single numbers; give x[:, None]")
        return LayerSpec((*shape, self.width), {"W": Slot((self.entries, self.width), self.init)})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        rows = self.whole(x, ctx.buffer("rows", x.shape, np.int64), lambda i: f"sample {ctx.offset + i} of the batch")
        ctx.keep(rows)
        y = ctx.buffer("y", (*x.shape, self.width))
        ctx.kernels.gather(p.W, rows.reshape(-1), y.reshape(-1, self.width))
        if self.padding is not None:
            y[rows == self.padding] = 0
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (rows,) = ctx.kept
        if self.padding is not None:
            dy[rows == self.padding] = 0
        g.W = 0
        ctx.kernels.scatter_add(dy.reshape(-1, self.width), rows.reshape(-1), g.W)
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(rows.shape)
        dx.fill(0)
        return dx

    def whole(self, x: Array, out: Array, name: Callable[[int], str]) -> Array:
        """x (n, …) as whole numbers, in ``out``. Raises DataError for what is no row of the table; ``name(i)`` is what sample i
        is called then."""
        with np.errstate(invalid="ignore"):  # NaN is no whole number, and refused as that
            np.copyto(out, x, casting="unsafe")
        fits = (out == x) & (out >= 0) & (out < self.entries)
        if fits.all():
            return out
        place = tuple(np.argwhere(~fits)[0].tolist())
        what = f"{self}: {x[place]:g} at position {', '.join(map(str, place[1:]))} of {name(place[0])}"
        if x[place] != np.floor(x[place]):
            raise DataError(
                f"{what} is no whole number; give whole numbers, and not as uint8, which is taken for pictures and divided by "
                "255: x.astype(np.int64)"
            )
        raise DataError(
            f"{what} is out of range: {self.entries} entries are 0 … {self.entries - 1}; "
            f"np.argwhere((x < 0) | (x >= {self.entries})) finds all such places"
        )
