"""Activity: what every layer of a network makes of some samples, for looking inside.

Training fuses neighbours into one pass, and what lies between them is then never seen. Here the network runs as it was
written, layer by layer, in prediction: dropout is off, and batch normalization takes its running figures.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.checks import numbers
from pellucid.data.input_stage import stage_for
from pellucid.layers.context import Context, ShardState
from pellucid.model.model import Model
from pellucid.networks import primitives
from pellucid.training import inputs as inputs


def scaled(model: Model, x: Array, what: str = "x", dtype: Any = np.float32) -> Array:
    """The samples x (n, *input shape) in the network's own scale, as its input stage hands them on: bytes divided by 255,
    other numbers as they are. What comes back may be x itself: it is not to be written to.

    Raises ShapeError, and DataError for another kind of dtype than the training data's and for NaN.
    """
    x = numbers(x, what)
    inputs.fits(x, model.input_shape, what)
    stage = model.input_stage or stage_for(x)
    stage.check(x)
    return stage.batch(x, slice(0, len(x)), np.empty(x.shape, dtype), model.kernels)


def activations(model: Model, x: Array) -> dict[str, Array]:
    """What each layer makes of the samples x (n, *input shape): its output (n, …) as a new float32 array, by the layer's
    path ("conv2d1", "relu1", "residual1.dense1", …), in the order in which they run; the head's comes last.

    Layers and merges are told of; networks inside the network (a Residual, say) are not, for what they put out is what the
    last layer inside them puts out. All n samples are held at once: for a large network give few.

    Raises what ``Model.predict`` does.
    """
    batch, network, parts = scaled(model, x), model.network, model._parts
    wanted = [path for path, _ in primitives(network)]
    found: dict[str, list[Array]] = {path: [] for path in wanted}

    def watch(path: str, what: str, output: Array) -> None:
        if path in found:
            found[path].append(output.copy())

    run = ShardState(parts.kernels, dtype=parts.dtype, seed=parts.seed)
    run.observer = watch
    ctx = Context(run, parts.state_views)
    chunk = model._inference.chunk
    for start in range(0, max(len(batch), 1), chunk):  # of no samples, too, the shapes are worth knowing
        y = network.forward(parts.p, batch[start : start + chunk], ctx)
        if wanted == [""]:  # one layer by itself, which nobody watches
            watch("", "output", y)
    named = {path or f"{type(network).__name__.lower()}1": arrays for path, arrays in found.items()}
    return {path: np.concatenate(arrays) for path, arrays in named.items()}
