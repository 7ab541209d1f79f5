"""Fusion: neighbouring layers that can be computed in a single pass are replaced by one layer.

A layer offers this with :meth:`~pellucid.layers.base.Layer.absorb`: Dense, for example, absorbs the ReLU after it. Training
runs the *fused* form of a network, and prediction the *folded* form: there, layers that only work in training, such as dropout,
are left out, and batch normalization is folded into the layer before it (:mod:`~pellucid.layers.folding`). The slots of both
have the same names as those of the network, so summaries, settings and files only ever contain the original form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pellucid.layers.base import Layer
from pellucid.layers.folding import fold
from pellucid.layers.normalized_convolution import with_normalization
from pellucid.networks.composite import Composite, Nodes, OrderedNode
from pellucid.networks.ports import ONE_OF_EACH, Ports

Combine = Callable[[OrderedNode, OrderedNode], OrderedNode | None]


def fused(layer: Layer) -> Layer:
    """Return the fused form of a network, for training; other layers are returned unchanged."""
    return layer.fused() if isinstance(layer, Composite) else layer


def folded(layer: Layer) -> Layer:
    """Return the folded form of a network, for prediction; other layers are returned unchanged."""
    return layer.folded() if isinstance(layer, Composite) else layer


def fuse_nodes(nodes: Nodes, ports: Ports = ONE_OF_EACH) -> tuple[Nodes, Ports]:
    """Return the nodes with every layer absorbed by the one that it reads, if that one can absorb it and has no other reader.

    An output of the network is a reader of its node. A fused node has the name of the first of its layers, which is the one
    with the slots; a layer that stands for several with slots receives those of the whole network. The returned ports have the
    nodes under their new names.
    """
    uses = Counter(node.slots for node in nodes)

    def combine(before: OrderedNode, node: OrderedNode) -> OrderedNode | None:
        shared = uses[before.slots] > 1 or uses[node.slots] > 1
        return None if shared else _normalized(before, node)

    return _combined(nodes, ports, fused, lambda before, node: combine(before, node) or _absorbed(before, node))


def fold_nodes(nodes: Nodes, ports: Ports = ONE_OF_EACH) -> tuple[Nodes, Ports]:
    """Return the nodes for prediction: without layers that only work in training, with normalizations folded, and fused."""
    return _combined(_without_training(nodes, ports), ports, folded, _folded)


def _absorbed(before: OrderedNode, node: OrderedNode) -> OrderedNode | None:
    """Return the node ``before`` with the layer of ``node``, which reads it, absorbed, or None if it cannot be."""
    combined = before.layer.absorb(node.layer) if isinstance(node.layer, Layer) else None
    return None if combined is None else before.with_layer(combined)


def _normalized(before: OrderedNode, node: OrderedNode) -> OrderedNode | None:
    """Return the node ``before`` together with the normalization of ``node``, which reads it, or None if that is none."""
    if isinstance(before.layer, Layer) and isinstance(node.layer, Layer):
        layer = with_normalization(before.layer, node.layer, before.slots, node.slots)
        if layer is not None:
            return OrderedNode(before.name, layer, before.inputs, slots="")
    return None


def _folded(before: OrderedNode, node: OrderedNode) -> OrderedNode | None:
    """Return the node ``before`` with the layer of ``node``, which reads it, folded into it or absorbed, or None."""
    if isinstance(before.layer, Layer) and isinstance(node.layer, Layer):
        layer = fold(before.layer, node.layer, before.slots, node.slots)
        if layer is not None:
            return OrderedNode(before.name, layer, before.inputs, slots="")
    return _absorbed(before, node)


def _without_training(nodes: Nodes, ports: Ports) -> Nodes:
    """Return the nodes without those whose layers return their input in prediction, except where they are outputs."""
    ends = set(ports.ends(nodes).values())
    kept: list[OrderedNode] = []
    renamed: dict[str, str] = {}  # a node that is left out -> the one before it
    for node in nodes:
        inputs = tuple(renamed.get(name, name) for name in node.inputs)
        if isinstance(node.layer, Layer) and node.layer.only_in_training and node.name not in ends:
            renamed[node.name] = inputs[0]
        else:
            kept.append(OrderedNode(node.name, node.layer, inputs, node.slots))
    return tuple(kept)


def _combined(nodes: Nodes, ports: Ports, form: Callable[[Layer], Layer], combine: Combine) -> tuple[Nodes, Ports]:
    """Return the nodes in that ``form``, each combined with the one that it reads if that has no other reader."""
    readers = Counter(name for node in nodes for name in node.inputs)
    readers.update(ports.ends(nodes).values())
    plan: dict[str, OrderedNode] = {}
    renamed: dict[str, str] = {}  # an absorbed node -> the node that now has its output
    for node in nodes:
        inputs = tuple(renamed.get(name, name) for name in node.inputs)
        layer = form(node.layer) if isinstance(node.layer, Layer) else node.layer
        node, read = OrderedNode(node.name, layer, inputs, node.slots), node.inputs[0]
        before = plan.get(inputs[0])
        combined = combine(before, node) if before is not None and readers[read] == 1 else None
        if combined is None:
            plan[node.name] = node
        else:
            plan[combined.name] = combined
            renamed[node.name] = combined.name
    if ports.outputs is not None:
        ports = Ports(ports.inputs, {output: renamed.get(name, name) for output, name in ports.outputs.items()})
    return tuple(plan.values()), ports


def absorb_into_last(nodes: Nodes, following: Layer) -> Nodes | None:
    """Return the nodes with ``following``, the layer after the network, absorbed by the last node.

    Returns None if the last node cannot absorb it.
    """
    combined = nodes[-1].layer.absorb(following) if nodes else None
    return None if combined is None else (*nodes[:-1], nodes[-1].with_layer(combined))
