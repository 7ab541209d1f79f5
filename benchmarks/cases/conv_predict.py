"""Prediction by convolutional networks: one sample, a batch, and ten thousand."""

from __future__ import annotations

from benchmarks.cases import roofline
from benchmarks.contenders import conv
from benchmarks.harness import Case, Settings, Workload
from benchmarks.limits import prediction_work
from benchmarks.networks import TIMED
from benchmarks.results import Result

SAMPLES = {"1 sample": 1, "128 samples": 128, "10,000 samples": 10_000}
#: The number of samples of a quick run instead of 10,000.
QUICK_SAMPLES = 1000


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each network and number of samples."""
    workloads = []
    for name in TIMED:
        for label, samples in SAMPLES.items():
            few = settings.quick and samples > QUICK_SAMPLES
            n = QUICK_SAMPLES if few else samples
            label = f"{QUICK_SAMPLES:,} samples" if few else label
            workload = Workload(f"{name}, {label}", "predict", {"network": name, "samples": n})
            workloads.append((workload, prediction_work(name, n)))
    return roofline.measure(case, workloads, settings)


CASE = Case(
    "conv-predict",
    "Class probabilities of convolutional networks (28×28×1) in float32; a call ends when its results are available.",
    conv.contenders("pellucid", "torch", "torch-channels-last", "torch-compile", "jax", "keras", "onnxruntime"),
    run,
)
