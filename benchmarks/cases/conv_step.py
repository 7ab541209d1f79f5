"""One training step of convolutional networks, and the fraction of the peak arithmetic rate that it reaches."""

from __future__ import annotations

from benchmarks.cases import roofline
from benchmarks.contenders import conv
from benchmarks.harness import Case, Settings, Workload
from benchmarks.networks import TIMED, flop
from benchmarks.results import Result

BATCHES = (32, 128)


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each network and batch size."""
    workloads = [
        (Workload(f"{name}, batch {batch}", "step", {"network": name, "batch": batch}), flop(name, batch, training=True))
        for name in TIMED
        for batch in BATCHES
    ]
    return roofline.measure(case, workloads, settings)


CASE = Case(
    "conv-step",
    "One training step of convolutional networks (28×28×1, softmax with cross-entropy, Adam, float32), data in memory.",
    conv.contenders("pellucid", "torch", "torch-channels-last", "torch-compile", "jax", "keras"),
    run,
)
