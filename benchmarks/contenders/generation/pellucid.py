"""Pellucid: ``model.generate``, which remembers keys and values."""

from __future__ import annotations

import itertools

from benchmarks.contenders.pellucid import PACKAGES as PACKAGES, describe as describe
from benchmarks.contenders.transformer import SIZES
from benchmarks.contenders.transformer.pellucid import build_model
from benchmarks.generation_jobs import PROMPT, TEMPERATURE, TOP_K, are_tokens, check_tokens, parameters
from benchmarks.jobs import Job


def generate(size: str, tokens: int) -> Job:
    """Return a job that writes tokens with ``model.generate``."""
    p, seeds = parameters(SIZES[size]), itertools.count()
    model = build_model(SIZES[size], p=p)
    check_tokens(SIZES[size], p, lambda count: list(model.generate([PROMPT], length=count, temperature=0)))

    def run() -> list[int]:
        return list(model.generate([PROMPT], length=tokens, temperature=TEMPERATURE, top_k=TOP_K, seed=next(seeds)))

    return Job(run, are_tokens(SIZES[size], tokens), variant="model.generate")
