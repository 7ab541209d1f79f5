"""The contenders for training steps of a Transformer: one file for each way of using a library.

What they have in common is in ``benchmarks.transformer_jobs``, which imports NumPy.
"""

from __future__ import annotations

from benchmarks.session import Contender


def contenders(*names: str) -> tuple[Contender, ...]:
    """Return the contenders of these names: ``torch-compile`` is in ``torch_compile.py``."""
    return tuple(Contender(name, f"{__name__}.{name.replace('-', '_')}") for name in names)
