"""Real digits for the tabs that compare a drawing with some: the first images of the validation set of MNIST."""

from __future__ import annotations

import threading
from pathlib import Path

from pellucid import data
from pellucid.core.memory import Array

IMAGES = 500


class ValidationDigits:
    """Images of digits that no network was trained on, loaded when they are first used."""

    def __init__(self, data_dir: Path | None):
        self._data_dir = data_dir
        self._loaded: tuple[str, Array, Array] | None = None
        self._lock = threading.Lock()

    def load(self) -> tuple[str, Array, Array]:
        """Return the name of the data, at most 500 images (n, 28, 28, 1) of bytes, and their labels (n).

        Raises DataError if MNIST cannot be loaded.
        """
        with self._lock:
            if self._loaded is None:
                splits = data.load("mnist", self._data_dir)
                part = splits.validation.limit(IMAGES)
                self._loaded = splits.name, part.x, part.y
            return self._loaded
