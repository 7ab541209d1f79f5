"""Networks: layers made of layers. In a line, with a way around, or in any directed acyclic graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid import lazily

if TYPE_CHECKING:
    from pellucid.networks.bidirectional import Bidirectional
    from pellucid.networks.composite import Composite, Node, built, depth, fused, primitives
    from pellucid.networks.ends import in_line, without_last
    from pellucid.networks.frozen import Frozen
    from pellucid.networks.graph import Graph
    from pellucid.networks.residual import Residual
    from pellucid.networks.sequential import Sequential

__all__ = [
    "Bidirectional", "Composite", "Frozen", "Graph", "Node", "Residual", "Sequential", "built", "depth", "fused",
    "in_line", "primitives", "without_last",
]  # fmt: skip

if not TYPE_CHECKING:  # who checks types reads the imports above
    __getattr__, __dir__ = lazily.names(
        __name__,
        {
            "bidirectional": "Bidirectional",
            "composite": "Composite Node built depth fused primitives",
            "ends": "in_line without_last",
            "frozen": "Frozen",
            "graph": "Graph",
            "residual": "Residual",
            "sequential": "Sequential",
        },
    )
