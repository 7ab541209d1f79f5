"""The description of a trained network that the exporters read: network, arrays, input stage and class names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.core.memory import Array, Shape
from pellucid.data.input_stage import InputStage, Passthrough
from pellucid.data.input_stages import AnyStage, InputStages
from pellucid.layers import Layer, Merge
from pellucid.networks import Composite, build_layer
from pellucid.networks.composite import ports_of
from pellucid.networks.ports import OUTPUT, Ports, input_shapes


@dataclass(frozen=True)
class Step:
    """One layer or merge in the order of computation.

    - ``path``: its path; empty for a layer that is the whole network.
    - ``reads``: the paths of the steps whose outputs it reads; ``"input"`` is the input of the network.
    - ``shapes``, ``shape``: the shapes of its inputs and of its output, without the batch axis.
    - ``arrays``: its parameters and running statistics by slot name.
    - ``slots``: the path of its arrays: its own, or that of the layer with which it shares its parameters.
    """

    path: str
    layer: Layer | Merge
    reads: tuple[str, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    arrays: Mapping[str, Array]
    slots: str

    @property
    def name(self) -> str:
        """The path, or the lower-case class name of a layer that is the whole network."""
        return self.path or type(self.layer).__name__.lower()

    def slot_path(self, slot: str) -> str:
        """Return the path of a slot of this layer, such as ``dense1.W``."""
        return f"{self.slots}.{slot}" if self.slots else slot


@dataclass(frozen=True)
class TrainedNetwork:
    """The description of a network that can compute predictions; every exporter reads it.

    - ``network``: the network.
    - ``input_shape``: the shape of one sample; with several inputs a dictionary by input.
    - ``arrays``: parameters and running statistics by path.
    - ``stage``: the input stage; without one, inputs are real numbers that are used unchanged.
    - ``classes``: the names of the classes, if known; with several outputs a dictionary by output.
    """

    network: Layer
    input_shape: Any
    arrays: Mapping[str, Array]
    stage: AnyStage | None = None
    classes: Any = None

    @property
    def ports(self) -> Ports:
        """The inputs and outputs of the network."""
        return ports_of(self.network)

    @property
    def inputs(self) -> dict[str, tuple[Shape, InputStage]]:
        """The shape and the input stage of each input by name; :class:`~pellucid.data.input_stage.Passthrough` by default."""
        shapes = input_shapes(self.ports, self.input_shape)
        stages = self.stage if isinstance(self.stage, InputStages) else dict.fromkeys(shapes, self.stage)
        return {name: (shape, stages[name] or Passthrough()) for name, shape in shapes.items()}

    @property
    def outputs(self) -> dict[str, Shape]:
        """The shape of each output by name."""
        shape = self.network.build(self.input_shape).shape
        return shape if isinstance(shape, dict) else {OUTPUT: shape}

    def classes_of(self, output: str) -> tuple[str, ...] | None:
        """Return the names of the classes of an output, if known."""
        classes = self.classes.get(output) if isinstance(self.classes, dict) else self.classes
        return None if classes is None else tuple(classes)

    @property
    def input_stage(self) -> InputStage:
        """The input stage of the only input."""
        ((_, stage),) = self.inputs.values()
        return stage

    @property
    def output_shape(self) -> Shape:
        """The shape of the only output for one sample."""
        (shape,) = self.outputs.values()
        return shape

    def steps(self) -> tuple[tuple[Step, ...], dict[str, str]]:
        """Return the layers and merges in the order of computation, and the path of each output of the network by name.

        Composites are replaced by the layers in them. Every step comes after the steps that it reads. The path of an
        output is the name of an input if there is no layer between them.
        """
        shapes = input_shapes(self.ports, self.input_shape)
        steps, ends = self._unrolled(self.network, "", "", tuple(shapes), tuple(shapes.values()))
        outputs = tuple(ends.values())
        return tuple(steps), dict(zip(self.outputs, (path for path, _ in outputs), strict=True))

    def _unrolled(
        self, layer: Layer | Merge, path: str, slots: str, reads: Sequence[str], shapes: Sequence[Shape]
    ) -> tuple[list[Step], dict[str, tuple[str, Shape]]]:
        """Return the steps of one layer, whose arrays are at the path ``slots``, and path and shape of its outputs by name."""
        if not isinstance(layer, Composite):
            spec = build_layer(layer, shapes)
            prefix = f"{slots}." if slots else ""
            arrays = {slot: self.arrays[prefix + slot] for slot in spec.slots}
            return [Step(path, layer, tuple(reads), tuple(shapes), spec.shape, arrays, slots)], {OUTPUT: (path, spec.shape)}
        steps: list[Step] = []
        ports, nodes = layer.ports(), layer.ordered_nodes()
        found = dict(zip(ports.inputs, zip(reads, shapes, strict=True), strict=True))  # node -> path and shape of its output
        for node in nodes:
            inner, inner_slots = (
                f"{outer}.{name}" if outer else name for outer, name in ((path, node.name), (slots, node.slots))
            )
            inputs = [found[name] for name in node.inputs]
            inner_steps, ends = self._unrolled(
                node.layer, inner, inner_slots, [path for path, _ in inputs], [shape for _, shape in inputs]
            )
            steps += inner_steps
            (found[node.name],) = ends.values()
        return steps, {name: found[end] for name, end in ports.ends(nodes).items()}
