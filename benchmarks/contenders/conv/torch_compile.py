"""PyTorch through ``torch.compile``, in the quicker of its layouts. It needs a C++ compiler; shapes are fixed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmarks.contenders.conv.torch import batches, inference, learner, model
from benchmarks.contenders.torch import PACKAGES, describe, loss_of, stepper
from benchmarks.jobs import Job, best_of
from benchmarks.learning import portions, step_job

__all__ = ["PACKAGES", "describe", "predict", "step"]

LAYOUTS = {"default layout": torch.contiguous_format, "channels_last": torch.channels_last}


def step(network: str, batch: int) -> Job:
    """The quickest of: either layout; calls through C++ instead of Python; the optimizer compiled along."""
    torch.compiler.reset()  # forget other rows

    def make(layout: Any, way: dict[str, Any] | None) -> Job:
        made = model(network, layout)
        if way is None:
            train = torch.compile(stepper(made, loss_of(made)), dynamic=False)
        else:
            train = stepper(made, torch.compile(loss_of(made), dynamic=False, options=way or None))
        return step_job(network, learner(made, train), batches(batch, layout))

    return best_of(
        make,
        layout=LAYOUTS,
        way={
            "compiled forward and loss, fused Adam": {},
            "compiled forward and loss with cpp_wrapper, fused Adam": {"cpp_wrapper": True},
            "whole step compiled, fused Adam": None,
        },
    )


def predict(network: str, samples: int) -> Job:
    """The quickest of: either layout; weights frozen into the compiled function, without and with tuned kernels; many
    samples at once or in portions."""
    torch.compiler.reset()

    def make(layout: Any, way: dict[str, bool], portion: int) -> Job:
        made = model(network, layout, nn.Softmax(dim=1)).eval()
        return inference(network, samples, torch.compile(made, dynamic=False, options=way or None), portion, layout)

    return best_of(
        make,
        layout=LAYOUTS,
        way={
            "compiled": {},
            "compiled, frozen": {"freezing": True},
            "compiled, frozen, max_autotune": {"freezing": True, "max_autotune": True},
        },
        portion=portions(samples),
    )
