"""Embedding: a table of trained vectors, one for each token (a word, a category, or any other item with a number).

Unembedding is the other direction: from a vector to one number for each token.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from pellucid.core.config import Count, Range
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.initializers import Initializer, Uniform
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.dense import no_bias

Entries = Annotated[int, Range(1, 2**24)]  # batches arrive in float32, which represents all integers up to 2²⁴ exactly


@dataclass(frozen=True)
class Embedding(Layer):
    """y = W[x]: each token of the input, an integer from 0 to entries − 1, selects a row of the table W:
    (n, time) -> (n, time, width), and likewise (n, …) -> (n, …, width) for other shapes.

    The layer equals a dense layer without bias on one-hot vectors, without computing with their zeros:

        dW[k] = Σ dy over all places where x = k          dX = 0: y is constant between integers

    The input may have any dtype but uint8, which is interpreted as images: ``model.fit(tokens, y)`` with int64 tokens.

    Where x equals ``padding``, the output is zero, and the gradient of that row of the table is zero (PyTorch's
    ``padding_idx``): use it to pad sequences to one length.

    Slots: ``W`` (entries, width), filled by ``init``, by default with uniform values from −0.05 to 0.05, as in Keras. The
    vector of a rare token hardly changes in training; a small one disturbs the layers after it less. (With N(0, 1), the
    default of PyTorch, the mean of 25 vectors found the speaker among six of Shakespeare in 48 % of the test samples, with the
    default of this layer in 61 %; 1,000 training samples, 5,000 words.)

    Raises DataError if the input contains values that are not integers or out of range; the message names the first one and
    its position.
    """

    positionwise: ClassVar[bool] = True

    entries: Entries
    width: Count
    padding: Annotated[int, Range(0)] | None = None
    init: Initializer = Uniform()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.padding is not None and self.padding >= self.entries:
            raise ConfigError(f"{self}: padding must be one of the entries, 0 … {self.entries - 1}")

    def build(self, shape: Shape) -> LayerSpec:
        if not shape:
            raise ShapeError(f"{self} expects sequences (time,) of integers, got single values; use x[:, None]")
        return LayerSpec((*shape, self.width), {"W": Slot((self.entries, self.width), self.init)})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        rows = self.tokens(x, ctx.buffer("rows", x.shape, np.int64), lambda i: f"sample {ctx.offset + i} of the batch")
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

    def tokens(self, x: Array, out: Array, name: Callable[[int], str]) -> Array:
        """Write x (n, …) as integers into ``out`` and return it.

        Raises DataError for values that are not rows of the table. ``name(i)`` is the name of sample i in the message.
        """
        with np.errstate(invalid="ignore"):  # NaN is refused below: it does not equal any integer
            np.copyto(out, x, casting="unsafe")
        valid = (out == x) & (out >= 0) & (out < self.entries)
        if valid.all():
            return out
        place = tuple(np.argwhere(~valid)[0].tolist())
        found = f"{self}: {x[place]:g} at position {', '.join(map(str, place[1:]))} of {name(place[0])}"
        if x[place] != np.floor(x[place]):
            raise DataError(
                f"{found} is not an integer; use integers of any dtype but uint8, which is interpreted as images and divided "
                "by 255: x.astype(np.int64)"
            )
        raise DataError(
            f"{found} is out of range: the {self.entries} entries are 0 … {self.entries - 1}; "
            f"np.argwhere((x < 0) | (x >= {self.entries})) returns all such places"
        )


@dataclass(frozen=True)
class Unembedding(Layer):
    """y = x Wᵀ: for each token the scalar product of the vector x with the token's vector, a row of the table W:
    (n, …, width) -> (n, …, entries).

    As the last layer before a Softmax, it makes those tokens likely whose vectors point in the direction of x. The table has
    the form of that of an Embedding, and :class:`~pellucid.networks.tied_embedding.TiedEmbedding` uses one for both.

    With the rows l of all samples and positions:

        y_lk = Σⱼ x_lj w_kj          dW = dYᵀ X          dX = dY W

    Slots: ``W`` (entries, width), filled by ``init``.
    """

    records: ClassVar[bool] = True
    positionwise: ClassVar[bool] = True

    entries: Entries
    width: Count
    init: Initializer = Uniform()

    def build(self, shape: Shape) -> LayerSpec:
        if shape[-1:] != (self.width,):
            found = f"vectors of {shape[-1]}" if shape else "single values"
            raise ShapeError(
                f"{self} expects vectors of {self.width} values on the last axis, like those of its table, got {found}; "
                f"put Dense({self.width}) before it"
            )
        slots = {"W": Slot((self.entries, self.width), self.init)}
        return LayerSpec((*shape[:-1], self.entries), slots, multiply_adds=math.prod(shape) * self.entries)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x)
        y = ctx.buffer("y", (*x.shape[:-1], self.entries))
        ctx.kernels.affine_input_gradient(x.reshape(-1, self.width), p.W, out=y.reshape(-1, self.entries))
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (x,) = ctx.kept
        rows = dy.reshape(-1, self.entries)
        ctx.kernels.affine_backward(rows, x.reshape(-1, self.width), g.W, no_bias(ctx, 0))
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(x.shape)
        ctx.kernels.affine(rows, p.W, no_bias(ctx, self.width), out=dx.reshape(-1, self.width))
        return dx
