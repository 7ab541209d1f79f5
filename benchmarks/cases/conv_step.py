"""One training step of convolutional networks, and what share of the machine's arithmetic it uses."""

from __future__ import annotations

from benchmarks.cases import roofline
from benchmarks.contenders import conv
from benchmarks.harness import Case, Settings, Work
from benchmarks.networks import TIMED, flop
from benchmarks.results import Result

BATCHES = (32, 128)


def run(case: Case, settings: Settings) -> Result:
    """A row for each network and batch size."""
    works = [
        (Work(f"{name}, batch {batch}", "step", {"network": name, "batch": batch}), flop(name, batch, training=True))
        for name in TIMED
        for batch in BATCHES
    ]
    return roofline.measure(case, works, settings)


CASE = Case(
    "conv-step",
    "One training step of convolutional networks (28×28×1, softmax with cross-entropy, Adam, float32), data in memory.",
    conv.contenders("pellucid", "torch", "torch-channels-last", "torch-compile", "jax", "keras"),
    run,
)
