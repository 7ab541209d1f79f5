"""What is exported: a trained network in the form that predicts, unrolled into layers that are not made of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pellucid.core.memory import Array, Shape
from pellucid.data.input_stage import InputStage, Numbers
from pellucid.errors import ConfigError
from pellucid.layers.base import Layer
from pellucid.layers.merge import Merge
from pellucid.networks import Composite, built
from pellucid.networks.composite import INPUT
from pellucid.training.parts import Parts

Form = TypeVar("Form")


@dataclass(frozen=True)
class Step:
    """One layer or merge at its place: its path (empty for a layer that is the whole network), the paths of the steps that it
    reads (``"input"`` is what goes into the network), the shapes of what it gets and of what it gives, without the batch
    axis, and its arrays by the names of its slots."""

    path: str
    layer: Layer | Merge
    reads: tuple[str, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    arrays: Mapping[str, Array]

    @property
    def name(self) -> str:
        return self.path or type(self.layer).__name__.lower()

    def key(self, slot: str) -> str:
        """The path of a slot."""
        return f"{self.path}.{slot}" if self.path else slot


@dataclass(frozen=True)
class Trained:
    """A network, the shape of one sample, its parameters and running statistics by path, the input stage (numbers as they
    are where nothing else was learned) and the names of the classes."""

    network: Layer
    input_shape: Shape
    arrays: Mapping[str, Array]
    stage: InputStage | None = None
    classes: tuple[str, ...] | None = None

    @classmethod
    def of(cls, parts: Parts, stage: InputStage | None, classes: tuple[str, ...] | None) -> Trained:
        """A model's network as it is now."""
        arrays = parts.layout.arrays(parts.theta) | parts.state_layout.arrays(parts.state)
        return cls(parts.network, parts.input_shape, arrays, stage, classes)

    @property
    def input_stage(self) -> InputStage:
        return Numbers() if self.stage is None else self.stage

    @property
    def output_shape(self) -> Shape:
        return self.network.build(self.input_shape).shape

    def steps(self) -> tuple[tuple[Step, ...], str]:
        """All layers that are not made of layers, each behind those that it reads, and the path of the one whose output
        is the network's: ``"input"`` for a network without layers."""
        steps, end, _ = self._unrolled(self.network, "", (INPUT,), (self.input_shape,))
        return tuple(steps), end

    def _unrolled(
        self, layer: Layer | Merge, path: str, reads: Sequence[str], shapes: Sequence[Shape]
    ) -> tuple[list[Step], str, Shape]:
        if not isinstance(layer, Composite):
            told = built(layer, shapes)
            prefix = f"{path}." if path else ""
            arrays = {slot: self.arrays[prefix + slot] for slot in told.slots}
            return [Step(path, layer, tuple(reads), tuple(shapes), told.shape, arrays)], path, told.shape
        found: list[Step] = []
        ends = {INPUT: (reads[0], shapes[0])}
        end, shape = ends[INPUT]
        for node in layer.inside():
            inner = f"{path}.{node.name}" if path else node.name
            ways = [ends[name] for name in node.inputs]
            steps, end, shape = self._unrolled(node.layer, inner, [way[0] for way in ways], [way[1] for way in ways])
            found += steps
            ends[node.name] = end, shape
        return found, end, shape


def form_of(value: object, forms: Mapping[type, Form], own: Mapping[type, Form], way: str) -> Form:
    """What the tables hold for the class of ``value``: ``own``, the user's, or ``forms``, Pellucid's. Raises ConfigError
    that says how to give one with ``way`` (``export_onnx``)."""
    kind = type(value)
    found = own.get(kind, forms.get(kind))
    if found is None:
        name = kind.__name__
        raise ConfigError(f"{way} does not know {name}: say what it computes, {way}(path, layers={{{name}: function}})")
    return found
