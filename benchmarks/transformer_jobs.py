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
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import data
from benchmarks.contenders.transformer import Size
from benchmarks.jobs import Job, loss_falls

RATE, BETAS, DECAY, NORM = 1e-3, (0.9, 0.99), 0.1, 1.0
BATCHES = 8  # different ones
MEMORY_STEPS = 3
TOLERANCE = 2e-4  # of the first loss, relative

Floats = NDArray[np.float32]


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


def reference_logits(size: Size, p: dict[str, Any], x: Any) -> Any:
    """Return the logits of tokens x (n, t) with the parameters p, computed in float64 with plain formulas."""
    (n, t), w = x.shape, size.width
    d = w // size.heads
    z = p["tokens"].astype(np.float64)[x] + p["positions"][:t]
    for block in p["blocks"]:
        qkv = _normalized(z, block["scale1"]) @ block["qkv"]
        q, k, v = (part.reshape(n, t, size.heads, d).swapaxes(1, 2) for part in np.split(qkv, 3, axis=2))
        scores = np.where(np.tri(t) > 0, q @ k.swapaxes(2, 3) / math.sqrt(d), -np.inf)
        weights = np.exp(scores - scores.max(axis=3, keepdims=True))
        weights /= weights.sum(axis=3, keepdims=True)
        z = z + (weights @ v).swapaxes(1, 2).reshape(n, t, w) @ block["out"]
        z = z + _gelu(_normalized(z, block["scale2"]) @ block["up"]) @ block["down"]
    return _normalized(z, p["scale"]) @ p["tokens"].T


def _normalized(x: Any, scale: Floats) -> Any:
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5) * scale


def _gelu(x: Any) -> Any:
    """x Φ(x), with the error function of Abramowitz and Stegun, formula 7.1.26: the error is at most 1.5e-7."""
    z = np.abs(x) / math.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return x * 0.5 * (1 + np.sign(x) * (1 - series * np.exp(-z * z)))


@functools.cache
def first_loss(size: Size, batch: int) -> float:
    """Return the loss of the initial parameters on the first batch."""
    x, y = batches(size, batch)[0]
    logits = reference_logits(size, parameters(size), x)
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
