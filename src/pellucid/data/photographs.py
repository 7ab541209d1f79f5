"""Augmentation of photographs: flips, crops, rotation, brightness, contrast and colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pellucid.core import rng
from pellucid.core.config import Config, Fraction, NonNegative, Range
from pellucid.core.memory import Array, Shape
from pellucid.data.augmentation import check_images, erased_boxes, symmetric
from pellucid.data.geometry import Geometry
from pellucid.data.sample_augmentation import SampleAugmentation
from pellucid.errors import DataError, ShapeError
from pellucid.kernels import Kernels

# What each random number of a sample determines.
FLIP, FLIP_VERTICAL, ROTATION, AREA, RATIO, CROP_TOP, CROP_LEFT, DOWN, RIGHT = range(9)
BRIGHTNESS, CONTRAST, SATURATION, HUE, GREY, ERASED, SHARE = 9, 10, 11, 12, 13, 14, 19
LUMA = np.array([0.299, 0.587, 0.114])  # the brightness of red, green and blue (ITU-R BT.601)


@dataclass(frozen=True)
class PhotoAugmentation(Config, SampleAugmentation):
    """The random changes of photographs (n, height, width, channels) during training: colour images, or grey ones.

    Geometry, in this order:

    - ``crop``: a rectangle is cut out and enlarged to the whole image. The fraction of its area is drawn from ``crop`` to 1
      (1: no crop), and the logarithm of its ratio of width to height from −``stretch`` to ``stretch``; it never extends beyond
      the image ("random resized crop", Szegedy et al., 2015).
    - ``rotation``: the limit of the angle in degrees.
    - ``shift``: the limit of the shift in whole pixels, vertically and horizontally. This is a random crop of the image with as
      many pixels of padding (He et al., 2015).
    - ``flip`` and ``flip_vertical``: the probabilities that left and right, or top and bottom, are exchanged.

    Between pixels the image is interpolated; outside it is 0.

    Colours, in this order; the result is limited to 0 … 1:

    - ``brightness``: all values are multiplied by a factor from 1 − limit to 1 + limit.
    - ``contrast``: the distance to the mean brightness of the image is multiplied by such a factor.
    - ``saturation``: the distance of each pixel to its own grey is multiplied by such a factor.
    - ``hue``: the limit in degrees by which colours are turned around the axis of greys (in the space YIQ).
    - ``grey``: the probability that a colour image becomes grey.

    Grey images, with one channel, have no saturation and no hue; there these settings change nothing. Finally a rectangle is
    set to 0 with the probability ``erasing``; its sides are up to the fraction ``erased`` of those of the image. ``share`` is
    the fraction of images that are changed at all.
    """

    flip: Fraction = 0.0
    flip_vertical: Fraction = 0.0
    crop: Annotated[float, Range(0, 1, low_open=True)] = 1.0
    stretch: NonNegative = 0.0
    rotation: Annotated[float, Range(0, 180)] = 0.0
    shift: Annotated[int, Range(0)] = 0
    brightness: Fraction = 0.0
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    hue: Annotated[float, Range(0, 180)] = 0.0
    grey: Fraction = 0.0
    erasing: Fraction = 0.0
    erased: Fraction = 0.4
    share: Fraction = 1.0

    def check(self, shape: Shape) -> None:
        """Raise ShapeError unless samples of this shape are images, with one or three channels if their colours are changed."""
        check_images(shape)
        if shape[-1] not in (1, 3) and self._changes_colours:
            raise ShapeError(
                f"PhotoAugmentation changes the colours of images with one or three channels, got samples of the shape "
                f"{shape}; leave out brightness, contrast, saturation, hue and grey"
            )

    def apply_batch(
        self, x: Array, rows: Array, factor: float, indices: Array, seed: int, epoch: int, out: Array, kernels: Kernels
    ) -> Array:
        h, w, channels = x.shape[1:]
        drawn = self._drawn(indices, seed, epoch, kernels)
        self._geometry(drawn, h, w).warp(x, rows, factor, out, kernels)
        if self._changes_colours:
            self._change_colours(out, drawn, channels)
        if self.erasing:
            boxes = erased_boxes(drawn[:, ERASED:SHARE], self.erasing, self.erased, h, w)
            for i in np.flatnonzero(drawn[:, SHARE] < self.share):
                first, end, left, right = boxes[i]
                out[i, first:end, left:right] = 0
        return out

    def geometry(self, indices: Array, h: int, w: int, seed: int, epoch: int, kernels: Kernels) -> Geometry | None:
        if not any((self.flip, self.flip_vertical, self.crop < 1, self.stretch, self.rotation, self.shift)):
            return None
        return self._geometry(self._drawn(indices, seed, epoch, kernels), h, w)

    @property
    def _changes_colours(self) -> bool:
        return any((self.brightness, self.contrast, self.saturation, self.hue, self.grey))

    def _drawn(self, indices: Array, seed: int, epoch: int, kernels: Kernels) -> Array:
        """Return the random numbers of the samples, (n, SHARE + 1)."""
        return kernels.uniform(rng.at_step(rng.stream_key(seed, "photographs"), epoch), indices, SHARE + 1)

    def _geometry(self, drawn: Array, h: int, w: int) -> Geometry:
        """Return where the images are read: the changes inverted, from the last to the first."""
        n = len(drawn)
        shift = np.floor(drawn[:, [DOWN, RIGHT]].astype(np.float64) * (2 * self.shift + 1)) - self.shift
        sides = np.array([h, w])
        maps = np.tile(np.eye(3), (n, 1, 1))
        for axis, name, probability in ((0, FLIP_VERTICAL, self.flip_vertical), (1, FLIP, self.flip)):
            flipped = drawn[:, name] < probability
            maps[flipped, axis, axis], maps[flipped, axis, 2] = -1, sides[axis] - 1
        maps[:, :2, 2] -= shift
        if self.rotation:
            angle = symmetric(drawn[:, ROTATION], np.deg2rad(self.rotation)).astype(np.float64)
            cos, sin = np.cos(angle), np.sin(angle)
            turn = np.tile(np.eye(3), (n, 1, 1))
            turn[:, 0, 0], turn[:, 0, 1], turn[:, 1, 0], turn[:, 1, 1] = cos, sin, -sin, cos
            middle = (sides - 1) / 2
            turn[:, :2, 2] = middle - turn[:, :2, :2] @ middle
            maps = turn @ maps
        if self.crop < 1 or self.stretch:
            area = 1 - (1 - self.crop) * drawn[:, AREA].astype(np.float64)
            ratio = np.exp(symmetric(drawn[:, RATIO], self.stretch).astype(np.float64))
            part = np.minimum(np.sqrt(np.stack([area / ratio, area * ratio], axis=1)), 1)  # of the height and of the width
            cut = np.tile(np.eye(3), (n, 1, 1))  # the corners of the rectangle become the corners of the image
            cut[:, 0, 0], cut[:, 1, 1] = part.T
            cut[:, :2, 2] = drawn[:, [CROP_TOP, CROP_LEFT]] * (1 - part) * (sides - 1)
            maps = cut @ maps
        geometry = Geometry.affine(maps[:, :2].reshape(n, 6).astype(np.float32), h, w)
        return geometry.where(drawn[:, SHARE] < self.share) if self.share < 1 else geometry

    def _change_colours(self, out: Array, drawn: Array, channels: int) -> None:
        """Change the colours of the images ``out`` (n, h, w, channels) in place.

        All changes of an image are one linear map of its colours: x ← M x + v.
        """
        low, high = float(out.min(initial=0)), float(out.max(initial=0))
        if low < 0 or high > 1 + 1e-5:
            raise DataError(
                f"PhotoAugmentation changes the colours of values from 0 to 1, got {low:.3g} to {high:.3g}: give images of "
                "bytes, or leave out brightness, contrast, saturation, hue and grey"
            )
        brightness, contrast, saturation = (
            (1 + symmetric(drawn[:, column], limit)).astype(np.float64)
            for column, limit in ((BRIGHTNESS, self.brightness), (CONTRAST, self.contrast), (SATURATION, self.saturation))
        )
        matrices = np.tile(np.eye(channels), (len(out), 1, 1))
        if channels == 3:
            saturation[drawn[:, GREY] < self.grey] = 0
            matrices = saturation[:, None, None] * matrices + (1 - saturation)[:, None, None] * LUMA
            matrices = _hue_rotation(symmetric(drawn[:, HUE], np.deg2rad(self.hue)).astype(np.float64)) @ matrices
        matrices = (matrices * (brightness * contrast)[:, None, None]).astype(np.float32)
        for i in np.flatnonzero(drawn[:, SHARE] < self.share):
            planes = np.ascontiguousarray(out[i].reshape(-1, channels).T)
            offset = np.float32(0)
            if self.contrast:
                luma = _combined(LUMA.astype(np.float32), planes) if channels == 3 else planes[0]
                offset = np.float32((1 - contrast[i]) * brightness[i] * luma.mean(dtype=np.float64))
            for channel in range(channels):  # the offset is the same for all channels, so that greys stay grey
                value = _combined(matrices[i, channel], planes)
                value += offset
                out[i, ..., channel] = np.clip(value, 0, 1, out=value).reshape(out.shape[1:3])


def _combined(weights: Array, planes: Array) -> Array:
    """Return Σ weights[k] planes[k], computed element by element: the bits do not depend on the threads of BLAS."""
    total: Array = weights[0] * planes[0]
    for weight, plane in zip(weights[1:], planes[1:], strict=True):
        total += weight * plane
    return total


def _hue_rotation(angle: Array) -> Array:
    """Return the matrices (n, 3, 3) that turn colours by ``angle`` (n) around the axis of greys, in the space YIQ."""
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.tile(np.eye(3), (len(angle), 1, 1))
    turn[:, 1, 1], turn[:, 1, 2], turn[:, 2, 1], turn[:, 2, 2] = cos, -sin, sin, cos
    matrix: Array = np.linalg.inv(to_yiq) @ turn @ to_yiq
    return matrix


PHOTO = PhotoAugmentation(flip=0.5, crop=0.5, stretch=0.2, brightness=0.2, contrast=0.2, saturation=0.3, hue=10)
