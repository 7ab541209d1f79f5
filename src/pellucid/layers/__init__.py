"""Layers: the mathematics of a network, one file for each kind of layer.

A new layer is a new class. Layers of your own need no registration here; see CONTRIBUTING.md.
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
