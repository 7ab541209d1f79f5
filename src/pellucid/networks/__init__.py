"""Networks: layers made of other layers, in a sequence, with skip connections, or in any directed acyclic graph."""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
