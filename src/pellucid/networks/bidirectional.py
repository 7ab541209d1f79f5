"""A recurrent layer that reads in both directions."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.layers.merge import Concatenate
from pellucid.layers.recurrent import Recurrent, Reverse
from pellucid.networks.composite import INPUT, Node, Nodes
from pellucid.networks.wired import Wired


@dataclass(frozen=True, init=False)
class Bidirectional(Wired):
    """The layer run forwards, and its twin, with weights of its own, run backwards over the same sequence; their outputs side
    by side (Schuster and Paliwal, 1997). Input (n, time, features), output (n, 2·units), the two last states: that of the
    twin has read the first step last. With the layer's ``return_sequences`` (n, time, 2·units), each step's two states.

    ``Bidirectional(LSTM(64))``; the paths are ``forward.W`` and so on, and ``backward.W``. Padding that a ``mask`` passes over
    may stand at either end.
    """

    layer: Recurrent

    def __init__(self, layer: Recurrent):
        object.__setattr__(self, "layer", layer)
        self.__post_init__()
        nodes = [Node("forward", layer, INPUT), Node("reversed", Reverse(), INPUT), Node("backward", layer, "reversed")]
        if layer.return_sequences:
            nodes.append(Node("restored", Reverse(), "backward"))
        nodes.append(Node("both", Concatenate(), "forward", nodes[-1].name))
        object.__setattr__(self, "_nodes", tuple(nodes))

    def inside(self) -> Nodes:
        nodes: Nodes = self._nodes  # type: ignore[attr-defined]
        return nodes
