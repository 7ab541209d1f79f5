"""What a language model computes while it reads a text: the guesses on the way, and what a part of the network contributes.

**Residual stream.** A Transformer is a sequence of residual blocks, y = x + f(x), in which each block adds its output to the
vector of each position. Those vectors are the *residual stream*. What comes after the last block, in most networks a
normalization and one product with the table of tokens, reads the probabilities of the next token from it.

**Logit lens** (nostalgebraist, 2020, "interpreting GPT: the logit lens"). The same last layers can read the stream before and
after each block. The result is what the network would predict if it ended there:

    z_b = last layers(x_b)        for the stream x_b after block b; after the last block these are the logits of the network

**Switching parts off.** Without a block, y = x. Without a head of attention, the rows of W_o that read the head are zero: its
output reaches nothing. How far the prediction moves is what the part contributes, given all others. The parameters of the model
are copied for this, and never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Views
from pellucid.errors import ConfigError, did_you_mean
from pellucid.explain.attention_weights import WEIGHTS, attention_layers, reporting
from pellucid.explain.tokens import Window, text_tokens, window
from pellucid.layers.base import Merge
from pellucid.model.generation import check_language_model, checked_tokens
from pellucid.model.model import Model
from pellucid.networks import Composite, Residual, primitives
from pellucid.networks.dag import map_layers
from pellucid.networks.ports import INPUT
from pellucid.training.execution import Execution

Head = tuple[str, int]  # the path of an attention layer, and the number of a head
MAX_EXECUTIONS = 8  # that a reader keeps: each has memory of its own


@dataclass(frozen=True, eq=False)
class TokenReading:
    """What a language model computes for a text of t tokens.

    - ``tokens`` (t): the tokens, with the separator before those of the text if the network reads one.
    - ``logits`` (t, entries): those of the token that follows each position. For a network with one answer for the whole text,
      such as the probabilities of its classes, t is 1 here, and in ``lens``.
    - ``attention``: the weights (heads, t, t) of each attention layer, by its path.
    - ``lens``: the logits (t, entries) that the last layers read from the residual stream before the first block, and after
      each block, by the paths of the layer before the first block and of the blocks. Empty without blocks.
    """

    tokens: Array
    logits: Array
    attention: dict[str, Array] = field(default_factory=dict)
    lens: dict[str, Array] = field(default_factory=dict)

    @property
    def probabilities(self) -> Array:
        """The probabilities (t, entries) of the token that follows each position."""
        return softmax(self.logits)


class TokenReader:
    """Reads texts with a language model, and returns what it computes on the way.

    ``attention`` are the numbers of heads of the attention layers, by their paths. ``blocks`` are the paths of the residual
    blocks that follow each other in the network. Both are empty for a network that has none, such as a GRU.

    >>> from pellucid import CrossEntropy, Sequential, Softmax, TiedEmbedding, LearnedPositions, Residual, Attention, LayerNorm
    >>> stream = TiedEmbedding(5, 4, LearnedPositions(), Residual(LayerNorm(), Attention(2, causal=True)), LayerNorm())
    >>> model = Sequential(stream, Softmax()).compile((8,), CrossEntropy())
    >>> reader = TokenReader(model)
    >>> reader.attention, reader.blocks
    ({'tiedembedding1.residual1.attention1': 2}, ('tiedembedding1.residual1',))
    >>> list(reader.read([1, 2, 3]).lens)
    ['tiedembedding1.learnedpositions1', 'tiedembedding1.residual1']

    An instance serves one thread. It reads the parameters that the model has at each call. Raises ConfigError for a model that
    does not predict the next token.
    """

    def __init__(self, model: Model):
        if not isinstance(model, Model):
            raise ConfigError(f"expected a Model, got {type(model).__name__}; look at the models of an ensemble one by one")
        self.model, state = model, model.state
        check_language_model(state, "explain")
        first: Any = primitives(state.network)[0][1]
        self._entries = first.entries  # the number of different tokens that the network reads
        self.attention = {path: layer.heads for path, layer in attention_layers(state.network).items()}
        self._stream, self.blocks, after = _trunk(state.body)
        self._parameters = np.empty_like(state.parameters)  # without the heads that are switched off
        self._runs: dict[tuple[bool, frozenset[str]], Execution] = {}
        p, running = state.layout.views(state.parameters), state.statistics_layout.views(state.statistics)
        self._after = [
            Execution(step.layer, _inner(p, step.slots), _inner(running, step.slots), state.kernels, dtype=state.dtype)
            for step in after
        ]

    def read(self, x: Any, *, heads_off: Iterable[Head] = (), blocks_off: Iterable[str] = ()) -> TokenReading:
        """Return what the network computes for a text, or for its tokens (t), without some heads and blocks.

        Raises DataError for a text that is empty, that the tokenizer cannot encode, or that is longer than the window of the
        network; and ConfigError for a head or block that does not exist.
        """
        heads, blocks = self._checked(heads_off, blocks_off)
        state = self.model.state
        row = text_tokens(self.model, x) if isinstance(x, str) else x
        tokens = checked_tokens(row, self._entries, "the text", "explain")
        sample = window(self.model, tokens)
        if heads:
            self._switch_off(heads)
        attention: dict[str, Array] = {}
        streams: dict[str, Array] = {}

        def observer(path: str, what: str, array: Array) -> None:
            if what == WEIGHTS:
                attention[path] = array
            elif what == "output" and path in self._streams:
                streams[path] = array  # not overwritten: each layer has memory of its own

        run = self._execution(bool(heads), blocks)
        run.observe(observer)
        state.kernels.set_num_threads(state.prediction_threads(1).pool)
        z = np.array(run.forward(sample.x))
        lens = self._lens(streams, sample)
        logits = z if z.ndim == 2 else sample.own(z[0], 0)
        weights = {path: sample.own(array[0], 1, 2) for path, array in attention.items()}
        return TokenReading(np.array(tokens), logits, weights, lens)

    @property
    def _streams(self) -> tuple[str, ...]:
        """The paths of the layers whose outputs are the residual stream, before the first block and after each."""
        return (self._stream, *self.blocks) if self.blocks else ()

    def _checked(self, heads_off: Iterable[Head], blocks_off: Iterable[str]) -> tuple[frozenset[Head], frozenset[str]]:
        heads, blocks = frozenset(heads_off), frozenset(blocks_off)
        for path, head in heads:
            if path not in self.attention:
                raise ConfigError(f"there is no attention layer {path!r}: {did_you_mean(path, self.attention)}")
            if not 0 <= head < self.attention[path]:
                raise ConfigError(f"{path} has no head {head}: they are numbered from 0 to {self.attention[path] - 1}")
        for path in blocks:
            if path not in self.blocks:
                raise ConfigError(f"there is no block {path!r}: {did_you_mean(path, self.blocks)}")
        return heads, blocks

    def _switch_off(self, heads: frozenset[Head]) -> None:
        """Copy the parameters, without those rows of W_o that read the heads."""
        self._parameters[...] = self.model.state.parameters
        arrays = self.model.state.layout.arrays(self._parameters)
        for path, head in heads:
            W = arrays[f"{path}.Wo" if path else "Wo"]
            d = len(W) // self.attention[path]
            W[head * d : (head + 1) * d] = 0

    def _execution(self, without_heads: bool, blocks: frozenset[str]) -> Execution:
        key = without_heads, blocks
        if key not in self._runs:
            if len(self._runs) >= MAX_EXECUTIONS:
                self._runs.clear()
            state = self.model.state
            paths = iter([path for path, _ in primitives(state.body)])  # in the order in which map_layers visits the layers
            ends = {f"{block}.add" for block in blocks}
            body = map_layers(state.body, lambda layer: _Skipped() if next(paths) in ends else reporting(layer))
            self._runs[key] = state.execution(body, parameters=self._parameters if without_heads else None)
        return self._runs[key]

    def _lens(self, streams: dict[str, Array], sample: Window) -> dict[str, Array]:
        """Return the logits that the layers after the last block read from each stream (1, t, width)."""
        if not streams:
            return {}
        last = streams[self.blocks[-1]].shape
        found = {path: streams[path] for path in self._streams if path in streams and streams[path].shape == last}
        x = np.concatenate(list(found.values()))
        for run in self._after:
            x = run.forward(np.ascontiguousarray(x))
        x = np.array(x)
        return {path: z[None] if z.ndim == 1 else sample.own(z, 0) for path, z in zip(found, x, strict=True)}


def logit_lens(model: Model, x: Any) -> dict[str, Array]:
    """Return the logits (t, entries) that the last layers read from the residual stream of a text or of its tokens (t).

    The first entry is the stream before the first block, and each further one that after a block. Empty for a network without
    residual blocks. See :mod:`pellucid.explain.language_models`; raises what :meth:`TokenReader.read` raises.
    """
    return TokenReader(model).read(x).lens


def probabilities_without(model: Model, x: Any, *, heads: Iterable[Head] = (), blocks: Iterable[str] = ()) -> Array:
    """Return the probabilities (t, entries) of the token after each position, without some heads and blocks.

    ``heads`` are pairs of the path of an attention layer and the number of a head, and ``blocks`` paths of residual blocks:
    ``probabilities_without(model, "To be", heads=[("tiedembedding1.residual1.attention1", 0)])``. The model is not changed.
    Raises what :meth:`TokenReader.read` raises.
    """
    return TokenReader(model).read(x, heads_off=heads, blocks_off=blocks).probabilities


def softmax(z: Array) -> Array:
    """Return the probabilities of logits, over the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    p: Array = e / e.sum(axis=-1, keepdims=True)
    return p


@dataclass(frozen=True)
class _Skipped(Merge):
    """The sum of a residual block without the block: y = x, or the output of the shortcut."""

    def build(self, shapes: Any) -> Any:
        raise NotImplementedError("an execution does not build")

    def forward(self, p: Views, xs: Any, ctx: Any) -> Array:
        x: Array = xs[1]
        return x

    def backward(self, p: Views, g: Views, dy: Array, ctx: Any) -> Any:
        raise NotImplementedError("nothing is differentiated")


@dataclass(frozen=True)
class _Step:
    """A layer of the sequence that the network is, with its path and that of its slots."""

    path: str
    layer: Any
    slots: str


def _trunk(body: Any) -> tuple[str, tuple[str, ...], list[_Step]]:
    """Return the path of the layer before the first residual block, the paths of the blocks, and what follows the last one.

    The path before the first block is that of the input, "", if a block is the first layer.
    """
    steps = list(_steps(body, "", ""))
    places = [i for i, step in enumerate(steps) if isinstance(step.layer, Residual)]
    if not places:
        return "", (), []
    before = steps[places[0] - 1].path if places[0] else ""
    return before, tuple(steps[i].path for i in places), steps[places[-1] + 1 :]


def _steps(layer: Any, path: str, slots: str) -> Iterator[_Step]:
    """Yield the layers that follow each other, also those of sequences inside the sequence."""
    nodes = layer.ordered_nodes() if isinstance(layer, Composite) and not isinstance(layer, Residual) else ()
    names = [INPUT, *(node.name for node in nodes)]
    if not nodes or any(node.inputs != (before,) for node, before in zip(nodes, names, strict=False)):
        yield _Step(path, layer, slots)
        return
    for node in nodes:
        yield from _steps(node.layer, _joined(path, node.name), _joined(slots, node.slots))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _inner(views: Views, path: str) -> Views:
    for name in path.split(".") if path else ():
        views = views[name]
    return views
