"""The trailing layers of a network: the sequence of layers that ends with its output."""

from __future__ import annotations

from pellucid.layers.base import Layer
from pellucid.networks.composite import Node
from pellucid.networks.graph import Graph
from pellucid.networks.sequential import Sequential


def trailing_layers(network: Layer) -> tuple[Layer, ...]:
    """Return the layers that follow each other in one sequence up to the output; the last one is the output layer.

    Nested Sequentials are expanded, and Graphs from their output back to the last merge. The part up to that merge, and any
    other composite, counts as one layer.
    """
    if not isinstance(network, (Sequential, Graph)):
        return (network,)
    nodes = network.ordered_nodes()
    trailing: tuple[Layer, ...] = ()
    while nodes and isinstance(last := nodes[-1].layer, Layer):
        nodes = nodes[:-1]
        trailing = (*trailing_layers(last), *trailing)
    return (Graph(*nodes), *trailing) if nodes else trailing


def without_last_layer(network: Layer) -> Layer:
    """Return the network without the last of its :func:`trailing_layers`."""
    if not isinstance(network, (Sequential, Graph)):
        return Sequential()
    nodes = network.ordered_nodes()
    while nodes and isinstance(nodes[-1].layer, Layer) and not trailing_layers(nodes[-1].layer):
        nodes = nodes[:-1]  # an empty network has no layer to remove
    if not nodes or not isinstance(last := nodes[-1].layer, Layer):
        return Sequential()
    nodes, end = nodes[:-1], nodes[-1]
    if isinstance(last, (Sequential, Graph)):
        nodes = (*nodes, Node(end.name, without_last_layer(last), *end.inputs))
    if isinstance(network, Graph) and nodes:
        return Graph(*nodes)
    return Sequential(*(node.layer for node in nodes if isinstance(node.layer, Layer)))
