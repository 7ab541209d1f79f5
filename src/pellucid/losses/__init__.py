"""Losses: the functions that training minimizes.

``cross_entropy`` holds the losses for probabilities, ``regression`` those for numbers, ``hinge`` the loss for scores with a
margin, and ``embeddings`` those for the directions and distances of vectors. The loss of a batch is Σ wᵢ lᵢ / Σ wᵢ with sample
weights wᵢ; without weights it is the mean.
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
