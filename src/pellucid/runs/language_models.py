"""The networks of language models, from counts of pairs to the Transformer: each predicts the next token at each position.

The argument of each function is the number of different tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pellucid.initializers import GlorotUniform, Normal
from pellucid.layers import (
    GELU,
    GRU,
    Attention,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    LearnedPositions,
    Softmax,
    Tanh,
)
from pellucid.networks import Composite, Residual, Sequential, TiedEmbedding


def bigram(tokens: int) -> Composite:
    """Return a table: the logits of the next token depend on the last one alone. Its optimum are the frequencies of pairs."""
    return Sequential(Embedding(tokens, tokens), Softmax())


@dataclass(frozen=True)
class NeuralProbabilisticLanguageModel:
    """The network of Bengio, Ducharme, Vincent and Jauvin (2003): one hidden layer over the vectors of the last tokens.

    The vectors of ``width`` values of the last ``reads`` tokens are put side by side, which is a causal convolution, and
    ``hidden`` units with tanh follow. Before the beginning of a text the vectors are 0. The direct connections of the paper
    from the vectors to the outputs, which it found of no use, are left out.
    """

    reads: int = 8
    width: int = 32
    hidden: int = 256

    def __call__(self, tokens: int) -> Composite:
        return Sequential(
            Embedding(tokens, self.width, init=Normal(0.1)),
            Conv1D(self.hidden, self.reads, padding="causal"),
            Tanh(),
            Dense(tokens),
            Softmax(),
        )


@dataclass(frozen=True)
class RecurrentLanguageModel:
    """A gated recurrent unit that reads the tokens one by one (Mikolov et al., 2010; Cho et al., 2014)."""

    width: int = 48
    units: int = 96

    def __call__(self, tokens: int) -> Composite:
        return Sequential(
            Embedding(tokens, self.width, init=Normal(0.1)), GRU(self.units, return_sequences=True), Dense(tokens), Softmax()
        )


@dataclass(frozen=True)
class GPT:
    """A Transformer that reads from left to right, as nanoGPT builds it (Radford et al., 2019; Karpathy, 2022).

    One table of ``width`` values for each token is read at the beginning and written with at the end, trained positions are
    added, and each of the ``blocks`` is attention with this number of ``heads`` and two dense layers, 4·width wide in between,
    both normalized first. There are no biases. Weights start with N(0, 0.02²), those before a sum with 0.02/√(2·blocks). With 4
    blocks, 4 heads and 128 values for 65 tokens in windows of 64 it is the network of nanoGPT's example for a CPU: 804,096
    parameters. ``dropout`` is that of the values that each part adds.

    With ``rotary=True`` the queries and keys are rotated by their positions instead (Su et al., 2021). With ``tied=False`` a
    table with N(0, 1) reads the tokens, and a dense layer with biases, which starts with Glorot's values, writes them.
    """

    blocks: int = 4
    heads: int = 4
    width: int = 128
    dropout: float = 0.0
    rotary: bool = False
    tied: bool = True

    def __call__(self, tokens: int) -> Composite:
        small, last = Normal(0.02), Normal(0.02 / math.sqrt(2 * self.blocks))
        dropout = [Dropout(self.dropout)] if self.dropout else []
        layers: list[Layer] = [] if self.rotary else [LearnedPositions()]
        for _ in range(self.blocks):
            attention = Attention(self.heads, causal=True, rotary=self.rotary, bias=False, init=small, output_init=last)
            wide, back = Dense(4 * self.width, small, bias=False), Dense(self.width, last, bias=False)
            layers += [
                Residual(LayerNorm(bias=False), attention, *dropout),
                Residual(LayerNorm(bias=False), wide, GELU(), back, *dropout),
            ]
        layers.append(LayerNorm(bias=False))
        if self.tied:
            return Sequential(TiedEmbedding(tokens, self.width, *layers), Softmax())
        return Sequential(Embedding(tokens, self.width, init=Normal(1.0)), *layers, Dense(tokens, GlorotUniform()), Softmax())


@dataclass(frozen=True)
class SmallTransformer:
    """A Transformer of few parameters, as makemore builds it (Karpathy, 2022): one table reads the tokens, a dense layer writes
    them, and there are biases.

    The vectors of the tokens start with N(0, 1), all weights with those of Glorot and He. At this width that learns faster than
    one table with a small start: after one pass over the names the loss was 2.10 instead of 2.17, with the same schedule.
    """

    blocks: int = 4
    heads: int = 4
    width: int = 64

    def __call__(self, tokens: int) -> Composite:
        layers: list[Layer] = [LearnedPositions()]
        for _ in range(self.blocks):
            wide, back = Dense(4 * self.width), Dense(self.width, GlorotUniform())
            layers += [
                Residual(LayerNorm(), Attention(self.heads, causal=True)),
                Residual(LayerNorm(), wide, GELU(), back),
            ]
        head = Dense(tokens, GlorotUniform())
        return Sequential(Embedding(tokens, self.width, init=Normal(1.0)), *layers, LayerNorm(), head, Softmax())
