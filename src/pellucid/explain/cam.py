"""Grad-CAM: where in the picture a convolution found what speaks for the class.

Each channel of a convolution looks for something, and its map A_c says where it is. How much the channel matters for the output
f is the mean of ∂f/∂A_c over the picture; the maps, added up with these weights, show where what matters was found:

    α_c = mean_ij ∂f/∂A_ijc        L_ij = max(0, Σ_c α_c A_ijc)

The map has the size of the layer's output, and is brought to the picture's by linear interpolation: it is blurred, and tells
places, not pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, ShapeError, did_you_mean
from pellucid.explain.attribution import Attribution
from pellucid.explain.probe import Attributor
from pellucid.explain.question import Class, Of
from pellucid.layers import Conv2D, ConvTranspose2D
from pellucid.model.model import Model
from pellucid.networks import primitives


def grad_cam(
    model: Model,
    x: Array,
    target: Class | None = None,
    *,
    against: Class | None = None,
    of: Of = "logit",
    baseline: Array | None = None,
    layer: str | None = None,
    dtype: Any = np.float32,
) -> Attribution:
    """Grad-CAM (Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, 2017) of pictures (n, h, w, c): the map L above.

    ``layer`` is the path of the layer whose output is looked at ("conv2d2", "relu2", "residual1.conv2d1"); by default the last
    convolution, as it leaves it. The map is interpolated to h × w with half-pixel centres (as PyTorch's
    ``align_corners=False``) and divided evenly among the channels of a pixel. It says what speaks for the class, not what
    speaks against it, and nothing adds up: the ``baseline`` serves the completeness error alone. For the other arguments and
    the errors raised see :func:`~pellucid.explain.gradient`; ConfigError also for a network without a convolution and for a
    layer that there is not, ShapeError for one whose output is no picture.
    """
    asked = Attributor(model, x, target, against, of, dtype, lambda layer: layer)
    path = _place(model, layer)
    outputs: list[Array] = []
    maps: list[Array] = []

    def watch(found: str, what: str, array: Array) -> None:
        if found != path:
            return
        if array.ndim != 4:
            raise ShapeError(
                f"{path} gives {array.shape[1:]}, which is no picture: name a layer before it, such as a convolution"
            )
        if what == "output":
            outputs[:] = [array]
        else:
            weights = array.mean(axis=(1, 2))
            maps.append(np.maximum(np.einsum("nijc,nc->nij", outputs[0], weights), 0))

    if len(model.input_shape) != 3:
        raise ShapeError(
            f"Grad-CAM shows places in pictures (height, width, channels), and this model reads {model.input_shape}"
        )
    asked.probe.watch(watch)
    asked.probe.gradient(asked.x, asked.question.coefficients)
    asked.probe.watch(None)
    h, w, channels = model.input_shape
    values = np.zeros((len(asked.x), h, w), asked.probe.dtype)
    if maps:
        found = np.concatenate(maps)
        values[:] = _between(found.shape[1], h) @ found @ _between(found.shape[2], w).T
    values = np.repeat(values[..., None] / channels, channels, axis=3)
    q = asked.question
    told = asked.answers(asked.probe.baseline(baseline, len(values)))
    return Attribution("grad-cam", values, asked.output, told, q.target, q.against, complete=False)


def _place(model: Model, layer: str | None) -> str:
    """The path of the layer."""
    paths = dict(primitives(model._parts.body))
    if layer is not None:
        if layer not in paths:
            raise ConfigError(f"layer={layer!r}: there is no such layer: {did_you_mean(layer, paths)}")
        return layer
    convolutions = [path for path, kind in paths.items() if isinstance(kind, (Conv2D, ConvTranspose2D))]
    if not convolutions:
        raise ConfigError("Grad-CAM looks at the maps of a convolution, and this network has none: any other method does")
    return convolutions[-1]


def _between(size: int, wanted: int) -> Array:
    """(wanted, size): the matrix that makes ``wanted`` numbers of ``size``, each a mean of the two nearest, by nearness."""
    at = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
    low = np.floor(at).astype(np.int64)
    matrix = np.zeros((wanted, size))
    rows = np.arange(wanted)
    matrix[rows, low] = 1 - (at - low)
    matrix[rows, np.minimum(low + 1, size - 1)] += at - low
    return matrix
