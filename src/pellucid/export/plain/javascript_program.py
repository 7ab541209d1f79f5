"""A network as JavaScript: a script without dependencies, with the weights in it, that can be read from top to bottom."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.version import __version__
from pellucid.export.plain.calls import PlainEmitter
from pellucid.export.plain.plan import Place, Plan, make_plan
from pellucid.export.plain.source_text import call_lines, plain_text
from pellucid.export.trained_network import TrainedNetwork


def javascript_program(trained: TrainedNetwork, layers: Mapping[type, PlainEmitter] | None = None) -> str:
    """Return the text of a script that defines ``predict``, and the constants that describe the network.

    ``predict(x)`` returns the outputs of one sample as a new Float32Array. x is an array of numbers, plain or typed, in the
    form of the training data: pixels from 0 to 255, the values of a table, the indices of words. With several inputs, x is an
    object by name, and so is the result with several outputs. An input that ``Model.predict`` would refuse is a RangeError.

    The constants: ``INPUT_SHAPE`` and ``OUTPUT_SHAPE`` (of one sample; objects by name if there are several), ``INPUT_KIND``
    ("ImageScaling", "Standardization", "RobustScaling" or "Passthrough", likewise), ``CLASSES`` (the names of the classes, or
    null; likewise) and ``COLUMNS`` (the names of the values of a table, or null; likewise).

    All names are at the top level of the script; put the text into a function to keep them apart from others. No text in it
    ends a <script> element. ``layers`` maps your own layer classes to emitters, see :mod:`pellucid.export.plain.calls`.
    """
    plan = make_plan(trained, "js", layers)
    places = [place for place in plan.places if not place.port]
    stored = {name: array for name, array in plan.weights.items() if array.dtype == np.float32}
    packs = _packs(stored)
    needed = library_text(plan, packs)
    lines = [
        f"// A network written by Pellucid {__version__}. predict(x) returns the outputs of one sample.",
        f"// {plain_text(str(trained.network))}",
        '"use strict";',
        "",
        *_constants(trained, plan),
        "",
        *needed,
    ]
    for size, arrays in packs.items():
        pack, function, _ = _UNPACKING[size]
        text = base64.b64encode(b"".join(array.astype(f"<f{size}").tobytes() for array in arrays.values())).decode()
        lines += [f"// Weights: numbers of {size} bytes, little-endian, as base64.", f'const {pack} = {function}("{text}");']
        start = 0
        for name, array in arrays.items():
            shape = ", ".join(map(str, array.shape))
            lines.append(f"const {name} = {pack}.subarray({start}, {start + array.size}); // ({shape})")
            start += array.size
    for name in (name for name in plan.weights if name not in stored):  # of input stages, in all their digits
        lines += call_lines(
            f"const {name} = Float64Array.of(", [repr(value) for value in plan.weights[name].tolist()], ");", ""
        )
    lines += ["", "// The values between the layers. Those that are not needed at the same time share memory."]
    lines.append(f"const WORKSPACE = new Float32Array({plan.workspace});")
    lines += [f"const {one.name} = WORKSPACE.subarray({one.offset}, {one.offset + one.size});" for one in places]
    lines += ["", *_predict(plan), ""]
    return "\n".join(lines)


def library_text(plan: Plan, sizes: Iterable[int] = (4,)) -> list[str]:
    """Return the lines of the functions that the network needs. ``sizes`` are those of its weights, in bytes."""
    lines = []
    for source in [*(_UNPACKING[size][2] for size in sizes), *plan.library.needed(plan.functions)]:
        lines += [source, ""]
    return lines


_UNPACK = """\
// The numbers that are packed in a text.
function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}"""


_UNPACK_HALVES = """\
// The numbers that are packed in a text, as halves (IEEE 754, binary16): a sign, 5 bits of exponent, 10 of fraction.
function unpack_halves(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => {
    const half = view.getUint16(2 * i, true), exponent = (half >> 10) & 31, fraction = half & 1023;
    const value = exponent > 0 ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction;
    return half >> 15 ? -value : value;
  });
}"""


# By the size of a number in bytes: the name of the pack, its function, and the source of the function.
_UNPACKING = {2: ("HALVES", "unpack_halves", _UNPACK_HALVES), 4: ("WEIGHTS", "unpack", _UNPACK)}
_FEW = 500  # numbers: fewer do not save the size of the function


def _packs(weights: Mapping[str, Array]) -> dict[int, dict[str, Array]]:
    """Return the weights by the bytes of a number: 2 where nothing is lost, as in a model saved with ``dtype="float16"``."""
    halves = {name: array for name, array in weights.items() if _fits_into_halves(array)}
    if sum(array.size for array in halves.values()) < _FEW:
        halves = {}
    packs = {2: halves, 4: {name: array for name, array in weights.items() if name not in halves}}
    return {size: arrays for size, arrays in packs.items() if arrays}


def _fits_into_halves(array: Array) -> bool:
    with np.errstate(over="ignore", under="ignore"):
        half = array.astype("<f2")
    return bool((half == array).all())  # infinity is no weight


def _constants(trained: TrainedNetwork, plan: Plan) -> list[str]:
    kinds = {name: type(stage).__name__ for name, (_, stage) in trained.inputs.items()}
    columns = {name: getattr(stage, "names", None) for name, (_, stage) in trained.inputs.items()}
    classes = {name: trained.classes_of(name) for name in trained.outputs}
    values: dict[str, Mapping[str, Any]] = {
        "INPUT_SHAPE": {port.name: port.shape for port in plan.inputs},
        "INPUT_KIND": kinds,
        "COLUMNS": columns,
        "OUTPUT_SHAPE": {port.name: port.shape for port in plan.outputs},
        "CLASSES": classes,
    }
    lines = []
    for name, by_port in values.items():
        value = by_port if len(by_port) > 1 else next(iter(by_port.values()))
        lines.append(f"const {name} = {script_json(value)};")
    return lines


def script_json(value: Any) -> str:
    """Return a value as JavaScript that cannot end a <script> element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _predict(plan: Plan) -> list[str]:
    several_inputs, several_outputs = len(plan.inputs) > 1, len(plan.outputs) > 1
    lines = ["// The outputs of one sample.", "function predict(x) {"]
    for port in plan.inputs:
        value = f"x[{script_json(port.name)}]" if several_inputs else "x"
        lines.append(f"  const {port.variable} = {value};")
        message = f"`{port.variable} must have {port.size} values, not ${{{port.variable}.length}}`"
        lines.append(f"  if ({port.variable}.length !== {port.size}) throw new RangeError({message});")
    lines += [f"  const {port.variable} = new Float32Array({port.size});" for port in plan.outputs]
    for stage in plan.stages:
        lines.append(f"  // {plain_text(stage.comment)}")
        for call in stage.calls:
            arguments = [_argument(one) for one in call.arguments]
            lines += call_lines(f"{call.function}(", arguments, ");", "  ")
    if several_outputs:
        entries = ", ".join(f"{script_json(port.name)}: {port.variable}" for port in plan.outputs)
        lines.append(f"  return {{ {entries} }};")
    else:
        lines.append(f"  return {plan.outputs[0].variable};")
    return [*lines, "}"]


def _argument(one: Place | str | int | float) -> str:
    if isinstance(one, Place):
        return one.name
    return one if isinstance(one, str) else repr(one)
