"""Losses: what training makes small.

``probabilities`` compares distributions (cross-entropy and its kin), ``quantities`` compares numbers, ``margins`` asks that
the right score be ahead of the others. A loss over a batch is Σ wᵢ lᵢ / Σ wᵢ; without sample weights that is the mean.
"""

from pellucid.losses.base import Loss
from pellucid.losses.margins import Hinge
from pellucid.losses.probabilities import BinaryCrossEntropy, CrossEntropy, KLDivergence
from pellucid.losses.quantities import Huber, MeanAbsoluteError, MeanSquaredError, Poisson

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Hinge",
    "Huber",
    "KLDivergence",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
]
