"""One training step of the dense network: forward, backward, and the update of 269,322 parameters."""

from __future__ import annotations

from benchmarks.contenders import contenders
from benchmarks.harness import Case, Settings, Workload, measure
from benchmarks.results import Result

BATCHES = (4, 32, 100, 512)


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each batch size."""
    return measure(case, [Workload(f"batch {batch}", "step", {"batch": batch}) for batch in BATCHES], settings)


CASE = Case(
    "step",
    "One training step of 784-256-256-10 (ReLU, softmax with cross-entropy, Adam, float32), data in memory.",
    contenders("pellucid", "torch", "torch-compile", "jax", "keras", "sklearn"),
    run,
)
