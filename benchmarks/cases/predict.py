"""Prediction: one sample, which shows the cost of a call, and ten thousand, which show the cost of the arithmetic."""

from __future__ import annotations

from benchmarks.cases import roofline
from benchmarks.contenders import contenders
from benchmarks.harness import Case, Settings, Workload
from benchmarks.limits import prediction_work
from benchmarks.results import Result

SAMPLES = {"1 sample": 1, "10,000 samples": 10_000}


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each number of samples."""
    workloads = [
        (Workload(label, "predict", {"samples": count}), prediction_work("mlp", count)) for label, count in SAMPLES.items()
    ]
    return roofline.measure(case, workloads, settings)


CASE = Case(
    "predict",
    "Class probabilities of 784-256-256-10 in float32, in one call; a call ends when its results are available.",
    contenders("pellucid", "torch", "torch-compile", "jax", "keras", "sklearn", "onnxruntime"),
    run,
)
