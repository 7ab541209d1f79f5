"""What a layer is: a frozen dataclass of settings with three methods.

``build`` says what comes out and which slots it needs, ``forward`` computes Y from X, ``backward`` computes from
dC/dY the gradients of its slots and dC/dX. The layer itself holds neither arrays nor state: parameters ``p`` and
gradients ``g`` are views handed in, everything else lies in the context (:class:`~pellucid.layers.context.Context`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from pellucid.core.config import Config
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.errors import ShapeError
from pellucid.layers.context import Context


@dataclass(frozen=True)
class LayerSpec:
    """What building a layer tells: the shape of one output (without the batch axis), the slots by name, and how many
    multiply-adds one sample costs in the forward pass. A network also tells the size of its ``largest`` output inside."""

    shape: Shape
    slots: Mapping[str, Slot] = field(default_factory=dict)
    multiply_adds: int = 0
    largest: int = 0


class Layer(Config, ABC):
    """The base of all layers."""

    @abstractmethod
    def build(self, shape: Shape) -> LayerSpec:
        """For inputs of ``shape`` (one sample, without the batch axis). Raises ShapeError when they do not fit."""

    @abstractmethod
    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        """Y (n, *output shape) of X (n, *input shape). X is not written to. Called before backward with the same ctx."""

    @abstractmethod
    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        """Writes the gradients of all slots into ``g`` (over what was there) and returns dX, or None unless
        ``ctx.needs_dx``. The array dy is the layer's own to overwrite, and may be returned."""

    def absorb(self, following: Layer) -> Layer | None:
        """A layer that does this one's and the following one's work in one pass, or None. Never shown to users."""
        return None

    def expect(self, shape: Shape, rank: int, instead: str) -> Shape:
        """``shape`` if it has ``rank`` axes, else a ShapeError that says what to do ``instead``."""
        if len(shape) != rank:
            kinds = {1: "flat features", 2: "sequences (time, features)", 3: "pictures (height, width, channels)"}
            raise ShapeError(f"{self} wants {kinds.get(rank, f'{rank} axes')}, got {shape}; {instead}")
        return shape
