"""Pellucid: a neural-network library written from scratch, to be read, and to be fast on a CPU.

pellucid (adj.): letting the light through; easily understood.

What is exported here is loaded when it is first used, so that ``import pellucid`` costs next to nothing.
"""

from pellucid.core import lazy
from pellucid.core.version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
