"""Corrections: drawings that a network misclassified, stored as strokes with their true labels, one JSON file for each."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.files import read_json, write_text
from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Splits
from pellucid.data.drawings.rendering import digit
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT, check_strokes
from pellucid.errors import DataError, FileError

MAX_FILES = 10_000  # a page that is left open with a stuck key must not fill the disk
OVERSAMPLING = 10  # copies of each correction in the training set; augmentation changes each of them differently


class Corrections:
    """A folder of corrections, created with the first of them. It can be used from several threads."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = threading.Lock()

    def add(self, strokes: Sequence[Array], canvas: tuple[float, float] | None, label: str, predicted: str | None) -> int:
        """Store a drawing and return the number of drawings in the folder. One that is stored already is not stored again.

        ``label`` is the true label, and ``predicted`` the wrong one that the network gave, if known. Raises DataError if the
        folder is full, and FileError if it cannot be written.
        """
        points = [np.round(stroke, 2).tolist() for stroke in strokes]
        drawing = {"label": label, "predicted": predicted, "canvas": canvas, "strokes": points}
        with self._lock:
            files = self._files()
            count, text = len(files), json.dumps(drawing) + "\n"
            if any(path.stat().st_size == len(text) and path.read_text(encoding="utf-8") == text for path in files):
                return count
            if count >= MAX_FILES:
                raise DataError(f"{self.folder} holds {MAX_FILES:,} corrections, which is the limit: move some of them away")
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FileError(f"cannot create the folder {self.folder}: {error.strerror or error}") from None
            write_text(self.folder / f"{time.time_ns()}.json", text)
            return count + 1

    def remove(self, name: str) -> None:
        """Remove the correction of that name, which :meth:`named` lists. Raises FileError if there is none."""
        with self._lock:
            path = next((one for one in self._files() if one.stem == name), None)
            if path is None:
                raise FileError(f"{self.folder} has no correction {name[:100]!r}: it may have been removed in the meantime")
            try:
                path.unlink()
            except OSError as error:
                raise FileError(f"cannot remove {path}: {error.strerror or error}") from None

    def drawings(self) -> list[dict[str, Any]]:
        """Return all drawings, oldest first, with ``label``, ``predicted``, ``canvas`` and ``strokes``.

        Raises FileError for damaged files, and DataError for strokes that are not valid.
        """
        return list(self.named().values())

    def named(self) -> dict[str, dict[str, Any]]:
        """Return all drawings by their names, like :meth:`drawings`."""
        found = {}
        for path in self._files():
            drawing = read_json(path)
            if not isinstance(drawing, dict) or drawing.get("label") not in CLASSES:
                raise FileError(f"{path} is not a correction: its label must be one of {', '.join(CLASSES)}")
            check_strokes(drawing.get("strokes"))
            found[path.stem] = drawing
        return found

    def dataset(self) -> Dataset:
        """Return all drawings as images with labels, to evaluate or to train a network. Raises DataError if there are none."""
        found = self.drawings()
        if not found:
            raise DataError(f"{self.folder} has no corrections: make some in pellucid draw")
        x = np.stack([digit(drawing["strokes"]) for drawing in found])
        y = np.asarray([CLASSES.index(drawing["label"]) for drawing in found], np.int64)
        return Dataset(x, y, classes=CLASSES, name="corrections")

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.json")) if os.path.isdir(self.folder) else []


def with_corrections(splits: Splits, corrections: Dataset) -> Splits:
    """Return the same sets with ``corrections`` added to the training set, each OVERSAMPLING times to have an effect.

    Raises DataError for images of another size, and for labels that are not classes of the data.
    """
    train, classes = splits.train, splits.classes or ()
    if train.shape != corrections.shape or train.x.dtype != np.uint8:
        raise DataError(f"corrections are images {corrections.shape}, but the samples of {splits.name} are {train.shape}")
    if classes[:10] != CLASSES[:10]:
        raise DataError(f"corrections are digits, but the classes of {splits.name} are {', '.join(classes[:3])}, …")
    labels = corrections.y
    assert labels is not None
    if int(labels.max()) >= len(classes):
        raise DataError(f"a correction has the label {NO_DIGIT!r}, which is not a class of {splits.name}: train on drawings")
    x = np.concatenate([train.x, *[corrections.x] * OVERSAMPLING])
    y = np.concatenate([train.y, *[labels] * OVERSAMPLING])
    digest = hashlib.sha256(splits.sha256.encode() + corrections.x.tobytes() + labels.tobytes()).hexdigest()
    both = Dataset(x, y, classes=classes, name=train.name)
    name = f"{splits.name} and {len(corrections):,} corrections"
    return Splits(both, splits.validation, splits.test, name, splits.source, digest)
