"""One training step of the dense network: forward, backward, and the update of 269,322 parameters."""

from __future__ import annotations

from benchmarks.cases import roofline
from benchmarks.contenders import contenders
from benchmarks.harness import Case, Settings, Workload
from benchmarks.limits import step_work
from benchmarks.results import Result

BATCHES = (4, 32, 100, 512)


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each batch size."""
    workloads = [(Workload(f"batch {batch}", "step", {"batch": batch}), step_work("mlp", batch)) for batch in BATCHES]
    return roofline.measure(case, workloads, settings)


CASE = Case(
    "step",
    "One training step of 784-256-256-10 (ReLU, softmax with cross-entropy, Adam, float32), data in memory.",
    contenders("pellucid", "torch", "torch-compile", "jax", "keras", "sklearn"),
    run,
)
