"""Grad-CAM: the regions of an image that matter for a class, from the channels of a convolution.

Each channel c of a convolution detects a feature; its feature map A_c shows where. The weight of the channel for the output f
is the mean of ∂f/∂A_c over all positions. The weighted sum of the maps shows where the relevant features were found:

    α_c = mean_ij ∂f/∂A_ijc        L_ij = max(0, Σ_c α_c A_ijc)

The map has the resolution of the layer's output and is interpolated to the size of the image: it shows regions, not pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, ShapeError, did_you_mean
from pellucid.explain.attribution import Attribution
from pellucid.explain.attributor import Attributor
from pellucid.explain.explained_output import ClassChoice, OutputKind
from pellucid.explain.output_position import Position
from pellucid.layers import Conv2D, ConvTranspose2D
from pellucid.model.model import Model
from pellucid.networks import primitives


def grad_cam(
    model: Model,
    x: Array,
    target: ClassChoice | None = None,
    *,
    against: ClassChoice | None = None,
    of: OutputKind = "logit",
    position: Position | None = None,
    baseline: Array | None = None,
    layer: str | None = None,
    dtype: Any = np.float32,
) -> Attribution:
    """Return the Grad-CAM maps L = max(0, Σ_c α_c A_c) of images (n, h, w, c), for the channels c of a convolution.

    The method is that of Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra (2017). ``layer`` is the path of the layer whose
    output is used ("conv2d2", "relu2", "residual1.conv2d1"); by default that of the last convolution. The map is interpolated
    to h × w linearly with half-pixel centers (as with ``align_corners=False`` in PyTorch) and divided evenly among the channels
    of a pixel. It shows what supports the class, not what opposes it, and is not complete. The ``baseline`` is used only for
    the completeness error.

    For the other arguments and the errors raised see :func:`~pellucid.explain.gradient`. Raises ConfigError also for a
    network without a convolution and for an unknown layer, and ShapeError if the output of the layer is not an image.
    """
    attributor = Attributor(model, x, target, against, of, position, dtype, lambda layer: layer)
    layer_path = _layer_path(model, layer)
    latest_output: list[Array] = []
    maps: list[Array] = []

    def observer(path: str, what: str, array: Array) -> None:
        if path != layer_path:
            return
        if array.ndim != 4:
            raise ShapeError(
                f"the output of {layer_path} has the shape {array.shape[1:]} and is not an image: choose an earlier layer, "
                "such as a convolution"
            )
        if what == "output":
            latest_output[:] = [array]
        else:
            channel_weights = array.mean(axis=(1, 2))
            maps.append(np.maximum(np.einsum("nijc,nc->nij", latest_output[0], channel_weights), 0))

    if len(model.input_shape) != 3:
        raise ShapeError(f"Grad-CAM needs images (height, width, channels) as input, but this model reads {model.input_shape}")
    attributor.model.observe(observer)
    attributor.gradient()
    attributor.model.observe(None)
    h, w, channels = model.input_shape
    values = np.zeros((len(attributor.x), h, w), attributor.model.dtype)
    if maps:
        all_maps = np.concatenate(maps)
        values[:] = _interpolation_matrix(all_maps.shape[1], h) @ all_maps @ _interpolation_matrix(all_maps.shape[2], w).T
    values = np.repeat(values[..., None] / channels, channels, axis=3)
    b = attributor.model.baseline(baseline, len(values))
    return attributor.attribution("grad-cam", values, attributor.output_at(b), complete=False)


def _layer_path(model: Model, layer: str | None) -> str:
    """Return the path of the layer to observe. Raises ConfigError."""
    paths = dict(primitives(model.state.body))
    if layer is not None:
        if layer not in paths:
            raise ConfigError(f"layer={layer!r}: the network has no such layer: {did_you_mean(layer, paths)}")
        return layer
    convolutions = [path for path, kind in paths.items() if isinstance(kind, (Conv2D, ConvTranspose2D))]
    if not convolutions:
        raise ConfigError("Grad-CAM needs a convolution, and this network has none: choose another method")
    return convolutions[-1]


def _interpolation_matrix(source_size: int, target_size: int) -> Array:
    """Return the matrix (target_size, source_size) of linear interpolation between the two nearest values."""
    at = np.clip((np.arange(target_size) + 0.5) * source_size / target_size - 0.5, 0, source_size - 1)
    low = np.floor(at).astype(np.int64)
    matrix = np.zeros((target_size, source_size))
    rows = np.arange(target_size)
    matrix[rows, low] = 1 - (at - low)
    matrix[rows, np.minimum(low + 1, source_size - 1)] += at - low
    return matrix
