"""What a network is: a layer made of layers.

A composite is a layer like any other, so networks nest. It says what is inside as nodes: a name, a layer, and whose
outputs that layer reads. The names make the paths of slots (``dense2.W``). What there is to know of a network, its
slots, its depth, what fuses with what, is read off the nodes by the functions in this file.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pellucid.core.config import Config
from pellucid.core.memory import Shape, Slot
from pellucid.errors import ConfigError, ShapeError
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.merge import Merge

if TYPE_CHECKING:  # for Composite.compile, the one place where a lower file knows a higher one
    from pellucid.data.input_stage import InputStage
    from pellucid.losses import Loss
    from pellucid.metrics import Metric
    from pellucid.model.model import Model
    from pellucid.optim import Optimizer

INPUT = "input"  # the name under which nodes read what goes into their network


@dataclass(frozen=True, init=False)
class Node(Config):
    """One place in a network: ``Node("sum", Add(), "left", "right")`` is called sum and reads the nodes left and right;
    ``"input"`` is what goes into the network. A layer reads one node, a merge two or more."""

    name: str
    layer: Layer | Merge
    inputs: tuple[str, ...]

    def __init__(self, name: str, layer: Layer | Merge, *inputs: str):
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "inputs", inputs)
        self.__post_init__()
        if name == INPUT or not re.fullmatch(r"[\w-]+", name):
            raise ConfigError(
                f"Node(name={name!r}): a name has letters, digits, _ and - only, and 'input' is what goes into the network"
            )
        reads = f"node {name!r} reads {quoted(inputs) if inputs else 'nothing'}"
        if isinstance(layer, Merge) and len(inputs) < 2:
            raise ConfigError(f"{reads}, and {layer} merges two or more: name them, as in Node({name!r}, {layer}, 'a', 'b')")
        if isinstance(layer, Layer) and len(inputs) != 1:
            hint = "put a node with Add() or Concatenate() before it" if inputs else "name it, or 'input'"
            raise ConfigError(f"{reads}, and {layer} takes one input: {hint}")

    def __repr__(self) -> str:
        return f"Node({', '.join([repr(self.name), repr(self.layer), *map(repr, self.inputs)])})"


Nodes = tuple[Node, ...]


def quoted(names: Iterable[str]) -> str:
    """'a', 'b' and 'c'."""
    *first, last = [repr(name) for name in names]
    return f"{', '.join(first)} and {last}" if first else last


class Composite(Layer, ABC):
    """A layer made of layers."""

    @abstractmethod
    def inside(self) -> Nodes:
        """The nodes inside, each behind those that it reads; the last one's output is the network's."""

    @abstractmethod
    def fused(self) -> Layer:
        """The same function in fewer passes; slots and names are the same."""

    def compile(
        self,
        input_shape: Sequence[int],
        loss: Loss,
        optimizer: Optimizer | None = None,
        metrics: Iterable[Metric] = (),
        seed: int = 0,
        classes: Sequence[str] | None = None,
        input_stage: InputStage | None = None,
    ) -> Model:
        """A :class:`~pellucid.model.model.Model` of this network: see there for the arguments. The default optimizer is Adam."""
        from pellucid.model.model import Model

        return Model(
            self,
            input_shape,
            loss=loss,
            optimizer=optimizer,
            metrics=metrics,
            seed=seed,
            classes=classes,
            input_stage=input_stage,
        )


def built(layer: Layer | Merge, shapes: Sequence[Shape]) -> LayerSpec:
    """What building a layer, or a merge, for inputs of these shapes tells."""
    return layer.build(shapes) if isinstance(layer, Merge) else layer.build(*shapes)


def assembled(nodes: Nodes, shape: Shape) -> LayerSpec:
    """What building a network of these nodes tells: slots by path, costs added up."""
    shapes = {INPUT: shape}
    slots: dict[str, Slot] = {}
    multiply_adds = largest = 0
    for node in nodes:
        try:
            one = built(node.layer, [shapes[name] for name in node.inputs])
        except ShapeError as error:
            reads = " and ".join(f"{name} {shapes[name]}" for name in node.inputs)
            where = f"{node.name}, which reads {reads}" if len(node.inputs) > 1 else node.name
            raise ShapeError(f"{where}: {error}") from None
        shape = shapes[node.name] = one.shape
        multiply_adds += one.multiply_adds
        largest = max(largest, one.largest, math.prod(shape))
        slots.update({f"{node.name}.{slot}": what for slot, what in one.slots.items()})
    return LayerSpec(shape, slots, multiply_adds, largest)


def fused(layer: Layer) -> Layer:
    """The form of a network that training runs."""
    return layer.fused() if isinstance(layer, Composite) else layer


def fuse(nodes: Nodes) -> Nodes:
    """The nodes with each layer absorbed by the one that it reads, where that has no other reader and can do the work of
    both. The name is that of the first: it is the one with the slots."""
    readers = Counter(name for node in nodes for name in node.inputs)
    plan: dict[str, Node] = {}
    at: dict[str, str] = {}  # under which name the output of an absorbed node is found
    for node in nodes:
        inputs = [at.get(name, name) for name in node.inputs]
        layer = fused(node.layer) if isinstance(node.layer, Layer) else node.layer
        before = plan.get(inputs[0])
        both = None
        if isinstance(layer, Layer) and before is not None and readers[node.inputs[0]] == 1:
            both = before.layer.absorb(layer)
        if before is None or both is None:
            plan[node.name] = Node(node.name, layer, *inputs)
        else:
            plan[before.name] = Node(before.name, both, *before.inputs)
            at[node.name] = before.name
    return tuple(plan.values())


def absorbed(nodes: Nodes, following: Layer) -> Nodes | None:
    """The nodes with the layer behind the whole network absorbed by the last one, or None."""
    both = nodes[-1].layer.absorb(following) if nodes else None
    return None if both is None else (*nodes[:-1], Node(nodes[-1].name, both, *nodes[-1].inputs))


def primitives(layer: Layer | Merge, path: str = "") -> tuple[tuple[str, Layer | Merge], ...]:
    """All layers and merges that are not composites, in order, with their paths."""
    if not isinstance(layer, Composite):
        return ((path, layer),)
    prefix = f"{path}." if path else ""
    return tuple(found for node in layer.inside() for found in primitives(node.layer, prefix + node.name))


def depth(layer: Layer | Merge) -> int:
    """How many layers, merges included, stand on the longest path from the input to the output."""
    if not isinstance(layer, Composite):
        return 1
    longest, end = {INPUT: 0}, INPUT
    for node in layer.inside():
        end = node.name
        longest[end] = max(longest[name] for name in node.inputs) + depth(node.layer)
    return longest[end]
