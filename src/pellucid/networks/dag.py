"""Forward and backward passes of networks whose nodes form a directed acyclic graph (DAG).

In the forward pass every node reads the outputs of nodes before it. In the backward pass, the gradient of an output Y that
nodes r₁, r₂, … read is the sum of their input gradients, by the chain rule: dC/dY = Σᵣ dC/dXᵣ. Parameters that several nodes
share (:class:`~pellucid.networks.composite.Shared`) receive the sum of the gradients of all these nodes, for the same reason.
"""

from __future__ import annotations

import functools
import math
from abc import ABC
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.core.memory import Array, Views, add_all
from pellucid.layers.base import Layer, LayerSpec, Merge
from pellucid.layers.context import Context
from pellucid.networks.composite import Composite, Nodes, build_nodes
from pellucid.networks.fusion import absorb_into_last, fold_nodes, fuse_nodes
from pellucid.networks.ports import Ports


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

        ``sole`` states that ``dy`` is not the gradient of another node as well, and stays valid until the node runs.
        """
        total, kernels = self._sums.get(name), self._ctx.kernels
        is_first = total is None
        if total is None:
            if sole and dy.flags.c_contiguous:
                self._sums[name] = dy
                return
            total = self._sums[name] = self._ctx.buffer(f"gradient of {name}", dy.shape)
        if dy.flags.c_contiguous:
            one, all_ = dy.reshape(-1), total.reshape(-1)
            kernels.copy(one, all_) if is_first else kernels.add(all_, one)
        else:
            one = _as_columns(dy.astype(total.dtype, copy=False))
            all_ = total.reshape(one.shape)
            kernels.copy_columns(one, all_) if is_first else kernels.add_columns(all_, one)

    def pop(self, name: str) -> Array:
        """Remove and return the sum for the node ``name``, which may overwrite it."""
        return self._sums.pop(name)


def _as_columns(a: Array) -> Array:
    """Return an array that is a part of a larger one, such as ``Concatenate`` returns, as a matrix of columns of a larger one.

    The matrix is a view where that is possible. Its rows are contiguous.
    """
    axis, columns = a.ndim, 1
    while axis and a.strides[axis - 1] == columns * a.itemsize:
        axis -= 1
        columns *= a.shape[axis]
    return a.reshape(math.prod(a.shape[:axis]), columns)


class DAG(Composite, ABC):
    """The base class of networks whose nodes form a directed acyclic graph.

    Of a network with several inputs, the shapes of one sample, X and dX are dictionaries by the names of the inputs; of one
    with several outputs, the shapes of the outputs, Y and dY are dictionaries by the names of the outputs.
    """

    records: ClassVar[bool] = True

    def build(self, shape: Any) -> LayerSpec:
        return build_nodes(self.ordered_nodes(), self.ports(), shape)

    def forward(self, p: Views, x: Any, ctx: Context) -> Any:
        ports = self.ports()
        outputs: dict[str, Array] = dict(x) if len(ports.inputs) > 1 else {ports.inputs[0]: x}
        needs_gradient = dict.fromkeys(outputs, ctx.needs_dx)  # by node: it, or a node before it, has trained parameters
        for node in self.ordered_nodes():
            xs = [outputs[name] for name in node.inputs]
            needs_dx = any(needs_gradient[name] for name in node.inputs)
            inner = p[node.slots]
            x = outputs[node.name] = ctx.forward(
                node.name, node.layer, inner, xs if isinstance(node.layer, Merge) else xs[0], needs_dx, node.slots
            )
            needs_gradient[node.name] = needs_dx or bool(inner)
        ctx.keep(needs_gradient)
        if ports.outputs is None:
            return x
        named = {name: outputs[end] for name, end in ports.outputs.items()}
        return named if len(named) > 1 else next(iter(named.values()))

    def backward(self, p: Views, g: Views, dy: Any, ctx: Context) -> Any:
        (needs_gradient,) = ctx.kept
        ports, shared = self.ports(), self._shared
        nodes = [node for node in self.ordered_nodes() if needs_gradient[node.name]]
        sums, written = GradientSums(ctx), set[str]()
        if ports.outputs is None or len(ports.outputs) == 1:
            if nodes:
                sums.add(nodes[-1].name, dy, sole=True)
        else:
            for output, end in ports.outputs.items():
                if needs_gradient[end]:
                    sums.add(end, dy[output], sole=True)
        only_input = ports.inputs[0] if len(ports.inputs) == 1 else None
        for i in reversed(range(len(nodes))):
            node = nodes[i]
            runs_next = nodes[i - 1].name if i else only_input
            if node.slots in written:
                part = ctx.spare_gradients(node.slots, g[node.slots])
                dx = ctx.backward(node.name, node.layer, p[node.slots], part, sums.pop(node.name))
                add_all(g[node.slots], part, ctx.kernels.add)
            else:
                dx = ctx.backward(node.name, node.layer, p[node.slots], g[node.slots], sums.pop(node.name))
                if node.slots in shared:
                    written.add(node.slots)
            if dx is None:  # no node before this one needs a gradient
                continue
            for name, gradient in zip(node.inputs, dx if isinstance(node.layer, Merge) else [dx], strict=True):
                if needs_gradient[name]:  # the node that runs next gets no gradient after this: its other readers have run
                    sums.add(name, gradient, sole=name == runs_next and node.inputs.count(name) == 1)
        if not ctx.needs_dx:
            return None
        return sums.pop(only_input) if only_input else {name: sums.pop(name) for name in ports.inputs}

    def fused(self) -> Layer:
        return _PlannedDAG(*fuse_nodes(self.ordered_nodes(), self.ports()))

    def folded(self) -> Layer:
        return _PlannedDAG(*fold_nodes(self.ordered_nodes(), self.ports()))

    @functools.cached_property
    def _shared(self) -> frozenset[str]:
        """The names of the slots that several nodes share."""
        counts = Counter(node.slots for node in self.ordered_nodes())
        return frozenset(name for name, count in counts.items() if count > 1 and name)


@dataclass(frozen=True)
class _PlannedDAG(DAG):
    """A DAG that is given by its nodes in the order of computation: a part of a network, or its fused form."""

    nodes: Nodes
    given_ports: Ports

    def ordered_nodes(self) -> Nodes:
        return self.nodes

    def ports(self) -> Ports:
        return self.given_ports

    def absorb(self, following: Layer) -> Layer | None:
        nodes = absorb_into_last(self.nodes, following)
        return None if nodes is None else _PlannedDAG(nodes, self.given_ports)


def planned(nodes: Nodes, ports: Ports) -> Layer:
    """Return the network of these nodes, for training and prediction; it has no settings, and is not saved."""
    return _PlannedDAG(nodes, ports)


def map_layers(network: Any, function: Callable[[Any], Any]) -> Any:
    """Return the network with every layer and merge inside replaced by ``function(layer)``, which must have the same slots.

    Names and paths remain the same. Networks are not passed to the function, only what is inside them.
    """
    if not isinstance(network, Composite):
        return function(network)
    nodes = network.ordered_nodes()
    if not nodes:
        return network
    return _PlannedDAG(tuple(node.with_layer(map_layers(node.layer, function)) for node in nodes), network.ports())
