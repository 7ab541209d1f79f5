"""Samples that are their own targets: the data of an autoencoder."""

from __future__ import annotations

import dataclasses

import numpy as np

from pellucid.data.dataset import Dataset, Splits
from pellucid.errors import DataError


def reconstruction(data: Dataset) -> Dataset:
    """Return the images of a set with themselves as targets: bytes as numbers from 0 to 1, as the network reads them.

    Labels are left out. Raises DataError for samples that are not images (height, width, channels).
    """
    if len(data.shape) != 3:
        raise DataError(f"{data.name}: an autoencoder needs images (height, width, channels), got samples {data.shape}")
    x = data.x
    y = np.multiply(x, np.float32(1 / 255), dtype=np.float32) if x.dtype == np.uint8 else x
    return Dataset(x, y, data.sample_weight, name=data.name, origin=data.origin)


def reconstruction_splits(splits: Splits) -> Splits:
    """Return the three sets with their images as targets. Raises DataError as :func:`reconstruction`."""
    train, validation, test = map(reconstruction, (splits.train, splits.validation, splits.test))
    return dataclasses.replace(splits, train=train, validation=validation, test=test)
