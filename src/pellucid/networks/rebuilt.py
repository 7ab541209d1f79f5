"""A network with other layers in the same places."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.layers.base import Layer
from pellucid.layers.merge import Merge
from pellucid.networks.composite import Composite, Node
from pellucid.networks.wired import _FusedNodes


def rebuilt(layer: Layer, change: Callable[[Layer], Layer]) -> Layer:
    """The same network with each layer inside it as ``change`` makes it; names and paths stay, and so must the slots. Networks
    and merges are not changed themselves."""
    if not isinstance(layer, Composite):
        return change(layer)
    nodes = layer.inside()
    if not nodes:
        return layer
    return _FusedNodes(
        tuple(
            node if isinstance(node.layer, Merge) else Node(node.name, rebuilt(node.layer, change), *node.inputs)
            for node in nodes
        )
    )
