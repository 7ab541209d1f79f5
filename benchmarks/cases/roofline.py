"""Timings with the machine's limit for each of them: the least time that the work could take (see ``limits`` and ``work``).

The bandwidths are measured once per run. The arithmetic rate is measured in each row, by a product of large matrices that takes
turns with the contenders, so that a machine whose speed varies is compared with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks import harness, limits
from benchmarks.harness import Case, Settings, Workload
from benchmarks.limits import Limits
from benchmarks.results import Bound, Result, Row
from benchmarks.work import Pass


def measure(case: Case, workloads: Sequence[tuple[Workload, Sequence[Pass]]], settings: Settings, repeated: int = 1) -> Result:
    """Return the rows of the case with the bound of each, from the passes of its workload, which are repeated so often."""
    shown = [pair for pair in workloads if settings.shows(pair[0].label)]
    machine = limits.measured() if shown else None
    if machine is None:
        result = harness.measure(case, [workload for workload, _ in shown], settings)
        if shown:
            result.notes.append("The limits of the machine could not be measured with NumPy and Numba.")
        return result
    product = Workload("products", "product", {"side": machine.side})
    result = harness.measure(case, [workload for workload, _ in shown], settings, product)
    for row, (_, passes) in zip(result.rows, shown, strict=True):
        row.bound = bound(row, passes, machine, repeated)
    return result


def bound(row: Row, passes: Sequence[Pass], machine: Limits, repeated: int = 1) -> Bound:
    """Return the least time of a row, at the rate of the products that were measured with it."""
    flops = machine.flops if row.products is None else machine.product_flop / (row.products.spread.median * 1e-3)
    here = replace(machine, flops=flops)
    direct, fewest = (limits.least(passes, here, fewest=few).times(repeated) for few in (False, True))
    return Bound(direct.ms, fewest.ms, direct.arithmetic, direct.flop, direct.moved, flops)
