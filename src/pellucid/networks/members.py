"""A small ensemble in one network: members that have most parameters in common."""

from __future__ import annotations

import math
from abc import ABC
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pellucid.core.config import MAX_COUNT, Range
from pellucid.core.memory import Array, Views
from pellucid.errors import ConfigError
from pellucid.layers.base import Layer, Merge
from pellucid.layers.context import Context
from pellucid.layers.dense_per_position import DensePerPosition
from pellucid.layers.normalization import BatchNorm
from pellucid.layers.pooling_1d import GlobalAveragePool1D
from pellucid.layers.rescale import LearnedScale
from pellucid.layers.reshape import Repeat
from pellucid.networks.composite import Composite, Nodes, OrderedNode, primitives
from pellucid.networks.dag import DAG
from pellucid.networks.fusion import fuse_nodes
from pellucid.networks.sequential import refuse_merges, sequence_nodes

SEPARATE = (LearnedScale, DensePerPosition)  # layers with parameters of their own for each member


class _Members(DAG, ABC):
    """The passes of an ensemble in one network. Its nodes are those of prediction: ``Repeat``, the layers, and the mean.

    In training the first and the last node do not run. Neighbouring samples form a group of ``count``, which passes through the
    layers as one sample (count, features), with one row for each member.
    """

    records: ClassVar[bool] = True

    count: int

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        nodes = self.ordered_nodes()[1:-1]
        for node in nodes:
            ctx.child(node.name).group = ctx.group * self.count
        if not ctx.training:
            whole: Array = super().forward(p, x, ctx)
            return whole
        first, needs_dx = ctx.offset % self.count, ctx.needs_dx
        ctx.keep(first)
        y = self._in_groups("x", x, first, ctx)
        for node in nodes:
            inner = p[node.slots]
            y = ctx.forward(node.name, node.layer, inner, y, needs_dx)
            needs_dx = needs_dx or bool(inner)
        return _in_rows(y, first, len(x))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.training:
            dx: Array | None = super().backward(p, g, dy, ctx)
            return dx
        (first,), n = ctx.kept, len(dy)
        dy = self._in_groups("dy", dy, first, ctx)
        for node in reversed(self.ordered_nodes()[1:-1]):
            dx = ctx.backward(node.name, node.layer, p[node.slots], g[node.slots], dy)
            if dx is None:  # no layer before this one has trained parameters
                return None
            dy = dx
        return _in_rows(dy, first, n) if ctx.needs_dx else None

    def _in_groups(self, name: str, rows: Array, first: int, ctx: Context) -> Array:
        """Return rows (n, …) in groups (m, count, …), from the place ``first`` of the first group on; the other places are 0.

        A place of zeros changes nothing: its output is not used, and its gradient is 0.
        """
        n, width = len(rows), math.prod(rows.shape[1:])
        shape = (math.ceil((first + n) / self.count), self.count, *rows.shape[1:])
        if shape[0] * self.count == n:
            return rows.reshape(shape)
        groups = ctx.buffer(f"groups of {name}", shape)
        places, zeros = groups.reshape(-1, width), ctx.buffer("zeros", (self.count * width,))
        zeros.fill(0)
        for empty in (places[:first], places[first + n :]):
            ctx.kernels.copy(zeros[: empty.size], empty.reshape(-1))
        ctx.kernels.copy(rows.reshape(-1), places[first : first + n].reshape(-1))
        return groups


def _in_rows(groups: Array, first: int, n: int) -> Array:
    """Return the n rows that are in the groups from the place ``first`` of the first group on."""
    return groups.reshape(-1, *groups.shape[2:])[first : first + n]


@dataclass(frozen=True, init=False)
class Members(_Members):
    """An ensemble of ``count`` members in one network, which share most parameters: (n, features) -> (n, outputs).

    In prediction each sample passes through all members, and y is the mean of their outputs. In training each sample passes
    through one: sample i of a batch through member i mod ``count``. The samples must therefore be in random order, anew in each
    epoch, as ``fit`` has them, and a batch must have several for each member: of a batch of fewer than ``count`` samples, only
    the first members learn. A training step takes about as long as that of a single network, a prediction ``count`` times as
    long.

    The layers compute with samples of the shape (count, features), one row for each member. Layers such as Dense, which do the
    same at each position, are shared. What distinguishes the members are layers with parameters for each position:
    :class:`~pellucid.layers.rescale.LearnedScale` and
    :class:`~pellucid.layers.dense_per_position.DensePerPosition`. A layer that mixes positions would mix the members and is
    refused, and so is BatchNorm, whose statistics would be those of all members.

    Example, with a scale of the features and a last layer for each of four members:

        Members(4, LearnedScale(), Dense(64), ReLU(), DensePerPosition(3))

    The paths are ``members1.learnedscale1.scale``, ``members1.dense1.W`` and so on.

    Training with a part of the batch for each member is that of BatchEnsemble (Wen, Tran and Ba, 2020); a scale before shared
    layers, and last layers for each member, are those of TabM-mini (Gorishniy, Kotelnikov and Babenko, "TabM: Advancing
    Tabular Deep Learning with Parameter-Efficient Ensembling", 2025), which trains each member with the whole batch.
    """

    count: Annotated[int, Range(2, MAX_COUNT)]
    layers: tuple[Layer, ...]

    def __init__(self, count: int, *layers: Layer):
        refuse_merges("Members", layers)
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "layers", layers)
        self.__post_init__()
        nodes = sequence_nodes((Repeat(count), *self.layers, GlobalAveragePool1D()))
        inside = [one for node in nodes[1:-1] for one in primitives(node.layer, node.name)]
        for path, layer in inside:
            if isinstance(layer, BatchNorm) or not (layer.positionwise or isinstance(layer, SEPARATE)):
                raise ConfigError(
                    f"Members({count}, …): {path}, {layer}, would mix the members: use layers that compute each position "
                    "alone, such as Dense, activations, Dropout and LayerNorm, or with parameters for each: LearnedScale, "
                    "DensePerPosition"
                )
        if not any(isinstance(layer, SEPARATE) for _, layer in inside):
            raise ConfigError(
                f"Members({count}, …): all members would be the same: begin with LearnedScale(Signs()), or end with "
                "DensePerPosition(…)"
            )
        object.__setattr__(self, "_nodes", nodes)

    def ordered_nodes(self) -> Nodes:
        nodes: Nodes = self._nodes  # type: ignore[attr-defined]
        return nodes

    def fused(self) -> Layer:
        repeat, *inner, mean = self.ordered_nodes()
        nodes, _ = fuse_nodes(tuple(inner))
        return _FusedMembers(self.count, (repeat, *nodes, OrderedNode.own(mean.name, mean.layer, nodes[-1].name)))

    def __repr__(self) -> str:
        return f"Members({', '.join(map(repr, (self.count, *self.layers)))})"


@dataclass(frozen=True)
class _FusedMembers(_Members):
    """The fused form of an ensemble in one network."""

    count: int
    nodes: Nodes

    def ordered_nodes(self) -> Nodes:
        return self.nodes


def group_size(layer: Layer | Merge) -> int:
    """Return the number of neighbouring samples that a network treats as one in training: 1, unless it has Members inside."""
    if not isinstance(layer, Composite):
        return 1
    inside = math.lcm(*(group_size(node.layer) for node in layer.ordered_nodes()))
    return inside * layer.count if isinstance(layer, _Members) else inside
