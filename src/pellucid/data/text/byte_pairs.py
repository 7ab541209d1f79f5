"""Byte-pair encoding (Gage, 1994; Sennrich, Haddow and Birch, 2016): tokens are frequent sequences of bytes.

The text is first cut into words, numbers and punctuation, and the pairs of tokens that are most frequent in the training text
are merged one after the other, beginning with the 256 bytes (GPT-2, Radford et al., 2019). So every text can be encoded, in any
language. Learning and encoding are done by the package ``tokenizers`` (extra ``text``).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.text.tokenizer import Tokenizer, printable
from pellucid.errors import ConfigError, DataError

BYTES = 256


@dataclass(frozen=True)
class BytePairTokenizer(Tokenizer):
    """Tokens are sequences of bytes. ``definition`` is the JSON form that the package ``tokenizers`` gives a tokenizer.

    ``BytePairTokenizer.of(text, tokens=512)`` learns the tokens from a text.

    Raises ConfigError for a definition that is not that of a byte-pair encoding of bytes. Needs the extra ``text``.
    """

    definition: str

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            content = json.loads(self.definition)
            model, vocabulary = content["model"], content["model"]["vocab"]
            fits = model["type"] == "BPE" and "ByteLevel" in json.dumps(content["pre_tokenizer"])
            numbers = sorted(vocabulary.values())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            fits, numbers = False, []
        if not fits or numbers != list(range(len(numbers))) or len(numbers) < 1:
            raise ConfigError(
                "BytePairTokenizer: the definition is not that of a byte-pair encoding of bytes; BytePairTokenizer.of(text) "
                "learns one"
            )

    def __repr__(self) -> str:
        return f"BytePairTokenizer({len(self):,} tokens)"

    @classmethod
    def of(cls, text: str, tokens: int = 512) -> BytePairTokenizer:
        """Return a tokenizer with this number of tokens, learned from a text: the 256 bytes, and merged pairs.

        Raises ConfigError for fewer tokens than bytes, and DataError for a text with fewer pairs than that.
        """
        if tokens < BYTES:
            raise ConfigError(f"BytePairTokenizer.of(tokens={tokens}): each of the {BYTES} bytes is a token: give more")
        package = _package()
        learned = package.Tokenizer(package.models.BPE())
        learned.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
        learned.decoder = package.decoders.ByteLevel()
        trainer = package.trainers.BpeTrainer(
            vocab_size=tokens,
            initial_alphabet=sorted(package.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        learned.train_from_iterator([text], trainer)
        if learned.get_vocab_size() < tokens:
            raise DataError(
                f"the text has pairs for {learned.get_vocab_size():,} tokens, fewer than the {tokens:,} that are asked for: "
                "give a smaller number of tokens, or more text"
            )
        return cls(learned.to_str())

    def encode(self, text: str) -> Array:
        try:
            return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, np.int32)
        except (UnicodeEncodeError, TypeError):  # half of a surrogate pair
            raise DataError("the text contains half of a surrogate pair, which is no character") from None

    def decode(self, tokens: Array | Sequence[int]) -> str:
        return b"".join(self._pieces[token] for token in self.checked(tokens).tolist()).decode("utf-8", "replace")

    def __len__(self) -> int:
        return len(self._pieces)

    @functools.cached_property
    def lengths(self) -> Array:
        return np.array([sum(byte & 0xC0 != 0x80 for byte in piece) for piece in self._pieces], np.int64)

    def name(self, token: int) -> str:
        piece = self._pieces[token]
        try:
            return printable(piece.decode("utf-8"))
        except UnicodeDecodeError:  # a part of a character
            return "".join(f"\\x{byte:02x}" for byte in piece)

    @functools.cached_property
    def _pieces(self) -> tuple[bytes, ...]:
        """The bytes of each token."""
        vocabulary, byte_of = json.loads(self.definition)["model"]["vocab"], _bytes_by_character()
        try:
            ordered = sorted(vocabulary, key=vocabulary.__getitem__)
            return tuple(bytes(byte_of[one] for one in piece) for piece in ordered)
        except KeyError as error:
            raise ConfigError(f"BytePairTokenizer: the definition has a token with {error}, which stands for no byte") from None

    @functools.cached_property
    def _tokenizer(self) -> Any:
        try:
            return _package().Tokenizer.from_str(self.definition)
        except ConfigError:
            raise
        except Exception as error:  # the package raises nothing more specific
            raise ConfigError(f"BytePairTokenizer: the package tokenizers cannot read the definition: {error}") from None


def _bytes_by_character() -> dict[str, int]:
    """Return the byte that each character of a token stands for: printable bytes themselves, the others from 256 on (GPT-2)."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(BYTES) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(BYTES + i): byte for i, byte in enumerate(hidden)}


def _package() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise ConfigError("byte-pair encoding needs the package tokenizers: pip install 'pellucid[text]'") from None
    return tokenizers
