"""Augmentation: pictures changed a little each time they are seen, so that a network learns what does not matter.

A sample's chance has a name: the run's seed, the epoch and the sample's number in its set. So a run repeats bit for bit, a
resumed one draws what the uninterrupted one would have, and neither the order of a batch nor its size changes a picture.

Gathering, scaling to 0 … 1 and all changes are one pass over each picture (``kernels/*/warp.py``):

- geometry: the pixel at r = (row, column), counted from the centre, shows what lies at A⁻¹ r − t + u(r) in the original, with
  A = rotation · shear · scale, a shift t, and a smooth random field u (elastic distortion; Simard, Steinkraus and Platt, "Best
  Practices for Convolutional Neural Networks", 2003). In between pixels it is interpolated; outside the picture is 0;
- strokes thicker or thinner: a blend with the largest, or smallest, of a pixel and its four neighbours;
- a rectangle erased (Zhong et al., "Random Erasing Data Augmentation", 2017), and noise on every pixel.

Simard's field is noise of every pixel, smoothed by a Gaussian. Here the noise lies on a lattice as coarse as that Gaussian is
wide: the same smoothness and size for a tenth of the work (large moves are a little rarer). His strength of 34 with a
Gaussian of 4 pixels is a standard deviation of 1.4 pixels.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pellucid.core import rng
from pellucid.core.config import Config, Fraction, NonNegative, Range
from pellucid.core.memory import Array, Shape
from pellucid.data.input_stage import stage_for
from pellucid.errors import ConfigError, ShapeError, did_you_mean
from pellucid.kernels import Kernels, load

# What each random number of a sample is for; behind these come two fields on the lattice.
ROTATION, SCALE, STRETCH, SHEAR, DOWN, RIGHT, THICKNESS, ERASED, TOP, LEFT, HEIGHT, WIDTH = range(12)
BYTES = (4 * (256**2 - 1) / 12) ** 0.5  # the standard deviation of a sum of four random bytes
REACH = 3.0  # widths of the Gaussian that the lattice goes on beyond the picture


@dataclass(frozen=True)
class Augmentation(Config):
    """How much pictures (n, height, width, channels) may be changed while training; each amount is drawn evenly from
    −amount to +amount.

    ``rotation`` in degrees; ``scale``, the logarithm of a factor, about a fraction (0.1: from 0.9 to 1.1 times as large);
    ``stretch``, the same for height against width; ``shear``, the tangent of the slant; ``shift``, in pixels, down and
    right; ``elastic``, the standard deviation of the field in pixels, smooth over ``smoothness`` pixels; ``thickness`` of
    strokes, where 1 is a pixel on each side; ``erasing``, the probability that a rectangle with sides up to ``erased`` of
    the picture's is set to 0; ``noise``, the standard deviation added to every pixel, of values 0 … 1. Of the pictures, a
    ``share`` is changed, 1 for all: what is interpolated is a little softer than what the network meets later, and some
    pictures as they are teach it both.
    """

    rotation: Annotated[float, Range(0, 180)] = 0.0
    scale: Fraction = 0.0
    stretch: Fraction = 0.0
    shear: NonNegative = 0.0
    shift: NonNegative = 0.0
    elastic: NonNegative = 0.0
    smoothness: Annotated[float, Range(1)] = 4.0
    thickness: Fraction = 0.0
    erasing: Fraction = 0.0
    erased: Fraction = 0.4
    noise: NonNegative = 0.0
    share: Fraction = 1.0

    def check(self, shape: Shape) -> None:
        """Refuses samples that are no pictures."""
        if len(shape) != 3:
            raise ShapeError(f"augmentation is for pictures (height, width, channels), not for samples of the shape {shape}")

    def changed(self, x: Array, *, seed: int = 0, epoch: int = 0, first: int = 0) -> Array:
        """The pictures x (n, h, w, c) as training sees them in that epoch, where they are the samples of their set from
        number ``first`` on: new float32 pictures, for bytes from 0 to 1 (and a little beyond with ``noise``). Raises
        ShapeError, and DataError for what are no numbers."""
        x = np.asarray(x)
        self.check(x.shape[1:])
        stage, kernels, rows = stage_for(x), load(), np.arange(len(x))
        plain = np.ascontiguousarray(stage.batch(x, slice(0, len(x)), np.empty(x.shape, np.float32), kernels))
        return self.batch(plain, rows, 1.0, rows + first, seed, epoch, np.empty_like(plain), kernels)

    def batch(
        self, x: Array, rows: Array, factor: float, numbers: Array, seed: int, epoch: int, out: Array, kernels: Kernels
    ) -> Array:
        """out[i] = a change of factor · x[rows[i]], by the chance of the sample called ``numbers[i]`` in that epoch.

        x (m, h, w, c), bytes or float32, C-contiguous; rows and numbers (n); out (n, h, w, c) float32.
        """
        h, w = x.shape[1:3]
        key = rng.at_step(rng.stream_key(seed, "augmentation"), epoch)
        down, across = (_lattice(size, self.smoothness) if self.elastic else np.empty((size, 0), np.float32) for size in (h, w))
        points = down.shape[1] * across.shape[1]
        drawn = kernels.uniform(key, numbers, WIDTH + 1 + 2 * points)
        fields = np.float32(self.elastic * 3**0.5) * (2 * drawn[:, WIDTH + 1 :] - 1)  # of variance elastic²
        kernels.warp(
            x,
            rows,
            factor,
            self._maps(drawn, h, w),
            fields.reshape(len(rows), 2, points),
            down,
            across,
            _evenly(drawn[:, THICKNESS], self.thickness),
            self._boxes(drawn, h, w),
            self.noise / BYTES,
            rng.at_step(key, 1),
            numbers,
            out,
        )
        if self.share < 1:
            still = kernels.uniform(rng.at_step(key, 2), numbers, 1)[:, 0] >= self.share
            out[still] = x[rows[still]] * out.dtype.type(factor)
        return out

    def _maps(self, drawn: Array, h: int, w: int) -> Array:
        """(n, 6): a, b, c, d, e, f of the place (a p + b q + c, d p + e q + f) that pixel (p, q) shows."""
        angle = _evenly(drawn[:, ROTATION], np.deg2rad(self.rotation))
        size, ratio = np.exp(_evenly(drawn[:, SCALE], self.scale)), np.exp(_evenly(drawn[:, STRETCH], self.stretch / 2))
        slant = _evenly(drawn[:, SHEAR], self.shear)
        cos, sin = np.cos(angle), np.sin(angle)
        # A⁻¹ = scale⁻¹ · shear⁻¹ · rotation⁻¹
        a, b = cos, sin
        d, e = -sin - slant * a, cos - slant * b
        a, b, d, e = a / (size * ratio), b / (size * ratio), d * ratio / size, e * ratio / size
        middle_p, middle_q = (h - 1) / 2, (w - 1) / 2
        c = middle_p - a * middle_p - b * middle_q - _evenly(drawn[:, DOWN], self.shift)
        f = middle_q - d * middle_p - e * middle_q - _evenly(drawn[:, RIGHT], self.shift)
        return np.stack([a, b, c, d, e, f], axis=1).astype(np.float32)

    def _boxes(self, drawn: Array, h: int, w: int) -> Array:
        """(n, 4): first row, end, first column, end of what is erased; nothing where the end is the beginning."""
        sides = np.ceil(drawn[:, [HEIGHT, WIDTH]] * [self.erased * h, self.erased * w]).astype(np.int64)
        sides[drawn[:, ERASED] >= self.erasing] = 0
        first = (drawn[:, [TOP, LEFT]] * ([h, w] - sides + 1)).astype(np.int64)
        return np.stack([first[:, 0], first[:, 0] + sides[:, 0], first[:, 1], first[:, 1] + sides[:, 1]], axis=1)


def _evenly(drawn: Array, amount: float) -> Array:
    """Numbers from 0 to 1 as numbers from −amount to amount."""
    return (2 * drawn - 1) * np.float32(amount)


@functools.cache
def _lattice(size: int, smoothness: float) -> Array:
    """(size, points): what each point of the lattice adds to each pixel along one side; each pixel's squares sum to 1, so that
    its field has the variance of the points."""
    places = np.arange(-REACH * smoothness, size - 1 + REACH * smoothness + smoothness, smoothness)
    gauss = np.exp(-0.5 * ((np.arange(size)[:, None] - places) / smoothness) ** 2)
    weights: Array = (gauss / np.sqrt((gauss**2).sum(axis=1, keepdims=True))).astype(np.float32)
    return weights


AUGMENTATIONS = {
    "affine": Augmentation(rotation=10, scale=0.1, stretch=0.1, shear=0.2, shift=2),
    "elastic": Augmentation(rotation=10, scale=0.1, stretch=0.1, shear=0.2, shift=2, elastic=1.0),
    "strong": Augmentation(
        rotation=15, scale=0.15, stretch=0.15, shear=0.3, shift=2, elastic=1.2, thickness=0.5, erasing=0.2, noise=0.05
    ),
}


def written(augmentation: Augmentation | None) -> str:
    """The name of the augmentation, or its settings, as :func:`named` reads them."""
    if augmentation is None:
        return "none"
    for name, one in AUGMENTATIONS.items():
        if one == augmentation:
            return name
    given = {field.name: getattr(augmentation, field.name) for field in dataclasses.fields(augmentation)}
    changed = [
        f"{name}={repr(value).removesuffix('.0')}" for name, value in given.items() if value != getattr(Augmentation, name)
    ]
    return ",".join(changed) or "rotation=0"


def named(text: str) -> Augmentation | None:
    """What people write: one of the names in AUGMENTATIONS, ``none``, settings as in ``rotation=10,shift=2``, or a name and
    settings that are otherwise, ``affine,share=0.75``. Raises ConfigError."""
    first, _, others = text.partition(",")
    if first == "none":
        if others:
            raise ConfigError(f"augmentation {text!r}: none stands alone, without settings")
        return None
    base = AUGMENTATIONS.get(first)
    if base is None:
        base, others = Augmentation(), text
        if "=" not in first:
            known = did_you_mean(first, [*AUGMENTATIONS, "none"])
            raise ConfigError(f"there is no augmentation {first!r}: {known}, or give settings: rotation=10,shift=2")
    names = [field.name for field in dataclasses.fields(Augmentation)]
    given = {}
    for part in filter(None, others.split(",")):
        name, _, value = part.partition("=")
        if name not in names:
            raise ConfigError(f"augmentation has no setting {name!r}: {did_you_mean(name, names)}")
        try:
            given[name] = float(value)
        except ValueError:
            raise ConfigError(f"augmentation: {name}={value!r} is no number") from None
    return dataclasses.replace(base, **given) if given else base
