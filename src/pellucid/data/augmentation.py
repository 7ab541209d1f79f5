"""Augmentation: random changes to training images, so that a network learns to ignore what does not change the class.

The changes here suit drawings, those in ``photographs.py`` photographs. ``sample_augmentation.py`` says what the random numbers
of a sample depend on.

Gathering, scaling to 0 … 1 and all changes are one pass over each image (``kernels/*/warp.py``):

- geometry: the pixel at r = (row, column), relative to the centre, takes the value of the original at A⁻¹ r − t + u(r), with
  A = rotation · shear · scale, a shift t, and a smooth random field u (elastic distortion; Simard, Steinkraus and Platt, "Best
  Practices for Convolutional Neural Networks", 2003). Between pixels the original is interpolated; outside it is 0;
- thicker or thinner strokes: a blend with the largest, or smallest, of a pixel and its four neighbours;
- an erased rectangle (Zhong et al., "Random Erasing Data Augmentation", 2017), and noise on every pixel.

Simard's field is noise at every pixel, smoothed by a Gaussian. Here the noise is drawn on a lattice whose spacing is the width
of that Gaussian. The field has the same smoothness and size for a tenth of the work; large displacements are slightly rarer.
Simard's strength of 34 with a Gaussian of 4 pixels gives a standard deviation of 1.4 pixels.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pellucid.core import rng
from pellucid.core.config import Config, Fraction, NonNegative, Range
from pellucid.core.memory import Array, Shape
from pellucid.data.geometry import Geometry
from pellucid.data.sample_augmentation import SampleAugmentation
from pellucid.errors import ShapeError
from pellucid.kernels import Kernels

# What each random number of a sample determines. Then come the two components of the field, at each point of the lattice.
ROTATION, SCALE, STRETCH, SHEAR, DOWN, RIGHT, THICKNESS, ERASED, TOP, LEFT, HEIGHT, WIDTH = range(12)
BYTE_SUM_DEVIATION = (4 * (256**2 - 1) / 12) ** 0.5  # of a sum of four random bytes
MARGIN = 3.0  # widths of the Gaussian by which the lattice is larger than the image on each side


@dataclass(frozen=True)
class Augmentation(Config, SampleAugmentation):
    """The amounts by which images (n, height, width, channels) are changed during training.

    These are limits; the change of an image is drawn uniformly from −limit to +limit:

    - ``rotation``, in degrees;
    - ``scale``, the logarithm of a factor: 0.1 makes images about 0.9 to 1.1 times as large;
    - ``stretch``, the same for the ratio of height to width;
    - ``shear``, the tangent of the slant;
    - ``shift``, in pixels, both vertically and horizontally;
    - ``thickness`` of strokes, where 1 is one pixel on each side.

    The other settings are:

    - ``elastic``, the standard deviation of the random field in pixels, which is smooth over ``smoothness`` pixels;
    - ``erasing``, the probability that a rectangle is set to 0, with sides up to the fraction ``erased`` of those of the image;
    - ``noise``, the standard deviation of the noise added to every pixel, for values 0 … 1.

    ``share`` is the fraction of images that are changed, 1 for all. Interpolation makes images slightly softer than those that
    the network sees later, so unchanged images among the others help.
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
        """Raise ShapeError unless samples of this shape are images."""
        check_images(shape)

    def apply_batch(
        self, x: Array, rows: Array, factor: float, indices: Array, seed: int, epoch: int, out: Array, kernels: Kernels
    ) -> Array:
        h, w = x.shape[1:3]
        key, drawn, geometry = self._drawn(indices, h, w, seed, epoch, kernels)
        kernels.warp(
            x,
            rows,
            factor,
            geometry.maps,
            geometry.fields,
            geometry.down,
            geometry.across,
            symmetric(drawn[:, THICKNESS], self.thickness),
            erased_boxes(drawn[:, ERASED:], self.erasing, self.erased, h, w),
            self.noise / BYTE_SUM_DEVIATION,
            rng.at_step(key, 1),
            indices,
            out,
        )
        if self.share < 1:
            unchanged = self._unchanged(key, indices, kernels)
            out[unchanged] = x[rows[unchanged]] * out.dtype.type(factor)
        return out

    def geometry(self, indices: Array, h: int, w: int, seed: int, epoch: int, kernels: Kernels) -> Geometry | None:
        if not any((self.rotation, self.scale, self.stretch, self.shear, self.shift, self.elastic)):
            return None
        key, _, geometry = self._drawn(indices, h, w, seed, epoch, kernels)
        return geometry.where(~self._unchanged(key, indices, kernels)) if self.share < 1 else geometry

    def _drawn(self, indices: Array, h: int, w: int, seed: int, epoch: int, kernels: Kernels) -> tuple[int, Array, Geometry]:
        """Return the key of the epoch, the random numbers of the samples and their geometry."""
        key = rng.at_step(rng.stream_key(seed, "augmentation"), epoch)
        down, across = (_lattice(size, self.smoothness) if self.elastic else np.empty((size, 0), np.float32) for size in (h, w))
        points = down.shape[1] * across.shape[1]
        drawn = kernels.uniform(key, indices, WIDTH + 1 + 2 * points)
        fields = np.float32(self.elastic * 3**0.5) * (2 * drawn[:, WIDTH + 1 :] - 1)  # of variance elastic²
        return key, drawn, Geometry(self._maps(drawn, h, w), fields.reshape(len(indices), 2, points), down, across)

    def _unchanged(self, key: int, indices: Array, kernels: Kernels) -> Array:
        """Return which samples stay as they are (n)."""
        return kernels.uniform(rng.at_step(key, 2), indices, 1)[:, 0] >= self.share

    def _maps(self, drawn: Array, h: int, w: int) -> Array:
        """Return the affine maps (n, 6): pixel (p, q) takes the value at (a p + b q + c, d p + e q + f) of the original."""
        angle = symmetric(drawn[:, ROTATION], np.deg2rad(self.rotation))
        size, ratio = np.exp(symmetric(drawn[:, SCALE], self.scale)), np.exp(symmetric(drawn[:, STRETCH], self.stretch / 2))
        slant = symmetric(drawn[:, SHEAR], self.shear)
        cos, sin = np.cos(angle), np.sin(angle)
        # A⁻¹ = scale⁻¹ · shear⁻¹ · rotation⁻¹
        a, b = cos, sin
        d, e = -sin - slant * a, cos - slant * b
        a, b, d, e = a / (size * ratio), b / (size * ratio), d * ratio / size, e * ratio / size
        middle_p, middle_q = (h - 1) / 2, (w - 1) / 2
        c = middle_p - a * middle_p - b * middle_q - symmetric(drawn[:, DOWN], self.shift)
        f = middle_q - d * middle_p - e * middle_q - symmetric(drawn[:, RIGHT], self.shift)
        return np.stack([a, b, c, d, e, f], axis=1).astype(np.float32)


def check_images(shape: Shape) -> None:
    """Raise ShapeError unless samples of this shape are images."""
    if len(shape) != 3:
        raise ShapeError(f"augmentation needs images (height, width, channels), got samples of the shape {shape}")


def erased_boxes(drawn: Array, probability: float, erased: float, h: int, w: int) -> Array:
    """Return the erased rectangles (n, 4): first row, end, first column, end. An empty one has its end at its start.

    ``drawn`` (n, ≥ 5) are random numbers for: whether there is one, top, left, height and width.
    """
    sides = np.ceil(drawn[:, [3, 4]] * [erased * h, erased * w]).astype(np.int64)
    sides[drawn[:, 0] >= probability] = 0
    first = (drawn[:, [1, 2]] * ([h, w] - sides + 1)).astype(np.int64)
    return np.stack([first[:, 0], first[:, 0] + sides[:, 0], first[:, 1], first[:, 1] + sides[:, 1]], axis=1)


def symmetric(drawn: Array, amount: float) -> Array:
    """Map values from 0 … 1 to −amount … amount."""
    return (2 * drawn - 1) * np.float32(amount)


@functools.cache
def _lattice(size: int, smoothness: float) -> Array:
    """Return (size, points): the weight of each point of the lattice at each pixel along one side.

    The squares of the weights of a pixel sum to 1, so that its field has the variance of the points.
    """
    points = np.arange(-MARGIN * smoothness, size - 1 + MARGIN * smoothness + smoothness, smoothness)
    gauss = np.exp(-0.5 * ((np.arange(size)[:, None] - points) / smoothness) ** 2)
    weights: Array = (gauss / np.sqrt((gauss**2).sum(axis=1, keepdims=True))).astype(np.float32)
    return weights


AUGMENTATIONS = {
    "affine": Augmentation(rotation=10, scale=0.1, stretch=0.1, shear=0.2, shift=2),
    "elastic": Augmentation(rotation=10, scale=0.1, stretch=0.1, shear=0.2, shift=2, elastic=1.0),
    "strong": Augmentation(
        rotation=15, scale=0.15, stretch=0.15, shear=0.3, shift=2, elastic=1.2, thickness=0.5, erasing=0.2, noise=0.05
    ),
}
