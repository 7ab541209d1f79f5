"""Graphs: networks whose nodes form any directed acyclic graph."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pellucid.errors import ConfigError, did_you_mean
from pellucid.networks.composite import INPUT, Node, Nodes, quoted
from pellucid.networks.dag import DAG


@dataclass(frozen=True, init=False)
class Graph(DAG):
    """A network of named nodes, each of which reads other nodes or ``"input"``, without cycles::

        Graph(Node("narrow", Dense(8), "input"),
              Node("wide", Sequential(Dense(64), ReLU(), Dense(8)), "input"),
              Node("sum", Add(), "narrow", "wide"),
              Node("out", ReLU(), "sum"))

    A graph has one input and one output, which is the output of the only node that no other node reads. A layer reads one
    node; to combine several, use a merge, such as :class:`Add` or :class:`Concatenate`. Nodes may be listed in any order. The
    name of a node is part of the paths of its slots (``narrow.W``); every node has its own slots, even if two nodes have equal
    layers.

    Raises ConfigError for duplicate or unknown names, for cycles, and if several nodes are not read by any other.
    """

    nodes: tuple[Node, ...]

    def __init__(self, *nodes: Node):
        object.__setattr__(self, "nodes", nodes)
        self.__post_init__()
        if not nodes:
            raise ConfigError("Graph() needs nodes, such as Node('hidden', Dense(8), 'input')")
        object.__setattr__(self, "_ordered_nodes", _topological_order(self.nodes))

    def ordered_nodes(self) -> Nodes:
        nodes: Nodes = self._ordered_nodes  # type: ignore[attr-defined]
        return nodes

    def __repr__(self) -> str:
        return f"Graph({', '.join(map(repr, self.nodes))})"


def _topological_order(nodes: Nodes) -> Nodes:
    """Return the nodes sorted so that each is after those that it reads, otherwise in the given order (Kahn, 1962)."""
    names = Counter(node.name for node in nodes)
    if len(names) < len(nodes):
        duplicates = [name for name, count in names.items() if count > 1]
        raise ConfigError(f"Graph: more than one node has the name {quoted(duplicates)}")
    readers: dict[str, list[int]] = {name: [] for name in (INPUT, *names)}
    for i, node in enumerate(nodes):
        for name in node.inputs:
            if name not in readers:
                raise ConfigError(f"Graph: {node.name!r} reads {name!r}, which is not a node: {did_you_mean(name, readers)}")
            readers[name].append(i)
    missing = [len(node.inputs) for node in nodes]  # by node: how many of its inputs are not in ``ordered`` yet
    ready: list[int] = []  # a heap: of all nodes without missing inputs, the one listed first comes next
    ordered: list[Node] = []

    def release(name: str) -> None:
        for i in readers[name]:
            missing[i] -= 1
            if not missing[i]:
                heapq.heappush(ready, i)

    release(INPUT)
    while ready:
        ordered.append(nodes[heapq.heappop(ready)])
        release(ordered[-1].name)
    if len(ordered) < len(nodes):
        rest = {node.name: node for node, count in zip(nodes, missing, strict=True) if count}
        raise ConfigError(f"Graph: {_cycle(rest)} is a cycle; a node cannot depend on its own output")
    outputs = [name for name in names if not readers[name]]
    if len(outputs) > 1:
        raise ConfigError(
            f"Graph: no node reads {quoted(outputs)}, but a graph has one output; remove the nodes that are not needed, or "
            "combine them with Add() or Concatenate()"
        )
    return tuple(ordered)


def _cycle(nodes: Mapping[str, Node]) -> str:
    """Return a cycle as text, "a -> b -> a" in the direction of the forward pass, for nodes each of which reads another.

    Walking from a node to one that it reads, again and again, must reach some node twice.
    """
    name = next(iter(nodes))
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = next(one for one in nodes[name].inputs if one in nodes)
    return " -> ".join([name, *reversed(path[path.index(name) :])])
