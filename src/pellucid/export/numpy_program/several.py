"""The parts of a program that differ for a network with several inputs or outputs, which are dictionaries in ``predict``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.core.memory import Array, Shape
from pellucid.data.input_stage import ImageScaling, InputStage
from pellucid.data.tables.columns import TableStage
from pellucid.data.text import Tokens
from pellucid.export.numpy_program.python_source import WIDTH, Call, docstring, identifier, literal, wrap_items
from pellucid.export.trained_network import TrainedNetwork

StageCalls = Callable[..., tuple[list[Call], dict[str, Array]]]  # the calls that transform one input, and their arrays
RESERVED = {"x", "i", "np", "len", "max", "name", "network", "part", "parts", "range", "starts"}  # other names in predict


def axes(shape: Shape) -> str:
    """Return the shape of n samples, for a docstring."""
    return f"(n, {', '.join(map(str, shape))})"


def dtype_of(stage: InputStage) -> str:
    """Return the expression of the NumPy dtype of an input."""
    if isinstance(stage, TableStage):
        return "np.float64"  # a time stamp in a table is too large for float32
    if isinstance(stage, Tokens):
        return "np.int64"
    return "np.uint8" if isinstance(stage, ImageScaling) else "np.float32"


def usage(trained: TrainedNetwork, name: str) -> list[str]:
    """Return the lines of the module's docstring that show how the program is used."""
    samples = [f"np.zeros({literal((5, *shape))}, {dtype_of(stage)})" for shape, stage in trained.inputs.values()]
    if len(samples) == 1:
        x = [f"    x = {samples[0]}  # five samples"]
    else:
        entries = [f"        {literal(key)}: {one}," for key, one in zip(trained.inputs, samples, strict=True)]
        x = ["    x = {  # five samples", *entries, "    }"]
    if len(trained.outputs) == 1:
        outputs = [f"    outputs = {name}.predict(x)  # {literal((5, *trained.output_shape))}"]
    else:
        reads = [f"    outputs[{literal(key)}]  # {literal((5, *shape))}" for key, shape in trained.outputs.items()]
        outputs = [f"    outputs = {name}.predict(x)", *reads]
    saved = "samples.npz" if len(samples) > 1 else "samples.npy"
    call = "np.savez, under the names of the inputs" if len(samples) > 1 else "np.save"
    return [*x, *outputs, "", f"In a shell, for samples saved with {call}:", "", f"    python {name}.py {saved}"]


def constants(trained: TrainedNetwork) -> list[str]:
    """Return the lines that define the shapes of the inputs, the names of their columns, and the names of the classes."""
    lines = _dictionary("SHAPES", {key: shape for key, (shape, _) in trained.inputs.items()})
    stages = {key: stage for key, (_, stage) in trained.inputs.items()}
    columns = {key: stage.names for key, stage in stages.items() if isinstance(stage, TableStage)}
    classes = {key: names for key in trained.outputs if (names := trained.classes_of(key)) is not None}
    for name, entries in (("COLUMNS", columns), ("CLASSES", classes)):
        lines += _dictionary(name, entries) if entries else []
    return lines


def _dictionary(name: str, entries: dict[str, tuple[Any, ...]]) -> list[str]:
    lines = []
    for key, values in entries.items():
        start, line = f"{literal(key)}: (", f"{literal(key)}: {literal(values)},"
        fits = len(line) <= WIDTH - 4
        lines += [line] if fits else wrap_items(start, [literal(value) for value in values], "),", WIDTH - 4)
    return [f"{name} = {{", *(f"    {line}" for line in lines), "}"]


def predict(trained: TrainedNetwork, chunk: int, stage_calls: StageCalls) -> tuple[list[str], dict[str, Array]]:
    """Return the source of the function ``predict``, and the arrays that it reads."""
    several_inputs, several_outputs = len(trained.inputs) > 1, len(trained.outputs) > 1
    arrays: dict[str, Array] = {}
    variables: dict[str, str] = {}
    lines: list[str] = []
    for key, (shape, stage) in trained.inputs.items():
        variable = identifier(key, {*variables.values(), *RESERVED}) if several_inputs else "x"
        variables[key] = variable
        calls, own = stage_calls(stage, variable, f"SHAPES[{literal(key)}]", key if several_inputs else "input")
        arrays |= own
        if several_inputs:
            lines.append(f"    {variable} = x[{literal(key)}]  # {axes(shape)}: {stage.expects.replace('…', '...')}")
        lines += [line for call in calls for line in call.assignment(variable)]
    first = next(iter(variables.values()))
    if several_inputs:
        lengths = f"{{len({'), len('.join(variables.values())})}}"
        lines += [
            f"    if len({lengths}) > 1:",
            '        raise ValueError("the inputs must have the same number of samples")',
        ]
    cut = ", ".join(f"{variable}[i : i + {chunk}]" for variable in variables.values())
    parts = [f"    parts = [network({cut}, WEIGHTS) for i in starts]"]
    if len(parts[0]) > WIDTH:
        call = wrap_items("network(", [*cut.split(", "), "WEIGHTS"], ")", WIDTH - 8)
        parts = ["    parts = [", *(f"        {line}" for line in [*call, "for i in starts"]), "    ]"]
    lines += [
        f"    starts = range(0, max(len({first}), 1), {chunk})  # chunks save memory",
        *parts,
        "    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}"
        if several_outputs
        else "    return np.concatenate(parts)",
    ]
    kinds = ["dict[str, Array]" if several else "Array" for several in (several_inputs, several_outputs)]
    given, returned = (_listed(shapes) for shapes in ({k: shape for k, (shape, _) in trained.inputs.items()}, trained.outputs))
    text = docstring(f"Return the outputs {returned} for samples x {given}.")
    return ["\n".join([f"def predict(x: {kinds[0]}) -> {kinds[1]}:", *text, *lines])], arrays


def _listed(shapes: dict[str, Shape]) -> str:
    """Return the shapes of n samples by name; that of a single one alone."""
    if len(shapes) == 1:
        return axes(next(iter(shapes.values())))
    return " and ".join(f"{key} {axes(shape)}" for key, shape in shapes.items())


def main(trained: TrainedNetwork, name: str) -> list[str]:
    """Return the source of the command of the program."""
    several_inputs, several_outputs = len(trained.inputs) > 1, len(trained.outputs) > 1
    file = "samples.npz" if several_inputs else "samples.npy"
    load = "np.load(sys.argv[1], allow_pickle=False)"
    loop = (
        ["    for output, values in predict(x).items():", "        print(output, values)"]
        if several_outputs
        else ["    for output in predict(x):", "        print(*output)"]
    )
    lines = [
        "def main() -> None:",
        '    """Print the outputs for the samples in a file."""',
        "    if len(sys.argv) != 2:",
        f'        sys.exit("python {name}.py {file}")',
        f"    x = dict({load})" if several_inputs else f"    x = {load}",
        *loop,
    ]
    return ["\n".join(lines), 'if __name__ == "__main__":\n    main()']
