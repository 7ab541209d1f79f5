"""Graphs: layers that read each other in any way without a cycle."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pellucid.errors import ConfigError, did_you_mean
from pellucid.networks.composite import INPUT, Node, Nodes, quoted
from pellucid.networks.wired import Wired


@dataclass(frozen=True, init=False)
class Graph(Wired):
    """Named nodes that read each other, or ``"input"``, in any directed acyclic graph::

        Graph(Node("narrow", Dense(8), "input"),
              Node("wide", Sequential(Dense(64), ReLU(), Dense(8)), "input"),
              Node("sum", Add(), "narrow", "wide"),
              Node("out", ReLU(), "sum"))

    A graph has one input and one output: that of the one node which no other reads. A layer reads one node; where several
    come together stands a merge, :class:`Add` or :class:`Concatenate`. Nodes may be listed in any order. A node's name is
    the name of its slots (``narrow.W``), and every node has slots of its own, also where two hold equal layers.

    Raises ConfigError for names that are taken or missing, for cycles, and for nodes that lead nowhere.
    """

    nodes: tuple[Node, ...]

    def __init__(self, *nodes: Node):
        object.__setattr__(self, "nodes", nodes)
        self.__post_init__()
        if not nodes:
            raise ConfigError("Graph() needs nodes, such as Node('hidden', Dense(8), 'input')")
        object.__setattr__(self, "_in_order", _in_order(self.nodes))

    def inside(self) -> Nodes:
        nodes: Nodes = self._in_order  # type: ignore[attr-defined]
        return nodes

    def __repr__(self) -> str:
        return f"Graph({', '.join(map(repr, self.nodes))})"


def _in_order(nodes: Nodes) -> Nodes:
    """The nodes with each behind those that it reads, otherwise as they are listed (Kahn, 1962)."""
    names = Counter(node.name for node in nodes)
    if len(names) < len(nodes):
        twice = [name for name, count in names.items() if count > 1]
        raise ConfigError(f"Graph: more than one node is called {quoted(twice)}")
    readers: dict[str, list[int]] = {name: [] for name in (INPUT, *names)}
    for i, node in enumerate(nodes):
        for name in node.inputs:
            if name not in readers:
                raise ConfigError(f"Graph: {node.name!r} reads {name!r}, which is no node: {did_you_mean(name, readers)}")
            readers[name].append(i)
    waits_for = [len(node.inputs) for node in nodes]
    ready: list[int] = []  # a heap: of those that could be next, the one listed first is
    ordered: list[Node] = []

    def release(name: str) -> None:
        for i in readers[name]:
            waits_for[i] -= 1
            if not waits_for[i]:
                heapq.heappush(ready, i)

    release(INPUT)
    while ready:
        ordered.append(nodes[heapq.heappop(ready)])
        release(ordered[-1].name)
    if len(ordered) < len(nodes):
        waiting = {node.name: node for node, count in zip(nodes, waits_for, strict=True) if count}
        raise ConfigError(f"Graph: {_cycle(waiting)} is a cycle; no node can wait for its own output")
    ends = [name for name in names if not readers[name]]
    if len(ends) > 1:
        raise ConfigError(
            f"Graph: no node reads {quoted(ends)}, and a graph has one output; leave out what is not needed, or bring them "
            "together with Add() or Concatenate()"
        )
    return tuple(ordered)


def _cycle(waiting: Mapping[str, Node]) -> str:
    """a -> b -> a, in the direction of the numbers: found by going back from any node that waits for another."""
    name = next(iter(waiting))
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = next(one for one in waiting[name].inputs if one in waiting)
    return " -> ".join([name, *reversed(path[path.index(name) :])])
