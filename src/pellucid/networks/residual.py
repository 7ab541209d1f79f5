"""Residual blocks: layers that learn the difference between output and input instead of the output itself."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.errors import ConfigError
from pellucid.layers.base import Layer
from pellucid.layers.merge import Add
from pellucid.networks.composite import Nodes, OrderedNode
from pellucid.networks.dag import DAG
from pellucid.networks.ports import INPUT
from pellucid.networks.sequential import refuse_merges, sequence_nodes


@dataclass(frozen=True, init=False)
class Residual(DAG):
    """y = x + f(x), where f is the sequence of ``layers`` (He et al., 2015).

    dx = dy + f'(x)ᵀ dy, so gradients reach the first layers of a deep network undiminished. If f changes the shape, x needs
    a ``shortcut`` s: y = s(x) + f(x), where s is a layer such as Dense, or for images a 1×1 convolution with the same stride.

    ``Sequential(Residual(Dense(32), ReLU(), Dense(32)), ReLU())`` is a block as in the paper. Its paths are
    ``residual1.dense1.W`` and so on, those of the shortcut ``residual1.shortcut.W``.
    """

    layers: tuple[Layer, ...]
    shortcut: Layer | None

    def __init__(self, *layers: Layer, shortcut: Layer | None = None):
        refuse_merges("Residual", (*layers, shortcut))
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "shortcut", shortcut)
        self.__post_init__()
        if not self.layers:
            raise ConfigError("Residual() needs layers: it computes x + f(x), and f is the sequence of its layers")
        nodes = sequence_nodes(self.layers)
        beside = () if shortcut is None else (OrderedNode.own("shortcut", shortcut, INPUT),)
        end = OrderedNode.own("add", Add(), nodes[-1].name, INPUT if shortcut is None else "shortcut")
        object.__setattr__(self, "_nodes", (*nodes, *beside, end))

    def ordered_nodes(self) -> Nodes:
        nodes: Nodes = self._nodes  # type: ignore[attr-defined]
        return nodes

    def __repr__(self) -> str:
        shortcut = "" if self.shortcut is None else f", shortcut={self.shortcut!r}"
        return f"Residual({', '.join(map(repr, self.layers))}{shortcut})"
