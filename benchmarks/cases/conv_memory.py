"""Peak memory of training a convolutional network: a fresh process that takes a few steps, beside one with NumPy alone."""

from __future__ import annotations

from benchmarks.cases.memory import add_rows, measured
from benchmarks.contenders import contender, conv
from benchmarks.harness import Case, Settings
from benchmarks.results import Cell, Result, Row

NETWORK, BATCH = "pytorch-example", 128


def run(case: Case, settings: Settings) -> Result:
    """Three rows: the peaks; how far above NumPy's; how far above what the library's import alone had taken."""
    values, result = measured(case, "conv_memory", {"network": NETWORK, "batch": BATCH}, settings)
    add_rows(result, "peak", {name: [peak for _, peak in pairs] for name, pairs in values.items()}, case)
    own = {name: Cell([peak - before for before, peak in pairs]) for name, pairs in values.items() if name != "numpy"}
    result.rows.append(Row("above the import", "MiB", own))
    return result


CASE = Case(
    "conv-memory",
    f"Peak resident memory of a process that trains {NETWORK} for some steps at batch {BATCH}.",
    (contender("numpy", baseline=True), *conv.contenders("pellucid", "torch", "torch-channels-last", "jax")),
    run,
)
