"""What the networks of the drawing mode learn from: MNIST, digits that people wrote with a pen on a tablet, and drawings that
are no digits, as one data set of eleven classes.

MNIST is scans of forms that were filled in with pencils. Strokes on a screen differ from it: nothing smears, people hurry, and
a 9 has other shapes in other countries. The strokes of some people teach a network to read those of others.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence

import numpy as np

from pellucid.data.dataset import Dataset, Splits
from pellucid.data.drawings.non_digits import IN_TRAINING, KINDS, nondigit
from pellucid.data.drawings.rendering import CLASSES, NO_DIGIT, digit
from pellucid.errors import DataError

SIZES = {"train": 3000, "validation": 1000, "test": 1000}  # drawings that are no digits
HEARD = 10  # times that a correction is in an epoch: augmentation changes it each time
PARTS = ("train", "validation", "test")


def not_digits(part: str, kinds: Sequence[str], count: int) -> Dataset:
    """``count`` drawings of these ``kinds`` in turn, as pictures (28, 28, 1) of bytes, labelled "no digit"; others for each
    ``part``."""
    x = np.stack([digit(nondigit(kinds[i % len(kinds)], i, part)) for i in range(count)])
    return Dataset(x, np.full(count, CLASSES.index(NO_DIGIT)), classes=CLASSES, name=f"non-digits {part}")


def mixed(printed: Splits, strokes: Callable[[], Splits]) -> Splits:
    """MNIST, as ``printed``, pen ``strokes`` and non-digits as one, each split as it is by itself. The test set has kinds of
    non-digits that are in neither of the others.

    Where ``strokes`` raises DataError, because there is no network, it is made without them, which is said and shows in its
    name.
    """
    sources, name = [printed], "drawings"
    try:
        sources.append(strokes())
    except DataError as error:
        name = "drawings without pen strokes"
        if sys.stderr is not None:
            print(f"{name}: networks will read fewer drawn digits right. {error}", file=sys.stderr)
    sets = []
    for part in PARTS:
        own = [getattr(source, part) for source in sources]
        own.append(not_digits(part, KINDS if part == "test" else IN_TRAINING, SIZES[part]))
        x, y = np.concatenate([one.x for one in own]), np.concatenate([one.y for one in own])
        sets.append(Dataset(x, y, classes=CLASSES, name=f"{name} {part}"))
    digest = hashlib.sha256("".join(source.sha256 for source in sources).encode())
    for one in sets:
        digest.update(one.x[-SIZES["test"] :].tobytes() + str(len(one)).encode())  # the non-digits, and how many of each
    train, validation, test = sets
    return Splits(
        train, validation, test, name, " and ".join(dict.fromkeys(source.source for source in sources)), digest.hexdigest()
    )


def corrected(splits: Splits, corrections: Dataset) -> Splits:
    """The same with ``corrections`` among the training data, each so many times that a few of them are heard. Raises
    DataError for pictures of another size, and for labels that the data has no class for."""
    train, classes = splits.train, splits.classes or ()
    if train.shape != corrections.shape or train.x.dtype != np.uint8:
        raise DataError(f"corrections are pictures {corrections.shape}, {splits.name} has samples {train.shape}")
    if classes[:10] != CLASSES[:10]:
        raise DataError(f"corrections are digits, {splits.name} has {', '.join(classes[:3])}, …")
    if int(corrections.y.max()) >= len(classes):  # type: ignore[union-attr]
        raise DataError(f"a correction says {NO_DIGIT!r}, which {splits.name} has no class for: train on drawings")
    x = np.concatenate([train.x, *[corrections.x] * HEARD])
    y = np.concatenate([train.y, *[corrections.y] * HEARD])
    digest = hashlib.sha256(splits.sha256.encode() + corrections.x.tobytes() + corrections.y.tobytes()).hexdigest()  # type: ignore[union-attr]
    both = Dataset(x, y, classes=classes, name=train.name)
    name = f"{splits.name} and {len(corrections):,} corrections"
    return Splits(both, splits.validation, splits.test, name, splits.source, digest)
