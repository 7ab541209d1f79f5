"""Timings beside the roofline (Williams, Waterman and Patterson, 2009): what share of the machine's peak rate they are.

The peak is measured, once a run: the fastest that NumPy's BLAS multiplies large float32 matrices on all its threads. The
work is counted, not measured: the multiply-adds of direct convolution, whatever algorithm a library takes. One that needs
fewer of them, such as Winograd's, can so have a share above that which its arithmetic units are busy.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence

from benchmarks import harness
from benchmarks.contenders import contender
from benchmarks.harness import Case, Settings, Work
from benchmarks.results import Result, Row
from benchmarks.session import Crashed, Missing, Session

#: Products of each size, of which the quickest counts.
TRIES = 7


@functools.cache
def peak(tries: int = TRIES) -> float | None:
    """Floating-point operations a second, measured in a process of its own that is gone afterwards; None without NumPy."""
    with Session(contender("numpy")) as session:
        try:
            session.start()
            time.sleep(harness.PAUSE)
            return float(session.ask("once", job="sgemm", arguments={"tries": tries})["value"])
        except (Missing, Crashed):
            return None


def measure(case: Case, works: Sequence[tuple[Work, float]], settings: Settings) -> Result:
    """The case's rows, each with a share for every cell; ``works`` has the floating-point operations of each work."""
    rate = peak()
    result = harness.measure(case, [work for work, _ in works], settings)
    if rate is None:
        result.notes.append("No peak rate, and so no shares: NumPy could not be asked.")
        return result
    for row, (_, flop) in zip(result.rows, works, strict=True):
        add_shares(row, flop, rate)
    result.notes.append(
        f"Peak: {rate / 1e9:.0f} GFLOP/s, NumPy's best of {TRIES} products of float32 matrices, for each of some sizes. "
        "A share is the multiply-adds of direct convolution and of dense layers, times two, in training times three, "
        "over the median time and the peak."
    )
    return result


def add_shares(row: Row, flop: float, rate: float) -> None:
    """Each cell's share of the peak ``rate``: ``flop`` operations in so many milliseconds."""
    for cell in row.cells.values():
        cell.share = flop / (cell.spread.median * 1e-3 * rate)
