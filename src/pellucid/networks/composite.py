"""Composites: layers made of other layers. Every network is a composite.

A composite is a layer like any other, so networks can be nested. It describes its contents as nodes: each has a name, a
layer, and the names of the nodes whose outputs the layer reads. The names form the paths of the slots (``dense2.W``). The
functions in this file derive the properties of a network from its nodes.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pellucid.core.config import Config
from pellucid.core.habits import explain_arguments
from pellucid.core.memory import Shape, Slot
from pellucid.errors import ConfigError, ShapeError
from pellucid.layers.base import Layer, LayerSpec, Merge

if TYPE_CHECKING:  # for Composite.compile, the only place where a file refers to a room above its own
    from pellucid.data.input_stage import InputStage
    from pellucid.losses import Loss
    from pellucid.losses.from_function import LossFunction
    from pellucid.metrics import Metric
    from pellucid.model.model import Model
    from pellucid.optim import Optimizer

INPUT = "input"  # the name by which nodes read the input of their network


@dataclass(frozen=True, init=False)
class Node(Config):
    """One layer of a network and the nodes that it reads.

    ``Node("sum", Add(), "left", "right")`` has the name "sum" and reads the nodes "left" and "right"; the name ``"input"``
    refers to the input of the network. A layer reads one node, a merge two or more.
    """

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
                f"Node(name={name!r}): a name may contain letters, digits, _ and -; 'input' is the network's input"
            )
        reads = f"node {name!r} reads {quoted(inputs) if inputs else 'nothing'}"
        if isinstance(layer, Merge) and len(inputs) < 2:
            raise ConfigError(f"{reads}, but {layer} merges two or more: name them, as in Node({name!r}, {layer}, 'a', 'b')")
        if isinstance(layer, Layer) and len(inputs) != 1:
            hint = layer.hint_for_several_inputs if inputs else "name it, or 'input'"
            raise ConfigError(f"{reads}, but {layer} takes one input: {hint}")

    def __repr__(self) -> str:
        return f"Node({', '.join([repr(self.name), repr(self.layer), *map(repr, self.inputs)])})"


Nodes = tuple[Node, ...]
METHODS_OF_MODELS = {"evaluate", "fit", "fit_events", "predict", "save", "summary"}


def quoted(names: Iterable[str]) -> str:
    """Return the names as a list in prose: 'a', 'b' and 'c'."""
    *first, last = [repr(name) for name in names]
    return f"{', '.join(first)} and {last}" if first else last


class Composite(Layer, ABC):
    """The base class of all networks: a layer made of other layers."""

    @abstractmethod
    def ordered_nodes(self) -> Nodes:
        """Return the nodes in topological order: each after those that it reads. The output of the last is the network's."""

    @abstractmethod
    def fused(self) -> Layer:
        """Return a layer that computes the same function in fewer passes, with the same slots under the same names."""

    if not TYPE_CHECKING:  # type checkers would accept every attribute

        def __getattr__(self, name: str) -> object:
            if name in METHODS_OF_MODELS:
                raise AttributeError(
                    f"a network has no {name}(): it has no parameters yet. Create a model first: "
                    f"model = network.compile(input_shape=..., loss=..., optimizer=...); model.{name}(...)"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @explain_arguments
    def compile(
        self,
        input_shape: Sequence[int],
        loss: Loss | LossFunction | None = None,
        optimizer: Optimizer | None = None,
        metrics: Iterable[Metric] = (),
        seed: int = 0,
        classes: Sequence[str] | None = None,
        input_stage: InputStage | None = None,
    ) -> Model:
        """Return a :class:`~pellucid.model.model.Model`: this network with parameters, a loss and an optimizer.

        - ``input_shape``: the shape of one sample, such as (28, 28, 1).
        - ``loss``: what training minimizes; it must fit the last layer. It may be a function that returns losses and gradients
          (:class:`~pellucid.losses.from_function.FunctionLoss`). None is for networks that have no loss of their own; they are
          trained in a loop with ``Model.forward`` and ``Model.update``.
        - ``optimizer``: a rule, or a chain of components; by default Adam().
        - ``metrics``: what training and ``evaluate`` compute besides the loss.
        - ``seed``: selects all random numbers: initial weights, the order of the samples, dropout, augmentation.
        - ``classes``: names for the outputs; by default those of the training data.
        - ``input_stage``: how inputs are scaled (:mod:`pellucid.data.input_stage`); by default what the training data needs.

        Raises ConfigError or ShapeError where the arguments do not fit together.
        """
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


def build_layer(layer: Layer | Merge, shapes: Sequence[Shape]) -> LayerSpec:
    """Return ``layer.build`` for inputs of these shapes: one for a layer, two or more for a merge."""
    return layer.build(shapes) if isinstance(layer, Merge) else layer.build(*shapes)


def build_nodes(nodes: Nodes, shape: Shape) -> LayerSpec:
    """Return the LayerSpec of a network of these nodes for inputs of ``shape``, with the slots by path.

    Raises ShapeError with the name of the node that does not accept its inputs.
    """
    shapes = {INPUT: shape}
    slots: dict[str, Slot] = {}
    multiply_adds = largest_output = 0
    for node in nodes:
        try:
            spec = build_layer(node.layer, [shapes[name] for name in node.inputs])
        except ShapeError as error:
            reads = " and ".join(f"{name} {shapes[name]}" for name in node.inputs)
            where = f"{node.name}, which reads {reads}" if len(node.inputs) > 1 else node.name
            raise ShapeError(f"{where}: {error}") from None
        shape = shapes[node.name] = spec.shape
        multiply_adds += spec.multiply_adds
        largest_output = max(largest_output, spec.largest_output, math.prod(shape))
        slots.update({f"{node.name}.{name}": slot for name, slot in spec.slots.items()})
    return LayerSpec(shape, slots, multiply_adds, largest_output)


def primitives(layer: Layer | Merge, path: str = "") -> tuple[tuple[str, Layer | Merge], ...]:
    """Return all layers and merges inside ``layer`` that are not composites, in order, as pairs (path, layer)."""
    if not isinstance(layer, Composite):
        return ((path, layer),)
    prefix = f"{path}." if path else ""
    return tuple(pair for node in layer.ordered_nodes() for pair in primitives(node.layer, prefix + node.name))


def depth(layer: Layer | Merge) -> int:
    """Return the number of layers, merges included, on the longest path from the input to the output."""
    if not isinstance(layer, Composite):
        return 1
    depths = {INPUT: 0}
    output = INPUT
    for node in layer.ordered_nodes():
        output = node.name
        depths[output] = max(depths[name] for name in node.inputs) + depth(node.layer)
    return depths[output]
