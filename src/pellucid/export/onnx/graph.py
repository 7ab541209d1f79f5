"""A graph of ONNX operators while it is being built.

ONNX's operators on pictures want the channels in front, (n, c, h, w), its recurrent ones the time, (t, n, f); Pellucid has
channels and features last. A :class:`Value` therefore knows under which name it is found in which layout. Asked for a layout
that there is not yet, the graph puts in one Transpose, and remembers; what works on each number by itself stays in the
layout that it finds. So two Transposes never meet, and between two convolutions there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape

Layout = tuple[int, ...]  # at each place, which axis of ours stands there

PICTURE: Layout = (0, 3, 1, 2)  # (n, c, h, w)
TIME: Layout = (1, 0, 2)  # (t, n, f)
FLOAT, INT64, BOOL = 1, 7, 9  # ONNX's numbers for types


@dataclass(frozen=True)
class Value:
    """What one layer gives to others: the shape of one sample as Pellucid has it, and its names by layout."""

    shape: Shape
    names: dict[Layout, str] = field(default_factory=dict)

    @property
    def ours(self) -> Layout:
        """Pellucid's own layout: batch first, channels or features last."""
        return tuple(range(len(self.shape) + 1))

    @property
    def layout(self) -> Layout:
        """The layout that it was made in."""
        return next(iter(self.names))


@dataclass(frozen=True)
class Operation:
    """One node of the graph, before it becomes ONNX's own."""

    operator: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class Graph:
    """Operators in order and constants by name. ``path`` is the layer being written, which names what it adds."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.constants: dict[str, Array] = {}
        self.path = ""
        self.inputs: list[tuple[str, Shape]] = []  # of the body of a loop: names, and shapes of one sample
        self.outputs: list[tuple[str, Shape]] = []
        self._taken: Counter[str] = Counter({"input": 1, "output": 1})

    # -- what most layers need ------------------------------------------------------------------------------------

    def op(self, operator: str, *inputs: Value | str, shape: Shape | None = None, **attributes: Any) -> Value:
        """The value that an operator gives: inputs are values, in Pellucid's layout, and names of constants. ``shape`` is
        that of one sample, without the batch axis: the first value's unless given."""
        first = next(x for x in inputs if isinstance(x, Value))
        names = [self.named(x) if isinstance(x, Value) else x for x in inputs]
        return self.value(self.node(operator, *names, **attributes), first.shape if shape is None else shape)

    def each(self, operator: str, *inputs: Value | Array | float, **attributes: Any) -> Value:
        """The value of an operator that works on each number by itself, in the layout that most of the values have. Arrays
        (…, c) are constants, as NumPy would broadcast them to a sample; so are numbers."""
        values = [x for x in inputs if isinstance(x, Value)]
        layout = self.common(values)
        names = [self.named(x, layout) if isinstance(x, Value) else self._spread(x, layout) for x in inputs]
        return self.value(self.node(operator, *names, **attributes), values[0].shape, layout)

    def constant(self, name: str, array: Array | float | Sequence[int], kind: type | None = None) -> str:
        """The name of a constant: real numbers become float32, whole ones int64, unless a ``kind`` is given."""
        numbers = np.asarray(array)
        if kind is None:
            kind = np.int64 if numbers.dtype.kind in "iu" else np.float32
        name = self.unique(f"{self.path}.{name}")
        self.constants[name] = np.ascontiguousarray(numbers, kind)
        return name

    # -- names and layouts ----------------------------------------------------------------------------------------

    def value(self, name: str, shape: Shape, layout: Layout | None = None) -> Value:
        """What is found under ``name``, in a layout, or in Pellucid's own."""
        found = Value(shape)
        found.names[found.ours if layout is None else layout] = name
        return found

    def named(self, x: Value, layout: Layout | None = None) -> str:
        """The name of ``x`` in a layout, or in Pellucid's own."""
        wanted = x.ours if layout is None else layout
        if wanted not in x.names:
            there = x.layout
            order = [there.index(axis) for axis in wanted]
            x.names[wanted] = self.node("Transpose", x.names[there], perm=order)
        return x.names[wanted]

    def common(self, values: Sequence[Value]) -> Layout:
        """The layout in which most of the values are there already; of equals, the first one's."""
        found = Counter(layout for x in values for layout in x.names)
        return max(found, key=lambda layout: found[layout])

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The name of what an operator with one output gives."""
        return self.nodes(operator, *inputs, outputs=1, **attributes)[0]

    def nodes(self, operator: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """The names of what an operator gives; an input "" is one that is left out."""
        name = self.unique(self.path if operator != "Transpose" else f"{self.path}.transpose")
        made = [name, *(self.unique(f"{name}.{i}") for i in range(1, outputs))]
        self.operations.append(Operation(operator, name, list(inputs), made, attributes))
        return made

    def unique(self, name: str) -> str:
        """The name, with a number behind it where it is taken."""
        free = name
        while self._taken[free]:
            self._taken[name] += 1
            free = f"{name}.{self._taken[name]}"
        self._taken[free] += 1
        return free

    # -- loops ----------------------------------------------------------------------------------------------------

    def inner(self) -> Graph:
        """The body of a loop, for an operator's attribute ``body``: it has operators of its own, and may read constants."""
        body = Graph()
        body.path, body.constants, body._taken = self.path, self.constants, self._taken
        return body

    def enter(self, name: str, shape: Shape) -> str:
        """What a loop hands to its body under that name."""
        name = self.unique(f"{self.path}.{name}")
        self.inputs.append((name, shape))
        return name

    def leave(self, name: str, shape: Shape) -> None:
        """What the body hands back."""
        self.outputs.append((name, shape))

    # -- the end --------------------------------------------------------------------------------------------------

    def end(self, x: Value) -> None:
        """Lets ``x``, in Pellucid's layout, be the output."""
        last = self.named(x)
        if last == "input":
            self.path = "output"
            last = self.node("Identity", last)
        for operation in self.operations:
            for names in (operation.inputs, operation.outputs):
                names[:] = ["output" if name == last else name for name in names]

    def _spread(self, x: Array | float, layout: Layout) -> str:
        array = np.asarray(x, np.float32)
        if array.size > 1:  # over all axes of ours, brought into the layout
            array = array.reshape((1,) * (len(layout) - array.ndim) + array.shape).transpose(layout)
        else:
            array = array.reshape(())
        return self.constant("constant", array)
