"""Residual blocks: layers that learn what to add to their input instead of all of their output."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.errors import ConfigError
from pellucid.layers.base import Layer
from pellucid.layers.merge import Add
from pellucid.networks.composite import INPUT, Node, Nodes
from pellucid.networks.sequential import in_a_row, refuse_merges
from pellucid.networks.wired import Wired


@dataclass(frozen=True, init=False)
class Residual(Wired):
    """y = x + f(x), where f is ``layers`` one behind the other (He et al., 2015): dx = dy + dy·f'(x), so gradients reach
    the first layers of a deep network undiminished.

    Where f changes the shape, x takes a ``shortcut`` of its own: y = s(x) + f(x), with s a layer such as Dense, or for
    pictures a 1×1 convolution with the same stride. ``Sequential(Residual(Dense(32), ReLU(), Dense(32)), ReLU())`` is a
    block as in the paper; its paths are ``residual1.dense1.W`` and so on, those of the shortcut ``residual1.shortcut.W``.
    """

    layers: tuple[Layer, ...]
    shortcut: Layer | None

    def __init__(self, *layers: Layer, shortcut: Layer | None = None):
        refuse_merges("Residual", (*layers, shortcut))
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "shortcut", shortcut)
        self.__post_init__()
        if not self.layers:
            raise ConfigError("Residual() needs layers: it computes x + f(x), and they are f")
        nodes = in_a_row(self.layers)
        beside = () if shortcut is None else (Node("shortcut", shortcut, INPUT),)
        end = Node("add", Add(), nodes[-1].name, INPUT if shortcut is None else "shortcut")
        object.__setattr__(self, "_nodes", (*nodes, *beside, end))

    def inside(self) -> Nodes:
        nodes: Nodes = self._nodes  # type: ignore[attr-defined]
        return nodes

    def __repr__(self) -> str:
        shortcut = "" if self.shortcut is None else f", shortcut={self.shortcut!r}"
        return f"Residual({', '.join(map(repr, self.layers))}{shortcut})"
