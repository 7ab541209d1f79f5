"""NumPy: its memory after the import is the baseline of a process, its matrix product gives the peak rate of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import data
from benchmarks.data import peak_mib
from benchmarks.jobs import Job

PACKAGES = ()

#: Sizes of the square matrices. Which is fastest depends on the caches of the machine.
SIDES = (1024, 2048, 3072)


def memory(data_dir: str | None, samples: int, batch: int) -> float:
    """Return the peak memory, without loading or training anything."""
    del data_dir, samples, batch
    return peak_mib()


def conv_memory(network: str, batch: int) -> list[float]:
    """Return the peak memory twice, without creating a network."""
    del network, batch
    return [peak_mib(), peak_mib()]


def transformer_memory(size: str, batch: int) -> list[float]:
    """Return the peak memory twice, without creating a network."""
    del size, batch
    return [peak_mib(), peak_mib()]


def sgemm(tries: int) -> list[float]:
    """Return the peak rate of the machine, and the side of the matrices with which it was reached.

    The rate is that of floating-point operations per second of a product of large float32 matrices. The product uses as many
    threads as NumPy's BLAS chooses. The best of several tries and sizes counts.
    """
    rates = {side: _rate(side, tries) for side in SIDES}
    side = max(rates, key=rates.__getitem__)
    return [rates[side], side]


def _rate(side: int, tries: int) -> float:
    multiply = _product(side)

    def seconds() -> float:
        start = time.perf_counter()
        multiply()
        return time.perf_counter() - start

    seconds()  # wakes up the threads
    return 2.0 * side**3 / min(seconds() for _ in range(tries))


def _product(side: int) -> Callable[[], data.Floats]:
    random = np.random.default_rng(0)
    a, b = (random.random((side, side), np.float32) for _ in range(2))
    out: data.Floats = np.empty((side, side), np.float32)
    return lambda: np.matmul(a, b, out=out)


def product(side: int) -> Job:
    """Return a job of one product of square float32 matrices."""

    def check(first: Sequence[Any], last: Sequence[Any]) -> str:
        del first
        if not np.isfinite(last[-1]).all():
            raise RuntimeError("the product is not finite")
        return f"side {side}"

    return Job(_product(side), check)
