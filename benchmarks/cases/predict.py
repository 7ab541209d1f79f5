"""Prediction: one sample (what calling the library costs) and ten thousand (what its arithmetic costs)."""

from __future__ import annotations

from benchmarks.contenders import contenders
from benchmarks.harness import Case, Settings, Work, measure
from benchmarks.results import Result

SAMPLES = {"1 sample": 1, "10,000 samples": 10_000}


def run(case: Case, settings: Settings) -> Result:
    """A row for each number of samples."""
    return measure(case, [Work(label, "predict", {"samples": samples}) for label, samples in SAMPLES.items()], settings)


CASE = Case(
    "predict",
    "Class probabilities from 784-256-256-10 in float32, in one call; a call is over when its numbers are there.",
    contenders("pellucid", "torch", "torch-compile", "jax", "keras", "sklearn"),
    run,
)
