"""The data set of the drawing mode: MNIST, pen digits and drawings that are not digits, in eleven classes.

The training set also has each pen digit several times as other hands would draw it (``variations.py``), digits in styles that
its writers lack (``styles.py``), and drawings that are not digits with the same changes. The validation and the test set have
drawings as they are.

The digits of MNIST are scans of forms that were filled in with pencils. Strokes on a screen are different: nothing smears,
people are in a hurry, and digits have other shapes in other countries. The strokes of some people teach a network to read those
of others.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import rng
from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Splits, digest
from pellucid.data.drawings import pen_digits
from pellucid.data.drawings.image_cache import cached
from pellucid.data.drawings.non_digits import KINDS, TRAINING_KINDS, non_digit_images, varied_non_digits
from pellucid.data.drawings.pen_digits import pendigits
from pellucid.data.drawings.rendering import image_of
from pellucid.data.drawings.strokes import CLASSES
from pellucid.data.drawings.styles import styled_digit
from pellucid.data.drawings.variations import pen_width, varied
from pellucid.data.sources.mnist import mnist
from pellucid.errors import DataError

SIZES = {"train": 3600, "validation": 1000, "test": 1000}  # drawings that are not digits
# What the training set has in addition. The sizes keep an epoch below 100,000 samples.
VARIATIONS = 4  # of each pen digit
STYLED = 5_000  # digits in other styles
VARIED = 9_000  # drawings that are not digits, changed
VARIED_KINDS = (*TRAINING_KINDS, *2 * ("shapes", "figure"), "turned digit", "scribble")  # more of what resembles digits
PARTS = ("train", "validation", "test")


def drawings(data_dir: str | os.PathLike[str] | None = None, split_seed: int = 0) -> Splits:
    """Return MNIST, pen digits and drawings that are not digits as one data set.

    The images that are made here are kept in the cache (:mod:`~pellucid.data.drawings.image_cache`).

    Raises the errors of :func:`~pellucid.data.sources.mnist.mnist`.
    """
    return combine(
        mnist(data_dir, split_seed), functools.partial(pendigits, data_dir), functools.partial(_more, data_dir), cached
    )


def _more(data_dir: str | os.PathLike[str] | None) -> list[Dataset]:
    """Return what the training set has in addition; without the pen digits, where they cannot be had."""
    more = [
        cached("styled digits", STYLED, lambda: styled_digits(STYLED)),
        cached("varied non-digits", [VARIED_KINDS, VARIED], lambda: varied_non_digits("train", VARIED_KINDS, VARIED)),
    ]
    with contextlib.suppress(DataError):
        pen_digits.load_drawings(_pen_digits_file(data_dir))  # without the file there are none, even if they are in the cache
        make = functools.partial(varied_digits, data_dir, VARIATIONS)
        more.append(cached("varied pen digits", [pen_digits.DIGEST, list(pen_digits.WRITERS["train"]), VARIATIONS], make))
    return more


def _pen_digits_file(data_dir: str | os.PathLike[str] | None) -> Path:
    place = pen_digits.find_file(data_dir)
    return place[0] if place else pen_digits.fetch()


def varied_digits(data_dir: str | os.PathLike[str] | None, count: int) -> Dataset:
    """Return each drawing of the training writers ``count`` times with changes, and no two of them with the same."""
    drawings = pen_digits.load_drawings(_pen_digits_file(data_dir))
    images, labels = list[Array](), list[int]()
    for number, drawing in enumerate(drawings):
        if drawing.writer in pen_digits.WRITERS["train"]:
            for repetition in range(count):
                random = rng.generator(0, "pen digit variation", number, repetition)
                images.append(image_of(varied(drawing.strokes, random, drawing.label), pen_width(random)))
                labels.append(drawing.label)
    return Dataset(np.stack(images), np.asarray(labels, np.int64), classes=CLASSES, name="varied pen digits")


def styled_digits(count: int) -> Dataset:
    """Return ``count`` digits in the styles of ``styles.py``."""
    images, labels = list[Array](), list[int]()
    for number in range(count):
        strokes, label = styled_digit(number)
        images.append(image_of(strokes, pen_width(rng.generator(0, "pen", number))))
        labels.append(label)
    return Dataset(np.stack(images), np.asarray(labels, np.int64), classes=CLASSES, name="styled digits")


def not_cached(name: str, inputs: Any, make: Callable[[], Dataset]) -> Dataset:
    """Return what ``make()`` returns: in place of :func:`~pellucid.data.drawings.image_cache.cached`."""
    return make()


def combine(
    scans: Splits,
    load_pen_digits: Callable[[], Splits],
    load_more: Callable[[], list[Dataset]] = list,
    cache: Callable[[str, Any, Callable[[], Dataset]], Dataset] = not_cached,
) -> Splits:
    """Return MNIST (``scans``), pen digits and non-digits as one data set, with the splits that each of them has.

    The test set has kinds of non-digits that are in neither of the other sets. If ``load_pen_digits`` raises DataError, because
    there is no network, the data set has no pen digits; a message and its name say so. The sets that ``load_more`` returns are
    added to the training set. ``cache`` keeps the images of non-digits.
    """
    sources, name = [scans], "drawings"
    try:
        sources.append(load_pen_digits())
    except DataError as error:
        name = "drawings without pen strokes"
        if sys.stderr is not None:
            print(f"{name}: networks will read fewer drawn digits correctly. {error}", file=sys.stderr)
    sets, non_digits, more = list[Dataset](), list[Dataset](), load_more()
    for part in PARTS:
        kinds, count = KINDS if part == "test" else TRAINING_KINDS, SIZES[part]
        non_digits.append(cache(f"non-digits {part}", [kinds, count], functools.partial(non_digit_images, part, kinds, count)))
        parts = [*(getattr(source, part) for source in sources), non_digits[-1]]
        parts += more if part == "train" else []
        x, y = np.concatenate([data.x for data in parts]), np.concatenate([data.y for data in parts])
        sets.append(Dataset(x, y, classes=CLASSES, name=f"{name} {part}"))
    # Like the digests of its sources, the digest does not depend on the split seed.
    digests = [*(source.sha256 for source in sources), digest(*non_digits, *more)]
    sha = hashlib.sha256("".join(digests).encode()).hexdigest()
    train, validation, test = sets
    source = " and ".join(dict.fromkeys(source.source for source in sources))
    return Splits(train, validation, test, name, source, sha)
