"""The contenders: one file is one library, in one of the forms in which it is used.

A contender is a module with a function for each job that it can do, ``step(batch)``, ``predict(samples)``,
``epoch(data_dir, samples, batch)``, each of which makes a ``Job``; ``memory(data_dir, samples, batch)``, which does its
work and returns the peak in MiB; ``PACKAGES``, whose versions are recorded; and, if there is more to tell, ``describe()``.
"""

from __future__ import annotations

from benchmarks.session import Contender


def contender(name: str, baseline: bool = False) -> Contender:
    """The contender of that name: ``torch-compile`` lives in ``torch_compile.py``."""
    return Contender(name, f"{__name__}.{name.replace('-', '_')}", baseline)


def contenders(*names: str) -> tuple[Contender, ...]:
    """Several of them."""
    return tuple(map(contender, names))
