"""The contenders' convolutional networks: one file is one library, under the name that it has elsewhere.

A contender here is a module with ``step(network, batch)`` and ``predict(network, samples)``, each of which makes a ``Job``;
``conv_memory(network, batch)``, which trains some steps and returns the peaks in MiB before and after; ``PACKAGES`` and
``describe()``. What a network is stands in ``benchmarks.networks``; by what it is recognized, in ``benchmarks.learning``.
"""

from __future__ import annotations

from benchmarks.session import Contender


def contenders(*names: str) -> tuple[Contender, ...]:
    """The contenders of these names: ``torch-compile`` lives in ``torch_compile.py``."""
    return tuple(Contender(name, f"{__name__}.{name.replace('-', '_')}") for name in names)
