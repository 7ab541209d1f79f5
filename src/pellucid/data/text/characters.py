"""One token for each character."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.text.tokenizer import Tokenizer, printable
from pellucid.errors import ConfigError, DataError

_SHOWN = 60  # characters of the vocabulary in a message


@dataclass(frozen=True)
class CharacterTokenizer(Tokenizer):
    """Each character of ``vocabulary`` is a token; its number is its place in this string.

    ``CharacterTokenizer.of(text)`` has the characters of a text, in the order of their code points.

    Raises ConfigError for a vocabulary that is empty or has a character twice.
    """

    vocabulary: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.vocabulary:
            raise ConfigError("CharacterTokenizer(vocabulary=''): the vocabulary needs at least one character")
        if len(set(self.vocabulary)) < len(self.vocabulary):
            twice = next(one for one in self.vocabulary if self.vocabulary.count(one) > 1)
            raise ConfigError(f"CharacterTokenizer: the vocabulary has the character {twice!r} more than once")

    @classmethod
    def of(cls, text: str) -> CharacterTokenizer:
        """Return the tokenizer with the characters of this text. Raises DataError for an empty text."""
        if not text:
            raise DataError("an empty text has no characters for a vocabulary")
        return cls("".join(sorted(set(text))))

    def encode(self, text: str) -> Array:
        points = _code_points(text)
        known, numbers = self._table
        places = np.searchsorted(known, points)
        places[places == len(known)] = 0
        unknown = np.flatnonzero(known[places] != points)
        if unknown.size:
            first = int(unknown[0])
            others = sorted({text[i] for i in unknown[:10_000]} - {text[first]})
            more = f", and {len(others)} more: {printable(''.join(others[:20]))}" if others else ""
            vocabulary = printable(self.vocabulary)
            listed = vocabulary if len(vocabulary) <= _SHOWN else f"{vocabulary[:_SHOWN]}…"
            raise DataError(
                f"the character {text[first]!r} at position {first:,} of the text is not in the vocabulary{more}; it has "
                f"{len(self)} characters: {listed}"
            )
        return numbers[places]

    def decode(self, tokens: Array | Sequence[int]) -> str:
        points = _code_points(self.vocabulary)[self.checked(tokens)]
        return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")

    def __len__(self) -> int:
        return len(self.vocabulary)

    @property
    def lengths(self) -> Array:
        return np.ones(len(self), np.int64)

    def name(self, token: int) -> str:
        return printable(self.vocabulary[token])

    @functools.cached_property
    def _table(self) -> tuple[Array, Array]:
        """The code points of the vocabulary in their order, and the token of each."""
        points = _code_points(self.vocabulary)
        order = np.argsort(points)
        return points[order], order.astype(np.int32)


def _code_points(text: str) -> Array:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
