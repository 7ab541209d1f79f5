"""A network as a table: each layer's name, what it is, what comes out, what it learns."""

from __future__ import annotations

from pellucid.layers.base import Layer
from pellucid.memory import Shape
from pellucid.networks import primitives


def table(network: Layer, input_shape: Shape) -> str:
    """The table as text; the last line has the totals."""
    rows = [("layer", "", "output", "parameters"), ("input", "", _times(input_shape), "")]
    shape = input_shape
    for path, layer in primitives(network):
        built = layer.build(shape)
        shape = built.shape
        size = sum(slot.size for slot in built.slots.values() if not slot.state)
        rows.append((path, repr(layer), _times(shape), f"{size:,}" if size else ""))
    whole = network.build(input_shape)
    parameters = sum(slot.size for slot in whole.slots.values() if not slot.state)
    rows.append(("total", f"{whole.multiply_adds:,} multiply-adds a sample", "", f"{parameters:,}"))
    wide = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:>{wide[2]}}  {d:>{wide[3]}}".rstrip() for a, b, c, d in rows]
    rule = "─" * max(len(line) for line in lines)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _times(shape: Shape) -> str:
    return "×".join(str(n) for n in shape)
