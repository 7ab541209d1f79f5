"""A graph of ONNX operators under construction.

The ONNX operators for images expect the channels before height and width, (n, c, h, w), and the recurrent ones expect time
first, (t, n, f). In Pellucid, channels and features are the last axis. A :class:`Value` therefore stores one name for each
memory layout in which it is available. When an operator needs a layout that does not exist yet, the graph adds one Transpose
and stores the name of its output. Element-wise operators work in the layout in which their inputs are available. As a
result, no Transpose follows another, and there is none between two convolutions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.export.onnx.past import Past

Layout = tuple[int, ...]  # position -> the axis of Pellucid's layout that is at this position

CHANNELS_FIRST: Layout = (0, 3, 1, 2)  # (n, c, h, w)
TIME_FIRST: Layout = (1, 0, 2)  # (t, n, f)
FLOAT, INT64, BOOL = 1, 7, 9  # the codes of data types in ONNX (TensorProto.DataType)


@dataclass(frozen=True)
class Value:
    """The output of a layer: the shape of one sample in Pellucid's layout, and a name for each available layout."""

    shape: Shape
    names: dict[Layout, str] = field(default_factory=dict)

    @property
    def pellucid_layout(self) -> Layout:
        """Pellucid's layout of this value: batch first, channels or features last."""
        return tuple(range(len(self.shape) + 1))

    @property
    def channels_first(self) -> Layout:
        """The layout (n, c, …positions), which the operators for images and sequences expect."""
        return (0, len(self.shape), *range(1, len(self.shape)))

    @property
    def layout(self) -> Layout:
        """The layout in which the value was computed."""
        return next(iter(self.names))


@dataclass(frozen=True)
class Operation:
    """One node of the graph. The exporter converts it to an ONNX node."""

    operator: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class Graph:
    """A list of operations in order of computation, and constants by name.

    ``path`` is the path of the layer that is being exported; the names of its operations begin with it. The names of its
    constants begin with ``slots``: its own path, or that of the layer with which it shares its parameters. While ``shared`` is
    true, that layer has been exported, and equal constants are not added again. ``reserved`` are the names of the inputs and
    outputs. ``past`` is what the layers remember of sequences that are read in several passes, or None.
    """

    def __init__(self, reserved: Iterable[str] = ("input", "output")) -> None:
        self.operations: list[Operation] = []
        self.constants: dict[str, Array] = {}
        self.path = self.slots = ""
        self.shared = False
        self.past: Past | None = None
        self.inputs: list[tuple[str, Shape]] = []  # of a loop body: name, and shape of one sample
        self.outputs: list[tuple[str, Shape]] = []
        self._used_names: Counter[str] = Counter(reserved)

    # -- the methods that most layers need ------------------------------------------------------------------------

    def op(self, operator: str, *inputs: Value | str, shape: Shape | None = None, **attributes: Any) -> Value:
        """Add an operator and return its output.

        The inputs are values, which are read in Pellucid's layout, and names of constants. ``shape`` is the shape of one
        output sample, without the batch axis; by default it is that of the first value.
        """
        first = next(x for x in inputs if isinstance(x, Value))
        names = [self.name_of(x) if isinstance(x, Value) else x for x in inputs]
        return self.value(self.node(operator, *names, **attributes), first.shape if shape is None else shape)

    def elementwise(self, operator: str, *inputs: Value | Array | float | tuple[float, ...], **attributes: Any) -> Value:
        """Add an element-wise operator and return its output, in the layout in which most of its inputs are available.

        Numbers and arrays (…, c) become constants. Arrays are broadcast to the shape of a sample as in NumPy.
        """
        values = [x for x in inputs if isinstance(x, Value)]
        layout = self.common_layout(values)
        names = [self.name_of(x, layout) if isinstance(x, Value) else self._broadcast_constant(x, layout) for x in inputs]
        return self.value(self.node(operator, *names, **attributes), values[0].shape, layout)

    def constant(self, name: str, array: Array | float | Sequence[int], dtype: type | None = None) -> str:
        """Add a constant and return its name. By default real numbers become float32, integers int64."""
        values = np.asarray(array)
        if dtype is None:
            dtype = np.int64 if values.dtype.kind in "iu" else np.float32
        values = np.ascontiguousarray(values, dtype)
        name = f"{self.slots or self.path}.{name}"
        if self.shared:
            for other, constant in self.constants.items():
                same_name = other == name or other.startswith(f"{name}.")
                if same_name and constant.dtype == values.dtype and np.array_equal(constant, values):
                    return other
        name = self.unique_name(name)
        self.constants[name] = values
        return name

    # -- names and layouts ----------------------------------------------------------------------------------------

    def value(self, name: str, shape: Shape, layout: Layout | None = None) -> Value:
        """Return a Value that is available under ``name`` in the given layout, by default in Pellucid's."""
        value = Value(shape)
        value.names[value.pellucid_layout if layout is None else layout] = name
        return value

    def name_of(self, x: Value, layout: Layout | None = None) -> str:
        """Return the name of ``x`` in a layout, by default in Pellucid's. Adds a Transpose if necessary."""
        wanted = x.pellucid_layout if layout is None else layout
        if wanted not in x.names:
            source = x.layout
            x.names[wanted] = self.node("Transpose", x.names[source], perm=[source.index(axis) for axis in wanted])
        return x.names[wanted]

    def common_layout(self, values: Sequence[Value]) -> Layout:
        """Return the layout in which most of the values are available; the first one if several are equally frequent."""
        available = Counter(layout for x in values for layout in x.names)
        return max(available, key=lambda layout: available[layout])

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output, and return the name of the output."""
        return self.nodes(operator, *inputs, outputs=1, **attributes)[0]

    def nodes(self, operator: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Add an operator with several outputs, and return their names. An empty string omits an optional input."""
        name = self.unique_name(self.path if operator != "Transpose" else f"{self.path}.transpose")
        output_names = [name, *(self.unique_name(f"{name}.{i}") for i in range(1, outputs))]
        self.operations.append(Operation(operator, name, list(inputs), output_names, attributes))
        return output_names

    def unique_name(self, name: str) -> str:
        """Return the name, with a number appended if it is already used."""
        unused = name
        while self._used_names[unused]:
            self._used_names[name] += 1
            unused = f"{name}.{self._used_names[name]}"
        self._used_names[unused] += 1
        return unused

    # -- loops ----------------------------------------------------------------------------------------------------

    def subgraph(self) -> Graph:
        """Return an empty graph for the body of a loop. It has its own operations, and can read the same constants."""
        body = Graph()
        body.path, body.constants, body._used_names = self.path, self.constants, self._used_names
        body.slots, body.shared = self.slots, self.shared
        return body

    def add_input(self, name: str, shape: Shape) -> str:
        """Add an input to a loop body, and return its name."""
        name = self.unique_name(f"{self.path}.{name}")
        self.inputs.append((name, shape))
        return name

    def add_output(self, name: str, shape: Shape) -> None:
        """Declare the value ``name`` as the next output of a loop body."""
        self.outputs.append((name, shape))

    # -- the output of the graph ----------------------------------------------------------------------------------

    def set_outputs(self, outputs: Mapping[str, Value | str], inputs: Collection[str]) -> None:
        """Declare the values as the outputs of the whole graph by name; it reads ``inputs``.

        They are in Pellucid's layout, or have the given names.
        """
        renamed: dict[str, str] = {}
        for output, x in outputs.items():
            last = self.name_of(x) if isinstance(x, Value) else x
            if last in inputs or last in renamed:  # an input, or the value of another output
                self.path = output
                last = self.node("Identity", last)
            renamed[last] = output
        for operation in self.operations:
            for names in (operation.inputs, operation.outputs):
                names[:] = [renamed.get(name, name) for name in names]

    def _broadcast_constant(self, x: Array | float | tuple[float, ...], layout: Layout) -> str:
        """Add a constant in a shape that ONNX broadcasts to values in the given layout, and return its name."""
        array = np.asarray(x, np.float32)
        if array.size > 1:  # extended to all axes of Pellucid's layout, then transposed
            array = array.reshape((1,) * (len(layout) - array.ndim) + array.shape).transpose(layout)
        else:
            array = array.reshape(())
        return self.constant("constant", array)
