"""The source text of a program: constants, the functions that the network needs, the network, and a small command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.version import __version__
from pellucid.data.input_stage import ImageScaling, InputStage, Passthrough, Scaling
from pellucid.data.tables.columns import Standardization, TableStage
from pellucid.data.tables.robust_scaling import RobustScaling
from pellucid.data.text import Tokens
from pellucid.errors import ConfigError
from pellucid.export.layers import find_emitter
from pellucid.export.numpy_program import language_models, several
from pellucid.export.numpy_program.calls import custom_emitters
from pellucid.export.numpy_program.functions import (
    activations,
    attention,
    basics,
    generation,
    images,
    input_stages,
    normalization,
    recurrent,
    sequences,
    tables,
)
from pellucid.export.numpy_program.language_models import Writing
from pellucid.export.numpy_program.python_source import (
    Call,
    FunctionLibrary,
    comment,
    docstring,
    function_sources,
    identifier,
    literal,
    names_in,
    wrap_items,
)
from pellucid.export.trained_network import Step, TrainedNetwork
from pellucid.layers import Sigmoid
from pellucid.networks import trailing_layers

Functions = Mapping[type, Callable[..., Array]]
CHUNK = 256  # samples that a program computes at once: the im2col matrix of a convolution is large
SIGNATURE = "# Written by Pellucid "
# the names that programs import, and those that they define
_IMPORTED = {"argparse", "hashlib", "np", "math", "sys", "Path", "Callable", "Iterator", "sliding_window_view", "Array"}
_DEFINED = {"SHAPE", "SHAPES", "COLUMNS", "CLASSES", "WEIGHTS", "predict", "network", "main"}


def generate_program(trained: TrainedNetwork, name: str, layers: Functions | None = None) -> tuple[str, dict[str, Array]]:
    """Return the source text of the program of that name, and the arrays of its .npz file.

    Raises ConfigError for a layer class or an input stage that cannot be exported.
    """
    custom = dict(layers or {})
    library = _library()
    writing = language_models.writing_of(trained)
    defined = _DEFINED if writing is None else _DEFINED | language_models.NAMES
    custom_sources = function_sources(custom.values(), {*library, *_IMPORTED, *defined})
    if trained.ports.several:
        predict, stage_arrays = several.predict(trained, CHUNK, _input_stage)
    else:
        stage_calls, stage_arrays = _input_stage(trained.input_stage)
        predict = _predict(trained, stage_calls)
    body = [
        *predict,
        *_network(trained, custom, {*library, *custom_sources, *_IMPORTED}, ends_in_logits=writing is not None),
        *([] if writing is None else [language_models.generate(writing)]),
        *_main(trained, name, writing),
    ]
    needed = library.needed(names_in("\n".join([*body, *custom_sources.values()])))
    functions = [text for text in needed if text.startswith("def ")]
    aliases = [text for text in needed if not text.startswith("def ")]
    blocks = [*functions, *custom_sources.values(), *body]
    used = names_in("\n".join(blocks))
    header = [*_docstring(trained, name, writing), *_imports(used), *aliases, *_constants(trained, writing)]
    return "\n\n\n".join(["\n".join(header), *blocks]) + "\n", {**trained.arrays, **stage_arrays}


@functools.cache
def _library() -> FunctionLibrary:
    layers = activations, basics, images, sequences, normalization, recurrent, attention, tables
    return FunctionLibrary(input_stages, *layers, generation)


def _docstring(trained: TrainedNetwork, name: str, writing: Writing | None) -> list[str]:
    count = sum(array.size for array in trained.arrays.values())
    what, function = ("A trained network", "network") if writing is None else ("A language model", "logits")
    return [
        f'"""{what} with {count:,} parameters, as a program that needs NumPy alone.',
        "",
        f"In Python, with {name}.py and {name}.npz in one folder:",
        "",
        "    import numpy as np",
        f"    import {name}",
        "",
        *(several.usage(trained, name) if trained.ports.several else _usage(trained, name, writing)),
        "",
        f"The function `{function}` computes the network layer by layer. The functions before it",
        "compute the layers. The weights are in the .npz file, under the names of the layers.",
        '"""',
        f"{SIGNATURE}{__version__}.",
        "",
    ]


def _usage(trained: TrainedNetwork, name: str, writing: Writing | None) -> list[str]:
    """Return the lines of the docstring that show how the program is used."""
    dtype = several.dtype_of(trained.input_stage)
    python = [
        f"    x = np.zeros({literal((5, *trained.input_shape))}, {dtype})  # five samples",
        f"    outputs = {name}.predict(x)  # {literal((5, *trained.output_shape))}",
        *_class_lines(trained, name),
    ]
    shell = ["", "In a shell, for samples saved with np.save:", "", f"    python {name}.py samples.npy"]
    return [*python, *shell] if writing is None else language_models.usage(writing, name, python, shell)


def _imports(used: set[str]) -> list[str]:
    modules = [name for name in ("argparse", "hashlib", "math", "sys") if name in used]
    types = [name for name in ("Callable", "Iterator") if name in used]
    return [
        "from __future__ import annotations",
        "",
        *(f"import {name}" for name in modules),
        *([f"from collections.abc import {', '.join(types)}"] if types else []),
        "from pathlib import Path",
        "",
        "import numpy as np",
        *(["from numpy.lib.stride_tricks import sliding_window_view"] if "sliding_window_view" in used else []),
        "",
        "Array = np.ndarray",
    ]


def _constants(trained: TrainedNetwork, writing: Writing | None) -> list[str]:
    if trained.ports.several:
        lines = several.constants(trained)
    else:
        lines = [f"SHAPE = {literal(trained.input_shape)}  # of one sample"]
        if isinstance(trained.input_stage, TableStage):
            lines += _string_tuple("COLUMNS", trained.input_stage.names)
        if trained.classes is not None:
            lines += _string_tuple("CLASSES", trained.classes)
        if writing is not None:
            lines += language_models.constants(writing)
    return [
        *lines,
        'with np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as file:',
        "    WEIGHTS = dict(file)",
    ]


def _string_tuple(name: str, strings: tuple[str, ...]) -> list[str]:
    end = ",)" if len(strings) == 1 else ")"
    return wrap_items(f"{name} = (", [literal(string) for string in strings], end)


def _input_stage(
    stage: InputStage, x: str = "x", shape: str = "SHAPE", name: str = "input"
) -> tuple[list[Call], dict[str, Array]]:
    """Return the calls that transform the samples before the network, and the arrays that they read.

    ``x`` and ``shape`` are the expressions of the samples and of their shape, ``name`` is the name of the input.
    """
    if isinstance(stage, ImageScaling):
        return [Call("scale_bytes", (x, shape))], {}
    if isinstance(stage, (Passthrough, Tokens)):
        return [Call("check_numbers", (x, shape))], {}
    if isinstance(stage, Scaling):
        return [Call("check_numbers", (x, shape)), Call("rescale", (x, literal(1 / stage.scale), literal(0.0)))], {}
    if isinstance(stage, Standardization):
        mean, scale = (f"WEIGHTS[{literal(f'{name}.{one}')}]" for one in ("mean", "scale"))
        fill = [Call("fill_missing", (f"check_shape({x}, {shape})", mean))] if stage.missing == "mean" else []
        arrays = {f"{name}.mean": np.array(stage.mean), f"{name}.scale": np.array(stage.scale)}
        return [*fill, Call("standardize", (x, shape, mean, scale))], arrays
    if isinstance(stage, RobustScaling):
        center, scale, limit = (f"WEIGHTS[{literal(f'{name}.{one}')}]" for one in ("center", "scale", "limit"))
        fill = [Call("fill_missing", (f"check_shape({x}, {shape})", center))] if stage.fills_missing else []
        arrays = {f"{name}.center": np.array(stage.center), f"{name}.scale": np.array(stage.scale)}
        arrays[f"{name}.limit"] = np.array(stage.limits)
        return [*fill, Call("scale_robustly", (x, shape, center, scale, limit))], arrays
    raise ConfigError(f"export_numpy does not support the input stage {stage}")


def _predict(trained: TrainedNetwork, stage_calls: list[Call]) -> list[str]:
    shape, k = (", ".join(map(str, axes)) for axes in (trained.input_shape, trained.output_shape))
    expects = trained.input_stage.expects.replace("…", "...")
    lines = [
        "def predict(x: Array) -> Array:",
        *docstring(f"Return the outputs (n, {k}) for samples x (n, {shape}): {expects}."),
        *(line for call in stage_calls for line in call.assignment("x")),
        f"    starts = range(0, max(len(x), 1), {CHUNK})  # chunks save memory",
        f"    return np.concatenate([network(x[i : i + {CHUNK}], WEIGHTS) for i in starts])",
    ]
    return ["\n".join(lines)]


def _network(trained: TrainedNetwork, custom: Functions, reserved: set[str], *, ends_in_logits: bool) -> list[str]:
    """Return the function ``network``: one call for each layer that does something, with its output shape in a comment.

    An output that only the next call reads is named x. Any other output is named after its layer. With ``ends_in_logits``, the
    function is named ``logits`` and ends before the softmax, and ``network`` calls it.
    """
    emitters = custom_emitters(custom)
    steps, outputs = trained.steps()
    function, what, softmax = "network", "outputs", list[str]()
    if ends_in_logits:
        function, what = "logits", "logits"
        ((output, path),) = outputs.items()
        (last,) = (step for step in steps if step.path == path)
        steps, outputs = tuple(step for step in steps if step is not last), {output: last.reads[0]}
        softmax = [_softmax(trained, last)]
    inputs = list(trained.inputs)
    emit = {step.path: find_emitter("numpy", step.layer, emitters) for step in steps}
    source = {name: name for name in inputs}  # step -> the step whose output it passes on: itself, unless it does nothing
    calls: list[tuple[Step, list[str]]] = []  # the steps that do something, and the steps that they read
    for step in steps:
        reads = [source[name] for name in step.reads]
        does_nothing = emit[step.path](step, tuple(reads)) is None
        source[step.path] = reads[0] if does_nothing else step.path
        if not does_nothing:
            calls.append((step, reads))
    positions = {**dict.fromkeys(inputs, -1), **{step.path: i for i, (step, _) in enumerate(calls)}}
    readers: dict[str, set[int]] = {path: set() for path in positions}
    for i, (_, reads) in enumerate(calls):
        for name in reads:
            readers[name].add(i)
    if trained.ports.several:  # the inputs, and the outputs that are returned at the end, have variables of their own
        for name in (*inputs, *(source[path] for path in outputs.values())):
            readers[name].add(len(calls) + 1)
    variables: dict[str, str] = {}
    for path, position in positions.items():
        only_next = readers[path] <= {position + 1}
        variables[path] = "x" if only_next else identifier(path, {*reserved, *variables.values(), "x", "p"})
    given = [f"{variables[name]} {several.axes(shape)}" for name, (shape, _) in trained.inputs.items()]
    returned = [several.axes(shape) for shape in trained.outputs.values()]
    if len(returned) > 1:
        returned = [f"{name} {shape}" for name, shape in zip(outputs, returned, strict=True)]
    lines = [
        *wrap_items(
            f"def {function}(", [*(f"{variables[name]}: Array" for name in inputs), "p: dict[str, Array]"], _returns(outputs)
        ),
        *docstring(f"Return the {what} {' and '.join(returned)} for {' and '.join(given)} and the weights p."),
    ]
    for step, reads in calls:
        call = emit[step.path](step, tuple(variables[name] for name in reads))
        assert call is not None
        lines.append(_comment(step))
        lines += call.assignment(variables[step.path])
    values = {name: variables[source[path]] for name, path in outputs.items()}
    if len(values) == 1:
        return ["\n".join([*lines, *(f"    return {value}" for value in values.values())]), *softmax]
    entries = [f"{literal(name)}: {value}" for name, value in values.items()]
    return ["\n".join([*lines, *(f"    {line}" for line in wrap_items("return {", entries, "}"))])]


def _comment(step: Step) -> str:
    return "    " + comment(f"{step.name}: {step.layer} -> {several.axes(step.shape)}")


def _softmax(trained: TrainedNetwork, step: Step) -> str:
    """Return the function ``network`` of a language model, whose last step is the softmax of the logits."""
    shapes = several.axes(trained.output_shape), several.axes(trained.input_shape)
    lines = [
        "def network(x: Array, p: dict[str, Array]) -> Array:",
        *docstring("Return the probabilities {} of the next token for x {} and the weights p.".format(*shapes)),
        _comment(step),
        "    return softmax(logits(x, p))",
    ]
    return "\n".join(lines)


def _returns(outputs: Mapping[str, str]) -> str:
    """Return the end of the definition of a function with these outputs."""
    return f") -> {'dict[str, Array]' if len(outputs) > 1 else 'Array'}:"


def _class_lines(trained: TrainedNetwork, name: str) -> list[str]:
    """Return the line of the docstring that reads the predicted classes from the outputs."""
    predicted = _predicted_class(trained, "outputs[0]")
    if not predicted:
        return []
    if len(trained.output_shape) == 1:
        return [f"    {name}.{predicted}  # the predicted class"]
    rule = "outputs[0, ..., 0] > 0.5" if trained.output_shape[-1] == 1 else "outputs[0].argmax(axis=-1)"
    return [f"    {rule}  # at each position, the index of the predicted class in {name}.CLASSES"]


def _main(trained: TrainedNetwork, name: str, writing: Writing | None) -> list[str]:
    """Return the source of the command of the program."""
    if trained.ports.several:
        return several.main(trained, name)
    if writing is not None and writing.of_text:
        return language_models.main(writing)
    at_each, output = len(trained.output_shape) > 1, "output"
    loop = ["    for output in predict(x[None] if x.shape == SHAPE else x):"]
    indent = "        "
    if at_each:
        output = "values"
        loop.append(f"        for values in output.reshape(-1, {trained.output_shape[-1]}):")
        indent = "            "
    predicted_class = _predicted_class(trained, output)
    printed = f"{predicted_class}, *{output}" if predicted_class else f"*{output}"
    where = ", a line for each position" if at_each else ""
    main = [
        "def main() -> None:",
        f'    """Print the outputs for the samples in a file{where}."""',
        "    if len(sys.argv) != 2:",
        f'        sys.exit("python {name}.py samples.npy")',
        "    x = np.load(sys.argv[1], allow_pickle=False)",
        *loop,
        f"{indent}print({printed})",
    ]
    return ["\n".join(main), 'if __name__ == "__main__":\n    main()']


def _predicted_class(trained: TrainedNetwork, output: str) -> str:
    """Return the expression of the class that the values (k) of ``output`` predict; empty for a network without classes."""
    if trained.classes is None:
        return ""
    if trained.output_shape[-1] == len(trained.classes):
        return f"CLASSES[{output}.argmax()]"
    last = trailing_layers(trained.network)[-1:]
    return f"CLASSES[int({output}[0] > 0.5)]" if last and isinstance(last[0], Sigmoid) else ""
