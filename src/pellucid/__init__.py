"""Pellucid: a neural-network library written from scratch, readable and fast on a CPU.

pellucid (adj.): letting the light through; easily understood.

The exports of this package are imported on first use, so ``import pellucid`` is fast.
"""

from pellucid.core import lazy
from pellucid.core.version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
