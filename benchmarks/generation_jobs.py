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

from benchmarks.contenders.generation import Size
from benchmarks.jobs import Check

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


def _normalized(x: Any, scale: Floats) -> Any:
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5) * scale


def _gelu(x: Any) -> Any:
    """x Φ(x), with the error function of Abramowitz and Stegun, formula 7.1.26: the error is at most 1.5e-7."""
    z = np.abs(x) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return x * 0.5 * (1 + np.sign(x) * (1 - series * np.exp(-z * z)))


def reference_logits(size: Size, tokens: Sequence[int]) -> Any:
    """Return the logits of the token after these, of which there are at most as many as the context has positions."""
    p, t = parameters(size), len(tokens)
    x = (p["tokens"][list(tokens)] + p["positions"][:t]).astype(np.float64)
    for block in p["blocks"]:
        q, k, v = np.split(_normalized(x, block["scale1"]) @ block["qkv"], 3, axis=1)
        q, k, v = (one.reshape(t, size.heads, -1).swapaxes(0, 1) for one in (q, k, v))
        scores = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[2])
        scores[:, np.arange(t) > np.arange(t)[:, None]] = -np.inf
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        x = x + (weights @ v).swapaxes(0, 1).reshape(t, -1) @ block["out"]
        x = x + _gelu(_normalized(x, block["scale2"]) @ block["up"]) @ block["down"]
    return _normalized(x, p["scale"])[-1] @ p["tokens"].T


def check_tokens(size: Size, greedy: Callable[[int], Sequence[int]]) -> None:
    """Raise RuntimeError unless ``greedy(count)`` writes the most likely tokens after the prompt."""
    found = list(greedy(CHECKED))
    tokens = [PROMPT]
    for token in found:
        z = reference_logits(size, tokens)
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
