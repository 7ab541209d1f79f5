"""The end of a network: which layer is the last, and what is left without it."""

from __future__ import annotations

from pellucid.layers.base import Layer
from pellucid.networks.composite import Node
from pellucid.networks.graph import Graph
from pellucid.networks.sequential import Sequential


def in_line(layer: Layer) -> tuple[Layer, ...]:
    """The layers that stand one behind the other up to the output. Sequentials are opened, and graphs from their output
    back to the last merge: what is before it, and any other composite, counts as one layer."""
    if not isinstance(layer, (Sequential, Graph)):
        return (layer,)
    nodes, line = layer.inside(), tuple[Layer, ...]()
    while nodes and isinstance(last := nodes[-1].layer, Layer):
        nodes, line = nodes[:-1], (*in_line(last), *line)
    return (Graph(*nodes), *line) if nodes else line


def without_last(layer: Layer) -> Layer:
    """The network without the last of its layers :func:`in_line`."""
    if not isinstance(layer, (Sequential, Graph)):
        return Sequential()
    nodes = layer.inside()
    while nodes and isinstance(nodes[-1].layer, Layer) and not in_line(nodes[-1].layer):
        nodes = nodes[:-1]  # networks without layers have none to lose
    if not nodes or not isinstance(last := nodes[-1].layer, Layer):
        return Sequential()
    nodes, end = nodes[:-1], nodes[-1]
    if isinstance(last, (Sequential, Graph)):
        nodes = (*nodes, Node(end.name, without_last(last), *end.inputs))
    if isinstance(layer, Graph) and nodes:
        return Graph(*nodes)
    return Sequential(*(node.layer for node in nodes if isinstance(node.layer, Layer)))
