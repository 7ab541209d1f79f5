"""Training: the gradient of a batch, the loop over batches, and what may wrap it."""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
