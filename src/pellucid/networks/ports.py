"""Ports: the inputs and outputs of a network, and dictionaries by their names.

A network has one input and one output, which are arrays. A :class:`~pellucid.networks.graph.Graph` may name several inputs or
outputs: they are then dictionaries of arrays, and so are their shapes, their targets and whatever else belongs to one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pellucid.core.memory import Shape
from pellucid.errors import ConfigError, ShapeError, did_you_mean

INPUT = "input"  # the name by which nodes read the only input of their network
OUTPUT = "output"  # the name of the only output of a network
NAME = r"[\w-]+"  # the names of nodes and inputs


class Named(Protocol):
    """An object with a name: a node."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Ports:
    """The inputs and the outputs of a network.

    ``inputs`` are the names of the inputs; of a single one, X is an array, else a dictionary by name. ``outputs`` maps the
    name of each output to that of its node; of a single one, Y is an array, else a dictionary by name. If it is None, the
    network has one output without a name, that of its last node.
    """

    inputs: tuple[str, ...] = (INPUT,)
    outputs: Mapping[str, str] | None = None

    @property
    def several(self) -> bool:
        """Whether the network has several inputs or several outputs."""
        return len(self.inputs) > 1 or self.several_outputs

    @property
    def several_outputs(self) -> bool:
        """Whether the network has several outputs."""
        return self.outputs is not None and len(self.outputs) > 1

    def ends(self, nodes: Sequence[Named]) -> dict[str, str]:
        """Return the node (or the input) of each output of a network of these nodes, by the name of the output."""
        if self.outputs is not None:
            return dict(self.outputs)
        return {OUTPUT: nodes[-1].name if nodes else self.inputs[0]}


ONE_OF_EACH = Ports()


def quoted(names: Iterable[str]) -> str:
    """Return the names as a list in prose: 'a', 'b' and 'c'."""
    *first, last = [repr(name) for name in names] or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def input_shapes(ports: Ports, shape: Any) -> dict[str, Shape]:
    """Return the shape of each input by name: ``shape`` is a mapping if there are several inputs.

    Raises ShapeError where it is not, and for names that are missing or unknown.
    """
    if len(ports.inputs) > 1:
        return by_name(shape, ports.inputs, "input_shape", "input", ShapeError)
    if isinstance(shape, Mapping):
        names = ", ".join(map(repr, shape))
        hint = f", or name the inputs, as in Graph(…, inputs=({names}))" if len(shape) > 1 else ""
        raise ShapeError(
            f"input_shape is a dictionary, but the network has one input: give its shape alone, such as (28, 28, 1){hint}"
        )
    return {ports.inputs[0]: shape}


def check_known(
    given: Iterable[str], names: Collection[str], what: str, kind: str, error: type[Exception] = ConfigError
) -> None:
    """Raise ``error`` for a name that is not one of ``names``; the other arguments are those of :func:`by_name`."""
    for name in given:
        if name not in names:
            raise error(f"{what} has {name!r}, which is not an {kind} of the network: {did_you_mean(name, names)}")


def by_name(given: Any, names: Collection[str], what: str, kind: str, error: type[Exception] = ConfigError) -> dict[str, Any]:
    """Return the values of the mapping ``given`` in the order of ``names``, which are those of all inputs or all outputs.

    ``what`` is the argument and ``kind`` "input" or "output", for messages. Raises ``error`` for anything but a mapping, and
    for names that are missing or unknown.
    """
    if not isinstance(given, Mapping):
        example = ", ".join(f"{name!r}: …" for name in names)
        raise error(
            f"{what} must be a dictionary with one entry for each {kind} of the network, {{{example}}}, not "
            f"{type(given).__name__}"
        )
    check_known(given, names, what, kind, error)
    if missing := [name for name in names if name not in given]:
        raise error(f"{what} lacks the {kind}{'s' if len(missing) > 1 else ''} {quoted(missing)}; it has {quoted(given)}")
    return {name: given[name] for name in names}
