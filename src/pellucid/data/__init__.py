"""Data: sets of samples, where they come from, and how they are read. Points in a plane are in :mod:`pellucid.data.planar`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid import lazily

if TYPE_CHECKING:
    from pellucid.data.augmentation import Augmentation
    from pellucid.data.corrections import Corrections
    from pellucid.data.dataset import Dataset, Splits
    from pellucid.data.drawings import digit
    from pellucid.data.idx import read_idx, write_idx
    from pellucid.data.pictures import read_picture
    from pellucid.data.sources import fashion_mnist, fetch, load, mnist, status
    from pellucid.data.strokes import pendigits

__all__ = [
    "Augmentation",
    "Corrections",
    "Dataset",
    "Splits",
    "digit",
    "fashion_mnist",
    "fetch",
    "load",
    "mnist",
    "pendigits",
    "read_idx",
    "read_picture",
    "status",
    "write_idx",
]

# Reading files brings in hashing, unpacking and more; a program that brings its own arrays starts sooner without.
if not TYPE_CHECKING:  # who checks types reads the imports above
    __getattr__, __dir__ = lazily.names(
        __name__,
        {
            "augmentation": "Augmentation",
            "corrections": "Corrections",
            "dataset": "Dataset Splits",
            "drawings": "digit",
            "idx": "read_idx write_idx",
            "pictures": "read_picture",
            "sources": "fashion_mnist fetch load mnist status",
            "strokes": "pendigits",
        },
    )
