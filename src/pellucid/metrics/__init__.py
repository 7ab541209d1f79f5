"""Metrics: values that describe how good predictions are.

A metric is accumulated over batches and exact over the whole set; it is not an average of the batches' values. The metrics in
``classification`` and ``per_class`` read the predicted classes, those in ``ranking`` the order of the outputs, and those in
``probabilities`` their values; those in ``regression`` compare numbers.
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
