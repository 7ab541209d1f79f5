"""One training step of networks with an answer at each position: a class for each pixel, or for each step of a sequence."""

from __future__ import annotations

from benchmarks.cases import roofline
from benchmarks.contenders import conv
from benchmarks.harness import Case, Settings, Workload
from benchmarks.limits import step_work
from benchmarks.networks import AT_POSITIONS
from benchmarks.results import Result

BATCHES = (32, 128)


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each network and batch size."""
    workloads = [
        (Workload(f"{name}, batch {batch}", "step", {"network": name, "batch": batch}), step_work(name, batch))
        for name in AT_POSITIONS
        for batch in BATCHES
    ]
    return roofline.measure(case, workloads, settings)


CASE = Case(
    "positions-step",
    "One training step of a U-Net, a causal convolutional network and an LSTM with an answer at each pixel or step (softmax "
    "with cross-entropy, Adam, float32).",
    conv.contenders("pellucid", "torch", "torch-channels-last", "torch-compile", "jax", "keras"),
    run,
)
