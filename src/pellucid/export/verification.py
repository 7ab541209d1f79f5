"""Verification of exported files: their outputs for random samples, to compare with those of the model."""

from __future__ import annotations

import importlib.util
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.core.rng import generator
from pellucid.data.input_stage import ImageScaling, InputStage
from pellucid.data.tables.columns import Standardization
from pellucid.errors import ConfigError
from pellucid.layers import Embedding, Layer
from pellucid.networks import primitives


def random_samples(network: Layer, stage: InputStage | None, shape: Shape, n: int, seed: int = 0) -> Array:
    """Return n random samples of the given shape that the input stage accepts.

    For a network with an embedding they are integers, small enough for every embedding in it.
    """
    random = generator(seed, "export", shape)
    if isinstance(stage, ImageScaling):
        return random.integers(0, 256, (n, *shape), np.uint8)
    entries = [layer.entries for _, layer in primitives(network) if isinstance(layer, Embedding)]
    if entries:
        return random.integers(0, min(entries), (n, *shape))
    x = random.standard_normal((n, *shape))
    if isinstance(stage, Standardization):
        return np.array(stage.mean) + np.array(stage.scale) * x
    return x.astype(np.float32)


def run_onnx(path: str | Path, x: Array) -> Array:
    """Return the outputs of an ONNX file for the samples x, computed by ONNX Runtime.

    Raises ConfigError if the package onnxruntime is not installed.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise ConfigError("running an ONNX file needs the package onnxruntime: pip install onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    outputs: Array = session.run(["output"], {"input": x})[0]
    return outputs


def run_program(path: str | Path, x: Array) -> Array:
    """Return the outputs of an exported program for the samples x.

    The file is executed: call this only with programs that you trust.
    """
    predict: Callable[[Array], Array] = runpy.run_path(str(path))["predict"]
    return predict(x)
