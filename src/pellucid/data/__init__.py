"""Data: sets of samples, where they come from, and how they are read. Points in a plane are in :mod:`pellucid.data.planar`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pellucid.data.dataset import Dataset, Splits

if TYPE_CHECKING:
    from pellucid.data.augmentation import Augmentation
    from pellucid.data.corrections import Corrections
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
_WHERE = {"Augmentation": "augmentation", "read_idx": "idx", "write_idx": "idx", "read_picture": "pictures"}
_WHERE |= {"Corrections": "corrections", "digit": "drawings", "pendigits": "strokes"}
_WHERE |= dict.fromkeys(("fashion_mnist", "fetch", "load", "mnist", "status"), "sources")


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
