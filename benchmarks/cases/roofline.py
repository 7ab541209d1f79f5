"""Timings as a fraction of the machine's peak arithmetic rate (roofline model; Williams, Waterman and Patterson, 2009).

The peak is measured once per run: the highest rate at which NumPy's BLAS multiplies large float32 matrices with all its
threads. The work is counted: the multiply-adds of direct convolution, whatever algorithm a library uses. With an algorithm
that needs fewer, such as Winograd's, the fraction can be higher than the real use of the arithmetic units, even above 1.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence

from benchmarks import harness
from benchmarks.contenders import contender
from benchmarks.harness import Case, Settings, Workload
from benchmarks.results import Result, Row
from benchmarks.session import Crashed, NotInstalled, Session

#: The number of products of each size, of which the fastest counts.
TRIES = 7


@functools.cache
def peak(tries: int = TRIES) -> float | None:
    """Return floating-point operations per second, measured in a process that ends afterwards; None without NumPy."""
    with Session(contender("numpy")) as session:
        try:
            session.start()
            time.sleep(harness.PAUSE)
            return float(session.request("call", function="sgemm", arguments={"tries": tries})["value"])
        except (NotInstalled, Crashed):
            return None


def measure(case: Case, workloads: Sequence[tuple[Workload, float]], settings: Settings) -> Result:
    """Return the rows of the case with the peak fraction of each cell, from the floating-point operations of each workload."""
    rate = peak()
    result = harness.measure(case, [workload for workload, _ in workloads], settings)
    if rate is None:
        result.notes.append("The peak rate could not be measured with NumPy, so there are no fractions of it.")
        return result
    for row, (_, flop) in zip(result.rows, workloads, strict=True):
        add_peak_fractions(row, flop, rate)
    result.notes.append(
        f"Peak: {rate / 1e9:.0f} GFLOP/s, the fastest of {TRIES} products of float32 matrices in NumPy, for several sizes. "
        "The fraction is the rate of the multiply-adds of direct convolution and of dense layers, times two, in training "
        "times three, in the median time, divided by the peak."
    )
    return result


def add_peak_fractions(row: Row, flop: float, rate: float) -> None:
    """Set the fraction of the peak ``rate`` that each cell reaches with ``flop`` operations in its median time."""
    for cell in row.cells.values():
        cell.peak_fraction = flop / (cell.spread.median * 1e-3 * rate)
