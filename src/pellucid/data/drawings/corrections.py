"""Corrections: drawings that a network read wrong, kept as strokes with what they were meant to be, one JSON file each."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.files import read_json, write_text
from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.data.drawings.rendering import CLASSES, digit, strokes
from pellucid.errors import DataError, FileError

MOST = 10_000  # files: a page left open with a stuck key should not fill the disk


class Corrections:
    """The folder that corrections are kept in; it is made with the first of them. May be used from several threads."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = threading.Lock()

    def keep(self, lines: Sequence[Array], canvas: tuple[float, float] | None, label: str, said: str | None) -> int:
        """Writes one drawing and returns how many there are now. Raises FileError where nothing can be written."""
        drawing = {"label": label, "said": said, "canvas": canvas, "strokes": [np.round(line, 2).tolist() for line in lines]}
        with self._lock:
            number = len(self._files())
            if number >= MOST:
                raise DataError(f"{self.folder} holds {MOST:,} corrections: move some of them away")
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FileError(f"cannot make the folder {self.folder}: {error.strerror or error}") from None
            write_text(self.folder / f"{time.time_ns()}.json", json.dumps(drawing) + "\n")
            return number + 1

    def drawings(self) -> list[dict[str, Any]]:
        """All of them, oldest first: ``label``, ``said``, ``canvas``, ``strokes``. Raises FileError for damaged files."""
        found = []
        for path in self._files():
            drawing = read_json(path)
            if not isinstance(drawing, dict) or drawing.get("label") not in CLASSES:
                raise FileError(f"{path} is no correction: it has no label from {', '.join(CLASSES)}")
            strokes(drawing.get("strokes"))
            found.append(drawing)
        return found

    def dataset(self) -> Dataset:
        """All of them as pictures with labels, to score a network with or to train it on. Raises DataError where there are
        none."""
        found = self.drawings()
        if not found:
            raise DataError(f"{self.folder} holds no corrections: make some in pellucid draw")
        x = np.stack([digit(drawing["strokes"]) for drawing in found])
        y = np.asarray([CLASSES.index(drawing["label"]) for drawing in found], np.int64)
        return Dataset(x, y, classes=CLASSES, name="corrections")

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []
