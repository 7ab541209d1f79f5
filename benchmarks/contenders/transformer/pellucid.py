"""Pellucid as in its documentation: ``compile``, then ``train_on_batch``."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.pellucid import PACKAGES, describe
from benchmarks.contenders.transformer import SIZES, Size
from benchmarks.jobs import Job
from benchmarks.transformer_jobs import BETAS, DECAY, NORM, RATE, parameters, peak_memory, step_job
from pellucid import (
    GELU,
    Adam,
    Attention,
    Chain,
    ClipNorm,
    CrossEntropy,
    Decay,
    Dense,
    LayerNorm,
    LearnedPositions,
    Model,
    Residual,
    Sequential,
    Softmax,
    TiedEmbedding,
)
from pellucid.optim.schedules import Schedule

__all__ = ["PACKAGES", "describe", "step", "transformer_memory"]


def build_model(size: Size, seed: int = 0, rate: float | Schedule = RATE, p: dict[str, Any] | None = None) -> Model:
    """Return the compiled network with the parameters p, or with the common initial ones of a seed."""
    w = size.width
    blocks = [
        part
        for _ in range(size.layers)
        for part in (
            Residual(LayerNorm(bias=False), Attention(size.heads, causal=True, bias=False)),
            Residual(LayerNorm(bias=False), Dense(4 * w, bias=False), GELU(), Dense(w, bias=False)),
        )
    ]
    network = Sequential(TiedEmbedding(size.tokens, w, LearnedPositions(), *blocks, LayerNorm(bias=False)), Softmax())
    optimizer = Chain(ClipNorm(NORM), Decay(DECAY), Adam(rate, beta1=BETAS[0], beta2=BETAS[1]))
    model = network.compile((size.context,), CrossEntropy(), optimizer, metrics=[])
    p = parameters(size, seed) if p is None else p
    values = [p["tokens"], p["positions"], *(array for block in p["blocks"] for array in block.values()), p["scale"]]
    for array, value in zip(model.weights.values(), values, strict=True):
        array[...] = value
    return model


def step(size: str, batch: int) -> Job:
    """Return a job of one ``train_on_batch``."""
    model = build_model(SIZES[size])
    return step_job(SIZES[size], batch, model.train_on_batch, lambda array: array, variant="train_on_batch")


def transformer_memory(size: str, batch: int) -> Any:
    """Return the peak memory before and after some steps."""
    return peak_memory(SIZES[size], batch, lambda: build_model(SIZES[size]).train_on_batch, lambda array: array)
