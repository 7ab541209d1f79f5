"""The positions of a network's output: how to end in a vector instead, and which recurrent layer skips some as padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pellucid.core.memory import Shape
from pellucid.layers.base import Layer, Merge
from pellucid.layers.dense import Dense
from pellucid.networks.composite import Composite, build_layer, leading_to
from pellucid.networks.ports import input_shapes

THROUGH = "through"  # what _source returns for layers that compute each step from the same step of their input


def path_of_mask(network: Layer, output: str | None = None) -> str | None:
    """Return the path of the recurrent layer with a ``mask`` whose steps are the positions of the network's output.

    It returns sequences, and all layers after it are ``positionwise``. The result is None if there is none.
    ``output`` is the name of the output, of a network with several.
    """
    found = _source(network, "", output)
    return found[0] if isinstance(found, tuple) else None


def _source(layer: Layer | Merge, path: str, output: str | None = None) -> tuple[str] | str | None:
    """Return the path of the recurrent layer with a mask from which the steps of the output come, as a tuple of one.

    The result is THROUGH if they come from the input of the layer, and None if from anything else.
    """
    if isinstance(layer, Merge):
        return None
    inner = layer.path_of_mask()
    if not isinstance(layer, Composite) or inner is not None:
        return (".".join(filter(None, (path, inner))),) if inner is not None else THROUGH if layer.positionwise else None
    nodes = layer.ordered_nodes()
    by_name = {node.name: node for node in nodes}
    ends = layer.ports().ends(nodes)
    name = ends[output] if output is not None and len(ends) > 1 else next(iter(ends.values()))
    while name in by_name:
        node = by_name[name]
        found = _source(node.layer, f"{path}.{name}" if path else name)
        if found != THROUGH:
            return found
        name = node.inputs[0]
    return THROUGH


def advice_for_vectors(network: Layer, shape: Any, output: str | None = None) -> str:
    """Return what to change, and where, so that the network ends in a vector for inputs of ``shape``.

    ``output`` is the name of the output, of a network with several.
    """
    sequences = ""
    for path, layer, shapes in _layers(network, shape, output):
        if getattr(layer, "return_sequences", False):
            sequences = f"return_sequences=False in {path}, or "
        elif isinstance(layer, Dense) and len(shapes[0]) > 1:
            dimensions = len(shapes[0]) - 1
            pooling = f" (or GlobalAveragePool{dimensions}D())" if dimensions <= 2 and not sequences else ""
            return f"{sequences}Flatten(){pooling} before {path}, which keeps the positions {shapes[0][:-1]} of its input"
    return f"{sequences}Flatten() and a Dense at the end"


def _layers(
    network: Layer, shape: Any, output: str | None = None, path: str = ""
) -> Iterator[tuple[str, Layer | Merge, list[Shape]]]:
    """Yield the path of every layer inside the network that is not a composite, the layer, and the shapes of its inputs.

    With ``output``, only the layers that this output depends on.
    """
    if not isinstance(network, Composite):
        yield path, network, [shape]
        return
    shapes = input_shapes(network.ports(), shape)
    nodes = network.ordered_nodes()
    for node in nodes if output is None else leading_to([network.ports().ends(nodes)[output]], nodes):
        inputs = [shapes[name] for name in node.inputs]
        inner = f"{path}.{node.name}" if path else node.name
        if isinstance(node.layer, Layer):
            yield from _layers(node.layer, inputs[0], path=inner)
        else:
            yield inner, node.layer, inputs
        shapes[node.name] = build_layer(node.layer, inputs).shape
