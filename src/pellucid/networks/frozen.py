"""Frozen layers: parts of a network that stay as they are while the rest learns (fine-tuning)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pellucid.core.memory import Array, Shape, Views, clear
from pellucid.errors import ConfigError
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.networks.composite import Composite, Nodes, fused
from pellucid.networks.sequential import Sequential, refuse_merges


@dataclass(frozen=True, init=False)
class Frozen(Composite):
    """``layers``, one behind the other, whose parameters are not trained: the same function as ``Sequential(*layers)``, always
    as in prediction.

    No piece of the optimizer touches the parameters (no step, no momentum, no decay), and their gradient is zero, so norms do
    not count them. Batch normalization inside takes its running figures and leaves them alone, dropout and noise inside are
    off. The gradient goes through to the input, if layers before it learn.

    Paths are ``frozen1.dense1.W`` and so on; :func:`~pellucid.model.transfer.transfer` fills them with what another model has
    learned.
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer):
        refuse_merges("Frozen", layers)
        object.__setattr__(self, "layers", layers)
        self.__post_init__()
        if not self.layers:
            raise ConfigError("Frozen() needs layers: they are what is not trained")
        object.__setattr__(self, "_line", Sequential(*self.layers))

    @property
    def line(self) -> Sequential:
        """The same layers as they would be trained."""
        line: Sequential = self._line  # type: ignore[attr-defined]
        return line

    def inside(self) -> Nodes:
        return self.line.inside()

    def fused(self) -> Layer:
        return _FrozenLayer(fused(self.line))

    def build(self, shape: Shape) -> LayerSpec:
        return _FrozenLayer(self.line).build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return _FrozenLayer(self.line).forward(p, x, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return _FrozenLayer(self.line).backward(p, g, dy, ctx)

    def __repr__(self) -> str:
        return f"Frozen({', '.join(map(repr, self.layers))})"


@dataclass(frozen=True)
class _FrozenLayer(Layer):
    """One layer that stays as it is, under the names of what it has inside."""

    layer: Layer

    def build(self, shape: Shape) -> LayerSpec:
        built = self.layer.build(shape)
        return replace(built, slots={name: replace(slot, trained=False) for name, slot in built.slots.items()})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.frozen = True
        return self.layer.forward(p, x, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.needs_dx:
            return None
        dx = self.layer.backward(p, g, dy, ctx)
        clear(g)  # of what the layers inside have written there
        return dx

    def absorb(self, following: Layer) -> Layer | None:
        both = self.layer.absorb(following)
        return None if both is None else _FrozenLayer(both)
