"""The past in ONNX files: what the layers remember of sequences that are read in several passes, as inputs and outputs.

A file without a past computes the outputs of whole sequences. A file with it reads the next positions of sequences, and beside
them the *past* of each layer that depends on earlier positions: keys and values of attention, states of recurrent layers, steps
under the kernel of a causal convolution. It returns the past of the next pass. That is what ``ctx.past`` is for the layers
themselves (:class:`pellucid.layers.context.Past`).

| input | axes | output |
|---|---|---|
| ``past_key_values.0.key``, and ``….value`` | batch, heads, past, width/heads | ``present.0.key``, and ``….value`` |
| ``past.gru1.h``, and of an LSTM ``past.lstm1.c`` | batch, 0 or 1, units | ``present.gru1.h``, ``present.lstm1.c`` |
| ``past.conv1d1.steps`` | batch, 0 to span − 1, channels | ``present.conv1d1.steps`` |
| ``past.length``, integers | batch | ``present.length`` |

Layers of attention have numbers, and with them the names that Hugging Face's exports of language models have. Other layers have
their paths. ``past.length`` is the number of positions that were read before; it is an input if layers add positions and there
is no attention, whose keys have that many rows. Where a sequence begins, all axes without a fixed length have the length 0, and
``past.length`` is 0. The outputs have the order of the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.export.trained_network import TrainedNetwork
from pellucid.layers import Attention, Embedding
from pellucid.networks import primitives

PAST, KEY_VALUES, PRESENT = "past.", "past_key_values.", "present."
TIME, BEFORE = "time", "past"  # the axes of the positions of this pass, and of those before
Axes = Sequence[int | str]  # without the batch axis; strings are the names of axes without a fixed length
Declaration = tuple[type, Axes, str]  # of an input or output: its NumPy dtype, its axes, a description


class Nodes(Protocol):
    """The methods of :class:`~pellucid.export.onnx.graph.Graph` that the past needs."""

    path: str

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str: ...

    def constant(self, name: str, array: Array | float | Sequence[int]) -> str: ...

    def unique_name(self, name: str) -> str: ...


class Past:
    """The inputs and outputs of a graph for what its layers remember.

    ``sequence`` is the name of the input with the sequences, ``window`` the number of positions that the network was built for.
    ``attention`` is true if there is a layer of attention, whose keys have a row for each position that was read.

    ``inputs`` and ``outputs`` are dtype, axes and description by name. ``users`` are the paths of the layers that remember
    something.
    """

    def __init__(self, graph: Nodes, sequence: str, window: int, attention: bool):
        self.window = window
        self.inputs: dict[str, Declaration] = {}
        self.outputs: dict[str, Declaration] = {}
        self.users: set[str] = set()
        self._graph, self._sequence, self._attention = graph, sequence, attention
        self._names: dict[str, str] = {}  # part -> its output
        self._kept: dict[str, str] = {}  # part -> the value of its output
        self._numbers: dict[str, int] = {}  # path -> the number of this layer of attention
        self._once: dict[str, str] = {}

    def extended(self, part: str, new: str, heads: int, d: int) -> str:
        """Add the keys or values (batch, heads, time, d) of further positions to those before, and return the name of all."""
        number = self._numbers.setdefault(self._graph.path, len(self._numbers))
        axes, extended = (heads, BEFORE, d), (heads, f"{BEFORE} + {TIME}", d)
        before = self._add_input(KEY_VALUES, f"{number}.{part}", axes, extended)
        self._kept[f"{number}.{part}"] = both = self._graph.node("Concat", before, new, axis=2)
        return both

    def read(self, part: str, axes: Axes, extended: Axes) -> str:
        """Add the input for one part of what the layer remembers, and return its name.

        ``axes`` are those after the batch axis, ``extended`` those of the output, which :meth:`keep` adds. Axes with a name in
        place of a length have the length 0 where a sequence begins.
        """
        return self._add_input(PAST, f"{self._graph.path}.{part}", axes, extended)

    def keep(self, part: str, value: str) -> None:
        """Make the value of this name the output for one part of what the layer remembers."""
        self._kept[f"{self._graph.path}.{part}"] = value

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
            length = self._add_input(PAST, "length", (), (), np.int64)
            self._kept["length"] = graph.node("Add", length, time)
            first = graph.node("Unsqueeze", length, graph.constant("axis", [1]))
        # The sum is last: ONNX Runtime would make a Slice of a Gather whose indices are a Range, and a Slice is cut at the end.
        steps = graph.node("Range", graph.constant("zero", 0), time, graph.constant("one", 1))
        numbers = graph.node("Add", first, steps)
        window, path = graph.constant("window", np.arange(self.window)), graph.path
        graph.path = f"positions within the window of {self.window}"
        checked = graph.node("Gather", window, numbers)
        graph.path = path
        return checked

    def ends(self) -> dict[str, str]:
        """Return the value of each output by name.

        Raises ConfigError if a layer reads something that it does not keep, or keeps something that it does not read.
        """
        if odd := self._names.keys() ^ self._kept.keys():
            raise ConfigError(
                "export_onnx(cache=True): graph.past.read and graph.past.keep belong together, but of what layers remember "
                f"{min(odd)} is only {'read' if min(odd) in self._names else 'kept'}"
            )
        return {output: self._kept[part] for part, output in self._names.items()}

    def _add_input(self, prefix: str, part: str, axes: Axes, extended: Axes, dtype: type = np.float32) -> str:
        """Add the input of one part and declare its output, with the axes of both, and return the name of the input."""
        path = self._graph.path
        self.users.add(path)
        before, after = self._graph.unique_name(prefix + part), self._graph.unique_name(PRESENT + part)
        self.inputs[before] = dtype, axes, f"{after} of the pass before"
        self.outputs[after] = dtype, extended, f"{before} of the next pass; {path}"
        self._names[part] = after
        return before


def past_of(graph: Nodes, trained: TrainedNetwork) -> Past:
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
