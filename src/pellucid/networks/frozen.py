"""Frozen layers: parts of a network that are not trained, for fine-tuning the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pellucid.core.memory import Array, Shape, Views, zero_all
from pellucid.errors import ConfigError
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.networks.composite import Composite, Nodes
from pellucid.networks.fusion import fused
from pellucid.networks.sequential import Sequential, refuse_merges


@dataclass(frozen=True, init=False)
class Frozen(Composite):
    """A sequence of ``layers`` whose parameters are not trained. It computes what ``Sequential(*layers)`` does in prediction.

    The optimizer does not change the parameters (no step, no momentum, no weight decay), and their gradient is zero, so they
    do not count in gradient norms. Batch normalization inside uses its running statistics and does not update them; dropout
    and noise inside are off. The input gradient is computed as usual if a layer before has trained parameters.

    The paths are ``frozen1.dense1.W`` and so on; :func:`~pellucid.model.transfer.transfer` copies the parameters of another
    model into them.
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer):
        refuse_merges("Frozen", layers)
        object.__setattr__(self, "layers", layers)
        self.__post_init__()
        if not self.layers:
            raise ConfigError("Frozen() needs the layers that are not trained")
        object.__setattr__(self, "_sequence", Sequential(*self.layers))

    @property
    def sequence(self) -> Sequential:
        """The same layers, not frozen."""
        sequence: Sequential = self._sequence  # type: ignore[attr-defined]
        return sequence

    def ordered_nodes(self) -> Nodes:
        return self.sequence.ordered_nodes()

    def fused(self) -> Layer:
        return _FrozenLayer(fused(self.sequence))

    def folded(self) -> Layer:
        return self.sequence.folded()

    def build(self, shape: Shape) -> LayerSpec:
        return _FrozenLayer(self.sequence).build(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return _FrozenLayer(self.sequence).forward(p, x, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return _FrozenLayer(self.sequence).backward(p, g, dy, ctx)

    def __repr__(self) -> str:
        return f"Frozen({', '.join(map(repr, self.layers))})"


@dataclass(frozen=True)
class _FrozenLayer(Layer):
    """A layer whose parameters are not trained. Its slots have the same names as those of the layer inside."""

    layer: Layer

    def build(self, shape: Shape) -> LayerSpec:
        spec = self.layer.build(shape)
        return replace(spec, slots={name: replace(slot, trained=False) for name, slot in spec.slots.items()})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.frozen = True
        return self.layer.forward(p, x, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.needs_dx:
            return None
        dx = self.layer.backward(p, g, dy, ctx)
        zero_all(g)  # the layers inside have written their gradients there
        return dx

    def absorb(self, following: Layer) -> Layer | None:
        combined = self.layer.absorb(following)
        return None if combined is None else _FrozenLayer(combined)
