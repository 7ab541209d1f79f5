"""Pellucid: ``model.generate``, which remembers keys and values."""

from __future__ import annotations

import itertools
from typing import Any

from benchmarks.contenders.generation import SIZES, Size
from benchmarks.contenders.pellucid import PACKAGES as PACKAGES, describe as describe
from benchmarks.generation_jobs import PROMPT, TEMPERATURE, TOP_K, are_tokens, check_tokens, parameters
from benchmarks.jobs import Job
from pellucid import (
    GELU,
    Attention,
    CrossEntropy,
    Dense,
    LayerNorm,
    LearnedPositions,
    Model,
    Residual,
    Sequential,
    Softmax,
    TiedEmbedding,
)


def network(size: Size) -> Model:
    """Return the Transformer with the parameters that all contenders have."""
    blocks = [
        block
        for _ in range(size.layers)
        for block in (
            Residual(LayerNorm(bias=False), Attention(size.heads, causal=True, bias=False)),
            Residual(LayerNorm(bias=False), Dense(4 * size.width, bias=False), GELU(), Dense(size.width, bias=False)),
        )
    ]
    tied = TiedEmbedding(size.tokens, size.width, LearnedPositions(), *blocks, LayerNorm(bias=False))
    model = Sequential(tied, Softmax()).compile(input_shape=(size.context,), loss=CrossEntropy())
    p: dict[str, Any] = parameters(size)
    for path, array in model.weights.items():
        name, number = path.split("."), 0
        if name[1].startswith("residual"):
            number = int(name[1].removeprefix("residual")) - 1
            kind = ".".join(name[2:])
            keys = (
                {"layernorm1.gamma": "scale1", "attention1.W": "qkv", "attention1.Wo": "out"}
                if number % 2 == 0
                else {"layernorm1.gamma": "scale2", "dense1.W": "up", "dense2.W": "down"}
            )
            array[...] = p["blocks"][number // 2][keys[kind]]
        else:
            array[...] = p[{"embedding": "tokens", "learnedpositions1": "positions", "layernorm1": "scale"}[name[1]]]
    return model


def generate(size: str, tokens: int) -> Job:
    """Return a job that writes tokens with ``model.generate``."""
    model, seeds = network(SIZES[size]), itertools.count()
    check_tokens(SIZES[size], lambda count: list(model.generate([PROMPT], length=count, temperature=0)))

    def run() -> list[int]:
        return list(model.generate([PROMPT], length=tokens, temperature=TEMPERATURE, top_k=TOP_K, seed=next(seeds)))

    return Job(run, are_tokens(SIZES[size], tokens), variant="model.generate")
