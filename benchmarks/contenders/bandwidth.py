"""The streaming bandwidth of the machine: loops over float32 arrays, compiled by Numba, in as many threads as there are cores.

Each thread has arrays of its own, so that the caches of all cores are used. The loops are what a compiler makes of plain
loops: vectorized, with ordinary stores, without prefetching.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

PACKAGES = ("numba", "llvmlite")

#: The seconds of one measurement: much longer than the start of a thread, and short enough to be undisturbed now and then.
SECONDS = 0.005
#: Float32 sums may be reordered, as vectors need it.
OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}


def _read(a: Any, b: Any, times: int) -> Any:
    total = np.float32(0)
    for turn in range(times):
        part = np.float32(0)
        for i in range(a.size):
            part += a[i]
        total += part * np.float32(turn)  # so that no turn can be left out
    return total


def _write(a: Any, b: Any, times: int) -> Any:
    for turn in range(times):
        value = np.float32(turn + 1)
        for i in range(a.size):
            a[i] = value
    return a[0]


def _copy(a: Any, b: Any, times: int) -> Any:
    for turn in range(times):
        for i in range(a.size):
            b[i] = a[i]
        a[0] = np.float32(turn)
    return b[0]


def _update(a: Any, b: Any, times: int) -> Any:
    for _ in range(times):
        for i in range(a.size):
            a[i] = a[i] * np.float32(0.5) + np.float32(1)
    return a[0]


#: The loops, and how often each moves the bytes of ``a``: a copy reads it and writes another array, an update does both in it.
LOOPS: dict[str, tuple[Callable[..., Any], int]] = {
    "read": (_read, 1),
    "write": (_write, 1),
    "copy": (_copy, 2),
    "update": (_update, 2),
}


def bandwidth(working_sets: dict[str, int], threads: int, tries: int) -> dict[str, dict[str, float]]:
    """Return the bytes per second of each loop over each of the working sets, which have a name and bytes in all threads.

    The fastest of several tries counts. The working set of a copy is both of its arrays.
    """
    found: dict[str, dict[str, float]] = {name: {} for name in working_sets}
    for kind, (function, moves) in LOOPS.items():
        loop = numba.njit(**OPTIONS)(function)
        for name, size in working_sets.items():
            floats = max(1, size // threads // 4 // (2 if kind == "copy" else 1))
            pairs = [
                (np.ones(floats, np.float32), np.ones(floats if kind == "copy" else 1, np.float32)) for _ in range(threads)
            ]
            moved = floats * 4 * threads * moves
            times = _times(loop, pairs)
            found[name][kind] = moved * times / min(_seconds(loop, pairs, times) for _ in range(tries))
    return found


def _times(loop: Callable[..., Any], pairs: list[tuple[Any, Any]]) -> int:
    """Return the number of turns that take about SECONDS. The first call compiles the loop."""
    loop(*pairs[0], 1)
    times = 1
    while (seconds := _seconds(loop, pairs, times)) < SECONDS / 4:
        times *= 4
    return max(1, round(times * SECONDS / seconds))


def _seconds(loop: Callable[..., Any], pairs: list[tuple[Any, Any]], times: int) -> float:
    """Return the seconds from the start of the first thread to the end of the last one."""
    barrier = threading.Barrier(len(pairs))
    spans: list[tuple[float, float]] = []

    def run(a: Any, b: Any) -> None:
        barrier.wait()
        start = time.perf_counter()
        loop(a, b, times)
        spans.append((start, time.perf_counter()))

    others = [threading.Thread(target=run, args=pair) for pair in pairs[1:]]
    for thread in others:
        thread.start()
    run(*pairs[0])
    for thread in others:
        thread.join()
    return max(end for _, end in spans) - min(start for start, _ in spans)
