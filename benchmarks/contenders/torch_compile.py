"""PyTorch with ``torch.compile``: forward pass and loss are one compiled function; Adam is the fused one.

It needs a C++ compiler. Shapes are fixed (``dynamic=False``), so that each row is compiled for its own batch size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.contenders.torch import PACKAGES, describe, loss_of, network, predict_job, step_job, stepper
from benchmarks.jobs import Job, fastest

__all__ = ["PACKAGES", "describe", "predict", "step"]


def step(batch: int) -> Job:
    """Return the fastest job of: the default; calls through C++ instead of Python; the optimizer compiled too."""
    torch.compiler.reset()  # forget the batch sizes of other rows

    def compiled(**options: Any) -> Job:
        model = network()
        return step_job(stepper(model, torch.compile(loss_of(model), dynamic=False, **options)), batch)

    def whole() -> Job:
        model = network()
        return step_job(torch.compile(stepper(model, loss_of(model)), dynamic=False), batch)

    return fastest(
        {
            "compiled forward and loss, fused Adam": compiled,
            "compiled forward and loss with cpp_wrapper, fused Adam": lambda: compiled(options={"cpp_wrapper": True}),
            "whole step compiled, fused Adam": whole,
        }
    )


def predict(samples: int) -> Job:
    """Return the fastest job of: the default; weights frozen into the compiled function, without and with tuned kernels."""
    torch.compiler.reset()

    def compiled(**options: bool) -> Callable[[], Job]:
        def make() -> Job:
            model = network(nn.Softmax(dim=1)).eval()
            return predict_job(torch.compile(model, dynamic=False, options=options or None), samples)

        return make

    return fastest(
        {
            "compiled": compiled(),
            "compiled, frozen": compiled(freezing=True),
            "compiled, frozen, max_autotune": compiled(freezing=True, max_autotune=True),
        }
    )
