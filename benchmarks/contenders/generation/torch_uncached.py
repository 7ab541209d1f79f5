"""PyTorch, eager, which reads the whole window again for each token, as nanoGPT's ``generate`` does."""

from __future__ import annotations

from benchmarks.contenders.generation.torch import job
from benchmarks.contenders.torch import PACKAGES as PACKAGES, describe as describe
from benchmarks.jobs import Job


def generate(size: str, tokens: int) -> Job:
    """Return a job that writes tokens without a cache."""
    return job(size, tokens, cached=False)
