"""Pellucid's ``fit`` with and without augmentation: one file for each augmentation, with its name."""

from __future__ import annotations

from benchmarks.session import Contender


def contenders(*names: str) -> tuple[Contender, ...]:
    """Return the contenders of these names."""
    return tuple(Contender(name, f"{__name__}.{name}") for name in names)
