"""Run folders: what is left of a training, enough to repeat it.

config.json      network, loss, optimizer, data, batch size, epochs, seed: all it takes to repeat the run
history.csv      one line an epoch
metrics.json     the figures at the end, the data they belong to, versions and seconds
model.pellucid   the trained model
*.png            figures
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import FileError
from pellucid.core.files import read_json, write_text
from pellucid.model.model import Model
from pellucid.training import History


class RunFolder:
    """A folder that a training writes to: ``out``, or the next free one called ``name`` in ``parent``. Making it checks that it
    can be written, before any time is spent."""

    def __init__(self, out: str | Path | None, name: str, *, force: bool = False, parent: Path = Path("runs")):
        try:
            self.path = Path(out) if out is not None else _next(parent, name)
            self._is_new = out is None or not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            if any(self.path.iterdir()) and not force:
                raise FileError(f"{self.path} is not empty: choose another folder with --out, or write into it with --force")
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise FileError(f"cannot make the folder {out or parent}: {error.strerror or error}") from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise FileError(f"cannot write to the folder {self.path}")

    def discard(self) -> None:
        """Takes the folder away again, if it is new and nothing was written: for a training that failed."""
        if self._is_new and not any(self.path.iterdir()):
            self.path.rmdir()

    def write_config(self, config: Mapping[str, Any]) -> None:
        write_text(self.path / "config.json", readable(config))

    def write_history(self, history: History) -> None:
        write_text(self.path / "history.csv", history.to_csv())

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        write_text(self.path / "metrics.json", readable(metrics))

    def save(self, model: Model) -> None:
        model.save(self.path / "model.pellucid", training_state=True)


def _next(parent: Path, name: str) -> Path:
    """``runs/mlp-1``, or the first number that is free; made here, so that nobody else gets it."""
    parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = parent / f"{name}-{number}"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            break
    return path


def readable(data: Any) -> str:
    """Plain JSON as people read it."""
    return json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def plain(data: Any) -> Any:
    """Plain JSON of results: arrays become lists, NaN becomes null."""
    if isinstance(data, Mapping):
        return {str(name): plain(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [plain(item) for item in data]
    if isinstance(data, np.ndarray):
        return plain(data.tolist())
    if isinstance(data, (float, np.floating)):
        return float(data) if np.isfinite(data) else None
    return data.item() if isinstance(data, np.integer) else data


def open_run(path: str | Path) -> tuple[Model, dict[str, Any]]:
    """(model, configuration) of a run folder, or of a model file alone (with an empty configuration)."""
    path = Path(path)
    if not path.exists():
        raise FileError(f"there is no run or model file {path}")
    if path.is_file():
        return Model.load(path), {}
    if not (path / "model.pellucid").exists():
        raise FileError(f"{path} is no run folder: it holds no model.pellucid")
    config = read_json(path / "config.json") if (path / "config.json").exists() else {}
    return Model.load(path / "model.pellucid"), config if isinstance(config, dict) else {}


def results(path: str | Path) -> dict[str, Any]:
    """The figures of a run folder: its metrics.json."""
    path = Path(path)
    if not (path / "metrics.json").exists():
        raise FileError(f"{path} is no run folder: it holds no metrics.json")
    found = read_json(path / "metrics.json")
    if not isinstance(found, dict):
        raise FileError(f"{path / 'metrics.json'} does not hold the figures of a run")
    return found
