"""Generation: tokens that a Transformer writes one by one after a prompt of one token."""

from __future__ import annotations

from benchmarks.contenders import generation
from benchmarks.harness import Case, Settings, Workload, measure
from benchmarks.results import Result

TOKENS = 200


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each size of the Transformer."""
    workloads = [
        Workload(f"{size}: {TOKENS} tokens", "generate", {"size": size, "tokens": TOKENS}) for size in generation.SIZES
    ]
    return measure(case, workloads, settings)


CASE = Case(
    "generate",
    f"{TOKENS} tokens of a Transformer in float32, one sequence, drawn with temperature 0.8 from the 20 most likely.",
    generation.contenders("pellucid", "torch", "torch-uncached"),
    run,
)
