"""Tied embeddings: networks that read and write tokens with one table of vectors."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.config import Count
from pellucid.initializers import Initializer, Normal
from pellucid.layers.base import Layer
from pellucid.layers.embedding import Embedding, Entries, Unembedding
from pellucid.networks.composite import Nodes, OrderedNode
from pellucid.networks.dag import DAG
from pellucid.networks.ports import INPUT
from pellucid.networks.sequential import refuse_merges, sequence_nodes

TABLE = "embedding"
INIT = Normal(0.02)


@dataclass(frozen=True, init=False)
class TiedEmbedding(DAG):
    """y = f(W[x]) Wᵀ, where f is the sequence of ``layers``: tokens (n, time) -> logits (n, time, entries).

    The table W is used twice: its rows are the vectors of the tokens that are read, and what f makes of them is compared with
    the vectors of all tokens (Press and Wolf, 2017). Tokens that are read alike are then also written alike, and there are
    half as many parameters outside f. The gradient of W is the sum of both uses:

        dW[k] = Σ dh over all places where x = k, with the gradient dh of W[x]       as a table that is read
                + Σ dy_k · f(W[x]) over all places                                    as a matrix

    ``Sequential(TiedEmbedding(65, 128, LearnedPositions(), …, LayerNorm()), Softmax())`` is a language model: its output at
    each position is the probability of every token to be the next one. f must return vectors of ``width`` values.

    The table is the slot ``embedding.W`` (entries, width), filled by ``init``, by default with N(0, 0.02²), as in GPT-2
    (Radford et al., 2019): with larger values, the first logits would be large, and wrong. The last product is the layer
    ``logits``. The input is that of :class:`~pellucid.layers.embedding.Embedding`.
    """

    entries: Entries
    width: Count
    layers: tuple[Layer, ...]
    init: Initializer

    def __init__(self, entries: Entries, width: Count, *layers: Layer, init: Initializer = INIT):
        refuse_merges("TiedEmbedding", layers)
        object.__setattr__(self, "entries", entries)
        object.__setattr__(self, "width", width)
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "init", init)
        self.__post_init__()
        first = OrderedNode.own(TABLE, Embedding(self.entries, self.width, init=self.init), INPUT)
        inner = sequence_nodes(self.layers, TABLE)
        logits = Unembedding(self.entries, self.width, self.init)
        last = OrderedNode("logits", logits, ((inner or (first,))[-1].name,), first.slots)
        object.__setattr__(self, "_nodes", (first, *inner, last))

    def ordered_nodes(self) -> Nodes:
        nodes: Nodes = self._nodes  # type: ignore[attr-defined]
        return nodes

    def __repr__(self) -> str:
        init = "" if self.init == INIT else f"init={self.init!r}"
        arguments = [repr(self.entries), repr(self.width), *map(repr, self.layers), init]
        return f"TiedEmbedding({', '.join(filter(None, arguments))})"
