"""Networks in a line: one layer behind the other.

The layers are named by kind and number (``dense1``, ``relu1``, ``dense2``), so that inserting an activation renames no
weights. ``fused`` gives the form that training runs, in which neighbours that can work in one pass do so, under the
same names; summary, configuration and files know only the form that was written.
"""

from __future__ import annotations

from abc import ABC
from collections import Counter
from dataclasses import dataclass

from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ConfigError
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.merge import Merge
from pellucid.networks.composite import INPUT, Composite, Node, Nodes, absorbed, assembled, fuse


def in_a_row(layers: tuple[Layer, ...]) -> Nodes:
    """Nodes for layers one behind the other, named by kind and number: dense1, relu1, dense2, …"""
    seen: Counter[str] = Counter()
    nodes: list[Node] = []
    for layer in layers:
        kind = type(layer).__name__.lower().lstrip("_")
        seen[kind] += 1
        nodes.append(Node(f"{kind}{seen[kind]}", layer, nodes[-1].name if nodes else INPUT))
    return tuple(nodes)


def refuse_merges(owner: str, layers: tuple[object, ...]) -> None:
    """Raises ConfigError for a merge, or the class of one, among layers that stand in a line."""
    for layer in layers:
        if isinstance(layer, Merge) or (isinstance(layer, type) and issubclass(layer, Merge)):
            name = layer.__name__ if isinstance(layer, type) else type(layer).__name__
            raise ConfigError(
                f"{name} takes several inputs, and a layer in {owner}(…) has one: put it into a node of a Graph; "
                "for x + f(x) there is Residual(…)"
            )


class _InSequence(Composite, ABC):
    """One layer behind the other: Yₖ = Xₖ₊₁, and back dC/dXₖ₊₁ = dC/dYₖ."""

    def build(self, shape: Shape) -> LayerSpec:
        return assembled(self.inside(), shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        needs_dx = ctx.needs_dx
        for node in self.inside():
            x = ctx.forward(node.name, node.layer, p, x, needs_dx)
            needs_dx = needs_dx or bool(p[node.name])  # from here on something upstream learns
        return x

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        for node in reversed(self.inside()):
            dx = ctx.backward(node.name, node.layer, p, g, dy)
            if dx is None:  # nobody before this layer learns
                return None
            dy = dx
        return dy

    def fused(self) -> Layer:
        return _FusedSequence(fuse(self.inside()))


@dataclass(frozen=True, init=False)
class Sequential(_InSequence):
    """Layers one behind the other: ``Sequential(Flatten(), Dense(32), ReLU(), Dense(10), Softmax())``."""

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer):
        refuse_merges("Sequential", layers)
        object.__setattr__(self, "layers", layers)
        self.__post_init__()
        object.__setattr__(self, "_nodes", in_a_row(self.layers))

    def inside(self) -> Nodes:
        nodes: Nodes = self._nodes  # type: ignore[attr-defined]
        return nodes

    def __repr__(self) -> str:
        return f"Sequential({', '.join(repr(layer) for layer in self.layers)})"


@dataclass(frozen=True)
class _FusedSequence(_InSequence):
    """A sequence as training runs it: fused layers under the names of the original."""

    nodes: Nodes

    def inside(self) -> Nodes:
        return self.nodes

    def absorb(self, following: Layer) -> Layer | None:
        nodes = absorbed(self.nodes, following)
        return None if nodes is None else _FusedSequence(nodes)
