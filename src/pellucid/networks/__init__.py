"""Networks: layers made of layers. In a line, with a way around, or in any directed acyclic graph."""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
