"""The data set of the drawing mode: MNIST, pen digits and drawings that are not digits, in eleven classes.

The digits of MNIST are scans of forms that were filled in with pencils. Strokes on a screen are different: nothing smears,
people are in a hurry, and digits have other shapes in other countries. The strokes of some people teach a network to read those
of others.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Callable

import numpy as np

from pellucid.data.dataset import Dataset, Splits, digest
from pellucid.data.drawings.non_digits import KINDS, TRAINING_KINDS, non_digit_images
from pellucid.data.drawings.pen_digits import pendigits
from pellucid.data.drawings.strokes import CLASSES
from pellucid.data.sources.mnist import mnist
from pellucid.errors import DataError

SIZES = {"train": 3000, "validation": 1000, "test": 1000}  # drawings that are not digits
PARTS = ("train", "validation", "test")


def drawings(data_dir: str | os.PathLike[str] | None = None, split_seed: int = 0) -> Splits:
    """Return MNIST, pen digits and drawings that are not digits as one data set.

    Raises the errors of :func:`~pellucid.data.sources.mnist.mnist`.
    """
    return combine(mnist(data_dir, split_seed), functools.partial(pendigits, data_dir))


def combine(scans: Splits, load_pen_digits: Callable[[], Splits]) -> Splits:
    """Return MNIST (``scans``), pen digits and non-digits as one data set, with the splits that each of them has.

    The test set has kinds of non-digits that are in neither of the other sets. If ``load_pen_digits`` raises DataError, because
    there is no network, the data set has no pen digits; a message and its name say so.
    """
    sources, name = [scans], "drawings"
    try:
        sources.append(load_pen_digits())
    except DataError as error:
        name = "drawings without pen strokes"
        if sys.stderr is not None:
            print(f"{name}: networks will read fewer drawn digits correctly. {error}", file=sys.stderr)
    sets, non_digits = list[Dataset](), list[Dataset]()
    for part in PARTS:
        non_digits.append(non_digit_images(part, KINDS if part == "test" else TRAINING_KINDS, SIZES[part]))
        parts = [*(getattr(source, part) for source in sources), non_digits[-1]]
        x, y = np.concatenate([data.x for data in parts]), np.concatenate([data.y for data in parts])
        sets.append(Dataset(x, y, classes=CLASSES, name=f"{name} {part}"))
    # Like the digests of its sources, the digest does not depend on the split seed.
    digests = [*(source.sha256 for source in sources), digest(*non_digits)]
    sha = hashlib.sha256("".join(digests).encode()).hexdigest()
    train, validation, test = sets
    source = " and ".join(dict.fromkeys(source.source for source in sources))
    return Splits(train, validation, test, name, source, sha)
