"""Forward and backward passes of networks whose nodes form a directed acyclic graph (DAG).

In the forward pass every node reads the outputs of nodes before it. In the backward pass, the gradient of an output Y that
nodes r₁, r₂, … read is the sum of their input gradients, by the chain rule: dC/dY = Σᵣ dC/dXᵣ.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape, Views
from pellucid.layers.base import Layer, LayerSpec, Merge
from pellucid.layers.context import Context
from pellucid.networks.composite import INPUT, Composite, Node, Nodes, build_nodes
from pellucid.networks.fusion import absorb_into_last, fuse_nodes


class GradientSums:
    """The sum of the gradients that have been computed so far for the output of each node.

    The dX that a layer returns is in memory that later layers overwrite: in one of the two arrays between which all layers
    alternate, or in the layer's dy, which a merge may return for several inputs. So a gradient is copied into memory of the
    network, unless the node that receives it runs next and receives no other gradient.
    """

    def __init__(self, ctx: Context):
        self._ctx = ctx
        self._sums: dict[str, Array] = {}

    def add(self, name: str, dy: Array, *, sole: bool = False) -> None:
        """Add ``dy`` to the gradient of the node ``name``.

        ``sole`` states that the node runs next, and that ``dy`` is not the gradient of another input as well.
        """
        total = self._sums.get(name)
        if total is not None:
            self._ctx.kernels.add(total.reshape(-1), np.ascontiguousarray(dy).reshape(-1))
        elif sole and dy.flags.c_contiguous:
            self._sums[name] = dy
        else:
            self._sums[name] = total = self._ctx.buffer(f"gradient of {name}", dy.shape)
            self._ctx.kernels.copy(np.ascontiguousarray(dy).reshape(-1), total.reshape(-1))

    def pop(self, name: str) -> Array:
        """Remove and return the sum for the node ``name``, which may overwrite it."""
        return self._sums.pop(name)


class DAG(Composite, ABC):
    """The base class of networks whose nodes form a directed acyclic graph."""

    def build(self, shape: Shape) -> LayerSpec:
        return build_nodes(self.ordered_nodes(), shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        outputs = {INPUT: x}
        needs_gradient = {INPUT: ctx.needs_dx}  # by node: it, or a node before it, has trained parameters
        for node in self.ordered_nodes():
            xs = [outputs[name] for name in node.inputs]
            needs_dx = any(needs_gradient[name] for name in node.inputs)
            x = outputs[node.name] = ctx.forward(
                node.name, node.layer, p, xs if isinstance(node.layer, Merge) else xs[0], needs_dx
            )
            needs_gradient[node.name] = needs_dx or bool(p[node.name])
        ctx.keep(needs_gradient)
        return x

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (needs_gradient,) = ctx.kept
        nodes = [node for node in self.ordered_nodes() if needs_gradient[node.name]]
        sums = GradientSums(ctx)
        if nodes:
            sums.add(nodes[-1].name, dy, sole=True)
        for i in reversed(range(len(nodes))):
            node = nodes[i]
            runs_next = nodes[i - 1].name if i else INPUT
            dx = ctx.backward(node.name, node.layer, p, g, sums.pop(node.name))
            if dx is None:  # no node before this one needs a gradient
                continue
            for name, gradient in zip(node.inputs, dx if isinstance(node.layer, Merge) else [dx], strict=True):
                if needs_gradient[name]:  # the node that runs next gets no gradient after this: its other readers have run
                    sums.add(name, gradient, sole=name == runs_next and node.inputs.count(name) == 1)
        return sums.pop(INPUT) if needs_gradient[INPUT] else None

    def fused(self) -> Layer:
        return _FusedDAG(fuse_nodes(self.ordered_nodes()))


@dataclass(frozen=True)
class _FusedDAG(DAG):
    """The fused form of a DAG, with the names of the original."""

    nodes: Nodes

    def ordered_nodes(self) -> Nodes:
        return self.nodes

    def absorb(self, following: Layer) -> Layer | None:
        nodes = absorb_into_last(self.nodes, following)
        return None if nodes is None else _FusedDAG(nodes)


def map_layers(network: Any, function: Callable[[Any], Any]) -> Any:
    """Return the network with every layer and merge inside replaced by ``function(layer)``, which must have the same slots.

    Names and paths remain the same. Networks are not passed to the function, only what is inside them.
    """
    if not isinstance(network, Composite):
        return function(network)
    nodes = network.ordered_nodes()
    if not nodes:
        return network
    return _FusedDAG(tuple(Node(node.name, map_layers(node.layer, function), *node.inputs) for node in nodes))
