"""The activations of a network: the output of every layer for some samples.

Training fuses neighbouring layers into one pass, which hides the values between them. Here the network runs layer by layer, as
it was written, in prediction mode: dropout is off, and batch normalization uses its running statistics.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.checks import numeric_array
from pellucid.data.input_stage import input_stage_for
from pellucid.model.model import Model
from pellucid.networks import primitives
from pellucid.training import inputs
from pellucid.training.execution import chunk_size, chunks
from pellucid.training.prediction import CHUNK_SAMPLES, CHUNK_VALUES


def scaled(model: Model, x: Array, what: str = "x", dtype: Any = np.float32) -> Array:
    """Return the samples x (n, *input shape) as the input stage passes them to the network: bytes divided by 255, and so on.

    The result may be x itself, so it must not be written to. ``what`` is the name of x in messages. Raises ShapeError, and
    DataError for another kind of dtype than the training data's and for NaN.
    """
    x = numeric_array(x, what)
    inputs.check_samples_shape(x, model.input_shape, what)
    stage = model.input_stage or input_stage_for(x)
    stage.check(x)
    return stage.transform(x, slice(0, len(x)), np.empty(x.shape, dtype), model.kernels)


def activations(model: Model, x: Array) -> dict[str, Array]:
    """Return the output of each layer for the samples x (n, *input shape), by the path of the layer.

    The paths ("conv2d1", "relu1", "residual1.dense1", …) are in the order of computation, the head last; each output is a new
    float32 array (n, …). Networks inside the network, such as a Residual, have no entry of their own: their output is that of
    the last layer inside them. All outputs are held in memory at once: for a large network give few samples.

    Raises what ``Model.predict`` raises.
    """
    batch, network, state = scaled(model, x), model.network, model.state
    wanted = [path for path, _ in primitives(network)]
    found: dict[str, list[Array]] = {path: [] for path in wanted}

    def observer(path: str, what: str, output: Array) -> None:
        if path in found:
            found[path].append(output.copy())

    execution = state.execution(network, observer=observer)
    size = chunk_size(state.largest_output, CHUNK_VALUES, CHUNK_SAMPLES)
    for rows in chunks(len(batch), size) if len(batch) else [slice(0, 0)]:  # without samples the shapes are of use, too
        y = execution.forward(batch[rows])
        if wanted == [""]:  # a single layer is not observed: it is inside no network
            observer("", "output", y)
    named = {path or f"{type(network).__name__.lower()}1": arrays for path, arrays in found.items()}
    return {path: np.concatenate(arrays) for path, arrays in named.items()}
