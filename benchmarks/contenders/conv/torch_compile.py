"""PyTorch with ``torch.compile``, in the faster of its layouts. It needs a C++ compiler; shapes are fixed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmarks import networks
from benchmarks.contenders.conv.torch import batches, build_model, inference, learner
from benchmarks.contenders.torch import PACKAGES, describe, loss_of, stepper
from benchmarks.jobs import Job, fastest_combination
from benchmarks.network_jobs import chunk_sizes, step_job
from benchmarks.networks import NETWORKS

__all__ = ["PACKAGES", "describe", "predict", "step"]

LAYOUTS = {"default layout": torch.contiguous_format, "channels_last": torch.channels_last}


def step(network: str, batch: int) -> Job:
    """Return the fastest job of: either layout; calls through C++ instead of Python; the optimizer compiled too."""
    torch.compiler.reset()  # forget the batch sizes of other rows

    def make(layout: Any, mode: dict[str, Any] | None) -> Job:
        model = build_model(network, layout)
        if mode is None:
            train = torch.compile(stepper(model, loss_of(model)), dynamic=False)
        else:
            train = stepper(model, torch.compile(loss_of(model), dynamic=False, options=mode or None))
        return step_job(network, learner(model, train), batches(batch, layout, network))

    convolutions = any(networks.count(NETWORKS[network], kind) for kind in (networks.Conv, networks.Conv1d))
    return fastest_combination(
        make,
        layout=LAYOUTS if convolutions else {"": torch.contiguous_format},
        mode={
            "compiled forward and loss, fused Adam": {},
            "compiled forward and loss with cpp_wrapper, fused Adam": {"cpp_wrapper": True},
            "whole step compiled, fused Adam": None,
        },
    )


def predict(network: str, samples: int) -> Job:
    """Return the fastest job of: either layout; weights frozen into the compiled function, without and with tuned kernels; all
    samples at once or in chunks."""
    torch.compiler.reset()

    def make(layout: Any, mode: dict[str, bool], chunk: int) -> Job:
        model = build_model(network, layout, nn.Softmax(dim=1)).eval()
        return inference(network, samples, torch.compile(model, dynamic=False, options=mode or None), chunk, layout)

    return fastest_combination(
        make,
        layout=LAYOUTS,
        mode={
            "compiled": {},
            "compiled, frozen": {"freezing": True},
            "compiled, frozen, max_autotune": {"freezing": True, "max_autotune": True},
        },
        chunk=chunk_sizes(samples),
    )
