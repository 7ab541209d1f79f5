"""Upsampling: images and sequences become larger by whole factors, without parameters.

With the factor f, an axis of i positions gets i·f. The rule is that of half-pixel centres: a pixel is an interval of length 1
whose value is that of its centre, and the output divides each interval into f equal ones. The centre of output p is then at the
position

    s = (p + ½)/f − ½   of the input, limited to 0 … i − 1.

- "nearest": y_p = x[⌊p/f⌋], the pixel in whose interval output p is. Each pixel becomes f equal ones.
- "linear" ("bilinear" for images, along both axes): y_p = (1 − a)·x[⌊s⌋] + a·x[⌊s⌋ + 1] with a = s − ⌊s⌋. The limits keep the
  values at the edges constant: the outer half of an edge pixel has no neighbour to interpolate with.

PyTorch's ``Upsample`` with its default ``align_corners=False``, Keras's ``UpSampling2D`` and the operator Resize of ONNX with
"half_pixel" compute the same. Both maps are linear, so backward is the transposed map: dX adds up each dY times the share of
the pixel in that output.

An example: the two pixels 0 and 4, three times as large. The outputs are at the positions −1/3, 0, 1/3, 2/3, 1 and 4/3; the
first and the last are limited to 0 and 1.

    >>> import numpy as np
    >>> from pellucid import UpSample1D
    >>> from pellucid.testing import run_layer
    >>> x = np.array([0.0, 4.0]).reshape(1, 2, 1)
    >>> run_layer(UpSample1D(3), x).y.ravel().tolist()
    [0.0, 0.0, 0.0, 4.0, 4.0, 4.0]
    >>> out = run_layer(UpSample1D(3, "linear"), x, dy=np.ones((1, 6, 1)))
    >>> out.y.ravel().round(3).tolist()
    [0.0, 0.0, 1.333, 2.667, 4.0, 4.0]
    >>> out.dx.ravel().round(3).tolist()
    [3.0, 3.0]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ConfigError, did_you_mean
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.window import Pair, as_pair, image_shape, sequence_shape


@dataclass(frozen=True)
class UpSample2D(Layer):
    """Makes images larger: (n, h, w, c) -> (n, h·fh, w·fw, c), with ``factor`` = (fh, fw) or one number for both.

    ``interpolation`` is "nearest", the copies of each pixel, or "bilinear"; for the rules see the documentation of the module.
    Followed by a convolution it is an alternative to :class:`~pellucid.layers.transposed_convolution.ConvTranspose2D`, whose
    overlapping kernels can show as a checkerboard pattern (Odena, Dumoulin and Olah, 2016).

    Raises ConfigError for an unknown interpolation.
    """

    records: ClassVar[bool] = True

    factor: Pair = 2
    interpolation: str = "nearest"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_interpolation(self, self.interpolation, "bilinear")

    def build(self, shape: Shape) -> LayerSpec:
        height, width, channels = image_shape(self, shape)
        down, across = as_pair(self.factor)
        return LayerSpec((height * down, width * across, channels))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        ctx.keep(x.shape)
        return upsample(x, ctx.buffer("y", (len(x), *self.build(x.shape[1:]).shape)), self.interpolation, ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return upsample_gradient(dy, ctx.gradient(*ctx.kept), self.interpolation, ctx) if ctx.needs_dx else None


@dataclass(frozen=True)
class UpSample1D(Layer):
    """Makes sequences longer: (n, time, c) -> (n, time·factor, c).

    ``interpolation`` is "nearest", the copies of each step, or "linear"; for the rules see the documentation of the module.

    Raises ConfigError for an unknown interpolation.
    """

    records: ClassVar[bool] = True

    factor: Count = 2
    interpolation: str = "nearest"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_interpolation(self, self.interpolation, "linear")

    def build(self, shape: Shape) -> LayerSpec:
        time, channels = sequence_shape(self, shape)
        return LayerSpec((time * self.factor, channels))

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        n, time, channels = x.shape
        y = ctx.buffer("y", (n, time * self.factor, channels))
        ctx.keep(x.shape)
        upsample(x[:, None], y[:, None], self.interpolation, ctx)  # sequences are images of one row
        return y

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        if not ctx.needs_dx:
            return None
        dx = ctx.gradient(*ctx.kept)
        upsample_gradient(dy[:, None], dx[:, None], self.interpolation, ctx)
        return dx


def upsample(x: Array, out: Array, interpolation: str, ctx: Context) -> Array:
    """Write the images x in the size of ``out`` into ``out``."""
    nearest = interpolation == "nearest"
    return ctx.kernels.upsample_nearest(x, out) if nearest else ctx.kernels.upsample_linear(x, out)


def upsample_gradient(dy: Array, out: Array, interpolation: str, ctx: Context) -> Array:
    """Write the input gradient into ``out``."""
    nearest = interpolation == "nearest"
    return ctx.kernels.upsample_nearest_backward(dy, out) if nearest else ctx.kernels.upsample_linear_backward(dy, out)


def _check_interpolation(layer: Layer, interpolation: str, linear: str) -> None:
    if interpolation not in ("nearest", linear):
        hint = (
            f"use {linear!r}" if interpolation in ("linear", "bilinear") else did_you_mean(interpolation, ("nearest", linear))
        )
        raise ConfigError(f"{layer}: interpolation={interpolation!r}: {hint}")
