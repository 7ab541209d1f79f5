"""The activations of a network: the output of every layer for some samples.

Training fuses neighbouring layers into one pass, which hides the values between them. Here the network runs layer by layer,
without fusion, in prediction mode: dropout is off, and batch normalization uses its running statistics.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.named_arrays import empty
from pellucid.data.input_stages import stage_for
from pellucid.model.model import Model
from pellucid.networks import primitives
from pellucid.training import inputs
from pellucid.training.execution import chunk_size, chunks
from pellucid.training.prediction import CHUNK_SAMPLES, CHUNK_VALUES


def scaled(model: Model, x: Any, what: str = "x", dtype: Any = np.float32) -> Any:
    """Return the samples x (n, *input shape) after the input stage, in the scale of the network: bytes divided by 255, …

    The result may be x itself: do not write to it. ``what`` is the name of x in messages. Raises what ``Model.predict``
    raises. With several inputs, x is a dictionary, and the result NamedArrays.
    """
    x = inputs.as_samples(x, model.input_stage, what)
    inputs.check_samples_shape(x, model.input_shape, what)
    stage: Any = model.input_stage or stage_for(x)
    stage.check(x)
    return stage.transform(x, slice(0, len(x)), empty(len(x), model.input_shape, dtype), model.kernels)


def activations(model: Model, x: Any) -> dict[str, Array]:
    """Return the output of each layer for the samples x (n, *input shape), by the path of the layer.

    The paths ("conv2d1", "relu1", "residual1.dense1", …) are in the order of computation; each output is a new float32 array
    (n, …). Networks inside the network, such as a Residual, have no entry: their output is that of the last layer inside
    them. All outputs are in memory at once: for a large network give few samples.

    Raises what ``Model.predict`` raises.
    """
    batch, network, state = scaled(model, x), model.network, model.state
    outputs: dict[str, list[Array]] = {path: [] for path, _ in primitives(network)}  # path -> one array per chunk

    def observer(path: str, what: str, output: Array) -> None:
        if path in outputs:
            outputs[path].append(output.copy())

    execution = state.execution(network, observer=observer)
    size = chunk_size(state.largest_output, CHUNK_VALUES, CHUNK_SAMPLES)
    for rows in chunks(len(batch), size) if len(batch) else [slice(0, 0)]:  # without samples the shapes are still returned
        y = execution.forward(batch[rows])
        if list(outputs) == [""]:  # the network is a single layer, which an execution does not observe
            observer("", "output", y)
    named = {path or f"{type(network).__name__.lower()}1": arrays for path, arrays in outputs.items()}
    return {path: np.concatenate(arrays) for path, arrays in named.items()}
