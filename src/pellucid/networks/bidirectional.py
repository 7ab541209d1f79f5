"""Bidirectional recurrent networks: one layer reads the sequence forwards, a second one backwards."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.layers.merge import Concatenate
from pellucid.layers.recurrent import Recurrent, Reverse
from pellucid.layers.reshape import Slice
from pellucid.networks.composite import Nodes, OrderedNode
from pellucid.networks.dag import DAG
from pellucid.networks.ports import INPUT


@dataclass(frozen=True, init=False)
class Bidirectional(DAG):
    """A recurrent layer that reads the sequence forwards, and a second one, with its own weights, that reads it backwards
    (Schuster and Paliwal, 1997).

    Input (n, time, features). Output (n, 2·units), the last states of both, concatenated; the last state of the second layer
    is the one after the first time step. If the layer has ``return_sequences``, the output is (n, time, 2·units), with both
    states of each time step. With ``return_state`` the last states of both are concatenated in the same way: an LSTM of twice
    the units can start in this state (see :class:`~pellucid.layers.recurrent.FromState`).

    Example: ``Bidirectional(LSTM(64))``. The paths are ``forward.W`` and ``backward.W``, and so on. If the layer has a
    ``mask``, sequences may be padded at either end. With ``learn_state`` each direction has its own initial state, and with
    ``recurrent_dropout`` its own masks.
    """

    layer: Recurrent

    def __init__(self, layer: Recurrent):
        object.__setattr__(self, "layer", layer)
        self.__post_init__()
        nodes = [
            OrderedNode.own("forward", layer, INPUT),
            OrderedNode.own("reversed", Reverse(), INPUT),
            OrderedNode.own("backward", layer, "reversed"),
        ]
        if layer.return_sequences and layer.return_state:  # the last state is in the rows after the sequence
            states = len(layer.states)
            nodes += [
                OrderedNode.own("steps", Slice(stop=-states, axis=0), "backward"),
                OrderedNode.own("restored", Reverse(), "steps"),
                OrderedNode.own("state", Slice(-states, axis=0), "backward"),
                OrderedNode.own("rejoined", Concatenate(axis=0), "restored", "state"),
            ]
        elif layer.return_sequences:
            nodes.append(OrderedNode.own("restored", Reverse(), "backward"))
        nodes.append(OrderedNode.own("both", Concatenate(), "forward", nodes[-1].name))
        object.__setattr__(self, "_nodes", tuple(nodes))

    def path_of_mask(self) -> str | None:
        return None if self.layer.path_of_mask() is None else "forward"

    def ordered_nodes(self) -> Nodes:
        nodes: Nodes = self._nodes  # type: ignore[attr-defined]
        return nodes
