"""Data: sets of samples, where they come from, and how they are read. Points in a plane are in :mod:`pellucid.data.planar`."""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
