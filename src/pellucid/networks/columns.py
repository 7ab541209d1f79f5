"""Networks that send the values of a row of a table through separate layers: numbers, binary values and codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.core.config import Count
from pellucid.errors import ConfigError
from pellucid.initializers import Initializer, Normal
from pellucid.layers.base import Layer
from pellucid.layers.embedding import Embedding, Entries
from pellucid.layers.merge import Concatenate
from pellucid.layers.reshape import Flatten, Take
from pellucid.networks.composite import Composite, Nodes, OrderedNode, primitives
from pellucid.networks.dag import DAG
from pellucid.networks.ports import INPUT
from pellucid.networks.sequential import Sequential, refuse_merges

NUMBER, BINARY = "number", "binary"
WIDTH = 8  # of the vector of a code
INIT = Normal(1.0)


@dataclass(frozen=True, init=False)
class Columns(DAG):
    """The values of a row, each by its kind: (n, values) -> (n, features).

    ``kinds`` says what each value is:

    - ``"number"``: all numbers together pass through the layer ``numbers``, which returns features; without one they remain as
      they are.
    - ``"binary"``: 0 or 1, such as an answer, or a category that is one-hot; they remain as they are.
    - an integer k: a code from 0 to k − 1 of a category, which an Embedding replaces by one of k learned vectors of ``width``
      values.

    The output has the features of the numbers first, then the binary values, then the vectors of the codes in the order of
    their columns. Example: ``Columns(("number", "number", "binary", 12), width=4)`` returns seven features.

    The tables of vectors are filled by ``init``. Their paths are ``code3.W``, with the number of the value, counted from 0;
    those of the numbers begin with ``numbers``.
    """

    kinds: tuple[str | Entries, ...]
    numbers: Layer | None
    width: Count
    init: Initializer

    def __init__(self, kinds: Sequence[str | int], numbers: Layer | None = None, width: int = WIDTH, init: Initializer = INIT):
        refuse_merges("Columns", (numbers,))
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "width", width)
        object.__setattr__(self, "init", init)
        self.__post_init__()
        if not self.kinds or any(isinstance(kind, str) and kind not in (NUMBER, BINARY) for kind in self.kinds):
            raise ConfigError(
                f"Columns(kinds={self.kinds!r}): each value is a 'number', 'binary', or an integer, the number of its codes"
            )
        places = {kind: tuple(i for i, one in enumerate(self.kinds) if one == kind) for kind in (NUMBER, BINARY)}
        nodes, ends = [], []
        if places[NUMBER]:
            nodes.append(OrderedNode.own("take_numbers", Take(places[NUMBER]), INPUT))
            if numbers is not None:
                nodes.append(OrderedNode.own("numbers", numbers, "take_numbers"))
            ends.append(nodes[-1].name)
        if places[BINARY]:
            nodes.append(OrderedNode.own("take_binary", Take(places[BINARY]), INPUT))
            ends.append("take_binary")
        for i, kind in enumerate(self.kinds):
            if isinstance(kind, int):
                nodes.append(OrderedNode.own(f"take_code{i}", Take((i,)), INPUT))
                nodes.append(OrderedNode.own(f"code{i}", Embedding(kind, self.width, init=self.init), f"take_code{i}"))
                nodes.append(OrderedNode.own(f"vector{i}", Flatten(), f"code{i}"))
                ends.append(f"vector{i}")
        if len(ends) > 1:
            nodes.append(OrderedNode.own("features", Concatenate(), *ends))
        object.__setattr__(self, "_nodes", tuple(nodes))

    def ordered_nodes(self) -> Nodes:
        nodes: Nodes = self._nodes  # type: ignore[attr-defined]
        return nodes

    def __repr__(self) -> str:
        arguments = [repr(self.kinds)]
        arguments += [f"numbers={self.numbers!r}"] if self.numbers is not None else []
        arguments += [f"width={self.width}"] if self.width != WIDTH else []
        arguments += [f"init={self.init!r}"] if self.init != INIT else []
        return f"Columns({', '.join(arguments)})"


def with_vectors(network: Composite, kinds: Sequence[str | int]) -> Composite:
    """Return the network for rows of values of these kinds: before it, learned vectors take the place of codes.

    A network that has an Embedding, and one for rows without codes, is returned as it is.
    """
    has_codes = any(isinstance(kind, int) for kind in kinds)
    if not has_codes or any(isinstance(layer, Embedding) for _, layer in primitives(network)):
        return network
    return Sequential(Columns(kinds), network)


def width_with_vectors(kinds: Sequence[str | int]) -> int:
    """Return the number of values of a row in which learned vectors take the place of codes."""
    return sum(WIDTH if isinstance(kind, int) else 1 for kind in kinds)
