"""Losses: what training makes small.

``probabilities`` compares distributions (cross-entropy and its kin), ``quantities`` compares numbers, ``margins`` asks that
the right score be ahead of the others. A loss over a batch is Σ wᵢ lᵢ / Σ wᵢ; without sample weights that is the mean.
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
