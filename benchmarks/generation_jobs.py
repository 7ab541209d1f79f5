"""Generation by a Transformer like GPT-2, of which every contender has the same parameters.

A contender is a module with the function ``generate(size, tokens) -> Job``. A run writes that many tokens after one token, with
a temperature of 0.8 and the 20 most likely tokens. Before that, a check compares tokens that are most likely each time with
those of the reference, a pass over the whole window in NumPy.

When a window is full, generation goes on with its second half as the beginning of a new one, so that what is remembered can be
used; without a memory (``torch_uncached``), the window moves on by one token, as in nanoGPT's ``generate``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.transformer import Size
from benchmarks.jobs import Check
from benchmarks.transformer_jobs import reference_logits

TEMPERATURE, TOP_K, PROMPT = 0.8, 20, 1
CHECKED = 40  # tokens

Floats = NDArray[np.float32]


def parameters(size: Size) -> dict[str, Any]:
    """Return the parameters: the tables of tokens and positions, the last scale, and for each block a dictionary of its own.

    They are larger than in GPT-2 at the start, so that the most likely token is clear.
    """
    rng, w = np.random.default_rng(0), size.width

    def normal(*shape: int) -> Floats:
        return rng.normal(0, 2 / np.sqrt(shape[0]), shape).astype(np.float32)

    def scale() -> Floats:
        return (1 + 0.1 * rng.normal(size=w)).astype(np.float32)

    return {
        "tokens": (0.2 * rng.normal(size=(size.tokens, w))).astype(np.float32),
        "positions": (0.2 * rng.normal(size=(size.context, w))).astype(np.float32),
        "scale": scale(),
        "blocks": [
            {
                "scale1": scale(),
                "qkv": normal(w, 3 * w),
                "out": normal(w, w),
                "scale2": scale(),
                "up": normal(w, 4 * w),
                "down": normal(4 * w, w),
            }
            for _ in range(size.layers)
        ],
    }


def check_tokens(size: Size, p: dict[str, Any], greedy: Callable[[int], Sequence[int]]) -> None:
    """Raise RuntimeError unless ``greedy(count)`` writes the most likely tokens after the prompt, with the parameters p."""
    found = list(greedy(CHECKED))
    tokens = [PROMPT]
    for token in found:
        z = reference_logits(size, p, np.array([tokens]))[0, -1]
        if not z[token] >= z.max() - 1e-3:
            raise RuntimeError(f"this is another network: token {len(tokens)} is {token}, that of the reference {z.argmax()}")
        tokens.append(token)
    if len(found) != CHECKED:
        raise RuntimeError(f"{len(found)} tokens were written, not {CHECKED}")


def are_tokens(size: Size, count: int) -> Check:
    """Return a check that a run has written this number of tokens."""

    def check(first: Sequence[Any], last: Sequence[Any]) -> str:
        del first
        got = list(last[-1])
        if len(got) != count or not all(0 <= token < size.tokens for token in got):
            raise RuntimeError(f"expected {count} tokens, got {len(got)}")
        return f"{count} tokens, the most likely ones equal to those of the reference"

    return check
