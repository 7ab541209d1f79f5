"""Metrics: values that describe how good predictions are.

A metric is counted over batches and exact over the whole set; it is not an average of the batches' values. Metrics of
``classification`` read the predicted classes, ``ranking`` reads the order of the outputs, ``probabilities`` their size, and
``regression`` compares numbers.
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
