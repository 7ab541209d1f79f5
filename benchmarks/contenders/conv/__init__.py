"""The contenders for convolutional and recurrent networks: one file for each way of using a library.

A contender here is a module with ``step(network, batch)`` and ``predict(network, samples)``, which return a ``Job``;
``conv_memory(network, batch)``, which trains for some steps and returns the peak memory in MiB before and after;
``PACKAGES`` and ``describe()``. The networks are described in ``benchmarks.networks`` and checked by
``benchmarks.network_jobs``.
"""

from __future__ import annotations

from benchmarks.session import Contender


def contenders(*names: str) -> tuple[Contender, ...]:
    """Return the contenders of these names: ``torch-compile`` is in ``torch_compile.py``."""
    return tuple(Contender(name, f"{__name__}.{name.replace('-', '_')}") for name in names)
