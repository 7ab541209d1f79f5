"""The text of a program: constants, the functions that the network needs, the network, a small command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.version import __version__
from pellucid.data.input_stage import Bytes, InputStage, Numbers
from pellucid.data.tables.columns import Standardized
from pellucid.errors import ConfigError
from pellucid.export.program.functions import basics, curves, inputs, pictures, recurrent
from pellucid.export.program.layers import FORMS, own_forms
from pellucid.export.program.source import Call, Library, comment, docstring, identifier, literal, names, texts_of, wrapped
from pellucid.export.trained import Step, Trained, form_of
from pellucid.layers import Sigmoid
from pellucid.networks import in_line
from pellucid.networks.composite import INPUT

Functions = Mapping[type, Callable[..., Array]]
CHUNK = 256  # samples that a program computes at a time: the windows of a convolution take memory
MARK = "# Written by Pellucid "
_GIVEN = {"np", "math", "sys", "Path", "Callable", "sliding_window_view", "Array"}  # what programs import
_DEFINED = {"SHAPE", "COLUMNS", "CLASSES", "WEIGHTS", "predict", "network", "main"}  # and what they all define


def program(trained: Trained, name: str, layers: Functions | None = None) -> tuple[str, dict[str, Array]]:
    """The text of the program of that name, and the arrays that it reads."""
    functions = dict(layers or {})
    library = _library()
    own = texts_of(functions.values(), {*library, *_GIVEN, *_DEFINED})
    stage, figures = _stage(trained.input_stage)
    body = [*_predict(trained, stage), *_network(trained, functions, {*library, *own, *_GIVEN}), *_main(trained, name)]
    needed = library.needed(names("\n".join([*body, *own.values()])))
    defined = [text for text in needed if text.startswith("def ")]
    constants = [text for text in needed if not text.startswith("def ")]
    blocks = [*defined, *own.values(), *body]
    used = names("\n".join(blocks))
    opening = [*_about(trained, name), *_imports(used), *constants, *_constants(trained)]
    return "\n\n\n".join(["\n".join(opening), *blocks]) + "\n", {**trained.arrays, **figures}


@functools.cache
def _library() -> Library:
    return Library(inputs, basics, curves, pictures, recurrent)


def _about(trained: Trained, name: str) -> list[str]:
    """The docstring."""
    shape, k = trained.input_shape, trained.output_shape[0]
    kind = "np.uint8" if isinstance(trained.input_stage, Bytes) else "np.float32"
    count = sum(array.size for array in trained.arrays.values())
    guess = _guess(trained, "outputs[0]")
    return [
        f'"""A trained network of {count:,} numbers, as a program that needs NumPy alone.',
        "",
        f"In Python, with {name}.py and {name}.npz in one folder:",
        "",
        "    import numpy as np",
        f"    import {name}",
        "",
        f"    x = np.zeros({literal((5, *shape))}, {kind})  # five samples",
        f"    outputs = {name}.predict(x)  # {literal((5, k))}",
        *([f"    {name}.{guess}  # the name of a class"] if guess else []),
        "",
        "In a shell, for samples that np.save has written:",
        "",
        f"    python {name}.py samples.npy",
        "",
        "`network` is the network, layer by layer; the functions before it say what the layers",
        "compute. The weights are in the .npz file, each by the name of its layer.",
        '"""',
        f"{MARK}{__version__}.",
        "",
    ]


def _imports(used: set[str]) -> list[str]:
    return [
        "from __future__ import annotations",
        "",
        *(["import math"] if "math" in used else []),
        "import sys",
        *(["from collections.abc import Callable"] if "Callable" in used else []),
        "from pathlib import Path",
        "",
        "import numpy as np",
        *(["from numpy.lib.stride_tricks import sliding_window_view"] if "sliding_window_view" in used else []),
        "",
        "Array = np.ndarray",
    ]


def _constants(trained: Trained) -> list[str]:
    lines = [f"SHAPE = {literal(trained.input_shape)}  # of one sample"]
    if isinstance(trained.input_stage, Standardized):
        lines += _strings("COLUMNS", trained.input_stage.names)
    if trained.classes is not None:
        lines += _strings("CLASSES", trained.classes)
    return [
        *lines,
        'with np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as file:',
        "    WEIGHTS = dict(file)",
    ]


def _strings(name: str, texts: tuple[str, ...]) -> list[str]:
    return wrapped(f"{name} = (", [literal(text) for text in texts], ",)" if len(texts) == 1 else ")")


def _stage(stage: InputStage) -> tuple[list[Call], dict[str, Array]]:
    """What is done to the samples before the network, and the figures that it takes."""
    if isinstance(stage, Bytes):
        return [Call("bytes_to_fractions", ("x", "SHAPE"))], {}
    if isinstance(stage, Numbers):
        return [Call("real_numbers", ("x", "SHAPE"))], {}
    if isinstance(stage, Standardized):
        mean, spread = 'WEIGHTS["input.mean"]', 'WEIGHTS["input.spread"]'
        gaps = [Call("mean_where_missing", ("samples(x, SHAPE)", mean))] if stage.missing == "mean" else []
        figures = {"input.mean": np.array(stage.mean), "input.spread": np.array(stage.spread)}
        return [*gaps, Call("standardized", ("x", "SHAPE", mean, spread))], figures
    raise ConfigError(f"export_numpy does not know the input stage {stage}")


def _predict(trained: Trained, stage: list[Call]) -> list[str]:
    shape, k = ", ".join(map(str, trained.input_shape)), trained.output_shape[0]
    wants = trained.input_stage.wants.replace("…", "...")
    lines = [
        "def predict(x: Array) -> Array:",
        *docstring(f"The outputs (n, {k}) for samples x (n, {shape}): {wants}."),
        *(line for call in stage for line in call.written("x")),
        f"    parts = range(0, max(len(x), 1), {CHUNK})  # so many at a time: it saves memory",
        f"    return np.concatenate([network(x[i : i + {CHUNK}], WEIGHTS) for i in parts])",
    ]
    return ["\n".join(lines)]


def _network(trained: Trained, functions: Functions, taken: set[str]) -> list[str]:
    """The function ``network``: each layer that does something, with its output's shape in a comment. What only the next
    layer reads is called x, anything else by the name of its layer."""
    own = own_forms(functions)
    steps, end = trained.steps()
    forms = {step.path: form_of(step.layer, FORMS, own, "export_numpy") for step in steps}
    at = {INPUT: INPUT}  # whose output it is: layers that do nothing hand on what they read
    doing: list[tuple[Step, list[str]]] = []
    for step in steps:
        reads = [at[name] for name in step.reads]
        idle = forms[step.path](step, tuple(reads)) is None
        at[step.path] = reads[0] if idle else step.path
        if not idle:
            doing.append((step, reads))
    places = {INPUT: -1, **{step.path: i for i, (step, _) in enumerate(doing)}}
    readers: dict[str, set[int]] = {path: set() for path in places}
    for i, (_, reads) in enumerate(doing):
        for name in reads:
            readers[name].add(i)
    variables: dict[str, str] = {}
    for path, place in places.items():
        by_next = readers[path] <= {place + 1}
        variables[path] = "x" if by_next else identifier(path, {*taken, *variables.values(), "x", "p"})
    given, k = variables[INPUT], trained.output_shape[0]
    lines = [
        f"def network({given}: Array, p: dict[str, Array]) -> Array:",
        *docstring(f"The outputs (n, {k}) for {given} (n, {', '.join(map(str, trained.input_shape))}) and the weights p."),
    ]
    for step, reads in doing:
        call = forms[step.path](step, tuple(variables[name] for name in reads))
        assert call is not None
        lines.append("    " + comment(f"{step.name}: {step.layer} -> (n, {', '.join(map(str, step.shape))})"))
        lines += call.written(variables[step.path])
    return ["\n".join([*lines, f"    return {variables[at[end]]}"])]


def _main(trained: Trained, name: str) -> list[str]:
    guess = _guess(trained, "output")
    shown = f"{guess}, *output" if guess else "*output"
    main = [
        "def main() -> None:",
        '    """Prints the outputs for the samples in a file."""',
        "    if len(sys.argv) != 2:",
        f'        sys.exit("python {name}.py samples.npy")',
        "    x = np.load(sys.argv[1], allow_pickle=False)",
        "    for output in predict(x[None] if x.shape == SHAPE else x):",
        f"        print({shown})",
    ]
    return ["\n".join(main), 'if __name__ == "__main__":\n    main()']


def _guess(trained: Trained, output: str) -> str:
    """What names the class that an output speaks for; empty where there is none."""
    if trained.classes is None:
        return ""
    if trained.output_shape == (len(trained.classes),):
        return f"CLASSES[{output}.argmax()]"
    last = in_line(trained.network)[-1:]
    return f"CLASSES[int({output}[0] > 0.5)]" if last and isinstance(last[0], Sigmoid) else ""
