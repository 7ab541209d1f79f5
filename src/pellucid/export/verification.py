"""Verification of exported files: their outputs for random samples, to compare with those of the model."""

from __future__ import annotations

import importlib.util
import math
import runpy
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.core.rng import generator
from pellucid.data.input_stage import ImageScaling
from pellucid.data.input_stages import AnyStage, InputStages
from pellucid.data.tables.columns import TableStage
from pellucid.errors import ConfigError, DataError
from pellucid.export.plain.c_program import SOURCES
from pellucid.layers import Embedding, Layer, Take
from pellucid.networks import Composite, primitives


def random_samples(network: Layer, stage: AnyStage | None, shape: Any, n: int, seed: int = 0) -> Any:
    """Return n random samples of the given shape that the input stage accepts.

    For a network with an embedding they are integers, small enough for every embedding in it. With several inputs, shape and
    result are dictionaries, and the embeddings of an input are those in the nodes that read it.
    """
    if not isinstance(shape, dict):
        return _random(primitives(network), stage, shape, n, seed)
    assert isinstance(network, Composite)
    samples = {}
    for i, (name, one) in enumerate(shape.items()):
        readers = [node.layer for node in network.ordered_nodes() if name in node.inputs]
        layers = [pair for layer in readers for pair in primitives(layer)]
        samples[name] = _random(layers, stage[name] if isinstance(stage, InputStages) else None, one, n, seed + i)
    return samples


def _random(layers: Iterable[tuple[str, object]], stage: Any, shape: Shape, n: int, seed: int) -> Array:
    """Return n random samples of one input, which these layers read."""
    random = generator(seed, "export", shape)
    if isinstance(stage, ImageScaling):
        return random.integers(0, 256, (n, *shape), np.uint8)
    entries = [layer.entries for _, layer in layers if isinstance(layer, Embedding)]
    if entries:
        tokens = random.integers(0, min(entries), (n, *shape))
        return tokens.astype(np.float32) if any(isinstance(layer, Take) for _, layer in layers) else tokens  # codes of a table
    x = random.standard_normal((n, *shape))
    if isinstance(stage, TableStage):
        return _random_rows(stage, x, random)
    return x.astype(np.float32)


def _random_rows(stage: TableStage, x: Array, random: np.random.Generator) -> Array:
    """Return rows of a table as far from the middle as the values x (…, d); codes are random ones."""
    spread = np.minimum(np.array(stage.spread), 1e30)  # a constant value has a spread without meaning
    rows = np.array(stage.middle) + spread * x
    for i, kind in enumerate(stage.value_kinds):
        if isinstance(kind, int):
            rows[..., i] = random.integers(0, kind, rows.shape[:-1])
    return rows


def run_onnx(path: str | Path, x: Any) -> Any:
    """Return the outputs of an ONNX file for the samples x, computed by ONNX Runtime; dictionaries if there are several.

    Raises ConfigError if the package onnxruntime is not installed.
    """
    session = _session(path)
    inputs = x if isinstance(x, dict) else {session.get_inputs()[0].name: x}
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(names, inputs)
    return outputs[0] if len(names) == 1 else dict(zip(names, outputs, strict=True))


def run_onnx_in_passes(path: str | Path, x: Array, lengths: Sequence[int] | None = None) -> Array:
    """Return the outputs of an ONNX file with a cache for the sequences x, read in passes of these lengths by ONNX Runtime.

    By default the first pass reads half of the positions, and each further pass one. Raises ConfigError for a file without a
    cache, and if the package onnxruntime is not installed; DataError for sequences that are longer than the window.
    """
    session = _session(path)
    window = session.get_modelmeta().custom_metadata_map.get("window")
    if window is None:
        raise ConfigError(f"{path} reads whole samples in one pass; for several passes export the model with cache=True")
    steps = x.shape[1]
    if steps > int(window):
        raise DataError(
            f"{path}: the network reads windows of {int(window):,} positions, got sequences of {steps:,}: begin a new window, "
            "without a past, with the last of the tokens"
        )
    if lengths is None:
        lengths = [steps - steps // 2, *[1] * (steps // 2)]
    sequence, *parts = session.get_inputs()
    past = {
        part.name: np.zeros(
            [len(x), *(0 if isinstance(length, str) else length for length in part.shape[1:])], _DTYPES[part.type]
        )
        for part in parts
    }
    found, first = [], 0
    for length in lengths:
        y, *present = session.run(None, {sequence.name: x[:, first : first + length], **past})
        past, first = dict(zip(past, present, strict=True)), first + length
        found.append(y)
    return found[-1] if found[-1].ndim == 2 else np.concatenate(found, axis=1)  # one answer for a sequence, or at each position


_DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}  # of what layers remember


def _session(path: str | Path) -> Any:
    """Return a session of ONNX Runtime for a file. Raises ConfigError if the package onnxruntime is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise ConfigError("running an ONNX file needs the package onnxruntime: pip install onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_program(path: str | Path, x: Any) -> Any:
    """Return the outputs of an exported program for the samples x; dictionaries if there are several inputs or outputs.

    The file is executed: call this only with programs that you trust.
    """
    predict: Callable[[Any], Any] = runpy.run_path(str(path))["predict"]
    return predict(x)


def c_compiler() -> str | None:
    """Return the path of a C compiler, or None if there is none."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def run_c(folder: str | Path, x: Any, outputs: Any) -> Any:
    """Return the outputs of exported C for the samples x: compiled into a temporary folder, and run.

    ``outputs`` is the shape of one sample's output; with several outputs, which are then returned by name, a dictionary of
    shapes. The inputs of a dictionary x have the order of the network. Raises ConfigError if there is no C compiler or if it
    fails.
    """
    compiler = c_compiler()
    if compiler is None:
        raise ConfigError("compiling C needs a compiler, such as gcc or clang, under the name cc, gcc or clang")
    inputs = list(x.values()) if isinstance(x, dict) else [x]
    samples = np.concatenate([one.reshape(len(one), -1).astype(np.float64) for one in inputs], axis=1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:  # Windows may still hold a program that ended
        program = Path(temporary) / "predict"
        flags = ["-O2", "-std=c99", "-o", str(program)]
        compiled = subprocess.run(
            [compiler, *flags, *(str(Path(folder) / name) for name in SOURCES), "-lm"],
            capture_output=True,
            text=True,
            errors="replace",
        )
        if compiled.returncode:
            raise ConfigError(f"{compiler} cannot compile {folder}: {compiled.stderr.strip()[:500]}")
        text = "\n".join(" ".join(f"{value:.9g}" for value in sample) for sample in samples.tolist())
        ran = subprocess.run([str(program)], input=text, capture_output=True, text=True)
    if ran.returncode:
        raise ConfigError(f"the program in {folder} failed: {ran.stderr.strip()}")
    shapes = outputs if isinstance(outputs, dict) else {"": outputs}
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    total = sum(sizes.values())
    rows = np.array([line.split()[-total:] for line in ran.stdout.splitlines()], np.float32).reshape(-1, total)
    parts = np.split(rows, np.cumsum(list(sizes.values()))[:-1], axis=1)
    by_name = {name: part.reshape(-1, *shapes[name]) for name, part in zip(shapes, parts, strict=True)}
    return by_name if isinstance(outputs, dict) else by_name[""]
