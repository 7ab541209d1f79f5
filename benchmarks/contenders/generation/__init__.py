"""The contenders for generation by a Transformer like GPT-2: one file for each way of using a library.

What they have in common is in ``benchmarks.generation_jobs``, which imports NumPy.
"""

from __future__ import annotations

from benchmarks.session import Contender

SIZES = ("4 layers, 128 wide, context 64", "6 layers, 192 wide, context 256")  # of those in benchmarks.contenders.transformer


def contenders(*names: str) -> tuple[Contender, ...]:
    """Return the contenders of these names."""
    return tuple(Contender(name, f"{__name__}.{name.replace('-', '_')}") for name in names)
