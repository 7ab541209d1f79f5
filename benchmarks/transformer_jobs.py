"""What the contenders for training steps of a Transformer like nanoGPT's have in common: parameters, batches and checks.

A contender is a module with ``step(size, batch) -> Job`` and ``transformer_memory(size, batch)``, which trains for some steps
and returns the peak memory in MiB before and after. The loss is the mean cross-entropy over all positions. Gradients are scaled
down to the norm 1, and AdamW decays the matrices. Layers have no biases, and the output shares its table with the embedding.
Before a job is timed, its first loss is compared with that of a forward pass in NumPy.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import data
from benchmarks.jobs import Job, loss_falls

RATE, BETAS, DECAY, NORM = 1e-3, (0.9, 0.99), 0.1, 1.0
BATCHES = 8  # different ones
MEMORY_STEPS = 3
TOLERANCE = 2e-4  # of the first loss, relative

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Size:
    """The size of a Transformer; there are four times as many hidden units as columns."""

    layers: int
    heads: int
    width: int
    context: int
    tokens: int = 65  # the characters of Shakespeare


SIZES = {
    "4 layers, 128 wide, context 64": Size(4, 4, 128, 64),
    "6 layers, 192 wide, context 256": Size(6, 6, 192, 256),
    "4 layers, 128 wide, context 1024": Size(4, 4, 128, 1024),
}


def parameters(size: Size, seed: int = 0) -> dict[str, Any]:
    """Return the initial parameters: the tables of tokens and positions, the last scale, and a dictionary for each block.

    Matrices are stored as (inputs, outputs). They are those of nanoGPT: normal values, smaller before each sum.
    """
    rng, w = np.random.default_rng(seed), size.width

    def normal(*shape: int, sigma: float = 0.02) -> Floats:
        return rng.normal(0, sigma, shape).astype(np.float32)

    def block() -> dict[str, Floats]:
        small = 0.02 / math.sqrt(2 * size.layers)
        return {
            "scale1": np.ones(w, np.float32),
            "qkv": normal(w, 3 * w),
            "out": normal(w, w, sigma=small),
            "scale2": np.ones(w, np.float32),
            "up": normal(w, 4 * w),
            "down": normal(4 * w, w, sigma=small),
        }

    tables = {"tokens": normal(size.tokens, w), "positions": normal(size.context, w), "scale": np.ones(w, np.float32)}
    return {**tables, "blocks": [block() for _ in range(size.layers)]}


def batches(size: Size, batch: int) -> list[tuple[Any, Any]]:
    """Return batches of tokens and of those that follow them. Each token depends on the two before it, with some noise."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(BATCHES):
        x = rng.integers(0, size.tokens, (batch, size.context + 1))
        for t in range(2, size.context + 1):
            known = rng.random(batch) < 0.9
            x[known, t] = (x[known, t - 1] + 3 * x[known, t - 2]) % 7
        found.append((x[:, :-1], x[:, 1:]))
    return found


@functools.cache
def first_loss(size: Size, batch: int) -> float:
    """Return the loss of the initial parameters on the first batch, computed in float64 with plain formulas."""
    x, y = batches(size, batch)[0]
    (n, t), w, p = x.shape, size.width, parameters(size)
    d = w // size.heads

    def normalized(a: Any) -> Any:
        a = a - a.mean(axis=-1, keepdims=True)
        return a / np.sqrt((a * a).mean(axis=-1, keepdims=True) + 1e-5)

    z = p["tokens"].astype(np.float64)[x] + p["positions"]
    for block in p["blocks"]:
        q, k, v = (
            part.reshape(n, t, size.heads, d).swapaxes(1, 2) for part in np.split(normalized(z) @ block["qkv"], 3, axis=2)
        )
        scores = np.where(np.tri(t) > 0, q @ k.swapaxes(2, 3) / math.sqrt(d), -np.inf)
        weights = np.exp(scores - scores.max(axis=3, keepdims=True))
        weights /= weights.sum(axis=3, keepdims=True)
        z = z + (weights @ v).swapaxes(1, 2).reshape(n, t, w) @ block["out"]
        hidden = normalized(z) @ block["up"]
        z = z + (hidden * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2))) / 2) @ block["down"]
    logits = normalized(z) @ p["tokens"].T
    chosen = np.take_along_axis(logits, y[..., None], 2)[..., 0]
    return float((np.log(np.exp(logits).sum(axis=2)) - chosen).mean())


def step_job(
    size: Size, batch: int, train: Callable[[Any, Any], Any], convert: Any, wait: Any = None, variant: str = ""
) -> Job:
    """Return a job of steps of ``train`` over the batches, whose arrays ``convert`` makes; the first loss is checked."""
    pairs = batches(size, batch)
    got, right = float(train(*map(convert, pairs[0]))), first_loss(size, batch)
    if not abs(got - right) <= TOLERANCE * right:
        raise RuntimeError(f"this is another network: its first loss is {got:.6f}, that of the reference {right:.6f}")
    following = cycle([tuple(map(convert, pair)) for pair in pairs])
    return Job(lambda: train(*next(following)), loss_falls(), wait or (lambda _: None), len(pairs), variant)


def peak_memory(size: Size, batch: int, make: Callable[[], Callable[[Any, Any], Any]], convert: Any) -> list[float]:
    """Return the peak memory of this process in MiB, before a network is created and after it was trained for some steps."""
    pairs = [tuple(map(convert, pair)) for pair in batches(size, batch)[:MEMORY_STEPS]]
    before = data.peak_mib()
    train = make()
    for pair in pairs:
        float(train(*pair))
    return [before, data.peak_mib()]
