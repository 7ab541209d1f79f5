"""Metrics: what people watch. They are counted over batches and exact over the set, never an average of averages.

``counts`` looks at the predicted class alone, ``ranks`` at the order of the outputs, ``probabilities`` at their size, and
``quantities`` compares numbers.
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
