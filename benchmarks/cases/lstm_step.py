"""One training step of a recurrent network that reads images row by row."""

from __future__ import annotations

from benchmarks.cases import roofline
from benchmarks.contenders import conv
from benchmarks.harness import Case, Settings, Workload
from benchmarks.limits import step_work
from benchmarks.results import Result

BATCHES = (32, 128)


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each batch size."""
    workloads = [
        (Workload(f"batch {batch}", "step", {"network": "lstm", "batch": batch}), step_work("lstm", batch)) for batch in BATCHES
    ]
    return roofline.measure(case, workloads, settings)


CASE = Case(
    "lstm-step",
    "One training step of an LSTM of 128 units on the 28 rows of 28 pixels (softmax with cross-entropy, Adam, float32).",
    conv.contenders("pellucid", "torch", "torch-compile", "jax", "keras"),
    run,
)
