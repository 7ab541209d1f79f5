"""Sequential networks: each layer reads the output of the layer before.

The layers are named by kind and number (``dense1``, ``relu1``, ``dense2``), so that inserting an activation does not rename
any weights.
"""

from __future__ import annotations

from abc import ABC
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ConfigError
from pellucid.layers.base import Layer, LayerSpec, Merge
from pellucid.layers.context import Context
from pellucid.networks.composite import Composite, Nodes, OrderedNode, Shared, build_nodes, refuse_several_ports
from pellucid.networks.fusion import absorb_into_last, fold_nodes, fuse_nodes
from pellucid.networks.ports import INPUT, ONE_OF_EACH


def sequence_nodes(layers: tuple[Layer, ...], source: str = INPUT) -> Nodes:
    """Return nodes for layers that follow each other, named by kind and number: dense1, relu1, dense2, …

    The first one reads the node ``source``.
    """
    counts: Counter[str] = Counter()
    nodes: list[OrderedNode] = []
    for layer in layers:
        kind = type(layer).__name__.lower().lstrip("_")
        counts[kind] += 1
        nodes.append(OrderedNode.own(f"{kind}{counts[kind]}", layer, nodes[-1].name if nodes else source))
    return tuple(nodes)


def refuse_merges(owner: str, layers: tuple[object, ...]) -> None:
    """Raise ConfigError if one of the layers of ``owner`` can only be used in a node of a Graph: a merge, or the class of one,
    a shared layer, or a network with several inputs or outputs."""
    for layer in layers:
        if isinstance(layer, Merge) or (isinstance(layer, type) and issubclass(layer, Merge)):
            name = layer.__name__ if isinstance(layer, type) else type(layer).__name__
            raise ConfigError(
                f"{name} takes several inputs, but a layer in {owner}(…) has one: put it into a node of a Graph; "
                "for x + f(x) use Residual(…)"
            )
        if isinstance(layer, Shared):
            raise ConfigError(f"{layer} in {owner}(…): a layer with shared parameters is put into a node of a Graph")
    refuse_several_ports(f"{owner}(…)", layers)


class _Sequence(Composite, ABC):
    """Layers that follow each other: Xₖ₊₁ = Yₖ, so dC/dYₖ = dC/dXₖ₊₁."""

    records: ClassVar[bool] = True

    @property
    def reads_sparse(self) -> bool:
        nodes = self.ordered_nodes()
        return bool(nodes) and isinstance(nodes[0].layer, Layer) and nodes[0].layer.reads_sparse

    def build(self, shape: Shape) -> LayerSpec:
        return build_nodes(self.ordered_nodes(), ONE_OF_EACH, shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        needs_dx = ctx.needs_dx
        for node in self.ordered_nodes():
            inner = p[node.slots]
            x = ctx.forward(node.name, node.layer, inner, x, needs_dx, node.slots)
            needs_dx = needs_dx or bool(inner)  # the layers after a trained layer must compute dX
        return x

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        for node in reversed(self.ordered_nodes()):
            dx = ctx.backward(node.name, node.layer, p[node.slots], g[node.slots], dy)
            if dx is None:  # no layer before this one has trained parameters
                return None
            dy = dx
        return dy

    def fused(self) -> Layer:
        return _FusedSequence(fuse_nodes(self.ordered_nodes())[0])

    def folded(self) -> Layer:
        return _FusedSequence(fold_nodes(self.ordered_nodes())[0])


@dataclass(frozen=True, init=False)
class Sequential(_Sequence):
    """Layers that follow each other: ``Sequential(Flatten(), Dense(32), ReLU(), Dense(10), Softmax())``."""

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer):
        refuse_merges("Sequential", layers)
        object.__setattr__(self, "layers", layers)
        self.__post_init__()
        object.__setattr__(self, "_nodes", sequence_nodes(self.layers))

    def ordered_nodes(self) -> Nodes:
        nodes: Nodes = self._nodes  # type: ignore[attr-defined]
        return nodes

    def __repr__(self) -> str:
        return f"Sequential({', '.join(repr(layer) for layer in self.layers)})"


@dataclass(frozen=True)
class _FusedSequence(_Sequence):
    """The fused form of a sequence, with the names of the original."""

    nodes: Nodes

    def ordered_nodes(self) -> Nodes:
        return self.nodes

    def absorb(self, following: Layer) -> Layer | None:
        nodes = absorb_into_last(self.nodes, following)
        return None if nodes is None else _FusedSequence(nodes)
