"""One training step of a Transformer like nanoGPT's."""

from __future__ import annotations

from benchmarks import harness
from benchmarks.contenders import transformer
from benchmarks.harness import Case, Settings, Workload
from benchmarks.results import Result

ROWS = (("4 layers, 128 wide, context 64", 12), ("4 layers, 128 wide, context 64", 64), ("6 layers, 192 wide, context 256", 16))


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each size and batch."""
    workloads = [Workload(f"{size}, batch {batch}", "step", {"size": size, "batch": batch}) for size, batch in ROWS]
    return harness.measure(case, workloads, settings)


CASE = Case(
    "transformer-step",
    "One training step of a Transformer over characters (65 tokens, no biases, tied embedding, cross-entropy, AdamW with "
    "clipping, float32).",
    transformer.contenders("pellucid", "torch", "torch-compile", "jax"),
    run,
)
