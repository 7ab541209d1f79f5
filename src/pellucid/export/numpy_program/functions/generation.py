"""Generation: the tokens of a text, the random numbers of a seed, and tokens that are drawn from logits.

With the same settings, :func:`chance` and :func:`draw` return what those of :mod:`pellucid.model.generation` return.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from pellucid.core.memory import Array


def encode(text: str, vocabulary: str) -> list[int]:
    """Return the tokens of a text: the places of its characters in the vocabulary."""
    for i, character in enumerate(text):
        if character not in vocabulary:
            raise ValueError(f"{character!r} at position {i} is not in the vocabulary")
    return [vocabulary.index(character) for character in text]


def check_tokens(tokens: list[int], count: int) -> None:
    """Raise ValueError unless there are tokens, and all are integers below count."""
    if not tokens:
        raise ValueError("the prompt is empty")
    for token in tokens:
        if token not in range(count):
            raise ValueError(f"{token} is not a token: they are 0 ... {count - 1}")


def check_settings(
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
) -> None:
    """Raise ValueError for a setting that is out of range."""
    if length < 1:
        raise ValueError(f"length must be at least 1, got {length}")
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be finite, 0 or above, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, got {top_p}")


def chance(seed: int, position: int) -> float:
    """Return the random number in [0, 1) of a position: a hash of it and of the seed."""
    stream = f"{seed}\x1fgenerate".encode()
    key = int.from_bytes(hashlib.blake2b(stream, digest_size=8).digest(), "little")
    # SplitMix64 mixes the bits of a number (Steele, Lea and Flood, 2014)
    z = (key + position * 0x9E3779B97F4A7C15) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return ((z ^ (z >> 31)) >> 11) / 2**53


def draw(
    z: Array,
    number: float,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
) -> int:
    """Return the token that a random number in [0, 1) selects, for the logits z.

    The probabilities are those of softmax(z / temperature), restricted to the top_k
    most likely tokens, and to as few of them as have the probability top_p together.
    """
    if not np.isfinite(z.max()):
        raise ValueError("the outputs of the network are not finite")
    if temperature == 0:
        return int(z.argmax())
    z = (z.astype(np.float64) - z.max()) / temperature
    tokens = np.arange(len(z))
    if top_p is not None or (top_k is not None and top_k < len(z)):
        tokens = np.argsort(-z, kind="stable")[:top_k]  # the most likely ones first
    sums = np.exp(z[tokens]).cumsum()
    total = sums[-1]
    if top_p is not None:
        total = sums[(sums < top_p * total).sum()]
    return int(tokens[(sums <= number * total).sum()])
