"""NumPy: imported and idle, the baseline of what a process needs; and busy, the measure of what a machine can do."""

from __future__ import annotations

import time

import numpy as np

from benchmarks import data
from benchmarks.data import peak_mib

#: Sizes of square matrices to be multiplied. Which is quickest depends on the machine's caches.
SIDES = (1024, 2048, 3072)


def memory(data_dir: str | None, samples: int, batch: int) -> float:
    """Nothing is loaded and nothing trained."""
    del data_dir, samples, batch
    return peak_mib()


def conv_memory(network: str, batch: int) -> list[float]:
    """No network is made."""
    del network, batch
    return [peak_mib(), peak_mib()]


def sgemm(tries: int) -> float:
    """The machine's peak rate: floating-point operations a second in a product of large float32 matrices, on as many
    threads as NumPy's BLAS takes. The best of some tries for each of some sizes."""
    return max(_rate(side, tries) for side in SIDES)


def _rate(side: int, tries: int) -> float:
    random = np.random.default_rng(0)
    a, b = (random.random((side, side), np.float32) for _ in range(2))
    out: data.Floats = np.empty((side, side), np.float32)

    def seconds() -> float:
        start = time.perf_counter()
        np.matmul(a, b, out=out)
        return time.perf_counter() - start

    seconds()  # threads wake up
    return 2.0 * side**3 / min(seconds() for _ in range(tries))
