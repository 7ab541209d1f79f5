"""Exported files put to the test: their outputs on random samples beside the model's own."""

from __future__ import annotations

import importlib.util
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.core.rng import generator
from pellucid.data.input_stage import Bytes, InputStage
from pellucid.data.tables.columns import Standardized
from pellucid.errors import ConfigError
from pellucid.layers import Embedding, Layer
from pellucid.networks import primitives


def random_samples(network: Layer, stage: InputStage | None, shape: Shape, n: int, seed: int = 0) -> Array:
    """n samples of that shape of the kind that the input stage takes; whole numbers for a network with an embedding."""
    random = generator(seed, "export", shape)
    if isinstance(stage, Bytes):
        return random.integers(0, 256, (n, *shape), np.uint8)
    entries = [layer.entries for _, layer in primitives(network) if isinstance(layer, Embedding)]
    if entries:
        return random.integers(0, min(entries), (n, *shape))
    x = random.standard_normal((n, *shape))
    if isinstance(stage, Standardized):
        return np.array(stage.mean) + np.array(stage.spread) * x
    return x.astype(np.float32)


def onnx_outputs(path: str | Path, x: Array) -> Array:
    """What ONNX Runtime, where it is installed, makes of the samples x. Raises ConfigError where it is not."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise ConfigError("ONNX files are run with the package onnxruntime: pip install onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    outputs: Array = session.run(["output"], {"input": x})[0]
    return outputs


def program_outputs(path: str | Path, x: Array) -> Array:
    """What an exported program makes of the samples x. The file is run: give it only programs that you trust."""
    predict: Callable[[Array], Array] = runpy.run_path(str(path))["predict"]
    return predict(x)
