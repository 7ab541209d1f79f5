"""Peak memory of training a Transformer with a long context for a few steps in a fresh process."""

from __future__ import annotations

from benchmarks.cases.memory import add_rows, measure_processes
from benchmarks.contenders import contender, transformer
from benchmarks.harness import OTHER, Case, Settings
from benchmarks.results import Cell, Result, Row

SIZE, BATCH = "4 layers, 128 wide, context 1024", 4


def run(case: Case, settings: Settings) -> Result:
    """Return three rows: the peaks, their difference to NumPy's, and their difference to the peak after the import."""
    values, result = measure_processes(case, "transformer_memory", {"size": SIZE, "batch": BATCH}, settings)
    add_rows(result, "peak", {name: [peak for _, peak in pairs] for name, pairs in values.items()}, case)
    above = {name: Cell([peak - before for before, peak in pairs]) for name, pairs in values.items() if name != "numpy"}
    result.rows.append(Row("above the import", "MiB", above, (OTHER,)))
    return result


CASE = Case(
    "transformer-memory",
    f"Peak resident memory of a process that trains a Transformer ({SIZE}) for a few steps at batch {BATCH}.",
    (contender("numpy", baseline=True), *transformer.contenders("pellucid", "torch", "jax")),
    run,
)
