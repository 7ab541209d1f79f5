"""Losses: what training makes small.

``probabilities`` compares distributions (cross-entropy and its kin), ``quantities`` compares numbers, ``margins`` asks that
the right score be ahead of the others. A loss over a batch is Σ wᵢ lᵢ / Σ wᵢ; without sample weights that is the mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid import lazily

if TYPE_CHECKING:
    from pellucid.losses.base import Loss
    from pellucid.losses.margins import Hinge
    from pellucid.losses.probabilities import BinaryCrossEntropy, CrossEntropy, KLDivergence
    from pellucid.losses.quantities import Huber, MeanAbsoluteError, MeanSquaredError, Poisson

__all__ = [
    "BinaryCrossEntropy", "CrossEntropy", "Hinge", "Huber", "KLDivergence", "Loss", "MeanAbsoluteError",
    "MeanSquaredError", "Poisson",
]  # fmt: skip

if not TYPE_CHECKING:  # who checks types reads the imports above
    __getattr__, __dir__ = lazily.names(
        __name__,
        {
            "base": "Loss",
            "margins": "Hinge",
            "probabilities": "BinaryCrossEntropy CrossEntropy KLDivergence",
            "quantities": "Huber MeanAbsoluteError MeanSquaredError Poisson",
        },
    )
