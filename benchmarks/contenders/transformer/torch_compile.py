"""PyTorch with ``torch.compile``: forward pass and loss are one compiled function, or the whole step is."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.contenders.torch import PACKAGES, describe
from benchmarks.contenders.transformer import SIZES
from benchmarks.contenders.transformer.torch import Transformer, loss_of, stepper
from benchmarks.jobs import Job, fastest
from benchmarks.transformer_jobs import step_job

__all__ = ["PACKAGES", "describe", "step"]


def step(size: str, batch: int) -> Job:
    """Return the fastest job of: the default; calls through C++ instead of Python; the optimizer compiled too."""
    torch.compiler.reset()

    def compiled(**options: Any) -> Job:
        model = Transformer(SIZES[size])
        train = stepper(model, torch.compile(loss_of(model), dynamic=False, **options))
        return step_job(SIZES[size], batch, train, torch.from_numpy)

    def whole() -> Job:
        model = Transformer(SIZES[size])
        train = torch.compile(stepper(model, loss_of(model)), dynamic=False)
        return step_job(SIZES[size], batch, train, torch.from_numpy)

    return fastest(
        {
            "compiled forward and loss, fused AdamW": compiled,
            "compiled forward and loss with cpp_wrapper, fused AdamW": lambda: compiled(options={"cpp_wrapper": True}),
            "whole step compiled, fused AdamW": whole,
        }
    )
