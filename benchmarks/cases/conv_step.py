"""One training step of convolutional networks, and its share of the machine's limit."""

from __future__ import annotations

from benchmarks.cases import roofline
from benchmarks.contenders import conv
from benchmarks.harness import Case, Settings, Workload
from benchmarks.limits import step_work
from benchmarks.networks import TIMED
from benchmarks.results import Result

BATCHES = (32, 128)


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each network and batch size."""
    workloads = [
        (Workload(f"{name}, batch {batch}", "step", {"network": name, "batch": batch}), step_work(name, batch))
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
