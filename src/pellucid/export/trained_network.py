"""The description of a trained network that the exporters read: network, arrays, input stage and class names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pellucid.core.memory import Array, Shape
from pellucid.data.input_stage import InputStage, Passthrough
from pellucid.layers import Layer, Merge
from pellucid.networks import INPUT, Composite, build_layer


@dataclass(frozen=True)
class Step:
    """One layer or merge in the order of computation.

    - ``path``: its path; empty for a layer that is the whole network.
    - ``reads``: the paths of the steps whose outputs it reads; ``"input"`` is the input of the network.
    - ``shapes``, ``shape``: the shapes of its inputs and of its output, without the batch axis.
    - ``arrays``: its parameters and running statistics by slot name.
    """

    path: str
    layer: Layer | Merge
    reads: tuple[str, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    arrays: Mapping[str, Array]

    @property
    def name(self) -> str:
        """The path, or the lower-case class name of a layer that is the whole network."""
        return self.path or type(self.layer).__name__.lower()

    def slot_path(self, slot: str) -> str:
        """Return the path of a slot of this layer, such as ``dense1.W``."""
        return f"{self.path}.{slot}" if self.path else slot


@dataclass(frozen=True)
class TrainedNetwork:
    """The description of a network that can compute predictions; every exporter reads it.

    - ``network``: the network.
    - ``input_shape``: the shape of one sample.
    - ``arrays``: parameters and running statistics by path.
    - ``stage``: the input stage; without one, inputs are real numbers that are used unchanged.
    - ``classes``: the names of the classes, if known.
    """

    network: Layer
    input_shape: Shape
    arrays: Mapping[str, Array]
    stage: InputStage | None = None
    classes: tuple[str, ...] | None = None

    @property
    def input_stage(self) -> InputStage:
        """The input stage, :class:`~pellucid.data.input_stage.Passthrough` by default."""
        return Passthrough() if self.stage is None else self.stage

    @property
    def output_shape(self) -> Shape:
        """The shape of the output for one sample."""
        return self.network.build(self.input_shape).shape

    def steps(self) -> tuple[tuple[Step, ...], str]:
        """Return the layers and merges in the order of computation, and the path of the network's output.

        Composites are replaced by the layers in them. Every step comes after the steps that it reads. The path of the
        output is ``"input"`` if the network has no layers.
        """
        steps, output, _ = self._unrolled(self.network, "", (INPUT,), (self.input_shape,))
        return tuple(steps), output

    def _unrolled(
        self, layer: Layer | Merge, path: str, reads: Sequence[str], shapes: Sequence[Shape]
    ) -> tuple[list[Step], str, Shape]:
        """Return the steps of one layer, and the path and the shape of its output."""
        if not isinstance(layer, Composite):
            spec = build_layer(layer, shapes)
            prefix = f"{path}." if path else ""
            arrays = {slot: self.arrays[prefix + slot] for slot in spec.slots}
            return [Step(path, layer, tuple(reads), tuple(shapes), spec.shape, arrays)], path, spec.shape
        steps: list[Step] = []
        outputs = {INPUT: (reads[0], shapes[0])}  # node name -> path and shape of its output
        output, shape = outputs[INPUT]
        for node in layer.ordered_nodes():
            inner_path = f"{path}.{node.name}" if path else node.name
            inputs = [outputs[name] for name in node.inputs]
            inner_steps, output, shape = self._unrolled(
                node.layer, inner_path, [path for path, _ in inputs], [shape for _, shape in inputs]
            )
            steps += inner_steps
            outputs[node.name] = output, shape
        return steps, output, shape
