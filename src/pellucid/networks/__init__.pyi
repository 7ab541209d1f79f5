"""The exports of ``pellucid.networks``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.networks.bidirectional import Bidirectional as Bidirectional
from pellucid.networks.columns import Columns as Columns
from pellucid.networks.composite import (
    Composite as Composite,
    Node as Node,
    OrderedNode as OrderedNode,
    Shared as Shared,
    build_layer as build_layer,
    depth as depth,
    primitives as primitives,
)
from pellucid.networks.dag import map_layers as map_layers
from pellucid.networks.frozen import Frozen as Frozen
from pellucid.networks.fusion import folded as folded, fused as fused
from pellucid.networks.graph import Graph as Graph
from pellucid.networks.members import Members as Members, group_size as group_size
from pellucid.networks.ports import INPUT as INPUT, OUTPUT as OUTPUT, Ports as Ports, by_name as by_name, quoted as quoted
from pellucid.networks.positions import advice_for_vectors as advice_for_vectors, path_of_mask as path_of_mask
from pellucid.networks.residual import Residual as Residual
from pellucid.networks.sequential import Sequential as Sequential
from pellucid.networks.tied_embedding import TiedEmbedding as TiedEmbedding
from pellucid.networks.trailing import (
    trailing_layers as trailing_layers,
    without_last_layer as without_last_layer,
    without_last_layers as without_last_layers,
)
