"""Peak memory of training a convolutional network for a few steps in a fresh process, compared with importing NumPy."""

from __future__ import annotations

from benchmarks.cases.memory import add_rows, measure_processes
from benchmarks.contenders import contender, conv
from benchmarks.harness import OTHER, Case, Settings
from benchmarks.results import Cell, Result, Row

NETWORK, BATCH = "pytorch-example", 128


def run(case: Case, settings: Settings) -> Result:
    """Return three rows: the peaks, their difference to NumPy's, and their difference to the peak after the import."""
    values, result = measure_processes(case, "conv_memory", {"network": NETWORK, "batch": BATCH}, settings)
    add_rows(result, "peak", {name: [peak for _, peak in pairs] for name, pairs in values.items()}, case)
    above = {name: Cell([peak - before for before, peak in pairs]) for name, pairs in values.items() if name != "numpy"}
    result.rows.append(Row("above the import", "MiB", above, (OTHER,)))
    return result


CASE = Case(
    "conv-memory",
    f"Peak resident memory of a process that trains {NETWORK} for a few steps at batch {BATCH}.",
    (contender("numpy", baseline=True), *conv.contenders("pellucid", "torch", "torch-channels-last", "jax")),
    run,
)
