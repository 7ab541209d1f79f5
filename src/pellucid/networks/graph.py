"""Graphs: networks whose nodes form any directed acyclic graph."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pellucid.errors import ConfigError, did_you_mean
from pellucid.networks.composite import Node, Nodes, OrderedNode, Shared, check_input_count
from pellucid.networks.dag import DAG
from pellucid.networks.ports import INPUT, NAME, Ports, quoted


@dataclass(frozen=True, init=False)
class Graph(DAG):
    """A network of named nodes, each of which reads other nodes or ``"input"``, without cycles::

        Graph(Node("narrow", Dense(8), "input"),
              Node("wide", Sequential(Dense(64), ReLU(), Dense(8)), "input"),
              Node("sum", Add(), "narrow", "wide"),
              Node("out", ReLU(), "sum"))

    Without further arguments a graph has one input and one output, which is the output of the only node that no other node
    reads. A layer reads one node; to combine several, use a merge, such as :class:`Add` or :class:`Concatenate`. Nodes may be
    listed in any order. The name of a node is part of the paths of its slots (``narrow.W``). Every node has its own slots,
    even if two nodes have equal layers; :class:`~pellucid.networks.composite.Shared` applies one layer at several nodes.

    ``inputs`` are the names of the inputs, which nodes read like other nodes, and ``outputs`` those of the nodes whose outputs
    are the network's; other nodes may read them, too. Of a network with several inputs or outputs, samples, targets,
    predictions and everything else that belongs to one of them are dictionaries by these names. Such a graph is a whole
    network: it cannot be a layer of another one.

    Raises ConfigError for duplicate or unknown names, for cycles, for inputs that no node reads, and if several nodes are
    neither read by another nor named in ``outputs``.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...] = field(default=(INPUT,), metadata={"optional": True})
    outputs: tuple[str, ...] | None = field(default=None, metadata={"optional": True})

    def __init__(self, *nodes: Node, inputs: Sequence[str] = (INPUT,), outputs: Sequence[str] | None = None):
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "outputs", outputs)
        self.__post_init__()
        if not nodes:
            raise ConfigError("Graph() needs nodes, such as Node('hidden', Dense(8), 'input')")
        _check_names(self)
        ordered = _topological_order(_resolved(self.nodes), self.inputs)
        _check_ends(self)
        object.__setattr__(self, "_ordered_nodes", ordered)
        ends = None if self.outputs is None else {name: name for name in self.outputs}
        object.__setattr__(self, "_ports", Ports(self.inputs, ends))

    def ordered_nodes(self) -> Nodes:
        nodes: Nodes = self._ordered_nodes  # type: ignore[attr-defined]
        return nodes

    def ports(self) -> Ports:
        ports: Ports = self._ports  # type: ignore[attr-defined]
        return ports

    def __repr__(self) -> str:
        arguments = [repr(node) for node in self.nodes]
        if self.inputs != (INPUT,):
            arguments.append(f"inputs={self.inputs!r}")
        if self.outputs is not None:
            arguments.append(f"outputs={self.outputs!r}")
        return f"Graph({', '.join(arguments)})"


def _check_names(graph: Graph) -> None:
    """Raise ConfigError for names of nodes, inputs and outputs that occur twice, and for inputs without a valid name."""
    nodes = Counter(node.name for node in graph.nodes)
    if duplicates := [name for name, count in nodes.items() if count > 1]:
        raise ConfigError(f"Graph: more than one node has the name {quoted(duplicates)}")
    for what, names in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        if names is not None and not names:
            raise ConfigError(f"Graph({what}=()): name at least one, or leave it out")
        if duplicates := [name for name, count in Counter(names).items() if count > 1]:
            raise ConfigError(f"Graph({what}=…) names {quoted(duplicates)} twice")
    for name in graph.inputs:
        if not re.fullmatch(NAME, name):
            raise ConfigError(f"Graph(inputs=…): the name {name!r} may contain letters, digits, _ and - only")
        if name in nodes:
            raise ConfigError(f"Graph: {name!r} is the name of an input and of a node: rename one of them")


def _check_ends(graph: Graph) -> None:
    """Raise ConfigError for an input that no node reads, for an unread node that is no output, and for an unknown output."""
    read = {name for node in graph.nodes for name in node.inputs}
    if unread := [name for name in graph.inputs if name not in read]:
        raise ConfigError(f"Graph: no node reads the input{'s' * (len(unread) > 1)} {quoted(unread)}")
    names = [node.name for node in graph.nodes]
    loose = [name for name in names if name not in read]
    if graph.outputs is None:
        if len(loose) > 1:
            raise ConfigError(
                f"Graph: no node reads {quoted(loose)}, but a graph has one output unless it names several; remove the nodes "
                "that are not needed, combine them with Add() or Concatenate(), or make them outputs: "
                f"Graph(…, outputs=({', '.join(map(repr, loose))}))"
            )
        return
    for name in graph.outputs:
        if name not in names:
            raise ConfigError(f"Graph: the output {name!r} is not a node: {did_you_mean(name, names)}")
    if loose := [name for name in loose if name not in graph.outputs]:
        raise ConfigError(
            f"Graph: no node reads {quoted(loose)}, and outputs does not name {'them' if len(loose) > 1 else 'it'}: remove the "
            f"node{'s' * (len(loose) > 1)}, or add {'them' if len(loose) > 1 else 'it'} to outputs"
        )


def _resolved(nodes: Sequence[Node]) -> Nodes:
    """Return the nodes with the layers that they share in place of the names of these. Raises ConfigError where it cannot."""
    owners = {node.name: node.layer for node in nodes}
    ordered: list[OrderedNode] = []
    for node in nodes:
        if not isinstance(node.layer, Shared):
            ordered.append(OrderedNode.own(node.name, node.layer, *node.inputs))
            continue
        owner = node.layer.node
        if owner not in owners:
            raise ConfigError(
                f"Graph: {node.name!r} shares the layer of {owner!r}, which is not a node: {did_you_mean(owner, owners)}"
            )
        layer = owners[owner]
        if isinstance(layer, Shared):
            raise ConfigError(
                f"Graph: {node.name!r} shares the layer of {owner!r}, which is shared itself: name the node that has the layer"
            )
        check_input_count(node.name, layer, node.inputs)
        ordered.append(OrderedNode(node.name, layer, node.inputs, owner))
    return tuple(ordered)


def _topological_order(nodes: Nodes, inputs: Sequence[str]) -> Nodes:
    """Return the nodes sorted so that each is after those that it reads, otherwise in the given order (Kahn, 1962)."""
    readers: dict[str, list[int]] = {name: [] for name in (*inputs, *(node.name for node in nodes))}
    for i, node in enumerate(nodes):
        for name in node.inputs:
            if name not in readers:
                raise ConfigError(
                    f"Graph: {node.name!r} reads {name!r}, which is not a node{_input_hint(name, inputs)}: "
                    f"{did_you_mean(name, readers)}"
                )
            readers[name].append(i)
    missing = [len(node.inputs) for node in nodes]  # by node: how many of its inputs are not in ``ordered`` yet
    ready: list[int] = []  # a heap: of all nodes without missing inputs, the one listed first comes next
    ordered: list[OrderedNode] = []

    def release(name: str) -> None:
        for i in readers[name]:
            missing[i] -= 1
            if not missing[i]:
                heapq.heappush(ready, i)

    for name in inputs:
        release(name)
    while ready:
        ordered.append(nodes[heapq.heappop(ready)])
        release(ordered[-1].name)
    if len(ordered) < len(nodes):
        rest = {node.name: node for node, count in zip(nodes, missing, strict=True) if count}
        raise ConfigError(f"Graph: {_cycle(rest)} is a cycle; a node cannot depend on its own output")
    return tuple(ordered)


def _input_hint(name: str, inputs: Sequence[str]) -> str:
    """Return words for the message about a node that reads ``name``, where the inputs of the network have other names."""
    return "" if tuple(inputs) == (INPUT,) else " and not one of the inputs"


def _cycle(nodes: Mapping[str, OrderedNode]) -> str:
    """Return a cycle as text, "a -> b -> a" in the direction of the forward pass, for nodes each of which reads another.

    Walking from a node to one that it reads, again and again, must reach some node twice.
    """
    name = next(iter(nodes))
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = next(one for one in nodes[name].inputs if one in nodes)
    return " -> ".join([name, *reversed(path[path.index(name) :])])
