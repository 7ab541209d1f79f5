"""The tokenizer that a user chooses: one that exists, byte-pair encoding with a number of tokens, or characters."""

from __future__ import annotations

import numpy as np

from pellucid.data.text.byte_pairs import BytePairTokenizer
from pellucid.data.text.characters import CharacterTokenizer
from pellucid.data.text.tokenizer import Tokenizer
from pellucid.errors import ConfigError

Choice = Tokenizer | int | None


def chosen_tokenizer(choice: Choice, text: str, training_text: str) -> Tokenizer:
    """Return the tokenizer itself; for a number, byte-pair encoding with so many tokens, learned from the training text; for
    None, one of the characters of the whole text, so that no part of it has unknown ones.

    Raises ConfigError for anything else, and the errors of :meth:`BytePairTokenizer.of`.
    """
    if choice is None:
        return CharacterTokenizer.of(text)
    if isinstance(choice, Tokenizer):
        return choice
    if isinstance(choice, (int, np.integer)) and not isinstance(choice, bool):
        return BytePairTokenizer.of(training_text, int(choice))
    raise ConfigError(
        f"tokenizer={choice!r}: expected a tokenizer, such as CharacterTokenizer.of(text), or the number of tokens for "
        "byte-pair encoding"
    )
