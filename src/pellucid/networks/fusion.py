"""Fusion: neighbouring layers that can be computed in a single pass are replaced by one layer.

A layer offers this with :meth:`~pellucid.layers.base.Layer.absorb`: Dense, for example, absorbs the ReLU after it. Training
and prediction run the fused form of a network. Its slots have the same names, so summaries, settings and files only ever
contain the original form.
"""

from __future__ import annotations

from collections import Counter

from pellucid.layers.base import Layer
from pellucid.networks.composite import Composite, Nodes, OrderedNode
from pellucid.networks.ports import ONE_OF_EACH, Ports


def fused(layer: Layer) -> Layer:
    """Return the fused form of a network; other layers are returned unchanged."""
    return layer.fused() if isinstance(layer, Composite) else layer


def fuse_nodes(nodes: Nodes, ports: Ports = ONE_OF_EACH) -> tuple[Nodes, Ports]:
    """Return the nodes with every layer absorbed by the one that it reads, if that one can absorb it and has no other reader.

    An output of the network is a reader of its node. A fused node has the name of the first of its layers, which is the one
    with the slots; the returned ports have the nodes under their new names.
    """
    readers = Counter(name for node in nodes for name in node.inputs)
    readers.update(ports.ends(nodes).values())
    plan: dict[str, OrderedNode] = {}
    renamed: dict[str, str] = {}  # an absorbed node -> the node that now has its output
    for node in nodes:
        inputs = tuple(renamed.get(name, name) for name in node.inputs)
        layer = fused(node.layer) if isinstance(node.layer, Layer) else node.layer
        before = plan.get(inputs[0])
        combined = None
        if isinstance(layer, Layer) and before is not None and readers[node.inputs[0]] == 1:
            combined = before.layer.absorb(layer)
        if before is None or combined is None:
            plan[node.name] = OrderedNode(node.name, layer, inputs, node.slots)
        else:
            plan[before.name] = before.with_layer(combined)
            renamed[node.name] = before.name
    if ports.outputs is not None:
        ports = Ports(ports.inputs, {output: renamed.get(name, name) for output, name in ports.outputs.items()})
    return tuple(plan.values()), ports


def absorb_into_last(nodes: Nodes, following: Layer) -> Nodes | None:
    """Return the nodes with ``following``, the layer after the network, absorbed by the last node.

    Returns None if the last node cannot absorb it.
    """
    combined = nodes[-1].layer.absorb(following) if nodes else None
    return None if combined is None else (*nodes[:-1], nodes[-1].with_layer(combined))
