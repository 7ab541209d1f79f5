"""Scenes of MNIST digits on a noisy ground, with the class of each pixel: the data of a segmentation.

Everything is computed in whole numbers, so the scenes have the same bytes on every machine.
"""

from __future__ import annotations

import functools
import hashlib
import os

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.data.dataset import Dataset, Splits, digest
from pellucid.data.sources.mnist import mnist

SIDE = 40  # pixels: a number that three halvings divide
SIZES = {"train": 10_000, "validation": 1_000, "test": 2_000}
CLASSES = ("ground", "1", "2", "3", "4", "5", "6", "7", "8")  # the number of a class is the digit, and nine colors suffice
MAX_DIGITS = 3
IMAGE_SIDES = (20, 28)  # of a digit's image with its margin; the digit itself is 14 to 20 pixels high
INK = 128  # a pixel of a digit at least as bright belongs to it
_PLACES = 20  # that are tried for a digit before it is left out


def mnist_scenes(data_dir: str | os.PathLike[str] | None = None, split_seed: int = 0) -> Splits:
    """Return scenes of digits with the class of each pixel: 10,000 / 1,000 / 2,000.

    The samples are images (40, 40, 1) of bytes with one to three digits from 1 to 8, of several sizes and brightnesses, which
    may touch but do not cover each other. The targets are class maps (40, 40): 0 for the ground, otherwise the digit. Each of
    the three sets shows digits of one set of MNIST only.

    Raises the errors of :func:`~pellucid.data.sources.mnist.mnist`.
    """
    return from_digits(mnist(data_dir, split_seed))


def from_digits(digits: Splits) -> Splits:
    """Return scenes of these digits, images (28, 28, 1) of bytes with labels from 0 to 9."""
    name = f"{digits.name}-scenes"
    train, validation, test = (scenes(getattr(digits, part), size, part, f"{name} {part}") for part, size in SIZES.items())
    # As for the digits, the digest does not depend on the split seed.
    sha = hashlib.sha256(f"{digits.sha256}{SIZES}{digest(test)}".encode()).hexdigest()
    return Splits(train, validation, test, name, digits.source, sha)


def scenes(digits: Dataset, count: int, part: str, name: str) -> Dataset:
    """Return ``count`` scenes of these digits. ``part`` names the stream of random numbers."""
    random = generator(0, "mnist-scenes", part)
    raw = random.bit_generator.random_raw  # 64 random bits in each number, much faster than bytes
    drawn = np.empty((count, SIDE, SIDE, 1), np.uint8)
    maps = np.zeros((count, SIDE, SIDE), np.uint8)
    images, labels = digits.x[..., 0], np.asarray(digits.y)
    usable = np.flatnonzero((labels > 0) & (labels < len(CLASSES)))
    for scene, classes in zip(drawn[..., 0], maps, strict=True):
        # The sum of four uniform bytes is nearly normal: divided by 5, its mean is 102 and its standard deviation 30.
        noise = raw(SIDE * SIDE // 2).astype("<u8").view(np.uint8).reshape(4, SIDE, SIDE).sum(axis=0, dtype=np.int16) // 5
        scene[...] = np.minimum(np.maximum(noise - random.integers(30, 103, dtype=np.int16), 0), 255)
        for row in usable[random.integers(0, len(usable), random.integers(1, MAX_DIGITS + 1))]:
            side, brightness = random.integers(IMAGE_SIDES[0], IMAGE_SIDES[1] + 1), random.integers(154, 257)
            image = reduced(images[row], int(side))
            ink = image >= INK
            for top, left in random.integers(0, SIDE - side + 1, (_PLACES, 2)):
                place = np.s_[top : top + side, left : left + side]
                if not classes[place][ink].any():
                    classes[place][ink] = labels[row]
                    scene[place] = np.maximum(scene[place], image * brightness // 256)
                    break
    return Dataset(drawn, maps, classes=CLASSES, name=name)


def reduced(image: Array, side: int) -> Array:
    """Return a square image of bytes (h, h) with ``side`` ≤ h pixels in each direction: means over areas, rounded down."""
    overlaps = _overlaps(len(image), side)
    sums = overlaps @ image.astype(np.float32) @ overlaps.T  # of whole numbers, exact: at most 255 · h² < 2²⁴
    return sums.astype(np.int32) // len(image) ** 2


@functools.cache
def _overlaps(old: int, new: int) -> Array:
    """Return the lengths (new, old) that new and old pixels share, in units in which a new pixel is ``old`` long."""
    ends = np.arange(1, new + 1)[:, None] * old, np.arange(1, old + 1) * new
    return np.maximum(0, np.minimum(*ends) - np.maximum(ends[0] - old, ends[1] - new)).astype(np.float32)
