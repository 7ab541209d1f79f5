"""The time in which a cache line goes from one core to another: two threads that write to one cell in turn.

The loops are compiled by Numba, with the atomic operations of Pellucid's own thread pool. Each thread stays on a core of its
own, where the system lets threads choose their cores.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from typing import Any

os.environ["PELLUCID_PREBUILT"] = "0"  # the prebuilt library of a wheel has no atomic operations for other code

import numba

from benchmarks.environment import usable_cores
from pellucid.kernels.compiled.atomics import NUM_CELLS, cells, load, store

PACKAGES = ("numba", "llvmlite")

#: The cell that goes to and fro: the first one of the last cache line. In this process no thread of the pool is started.
CELL = NUM_CELLS - 8
#: The round trips of one try: some milliseconds, much longer than the start of a thread.
ROUND_TRIPS = 20_000


def _throw(round_trips: Any) -> None:
    """Write the odd numbers, each when the even one before it has come back."""
    for trip in range(round_trips):
        store(CELL, 2 * trip + 1)
        while load(CELL) != 2 * trip + 2:
            pass


def _return(round_trips: Any) -> None:
    """Write the even numbers, each when the odd one before it has arrived."""
    for trip in range(round_trips):
        while load(CELL) != 2 * trip + 1:
            pass
        store(CELL, 2 * trip + 2)


#: What the first thread does, and the second.
LOOPS = tuple(numba.njit(nogil=True)(loop) for loop in (_throw, _return))


def core_to_core(tries: int) -> dict[str, Any] | None:
    """Return the seconds of one way, the median of several tries, and the numbers of the two cores: None where threads cannot
    choose their cores. With one core, return None."""
    usable = usable_cores()
    if len(usable) < 2:
        return None
    pinned = list(usable[:2]) if hasattr(os, "sched_setaffinity") else None
    for loop in LOOPS:
        loop(0)  # compiles it
    return {"seconds": statistics.median(_seconds(pinned) for _ in range(tries)), "cores": pinned}


def _seconds(pinned: list[int] | None) -> float:
    """Return the seconds of one way in one try."""
    barrier = threading.Barrier(2)
    spans: list[float] = []
    cells[CELL] = 0

    def run(loop: Any, place: int) -> None:
        if pinned is not None:
            os.sched_setaffinity(0, {pinned[place]})  # of this thread alone
        barrier.wait()
        start = time.perf_counter()
        loop(ROUND_TRIPS)
        spans.append(time.perf_counter() - start)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(LOOPS, (0, 1), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(spans) / ROUND_TRIPS / 2
