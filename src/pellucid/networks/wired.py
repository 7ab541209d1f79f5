"""Networks that are not a line: how numbers and gradients run through nodes that read each other.

Forward, every node reads the outputs of nodes before it. Backward, the chain rule for several readers: with Y read by
nodes r₁, r₂, …, each handing back its dC/dXᵣ, the gradient of Y is their sum, dC/dY = Σᵣ dC/dXᵣ.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.merge import Merge
from pellucid.networks.composite import INPUT, Composite, Nodes, absorbed, assembled, fuse


class Arriving:
    """The gradients that have reached each node so far, summed.

    What a layer hands back lies in memory that others are about to use: one of the two arrays that take turns, or the
    dy it was given, which may stand for several inputs. So it is copied into memory of the network's own, unless the
    node that it is for runs next and gets nothing else: then nobody comes between.
    """

    def __init__(self, ctx: Context):
        self._ctx = ctx
        self._sums: dict[str, Array] = {}

    def add(self, name: str, dy: Array, *, alone: bool = False) -> None:
        """``dy`` arrives at the node ``name``; ``alone``: that node runs next, and ``dy`` is used for nothing else."""
        total = self._sums.get(name)
        if total is not None:
            self._ctx.kernels.add(total.reshape(-1), np.ascontiguousarray(dy).reshape(-1))
        elif alone and dy.flags.c_contiguous:
            self._sums[name] = dy
        else:
            self._sums[name] = total = self._ctx.buffer(f"gradient of {name}", dy.shape)
            self._ctx.kernels.copy(np.ascontiguousarray(dy).reshape(-1), total.reshape(-1))

    def take(self, name: str) -> Array:
        """The sum for the node, which may overwrite it."""
        return self._sums.pop(name)


class Wired(Composite, ABC):
    """Nodes that read each other, without a cycle."""

    def build(self, shape: Shape) -> LayerSpec:
        return assembled(self.inside(), shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        outputs, wanted = {INPUT: x}, {INPUT: ctx.needs_dx}
        for node in self.inside():
            xs = [outputs[name] for name in node.inputs]
            needs_dx = any(wanted[name] for name in node.inputs)
            given = xs if isinstance(node.layer, Merge) else xs[0]
            x = outputs[node.name] = ctx.forward(node.name, node.layer, p, given, needs_dx)
            wanted[node.name] = needs_dx or bool(p[node.name])  # it learns, or something upstream does
        ctx.keep(wanted)
        return x

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (wanted,) = ctx.kept
        nodes = [node for node in self.inside() if wanted[node.name]]
        arriving = Arriving(ctx)
        if nodes:
            arriving.add(nodes[-1].name, dy, alone=True)
        for i in reversed(range(len(nodes))):
            node, runs_next = nodes[i], nodes[i - 1].name if i else INPUT
            dx = ctx.backward(node.name, node.layer, p, g, arriving.take(node.name))
            if dx is None:  # nobody before this node learns
                continue
            for name, one in zip(node.inputs, dx if isinstance(node.layer, Merge) else [dx], strict=True):
                if wanted[name]:  # by now all other readers of the node that runs next have handed theirs back
                    arriving.add(name, one, alone=name == runs_next and node.inputs.count(name) == 1)
        return arriving.take(INPUT) if wanted[INPUT] else None

    def fused(self) -> Layer:
        return _FusedNodes(fuse(self.inside()))


@dataclass(frozen=True)
class _FusedNodes(Wired):
    """Nodes as training runs them: fused layers under the names of the original."""

    nodes: Nodes

    def inside(self) -> Nodes:
        return self.nodes

    def absorb(self, following: Layer) -> Layer | None:
        nodes = absorbed(self.nodes, following)
        return None if nodes is None else _FusedNodes(nodes)
