"""Run folders: the files that a run writes and other commands read.

config.json      the network, loss, optimizer, data, fit options and seed
history.csv      one row for each epoch: seconds, learning rate, training and validation metrics
metrics.json     the final metrics, with the data, all settings, changes of the learning rate, versions, seconds and energy
model.pellucid   the trained model, with the state of its optimizer
*.png            figures, if Matplotlib is installed
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid import data
from pellucid.core.config import from_json
from pellucid.core.files import read_json, write_text
from pellucid.core.json_text import json_text
from pellucid.data.dataset import Splits
from pellucid.data.reconstruction import reconstruction_splits
from pellucid.data.sources.user_data import ReadOptions
from pellucid.errors import FileError
from pellucid.model.model import Model
from pellucid.training import History


class RunFolder:
    """The folder that a run writes to: ``out``, or the next free ``<name>-<n>`` in ``parent``.

    The folder is created here, so that problems appear before any time is spent on training. Raises FileError if it cannot be
    created or written to, or if it is not empty (unless ``force`` is set).
    """

    def __init__(self, out: str | Path | None, name: str, *, force: bool = False, parent: Path = Path("runs")):
        try:
            self.path = Path(out) if out is not None else _create_numbered(parent, name)
            self._is_new = out is None or not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            if any(self.path.iterdir()) and not force:
                raise FileError(f"{self.path} is not empty: choose another folder with --out, or write into it with --force")
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise FileError(f"cannot create the folder {out or parent}: {error.strerror or error}") from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise FileError(f"cannot write to the folder {self.path}")

    def discard(self) -> None:
        """Remove the folder of a run that failed, if the run created it and wrote nothing."""
        if self._is_new and not any(self.path.iterdir()):
            self.path.rmdir()

    def write_config(self, config: Mapping[str, Any]) -> None:
        write_text(self.path / "config.json", json_text(config))

    def write_history(self, history: History) -> None:
        write_text(self.path / "history.csv", history.to_csv())

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        write_text(self.path / "metrics.json", json_text(metrics))

    def save_model(self, model: Model) -> None:
        model.save(self.path / "model.pellucid", training_state=True)


def _create_numbered(parent: Path, name: str) -> Path:
    """Create ``<name>-1`` in ``parent``, or the first number that is free. No other process gets the same folder."""
    parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = parent / f"{name}-{number}"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            break
    return path


def open_run(path: str | Path) -> tuple[Model, dict[str, Any]]:
    """Return the model and the config.json of a run folder; for a model file, the model and an empty dictionary.

    Raises FileError if there is neither.
    """
    path = Path(path)
    if not path.exists():
        raise FileError(f"there is no run folder or model file {path}")
    if path.is_file():
        return Model.load(path), {}
    if not (path / "model.pellucid").exists():
        raise FileError(f"{path} is not a run folder: it contains no model.pellucid")
    config = read_json(path / "config.json") if (path / "config.json").exists() else {}
    return Model.load(path / "model.pellucid"), config if isinstance(config, dict) else {}


def read_metrics(path: str | Path) -> dict[str, Any]:
    """Return the metrics.json of a run folder. Raises FileError if there is none."""
    file = Path(path) / "metrics.json"
    if not file.exists():
        raise FileError(f"{path} is not a run folder: it contains no metrics.json")
    metrics = read_json(file)
    if not isinstance(metrics, dict):
        raise FileError(f"{file} does not contain the metrics of a run")
    return metrics


def load_data(config: Mapping[str, Any], data_dir: Path | None, name: str | None = None) -> Splits:
    """Return the data that the run with this config.json was trained on, or the data set ``name``, split in the same way."""
    settings = config.get("data", {})
    requested, reading = settings.get("requested", "mnist"), settings.get("reading")
    options = from_json(reading, ReadOptions) if reading is not None and name in (None, requested) else None
    splits = data.load(name or requested, data_dir, settings.get("split_seed", 0), options)
    return reconstruction_splits(splits) if settings.get("reconstructs") else splits
