"""Networks for rows with codes of categories: vectors take the place of the codes."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.layers import Concatenate, Embedding, Flatten, Identity, Slice
from pellucid.networks.composite import Composite, Node, primitives
from pellucid.networks.graph import Graph
from pellucid.networks.sequential import Sequential

WIDTH = 8  # of the vectors of the categories of a column


def with_embeddings(network: Composite, kinds: Sequence[str | int]) -> Composite:
    """Return the network with an Embedding before it for each value of a row that is a code.

    ``kinds`` are those of the values of a row, as in ``value_kinds`` of the input stage of a table. A network that has an
    Embedding, and one for rows without codes, is returned as it is.
    """
    codes = [(i, kind) for i, kind in enumerate(kinds) if isinstance(kind, int)]
    if not codes or any(isinstance(layer, Embedding) for _, layer in primitives(network)):
        return network
    others = [i for i, kind in enumerate(kinds) if not isinstance(kind, int)]
    nodes = selection("others", others, len(kinds)) if others else []
    for i, kind in codes:
        nodes.append(Node(f"code_{i}", Sequential(Slice(i, i + 1), Embedding(kind, WIDTH), Flatten()), "input"))
    parts = [*(["others"] if others else []), *(f"code_{i}" for i, _ in codes)]
    body = [Node("row", Concatenate(), *parts)] if len(parts) > 1 else []
    return Graph(*nodes, *body, Node("network", network, "row" if body else parts[0]))


def embedded_width(kinds: Sequence[str | int]) -> int:
    """Return the number of values of a row after the embeddings."""
    return sum(WIDTH if isinstance(kind, int) else 1 for kind in kinds)


def selection(name: str, columns: Sequence[int], width: int) -> list[Node]:
    """Return nodes that select these columns of the input; the last of them is called ``name``."""
    first, count = columns[0], len(columns)
    if list(columns) == list(range(first, first + count)):
        return [Node(name, Identity() if count == width else Slice(first, first + count), "input")]
    parts = [Node(f"{name}_{i}", Slice(i, i + 1), "input") for i in columns]
    return [*parts, Node(name, Concatenate(), *(part.name for part in parts))]
