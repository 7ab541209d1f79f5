"""The contenders: one file for each way of using a library.

A contender is a module with:

- a function for each job, which returns a ``Job``: ``step(batch)``, ``predict(samples)``, ``epoch(data_dir, samples, batch)``;
- ``memory(data_dir, samples, batch)``, which does its work and returns the peak memory in MiB;
- ``PACKAGES``, whose versions are recorded, and optionally ``describe()``, which returns further facts to record.
"""

from __future__ import annotations

from benchmarks.session import Contender


def contender(name: str, baseline: bool = False) -> Contender:
    """Return the contender of that name: ``torch-compile`` is in ``torch_compile.py``."""
    return Contender(name, f"{__name__}.{name.replace('-', '_')}", baseline)


def contenders(*names: str) -> tuple[Contender, ...]:
    """Return the contenders of these names."""
    return tuple(map(contender, names))
