"""The networks of language models, from counts of pairs to the Transformer: each predicts the next token at each position.

The argument of each function is the number of different tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.initializers import Normal
from pellucid.layers import GRU, Conv1D, Dense, Embedding, Softmax, Tanh
from pellucid.networks import Composite, Sequential


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

    width: int = 64
    units: int = 192

    def __call__(self, tokens: int) -> Composite:
        return Sequential(
            Embedding(tokens, self.width, init=Normal(0.1)), GRU(self.units, return_sequences=True), Dense(tokens), Softmax()
        )
