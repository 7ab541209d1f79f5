"""Layers: the mathematics. One small file a kind; a new layer is a new class, and yours need not be named here."""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
