"""The plan of an export: the calls that compute a network for one sample, and the memory that they work in.

All values between the layers are in one workspace. A value has its place from the call that writes it to the last call that
reads it; the places are assigned greedily, the largest first, each at the lowest offset that is free during its time (Pisarchyk
and Lee, 2020, "Efficient memory management for deep neural net inference"). Layers that change each value separately
overwrite their input, if no other layer reads it, and the outputs of the network are written where the caller wants them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.data.input_stage import ImageScaling, InputStage, Passthrough, Scaling
from pellucid.data.tables.columns import Standardization
from pellucid.data.tables.robust_scaling import RobustScaling
from pellucid.data.text import Tokens
from pellucid.errors import ConfigError, did_you_mean
from pellucid.export.layers import find_emitter
from pellucid.export.numpy_program.python_source import identifier
from pellucid.export.plain.calls import Call, Function, Input, Output, Scratch, Source, Weights, X, Y, copy_rows
from pellucid.export.plain.libraries import Language, Library, library
from pellucid.export.trained_network import Step, TrainedNetwork

FORMATS: dict[str, Literal["c", "html"]] = {"c": "c", "js": "html"}  # the name of the method, export_c or export_html
# Names that variables must not have in C, C++ or JavaScript. Others of these have capital letters.
RESERVED = frozenset(
    """
    abs abstract alignas alignof and_eq arguments async atob auto await bitand bitor bool boolean break byte case
    catch char class close compl const constexpr continue debugger decltype default delete div do document double
    else enum erf eval event exit exp explicit export extends extern false final finally float floor for free friend
    function gamma goto history if implements import in index inf infinity inline instanceof int interface isfinite
    isnan j0 j1 jn length let location log long main malloc memcpy memset mutable name namespace nan native network
    new noexcept not_eq null nullptr open operator or_eq package parent predict printf private protected public rand
    register restrict return scanf self short signal signbit signed sizeof static static_assert status stop struct
    super switch synchronized template this thread_local throw throws time top transient true try typedef typename
    typeof undefined union unpack unpack_halves unsigned using var virtual void volatile weights while window with workspace x
    xor xor_eq y0 y1 yield yn
    """.split()  # noqa: SIM905
)
ALIGNMENT = 4  # numbers: a place begins at a multiple of 16 bytes, the size of a vector register


@dataclass
class Place:
    """Where values are: ``size`` numbers in the workspace, from ``offset`` on, or the array of an input or output.

    ``first`` and ``last`` are the positions of the first call that writes the values, and of the last one that reads them.
    ``port`` is the name of the variable of an input or output; empty for the workspace.
    """

    name: str
    size: int
    first: int
    last: int
    port: str = ""
    offset: int = 0


@dataclass(frozen=True)
class PlacedCall:
    """A call whose arguments are the values of the network: places, names of constants and of functions, and numbers."""

    function: str
    arguments: tuple[Place | str | int | float, ...]
    refuses: bool


@dataclass(frozen=True)
class Stage:
    """The calls of one layer, with a comment that describes it."""

    comment: str
    calls: tuple[PlacedCall, ...]


@dataclass(frozen=True)
class Port:
    """An input or output of the network: its name, the name of its variable, and the shape of one sample."""

    name: str
    variable: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of values of one sample."""
        return math.prod(self.shape)


@dataclass
class Plan:
    """The calls of a network in order, the constant arrays by name, and the places in the workspace.

    ``library`` has the functions that are called; ``workspace`` is the size of the workspace in numbers.
    """

    trained: TrainedNetwork
    library: Library
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    stages: list[Stage] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    workspace: int = 0

    @property
    def functions(self) -> set[str]:
        """The names of the functions that are called."""
        calls = [call for stage in self.stages for call in stage.calls]
        passed = {one for call in calls for one in call.arguments if isinstance(one, str) and one not in self.weights}
        return {call.function for call in calls} | passed

    @property
    def weight_bytes(self) -> int:
        """The size of the constant arrays."""
        return sum(array.nbytes for array in self.weights.values())


def make_plan(
    trained: TrainedNetwork,
    language: Language,
    custom: Mapping[type, Any] | None = None,
    adapt: Callable[[Step, Sequence[Call]], Sequence[Call]] | None = None,
) -> Plan:
    """Return the plan of a network.

    ``custom`` maps your own layer classes to emitters. ``adapt`` may replace the calls of a layer. Raises ConfigError for a
    layer class without an emitter, for functions that do not exist, and for weights that are NaN or infinite.
    """
    format = FORMATS[language]
    steps, ends = trained.steps()
    calls = {step.path: tuple(find_emitter(format, step.layer, custom or {})(step)) for step in steps}
    if adapt is not None:
        calls = {step.path: tuple(adapt(step, calls[step.path])) for step in steps}
    functions = _with_sources(library(language), language, steps, calls)
    return _Planner(trained, functions, format).plan(steps, ends, calls)


class _Planner:
    """Fills a plan, step by step. ``position`` is that of the calls that are being placed: 0 for the input stages."""

    def __init__(self, trained: TrainedNetwork, functions: Library, format: str):
        self.format = format
        self.taken = {*functions.sources, *RESERVED}
        self.weight_names: dict[tuple[str, str], str] = {}  # (owner, name in the layer) -> name in the export
        inputs, outputs = ({name: shape for name, (shape, _) in trained.inputs.items()}, trained.outputs)
        self.result = Plan(trained, functions, self._ports(inputs, "input"), self._ports(outputs, "output"))
        self.position = 0

    def plan(self, steps: Sequence[Step], ends: Mapping[str, str], calls: Mapping[str, tuple[Call, ...]]) -> Plan:
        """Return the plan of these steps, of which ``calls`` are the calls; ``ends`` are the steps of the outputs."""
        plan, inputs = self.result, self.result.trained.inputs
        source = {name: name for name in inputs}  # step -> the step whose values it passes on: itself if it does something
        last_read = dict.fromkeys(source, 0)
        for position, step in enumerate(steps, 1):
            reads = [source[name] for name in step.reads]
            last_read |= dict.fromkeys(reads, position)
            source[step.path] = step.path if calls[step.path] else reads[0]
            last_read.setdefault(step.path, position)
        last_read |= dict.fromkeys((source[path] for path in ends.values()), len(steps) + 1)

        places: dict[str, Place] = {}
        for port, (shape, stage) in zip(plan.inputs, inputs.values(), strict=True):
            given = Place(port.variable, port.size, 0, 0, port.variable)
            places[port.name] = self._place(f"{port.variable}_values", port.size, last_read[port.name])
            call = _input_stage(stage, shape, self.format)
            self._add(f"{port.variable}: {stage.expects}", (call,), port.variable, [given], places[port.name])
        for self.position, step in enumerate(steps, 1):
            own = calls[step.path]
            if not own:
                continue
            inputs_of_step = [places[source[name]] for name in step.reads]
            x, size, last = inputs_of_step[0], math.prod(step.shape), last_read[step.path]
            if own[0].in_place and len(own) == 1 and x.last == self.position and x.size == size:
                x.last = last
                places[step.path] = x
            else:
                places[step.path] = self._place(step.name, size, last)
            comment = f"{step.name}: {step.layer} -> {step.shape}"
            self._add(comment, own, step.slots or step.name, inputs_of_step, places[step.path])
        self.position = len(steps) + 1
        for port, path in zip(plan.outputs, ends.values(), strict=True):
            y = places[source[path]]
            if y.port:  # an output with the same values as another one
                copied = Place(port.variable, port.size, 0, 0, port.variable)
                self._add(f"{port.name}: the values of {y.name}", (copy_rows(X, 1, port.size),), "", [y], copied)
            else:
                y.port = y.name = port.variable
        plan.workspace = _assign(plan.places)
        return plan

    def _ports(self, shapes: Mapping[str, Shape], kind: str) -> tuple[Port, ...]:
        single = len(shapes) == 1
        return tuple(Port(name, self._name(kind if single else name), shape) for name, shape in shapes.items())

    def _name(self, text: str, suffix: str = "") -> str:
        """Return a new name for a variable that is similar to the text."""
        name = identifier(identifier(text, ()).lower() + suffix, self.taken)
        self.taken.add(name)
        return name

    def _place(self, text: str, size: int, last: int) -> Place:
        place = Place(self._name(text), size, self.position, last)
        self.result.places.append(place)
        return place

    def _add(self, comment: str, calls: Sequence[Call], owner: str, reads: Sequence[Place], y: Place) -> None:
        """Add the calls of one layer, whose arrays belong to ``owner``."""
        self.result.stages.append(Stage(comment, tuple(self._placed(call, owner, reads, y) for call in calls)))

    def _placed(self, call: Call, owner: str, reads: Sequence[Place], y: Place) -> PlacedCall:
        arguments: list[Place | str | int | float] = []
        for one in call.arguments:
            if isinstance(one, Input):
                arguments.append(reads[one.index])
            elif isinstance(one, Output):
                arguments.append(y)
            elif isinstance(one, Scratch):
                arguments.append(self._place(f"{owner}_scratch", one.size, self.position))
            elif isinstance(one, Weights):
                arguments.append(self._weights(one, owner))
            else:
                arguments.append(one.name if isinstance(one, Function) else one)
        function = call.function.name if isinstance(call.function, Source) else call.function
        return PlacedCall(function, tuple(arguments), call.refuses)

    def _weights(self, weights: Weights, owner: str) -> str:
        """Return the name of an array, which is stored once if several layers share it."""
        name = self.weight_names.get((owner, weights.name)) or self._name(owner, f"_{weights.name}")
        self.weight_names[owner, weights.name] = name
        if name not in self.result.weights:
            self.result.weights[name] = _checked(weights.values, name, stage=self.position == 0)
        return name


def _with_sources(
    functions: Library, language: Language, steps: Sequence[Step], calls: Mapping[str, Sequence[Call]]
) -> Library:
    """Return the library with the functions of user-defined layers.

    Raises ConfigError if one of them has no source in this language, or the name of another function, and for calls of
    functions that do not exist.
    """
    added: dict[str, str] = {}
    for step, call in [(one, call) for one in steps for call in calls[one.path]]:
        one = call.function
        if isinstance(one, Source):
            text = getattr(one, language).strip("\n")
            if not text:
                raise ConfigError(
                    f"{step.name}: the function {one.name} has no source for this language: Source(…, {language}=…)"
                )
            if one.name in functions.sources or added.setdefault(one.name, text) != text:
                raise ConfigError(f"{step.name}: there already is another function named {one.name}; use another name")
        elif one not in functions.sources:
            raise ConfigError(f"{step.name}: there is no function {one!r}: {did_you_mean(one, functions.sources)}")
    return functions.extended(added)


def _checked(values: Array, name: str, *, stage: bool) -> Array:
    """Return an array in the dtype of exports: int8, float64 for input stages (time stamps have many digits), else float32.

    Raises ConfigError for NaN and infinity.
    """
    dtype = np.int8 if values.dtype == np.int8 else np.float64 if stage else np.float32
    array = np.ascontiguousarray(values, dtype)
    if not np.isfinite(array).all():
        raise ConfigError(f"the weights {name} contain NaN or infinity: train the model again, with a smaller learning rate")
    return array


def _input_stage(stage: InputStage, shape: tuple[int, ...], format: str) -> Call:
    """Return the call that transforms an input for the network."""
    n = math.prod(shape)
    if isinstance(stage, ImageScaling):
        return Call("scale_bytes", X, Y, n, refuses=True)
    if isinstance(stage, (Passthrough, Tokens)):
        return Call("check_numbers", X, Y, n, refuses=True)
    if isinstance(stage, Scaling):
        arrays = Weights("mean", np.zeros(n)), Weights("scale", np.full(n, stage.scale))
        return Call("standardize", X, Y, *arrays, 1, n, 0, refuses=True)
    if isinstance(stage, Standardization):
        arrays = Weights("mean", np.array(stage.mean)), Weights("scale", np.array(stage.scale))
        columns = len(stage.mean)
        return Call("standardize", X, Y, *arrays, n // columns, columns, int(stage.missing == "mean"), refuses=True)
    if isinstance(stage, RobustScaling):
        limits = np.array([limit if math.isfinite(limit) else 0.0 for limit in stage.limits])
        arrays = Weights("center", np.array(stage.center)), Weights("scale", np.array(stage.scale))
        return Call("scale_robustly", X, Y, *arrays, Weights("limit", limits), n, int(stage.fills_missing), refuses=True)
    raise ConfigError(f"export_{format} does not support the input stage {stage}")


def _assign(places: Sequence[Place]) -> int:
    """Give each place an offset in the workspace, and return the size of the workspace."""
    assigned: list[Place] = []
    for place in sorted((place for place in places if not place.port), key=lambda place: (-place.size, place.first)):
        offset = 0
        for other in sorted(assigned, key=lambda other: other.offset):
            if other.last < place.first or place.last < other.first:
                continue
            if offset + place.size <= other.offset:
                break
            offset = max(offset, -(-(other.offset + other.size) // ALIGNMENT) * ALIGNMENT)
        place.offset = offset
        assigned.append(place)
    return max((place.offset + place.size for place in assigned), default=0)
