"""The summary of a network: a table with the name, settings, output shape, parameters and inputs of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pellucid import notebook
from pellucid.core.memory import Shape
from pellucid.layers.base import Layer, LayerSpec, Merge
from pellucid.networks import Composite, build_layer, depth
from pellucid.networks.composite import ports_of
from pellucid.networks.ports import input_shapes


class Row(NamedTuple):
    """A row of the table: a layer that contains no layers, or an input of the network (``layer`` is None).

    ``reads`` are the paths of the rows whose outputs it reads; ``shape`` is its output shape. ``parameters`` is the number of
    its own parameters; a layer that shares those of another row, ``shared``, has none of its own.
    """

    path: str
    layer: Layer | Merge | None
    reads: tuple[str, ...]
    shape: Shape
    parameters: int = 0
    shared: str = ""


HEADINGS = ("layer", "", "output", "parameters", "reads, if not the row above")


def table(network: Layer, input_shape: Shape) -> str:
    """Return the table as text; the last lines have the totals.

    The last column names the rows that a row reads. It is empty where that is only the row above, and left out where it is
    empty in all rows.
    """
    rows, totals, _ = _cells(network, input_shape)
    cells = [HEADINGS, *rows, *totals]
    if not any(reads for *_, reads in rows):
        cells[0] = (*HEADINGS[:4], "")
    w0, w1, w2, w3 = (max(len(row[i]) for row in cells) for i in range(4))
    lines = [f"{a:<{w0}}  {b:<{w1}}  {c:>{w2}}  {d:>{w3}}  {e}".rstrip() for a, b, c, d, e in cells]
    rule = "─" * max(len(line) for line in lines)
    return "\n".join([lines[0], rule, *lines[1 : -len(totals)], rule, *lines[-len(totals) :]])


def as_html(network: Layer, input_shape: Shape, settings: Sequence[object]) -> str:
    """Return the table as HTML for notebooks, with the model's ``settings`` below.

    The numbers of parameters are shaded: the more, the darker.
    """
    rows, totals, counts = _cells(network, input_shape)
    largest = max(counts) or 1
    columns = 5 if any(reads for *_, reads in rows) else 4
    html = notebook.table(
        HEADINGS[:columns],
        [row[:columns] for row in (*rows, *totals)],
        texts=2,
        shades=[(0.0, 0.0, 0.0, count / largest, 0.0)[:columns] for count in counts],
        totals=len(totals),
    )
    return notebook.section(f"Model: {totals[0][3]} parameters", html, notebook.paragraph(", ".join(map(repr, settings))))


def rows_of(network: Layer, input_shape: Shape) -> list[Row]:
    """Return the rows of the table: the inputs, then all layers and merges that are not composites, in order."""
    sources = [Row(name, None, (), shape) for name, shape in input_shapes(ports_of(network), input_shape).items()]
    return [*sources, *_rows(network, "", "", sources)[0]]


def _cells(network: Layer, input_shape: Shape) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]], list[int]]:
    """Return the texts of the rows, those of the totals, and the number of parameters of each row."""
    cells: list[tuple[str, ...]] = []
    above: tuple[str, ...] = ()
    all_rows = rows_of(network, input_shape)
    for row in all_rows:
        reads = "" if row.reads == above else ", ".join(row.reads)
        settings = "" if row.layer is None else repr(row.layer)
        settings += f", shared with {row.shared}" if row.shared else ""
        parameters = f"{row.parameters:,}" if row.parameters else ""
        cells.append((row.path, settings, "×".join(map(str, row.shape)), parameters, reads))
        above = (row.path,)
    whole = network.build(input_shape)
    costs = f"{whole.multiply_adds:,} multiply-adds a sample, depth {depth(network)}"
    totals: list[tuple[str, ...]] = [("total", costs, "", f"{_parameters(whole):,}", "")]
    if frozen := _parameters(whole) - _parameters(whole, trained=True):
        totals += [("trained", "", "", f"{_parameters(whole, trained=True):,}", ""), ("frozen", "", "", f"{frozen:,}", "")]
    return cells, totals, [row.parameters for row in all_rows]


def _rows(layer: Layer | Merge, path: str, slots: str, sources: Sequence[Row]) -> tuple[list[Row], Row]:
    """Return the rows of a layer that reads ``sources``, and the row whose output is the layer's, or the last such row.

    ``slots`` is the path of its slots, which is another one than its own for a layer with shared parameters.
    """
    if not isinstance(layer, Composite):
        spec = build_layer(layer, [source.shape for source in sources])
        count = _parameters(spec)
        shared = slots if slots != path and spec.slots else ""
        row = Row(path, layer, tuple(source.path for source in sources), spec.shape, 0 if shared else count, shared)
        return [row], row
    rows: list[Row] = []
    end = sources[0]
    outputs = dict(zip(layer.ports().inputs, sources, strict=True))
    for node in layer.ordered_nodes():
        inner = f"{path}.{node.name}" if path else node.name
        inner_slots = f"{slots}.{node.slots}" if slots else node.slots
        inside, end = _rows(node.layer, inner, inner_slots, [outputs[name] for name in node.inputs])
        rows += inside
        outputs[node.name] = end
    return rows, end


def _parameters(spec: LayerSpec, *, trained: bool = False) -> int:
    """Return the number of parameters, or of those that are ``trained``."""
    return sum(slot.size for slot in spec.slots.values() if not slot.state and (slot.trained or not trained))
