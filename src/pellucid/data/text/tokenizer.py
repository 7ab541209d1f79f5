"""The base class of tokenizers: text as numbers, one for each token, and back.

A tokenizer is settings alone, so that it is part of model files: what a model was trained on is read in the same way later.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array
from pellucid.errors import DataError


class Tokenizer(Config, ABC):
    """The base class of tokenizers. ``len(tokenizer)`` is the number of different tokens."""

    @abstractmethod
    def encode(self, text: str) -> Array:
        """Return the tokens of a text as int32 (n,). Raises DataError for a text that this tokenizer cannot encode."""

    @abstractmethod
    def decode(self, tokens: Array | Sequence[int]) -> str:
        """Return the text of these tokens. Raises DataError for numbers that are not tokens."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def lengths(self) -> Array:
        """The number of characters that begin in each token, (tokens,) of int64: they add up to the length of a text."""

    @abstractmethod
    def name(self, token: int) -> str:
        """Return a printable form of one token: ``a``, ``\\n``, ``␣the``."""

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The printable forms of all tokens."""
        return tuple(self.name(token) for token in range(len(self)))

    def checked(self, tokens: Array | Sequence[int]) -> Array:
        """Return the tokens as int64 (n,). Raises DataError unless they are integers from 0 to the number of tokens − 1."""
        array = np.asarray(tokens)
        if array.ndim == 0:
            array = array.reshape(1)
        if not array.size:
            return np.empty(0, np.int64)
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise DataError(f"tokens are a list of integers, got {array.dtype} of the shape {array.shape}")
        wrong = np.flatnonzero((array < 0) | (array >= len(self)))
        if wrong.size:
            raise DataError(f"token {wrong[0]} is {array[wrong[0]]}: the tokens are the integers from 0 to {len(self) - 1:,}")
        return array.astype(np.int64)


def printable(text: str) -> str:
    """Return a text in one line, with its spaces as ␣ and other invisible characters as escapes."""
    return "".join("␣" if one == " " else one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
