"""Optimizers: rules, the transforms and constraints around them, and schedules of the learning rate.

They work on flat vectors of parameters and gradients and do not depend on layers.
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
