"""The contenders for training steps of a Transformer, and its sizes: one file for each way of using a library.

What they have in common is in ``benchmarks.transformer_jobs``, which imports NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.session import Contender


@dataclass(frozen=True)
class Size:
    """The size of a Transformer; there are four times as many hidden units as columns."""

    layers: int
    heads: int
    width: int
    context: int
    tokens: int = 65  # the characters of Shakespeare


SIZES = {
    "4 layers, 128 wide, context 64": Size(4, 4, 128, 64),
    "6 layers, 192 wide, context 256": Size(6, 6, 192, 256),
    "4 layers, 128 wide, context 1024": Size(4, 4, 128, 1024),
}


def contenders(*names: str) -> tuple[Contender, ...]:
    """Return the contenders of these names: ``torch-compile`` is in ``torch_compile.py``."""
    return tuple(Contender(name, f"{__name__}.{name.replace('-', '_')}") for name in names)
