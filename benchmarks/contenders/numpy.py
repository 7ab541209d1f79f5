"""NumPy, imported and idle: the baseline of what a process needs."""

from __future__ import annotations

from benchmarks.data import peak_mib


def memory(data_dir: str | None, samples: int, batch: int) -> float:
    """Nothing is loaded and nothing trained."""
    del data_dir, samples, batch
    return peak_mib()
