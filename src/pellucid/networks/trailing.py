"""The trailing layers of a network: the sequence of layers that ends with one of its outputs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from pellucid.layers.base import Layer
from pellucid.networks.composite import Node, Nodes, OrderedNode, Shared, leading_to
from pellucid.networks.dag import planned
from pellucid.networks.graph import Graph
from pellucid.networks.ports import OUTPUT, Ports
from pellucid.networks.sequential import Sequential


def trailing_layers(network: Layer, output: str | None = None) -> tuple[Layer, ...]:
    """Return the layers that follow each other in one sequence up to the output; the last one is the output layer.

    Nested Sequentials are expanded, and Graphs from their output back to the last merge. The part up to that merge, and any
    other composite, counts as one layer. ``output`` is the name of the output, of a network with several.
    """
    if not isinstance(network, (Sequential, Graph)):
        return (network,)
    nodes, ports = network.ordered_nodes(), network.ports()
    if ports.several_outputs:
        assert output is not None, "name one of the outputs"
        nodes = leading_to([ports.ends(nodes)[output]], nodes)
    trailing: tuple[Layer, ...] = ()
    while nodes and isinstance(last := nodes[-1].layer, Layer):
        nodes = nodes[:-1]
        trailing = (*trailing_layers(last), *trailing)
    return (_network(nodes, ports), *trailing) if nodes else trailing


def without_last_layer(network: Layer) -> Layer:
    """Return the network, which has one output, without the last of its :func:`trailing_layers`."""
    if not isinstance(network, (Sequential, Graph)):
        return Sequential()
    nodes = network.ordered_nodes()
    while nodes and isinstance(nodes[-1].layer, Layer) and not trailing_layers(nodes[-1].layer):
        nodes = nodes[:-1]  # an empty network has no layer to remove
    if not nodes or not isinstance(last := nodes[-1].layer, Layer):
        return Sequential()
    nodes, end = nodes[:-1], nodes[-1]
    if isinstance(last, (Sequential, Graph)):
        nodes = (*nodes, end.with_layer(without_last_layer(last)))
    if isinstance(network, Graph) and nodes:
        return _network(nodes, network.ports())
    return Sequential(*(node.layer for node in nodes if isinstance(node.layer, Layer)))


def without_last_layers(network: Layer, outputs: Collection[str]) -> Layer:
    """Return the network without the last of the :func:`trailing_layers` of each of these outputs.

    What else reads the output of a removed layer still does: the layer then becomes a node of its own.
    """
    if not outputs:
        return network
    if not isinstance(network, Graph) or not network.ports().several_outputs:
        return without_last_layer(network)
    nodes = network.ordered_nodes()
    ends = network.ports().ends(nodes)
    for output in outputs:
        end = next(node for node in nodes if node.name == ends[output])
        while isinstance(end.layer, Layer) and not trailing_layers(end.layer):  # an empty network has no layer to remove
            end = next(node for node in nodes if node.name == end.inputs[0])
        if not isinstance(end.layer, (Sequential, Graph)):
            ends[output] = end.inputs[0]
            continue
        # The part of the node before its last layer keeps its name, and so its slots; the last layer becomes a node after it.
        head = OrderedNode.own(f"{end.name} {OUTPUT}", trailing_layers(end.layer)[-1], end.name)
        nodes = tuple(
            new
            for node in nodes
            for new in (
                [node.with_layer(without_last_layer(end.layer)), head]
                if node is end
                else [replace(node, inputs=tuple(head.name if name == end.name else name for name in node.inputs))]
            )
        )
        ends = {name: head.name if node == end.name else node for name, node in ends.items()} | {output: end.name}
    return planned(leading_to(ends.values(), nodes), Ports(network.inputs, ends))


def _network(nodes: Nodes, ports: Ports) -> Layer:
    """Return the network of these nodes, a part of one with these ports; its output is that of the last node.

    It is a Graph, unless a node shares the parameters of a layer that is not among the nodes.
    """
    read = {name for node in nodes for name in node.inputs}
    inputs = tuple(name for name in ports.inputs if name in read)
    layers = {node.name: node.layer for node in nodes if node.slots == node.name}
    if any(layers.get(node.slots) != node.layer for node in nodes):
        return planned(nodes, Ports(inputs))
    shared = (node.layer if node.slots == node.name else Shared(node.slots) for node in nodes)
    return Graph(*(Node(node.name, layer, *node.inputs) for node, layer in zip(nodes, shared, strict=True)), inputs=inputs)
