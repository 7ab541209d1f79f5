"""The past in ONNX files: what layers remember of a sequence that is read in several passes, as inputs and outputs of the graph.

A file without it computes the outputs of a whole sequence. With it, the graph reads the further positions of sequences, and
beside them the *past* of each layer that depends on earlier positions: the keys and values of attention, the states of recurrent
layers, the steps under the kernel of a causal convolution. It returns the extended past, which is the input of the next pass.
This is what ``ctx.past`` is for the layers themselves (:class:`pellucid.layers.context.Past`).

| input | shape | output |
|---|---|---|
| ``past_key_values.0.key``, ``….value`` | (batch, heads, past, width/heads) | ``present.0.key``, ``….value`` |
| ``past.gru1.h``, of an LSTM also ``….c`` | (batch, 0 or 1, units) | ``present.gru1.h`` |
| ``past.conv1d1.steps`` | (batch, 0 … span − 1, channels) | ``present.conv1d1.steps`` |
| ``past.length`` | (batch), integers | ``present.length`` |

Layers of attention are numbered, which are the names that Hugging Face's exports of language models have; other layers have
their paths. ``past.length``, the number of positions read before, is there if layers add positions and no keys state how many
there were. Where a sequence begins, the axes of a past that have no fixed length have the length 0, and ``past.length`` is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pellucid.errors import ConfigError
from pellucid.export.onnx.graph import FLOAT, INT64, Graph
from pellucid.export.trained_network import TrainedNetwork
from pellucid.layers import Attention, Embedding
from pellucid.networks import primitives

PAST, KEY_VALUES, PRESENT = "past.", "past_key_values.", "present."
TIME, BEFORE = "time", "past"  # the axes of the positions of this pass, and of those before
Axes = Sequence[int | str]  # without the batch axis; strings are the names of axes without a fixed length


class Past:
    """The inputs and outputs of a graph for what its layers remember.

    ``sequence`` is the name of the input with the sequences, ``window`` the number of positions that the network was built for.
    ``attention`` states whether there is a layer of attention, whose keys state how many positions were read.

    ``inputs`` and ``outputs`` have, by name, the code of the data type, the axes, and a description.
    """

    def __init__(self, graph: Graph, sequence: str, window: int, attention: bool):
        self.window = window
        self.inputs: dict[str, tuple[int, Axes, str]] = {}
        self.outputs: dict[str, tuple[int, Axes, str]] = {}
        self.values: dict[str, str] = {}  # output -> the name of its value in the graph
        self.users: set[str] = set()  # the paths of the layers that remember something
        self._graph, self._sequence, self._attention = graph, sequence, attention
        self._numbers: dict[str, int] = {}  # of the layers of attention, by path
        self._once: dict[str, str] = {}

    def extended(self, part: str, new: str, heads: int, d: int) -> str:
        """Add the keys or values (batch, heads, time, d) of further positions to those before, and return the name of all."""
        path = self._graph.path
        number = self._numbers.setdefault(path, len(self._numbers))
        before = self._add_input(KEY_VALUES, f"{number}.{part}", (heads, BEFORE, d))
        both = self._graph.node("Concat", before, new, axis=2)
        self._add_output(f"{number}.{part}", both, (heads, f"{BEFORE} + {TIME}", d))
        return both

    def read(self, part: str, axes: Axes) -> str:
        """Add the input for one part of what the layer remembers, and return its name.

        ``axes`` are those after the batch axis. Axes with a name in place of a length have the length 0 where a sequence begins.
        """
        return self._add_input(PAST, f"{self._graph.path}.{part}", axes)

    def keep(self, part: str, value: str, axes: Axes) -> None:
        """Declare the output for one part of what the layer remembers: the value of this name."""
        self._add_output(f"{self._graph.path}.{part}", value, axes)

    def positions(self) -> str:
        """Return the name of the numbers of the positions that are read: (time), or (batch, time) without attention.

        They count from the beginning of the sequences. The runtime refuses positions beyond the window, in a node whose name
        states its length.
        """
        return self.once("positions", self._positions)

    def once(self, key: str, add: Callable[[], str]) -> str:
        """Return the name of a value that several layers use: ``add()`` adds it to the graph at the first call."""
        if key not in self._once:
            self._once[key] = add()
        return self._once[key]

    def scalar(self, name: str, axis: int) -> str:
        """Return the length of an axis, without an axis of its own."""
        return self._graph.node("Squeeze", self._graph.node("Shape", name, start=axis, end=axis + 1))

    def _positions(self) -> str:
        graph, time = self._graph, self.scalar(self._sequence, 1)
        if self._attention:
            first = self.scalar(f"{KEY_VALUES}0.key", 2)
        else:
            length = self._add_input(PAST, "length", (), INT64)
            self._add_output("length", graph.node("Add", length, time), (), INT64)
            first = graph.node("Unsqueeze", length, graph.constant("axis", [1]))
        # The sum is last: ONNX Runtime would make a Slice of a Gather whose indices are a Range, and a Slice is cut at the end.
        steps = graph.node("Range", graph.constant("zero", 0), time, graph.constant("one", 1))
        numbers = graph.node("Add", first, steps)
        window, path = graph.constant("window", np.arange(self.window)), graph.path
        graph.path = f"positions within the window of {self.window}"
        checked = graph.node("Gather", window, numbers)
        graph.path = path
        return checked

    def _add_input(self, prefix: str, name: str, axes: Axes, kind: int = FLOAT) -> str:
        graph = self._graph
        self.users.add(graph.path)
        whole = graph.unique_name(prefix + name)
        self.inputs[whole] = kind, axes, f"{PRESENT}{name} of the pass before"
        return whole

    def _add_output(self, name: str, value: str, axes: Axes, kind: int = FLOAT) -> None:
        whole = self._graph.unique_name(PRESENT + name)
        self.outputs[whole], self.values[whole] = (kind, axes, f"the past of {self._graph.path} for the next pass"), value


def past_of(graph: Graph, trained: TrainedNetwork) -> Past:
    """Return the past of a network, without inputs and outputs so far.

    Raises ConfigError for a network that does not read sequences, or not in several passes.
    """
    what = "export_onnx(cache=True)"
    if trained.ports.several:
        raise ConfigError(f"{what} needs a network with one input and one output; export it without a cache")
    steps, _ = trained.steps()
    ((name, (shape, _)),) = trained.inputs.items()
    first = [step.layer for step in steps if name in step.reads]
    tokens = bool(first) and all(isinstance(layer, Embedding) for layer in first)
    if len(shape) != (1 if tokens else 2):
        raise ConfigError(
            f"{what} is for networks that read sequences, of tokens with an Embedding or of features (time, features), but "
            f"this one reads samples of the shape {shape}; export it without a cache"
        )
    for path, layer in primitives(trained.network):
        if not layer.continues:
            raise ConfigError(
                f"{what}: {path or 'the network'}, {layer}, cannot go on with a sequence whose beginning it read in an earlier "
                'pass; use layers that read no later position, such as Attention(…, causal=True), Conv1D(…, padding="causal") '
                "and GRU(…, return_sequences=True), or export without a cache: the file then reads whole windows"
            )
    return Past(graph, name, shape[0], any(isinstance(step.layer, Attention) for step in steps))
