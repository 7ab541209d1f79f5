"""Composites: layers made of other layers. Every network is a composite.

A composite is a layer like any other, so networks can be nested. It describes its contents as nodes, in the order of
computation: each has a name, a layer, and the names of the nodes whose outputs the layer reads. The names form the paths of
the slots (``dense2.W``). The functions in this file derive the properties of a network from its nodes.

A network has one input, called ``"input"``, and one output, unless it is a :class:`~pellucid.networks.graph.Graph` that names
several: then its inputs, outputs and their shapes are dictionaries by name. Its :class:`Ports` say which.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pellucid.core import habits
from pellucid.core.config import Config
from pellucid.core.habits import explain_arguments
from pellucid.core.memory import MAX_AXES, Shape, Slot
from pellucid.errors import ConfigError, ShapeError
from pellucid.layers.base import Layer, LayerSpec, Merge
from pellucid.networks.ports import INPUT, NAME, ONE_OF_EACH, Ports, input_shapes, quoted

if TYPE_CHECKING:  # for Composite.compile, the only place where a file refers to a room above its own
    from pellucid.data.input_stage import InputStage
    from pellucid.losses import Loss
    from pellucid.losses.from_function import LossFunction
    from pellucid.metrics import Metric
    from pellucid.model.model import Model
    from pellucid.optim import Optimizer


@dataclass(frozen=True)
class Shared(Config):
    """The layer of another node of the same graph, applied once more with the same parameters.

    ``node`` is the name of that node: after ``Node("left_code", encoder, "left")``, the node
    ``Node("right_code", Shared("left_code"), "right")`` applies the same encoder to "right". The parameters exist once, under
    the paths of the first node, and their gradient is the sum over both. What is random (dropout) differs between the two.
    Batch normalization uses the statistics of each batch alone, and the running statistics, which exist once too, are updated
    by one application after the other, in the order of computation.
    """

    node: str


@dataclass(frozen=True, init=False)
class Node(Config):
    """One layer of a network and the nodes that it reads.

    ``Node("sum", Add(), "left", "right")`` has the name "sum" and reads the nodes "left" and "right"; the name ``"input"``
    refers to the input of the network, if that has no other name. A layer reads one node, a merge two or more. ``layer`` may
    be that of another node (:class:`Shared`).
    """

    name: str
    layer: Layer | Merge | Shared
    inputs: tuple[str, ...]

    def __init__(self, name: str, layer: Layer | Merge | Shared, *inputs: str):
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "inputs", inputs)
        self.__post_init__()
        if name == INPUT or not re.fullmatch(NAME, name):
            raise ConfigError(
                f"Node(name={name!r}): a name may contain letters, digits, _ and -; 'input' is the network's input"
            )
        if isinstance(layer, Shared):
            if not inputs:
                raise ConfigError(f"node {name!r} reads nothing, but applies the layer of {layer.node!r}: name what it reads")
        else:
            refuse_several_ports(f"node {name!r}", (layer,))
            check_input_count(name, layer, inputs)

    def __repr__(self) -> str:
        return f"Node({', '.join([repr(self.name), repr(self.layer), *map(repr, self.inputs)])})"


def check_input_count(name: str, layer: Layer | Merge, inputs: tuple[str, ...]) -> None:
    """Raise ConfigError if the node ``name`` reads a number of inputs that its layer does not take."""
    reads = f"node {name!r} reads {quoted(inputs) if inputs else 'nothing'}"
    if isinstance(layer, Merge) and len(inputs) < 2:
        raise ConfigError(f"{reads}, but {layer} merges two or more: name them, as in Node({name!r}, {layer}, 'a', 'b')")
    if isinstance(layer, Layer) and len(inputs) != 1:
        hint = layer.hint_for_several_inputs if inputs else "name it, or 'input'"
        raise ConfigError(f"{reads}, but {layer} takes one input: {hint}")


@dataclass(frozen=True)
class OrderedNode:
    """A node in the order of computation, as networks run it: its layer is never a :class:`Shared`.

    ``slots`` is the name under which the slots of the layer are found: its own, or for a shared layer that of its first node.
    It is empty for a layer that computes several nodes of the network and receives the slots of all of them by path.
    """

    name: str
    layer: Layer | Merge
    inputs: tuple[str, ...]
    slots: str

    @classmethod
    def own(cls, name: str, layer: Layer | Merge, *inputs: str) -> OrderedNode:
        """Return the node of a layer that has slots of its own."""
        return cls(name, layer, inputs, name)

    def with_layer(self, layer: Layer | Merge) -> OrderedNode:
        """Return this node with another layer, which must have the same slots."""
        return OrderedNode(self.name, layer, self.inputs, self.slots)


Nodes = tuple[OrderedNode, ...]


METHODS_OF_MODELS = {"evaluate", "fit", "fit_events", "predict", "save", "summary"}


class Composite(Layer, ABC):
    """The base class of all networks: a layer made of other layers."""

    @abstractmethod
    def ordered_nodes(self) -> Nodes:
        """Return the nodes in topological order: each after those that it reads."""

    def ports(self) -> Ports:
        """Return the inputs and outputs; by default there is one of each, and the output is that of the last node."""
        return ONE_OF_EACH

    @property
    def continues(self) -> bool:
        return all(node.layer.continues for node in self.ordered_nodes())

    @abstractmethod
    def fused(self) -> Layer:
        """Return a layer that computes the same function in fewer passes, with the same slots under the same names."""

    def folded(self) -> Layer:
        """Return a layer that only predicts, in fewer passes than the fused form, with the same slots under the same names."""
        return self.fused()

    if not TYPE_CHECKING:  # type checkers would accept every attribute

        def __getattr__(self, name: str) -> object:
            if name in METHODS_OF_MODELS:
                raise AttributeError(
                    f"a network has no {name}(): it has no parameters yet. Create a model first: "
                    f"model = network.compile(input_shape=..., loss=..., optimizer=...); model.{name}(...)"
                )
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}{habits.instead(name, habits.OF_MODELS)}"
            )

    @explain_arguments
    def compile(
        self,
        input_shape: Sequence[int] | Mapping[str, Sequence[int]],
        loss: Loss | LossFunction | None = None,
        optimizer: Optimizer | None = None,
        metrics: Iterable[Metric] | Mapping[str, Iterable[Metric]] = (),
        seed: int = 0,
        classes: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        input_stage: InputStage | Mapping[str, InputStage] | None = None,
        loss_weights: Mapping[str, float] | None = None,
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

        With several inputs, ``input_shape`` and ``input_stage`` are dictionaries by input. With several outputs, ``loss``,
        ``metrics`` and ``classes`` are dictionaries by output, and training minimizes the sum of the losses, each multiplied
        by its number in ``loss_weights``, which is 1 by default.

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
            loss_weights=loss_weights,
        )


def ports_of(layer: Layer) -> Ports:
    """Return the inputs and outputs of a network, or of a single layer, which has one of each."""
    return layer.ports() if isinstance(layer, Composite) else ONE_OF_EACH


def build_layer(layer: Layer | Merge, shapes: Sequence[Shape]) -> LayerSpec:
    """Return ``layer.build`` for inputs of these shapes: one for a layer, two or more for a merge."""
    return layer.build(shapes) if isinstance(layer, Merge) else layer.build(*shapes)


def build_nodes(nodes: Nodes, ports: Ports, shape: Any) -> LayerSpec:
    """Return the LayerSpec of a network of these nodes for inputs of ``shape``, with the slots by path.

    Raises ShapeError with the name of the node that does not accept its inputs.
    """
    shapes: dict[str, Shape] = input_shapes(ports, shape)
    slots: dict[str, Slot] = {}
    built: dict[str, tuple[OrderedNode, LayerSpec]] = {}  # by the name of the slots: their first node
    multiply_adds = largest_output = all_outputs = 0
    for node in nodes:
        try:
            spec = build_layer(node.layer, [shapes[name] for name in node.inputs])
        except ShapeError as error:
            reads = " and ".join(f"{name} {shapes[name]}" for name in node.inputs)
            where = f"{node.name}, which reads {reads}" if len(node.inputs) > 1 else node.name
            raise ShapeError(f"{where}: {error}") from None
        if len(spec.shape) > MAX_AXES:
            raise ShapeError(f"{node.name}: its outputs have {len(spec.shape)} axes; at most {MAX_AXES} are possible")
        shapes[node.name] = spec.shape
        multiply_adds += spec.multiply_adds
        values = math.prod(spec.shape)
        largest_output = max(largest_output, spec.largest_output, values)
        all_outputs += spec.all_outputs or values
        first, shared = built.setdefault(node.slots or node.name, (node, spec))
        for name, slot in spec.slots.items():
            if first is not node and (name not in shared.slots or shared.slots[name].shape != slot.shape):
                own, other = (" and ".join(f"{source} {shapes[source]}" for source in one.inputs) for one in (node, first))
                raise ShapeError(
                    f"{node.name}, which reads {own}, cannot share the parameters of {first.name}, which reads {other}: "
                    f"{name} would have the shape {slot.shape}; both must read the same shape"
                )
            slots.setdefault(f"{node.slots}.{name}" if node.slots else name, slot)
    ends = {name: shapes[end] for name, end in ports.ends(nodes).items()}
    shape = ends if len(ends) > 1 else next(iter(ends.values()))
    return LayerSpec(shape, slots, multiply_adds, largest_output, all_outputs)


def leading_to(ends: Iterable[str], nodes: Nodes) -> Nodes:
    """Return the nodes ``ends`` and all that they depend on."""
    needed = set(ends)
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return tuple(node for node in nodes if node.name in needed)


def refuse_several_ports(owner: str, layers: Iterable[object]) -> None:
    """Raise ConfigError if one of the layers inside ``owner`` is a network with several inputs or outputs."""
    for layer in layers:
        if isinstance(layer, Composite) and layer.ports().several:
            raise ConfigError(
                f"{owner}: a Graph with several inputs or outputs is a whole network, not a layer of another one: put its "
                "nodes into the outer Graph"
            )


def primitives(layer: Layer | Merge, path: str = "") -> tuple[tuple[str, Layer | Merge], ...]:
    """Return all layers and merges inside ``layer`` that are not composites, in order, as pairs (path, layer)."""
    if not isinstance(layer, Composite):
        return ((path, layer),)
    prefix = f"{path}." if path else ""
    return tuple(pair for node in layer.ordered_nodes() for pair in primitives(node.layer, prefix + node.name))


def depth(layer: Layer | Merge) -> int:
    """Return the number of layers, merges included, on the longest path from an input to an output."""
    if not isinstance(layer, Composite):
        return 1
    nodes, ports = layer.ordered_nodes(), layer.ports()
    depths = dict.fromkeys(ports.inputs, 0)
    for node in nodes:
        depths[node.name] = max(depths[name] for name in node.inputs) + depth(node.layer)
    return max(depths[end] for end in ports.ends(nodes).values())
