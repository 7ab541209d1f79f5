"""The exports of ``pellucid.networks``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.networks.bidirectional import Bidirectional as Bidirectional
from pellucid.networks.composite import (
    Composite as Composite,
    Node as Node,
    built as built,
    depth as depth,
    fused as fused,
    primitives as primitives,
)
from pellucid.networks.ends import in_line as in_line, without_last as without_last
from pellucid.networks.frozen import Frozen as Frozen
from pellucid.networks.graph import Graph as Graph
from pellucid.networks.residual import Residual as Residual
from pellucid.networks.sequential import Sequential as Sequential
