"""Prediction by convolutional networks: one sample, a batch, and ten thousand."""

from __future__ import annotations

from benchmarks.cases import roofline
from benchmarks.contenders import conv
from benchmarks.harness import Case, Settings, Work
from benchmarks.networks import TIMED, flop
from benchmarks.results import Result

SAMPLES = {"1 sample": 1, "128 samples": 128, "10,000 samples": 10_000}
#: What a quick look takes instead of the last.
SOME = 1000


def run(case: Case, settings: Settings) -> Result:
    """A row for each network and number of samples."""
    works = []
    for name in TIMED:
        for label, samples in SAMPLES.items():
            few = settings.quick and samples > SOME
            asked = SOME if few else samples
            work = Work(f"{name}, {f'{SOME:,} samples' if few else label}", "predict", {"network": name, "samples": asked})
            works.append((work, flop(name, asked, training=False)))
    return roofline.measure(case, works, settings)


CASE = Case(
    "conv-predict",
    "Class probabilities from convolutional networks (28×28×1) in float32; a call is over when its numbers are there.",
    conv.contenders("pellucid", "torch", "torch-channels-last", "torch-compile", "jax", "keras", "onnxruntime"),
    run,
)
