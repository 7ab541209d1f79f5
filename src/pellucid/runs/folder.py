"""Run folders: the files that a run writes and other commands read.

At the start of the training:

config.json      the network, loss, optimizer, data, fit options and seed, and all settings, so that the run can be resumed

While it trains:

status.json      what the run is doing (:mod:`pellucid.runs.progress`)
history.csv      one row for each epoch: seconds, learning rate, training and validation metrics
samples.json     what a language model writes, up to ten times in the training (:mod:`pellucid.runs.samples`)
findings.json    what the doctor has found so far, if it watches the training (--watch)
checkpoints      a folder with the last two checkpoints, from which an interrupted run is resumed; removed at the end
.lock            the process that trains into the folder; removed at the end

At the end:

metrics.json     the final metrics, with the data, all settings, changes of the learning rate, versions, seconds and energy
model.pellucid   the trained model, with the state of its optimizer
*.png            figures, if Matplotlib is installed

Later, by ``pellucid evaluate``, for a run on a table:

report.html      the report on the model (:mod:`pellucid.runs.table_report`)
report.json      its results, and a digest of the parameters that they are about
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pellucid import data
from pellucid.core.config import Count, from_json, validate
from pellucid.core.files import read_json, write_text
from pellucid.core.json_text import json_text
from pellucid.core.locks import Holder, exclusive_lock, holder, this_process
from pellucid.data.dataset import Splits
from pellucid.data.reconstruction import reconstruction_splits
from pellucid.data.sources.user_data import ReadOptions, read_known_splits
from pellucid.data.tables.columns import TableStage
from pellucid.data.text import Tokenizer, Tokens
from pellucid.errors import ConfigError, FileError, LockedError
from pellucid.model.model import Model
from pellucid.runs import file_content
from pellucid.training import History
from pellucid.training.checkpoint import checkpoint_files
from pellucid.training.ranks import RankGroup

CONFIG, STATUS, HISTORY, METRICS, MODEL = "config.json", "status.json", "history.csv", "metrics.json", "model.pellucid"
FINDINGS, SAMPLES = "findings.json", "samples.json"
CHECKPOINTS, LOCK = "checkpoints", ".lock"
_ADVICE = "wait until it ends, or choose another --out"


class RunFolder:
    """The folder that a run writes to: ``out``, or the next free ``<name>-<n>`` in ``parent``.

    The folder is created here, so that problems appear before any time is spent on training. Raises FileError if it cannot be
    created or written to, or if it is not empty (unless ``force`` is set), and LockedError if another process is using it.

    The next free folder has none of the names ``taken``.

    Of several ranks, only rank 0 has a folder that ``writes``; the methods of the others' write and remove nothing.
    """

    writes = True

    def __init__(
        self,
        out: str | Path | None,
        name: str,
        *,
        force: bool = False,
        parent: Path = Path("runs"),
        taken: Collection[str] = (),
    ):
        self.force = force
        try:
            self.path = Path(out) if out is not None else _create_numbered(parent, name, taken)
            self._is_new = out is None or not os.path.exists(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            self._check_empty()
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise FileError(f"cannot create the folder {out or parent}: {error.strerror or error}") from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise FileError(f"cannot write to the folder {self.path}")

    @classmethod
    def of_ranks(cls, group: RankGroup, create: Callable[[], RunFolder], held: contextlib.ExitStack) -> RunFolder:
        """Return the folder that rank 0 creates, and locks until ``held`` is closed. The others get its path."""
        created: list[RunFolder] = []

        def on_rank_0() -> Path:
            created.append(create())
            held.enter_context(created[0].locked())
            return created[0].path

        path = group.from_first(on_rank_0)
        if created:
            return created[0]
        folder = object.__new__(cls)
        folder.path, folder.force, folder._is_new, folder.writes = path, True, False, False
        return folder

    @classmethod
    def of_run(cls, path: str | Path) -> RunFolder:
        """Return the folder of a run that goes on. Raises FileError if there is no run in it."""
        if not os.path.isfile(Path(path) / CONFIG):
            missing = f"it contains no {CONFIG}" if os.path.isdir(path) else "there is no such folder"
            raise FileError(f"{path} is not a run folder: {missing}")
        return cls(path, "", force=True)

    def _check_empty(self) -> None:
        """Raise LockedError if another process uses the folder, and FileError if it is not empty and must be."""
        if not self.force and self.others():
            if (holder := holder_of(self.path)) is not None:
                raise LockedError(f"{_busy(self.path)} ({holder}): {_ADVICE}")
            unfinished = (self.path / CONFIG).is_file() and not is_complete(self.path)
            advice = f"go on with its run, pellucid resume {self.path}, " if unfinished else ""
            raise FileError(
                f"{self.path} is not empty: {advice}choose another folder with --out, or write into it with --force"
            )

    def others(self) -> list[Path]:
        """Return the files in the folder, apart from its lock."""
        return [one for one in self.path.iterdir() if one.name != LOCK]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the folder during the ``with`` block. Raises LockedError if one is using it."""
        with exclusive_lock(self.path / LOCK, _busy(self.path), _ADVICE):
            self._check_empty()
            for unfinished in self.path.glob(".*.????????.part"):  # of a process that was killed while it wrote a file
                self.remove(unfinished.name)
            yield

    @property
    def checkpoints(self) -> Path:
        """The folder with the checkpoints of the training."""
        return self.path / CHECKPOINTS

    def newest_checkpoint(self) -> Path | None:
        """Return the path of the last checkpoint, or None if there is none, or the folder cannot be read."""
        with contextlib.suppress(OSError):
            return next(iter(checkpoint_files(self.checkpoints)), None)
        return None

    def remove(self, *names: str) -> None:
        """Remove these files and folders, as far as they exist."""
        for path in (self.path / name for name in names if self.writes):
            if os.path.isdir(path) and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()

    def discard(self) -> None:
        """Remove the folder of a run that failed, if the run created it and wrote nothing."""
        if self.writes and self._is_new and not self.others() and holder_of(self.path) in (None, this_process()):
            self.remove(LOCK)
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def write_config(self, config: Mapping[str, Any]) -> None:
        self._write(CONFIG, json_text(config))

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Write status.json, without flushing it to disk."""
        self._write(STATUS, json_text(status), sync=False)

    def write_findings(self, findings: Sequence[Mapping[str, Any]]) -> None:
        self._write(FINDINGS, json_text(findings), sync=False)

    def write_samples(self, samples: Sequence[Mapping[str, Any]]) -> None:
        self._write(SAMPLES, json_text(samples), sync=False)

    def write_history(self, history: History) -> None:
        self._write(HISTORY, history.to_csv())

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        self._write(METRICS, json_text(metrics))

    def _write(self, name: str, text: str, *, sync: bool = True) -> None:
        if self.writes:
            write_text(self.path / name, text, sync=sync)

    def save_model(self, model: Model) -> None:
        if self.writes:
            model.save(self.path / MODEL, training_state=True)


def _busy(path: Path) -> str:
    return f"{path} is in use by another training"


def holder_of(path: str | Path) -> Holder | None:
    """Return the process that is training into a run folder, or None."""
    return holder(Path(path) / LOCK)


def _create_numbered(parent: Path, name: str, taken: Collection[str]) -> Path:
    """Create ``<name>-1`` in ``parent``, or the first number that is free. No other process gets the same folder."""
    parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = parent / f"{name}-{number}"
        if path.name in taken:
            continue
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            break
    return path


def open_run(path: str | Path) -> tuple[Model, dict[str, Any]]:
    """Return the model and the config.json of a run folder; for a model file, the model and an empty dictionary.

    Raises FileError if there is neither.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise FileError(f"there is no run folder or model file {path}")
    if os.path.isfile(path):
        return Model.load(path), {}
    if not os.path.exists(path / MODEL):
        raise FileError(f"{path} is not a run folder: it contains no model.pellucid")
    config = file_content.read_config(path / CONFIG) if os.path.exists(path / CONFIG) else {}
    return Model.load(path / MODEL), config


def read_metrics(path: str | Path) -> dict[str, Any]:
    """Return the metrics.json of a run folder. Raises FileError if there is none."""
    file = Path(path) / METRICS
    if not os.path.exists(file):
        raise FileError(f"{path} is not a run folder: it contains no metrics.json")
    return file_content.read_metrics(file)


def read_status(path: str | Path) -> dict[str, Any]:
    """Return the status.json of a run folder; an empty dictionary if there is none, or it cannot be read."""
    try:
        status = read_json(Path(path) / STATUS)
    except FileError:
        return {}
    return status if isinstance(status, dict) else {}


def is_complete(path: str | Path) -> bool:
    """Return whether the run in a folder is complete: trained to its end, evaluated and written."""
    try:
        metrics = read_metrics(path)
    except FileError:
        return False
    ended = "test" in metrics or "validation" in metrics
    return ended and not metrics.get("interrupted") and read_status(path).get("status", "done") == "done"


@dataclass(frozen=True)
class InterruptedRun:
    """A run that can be resumed, for a list of such runs.

    ``status`` is "interrupted", "killed" if its process was killed while it trained or before it had saved its results,
    "failed", or "diverged": then it would diverge again. ``error`` is what ended a run that failed or diverged. ``epoch`` is
    the last one that it worked on, of ``epochs``; ``updated`` the time of its last sign of life (ISO 8601).
    """

    path: Path
    model: str
    data: str
    status: str
    epoch: int
    epochs: int | None
    seconds: float
    updated: str
    error: str | None = None

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name


def interrupted_runs(parent: str | Path) -> list[InterruptedRun]:
    """Return the runs in the folder ``parent`` that have checkpoints, are not complete, and that no process is training.

    The last one to be interrupted is first. Folders that cannot be read are left out.
    """
    found, paths = list[InterruptedRun](), list[Path]()
    with contextlib.suppress(OSError):  # there is no such folder
        paths = sorted(Path(parent).iterdir())
    for path in paths:
        with contextlib.suppress(OSError, AttributeError, LookupError, TypeError, ValueError, OverflowError):
            files = checkpoint_files(path / CHECKPOINTS)
            if files and os.path.isfile(path / CONFIG) and holder_of(path) is None and not is_complete(path):
                found.append(_interrupted_run(path, files[0]))
    return sorted(found, key=lambda run: run.updated, reverse=True)


def _interrupted_run(path: Path, checkpoint: Path) -> InterruptedRun:
    config, status = read_json(path / CONFIG), read_status(path)
    written = datetime.fromtimestamp(checkpoint.stat().st_mtime).astimezone().isoformat(timespec="seconds")
    epochs = config["fit"].get("epochs")
    return InterruptedRun(
        path,
        model=str(config.get("preset")),
        data=str(config["data"].get("name")),
        status=_why(path, status),
        epoch=int(status.get("epoch") or 0),
        epochs=None if epochs is None else int(epochs),
        seconds=float(status.get("seconds") or 0.0),
        updated=str(status.get("updated") or written),
        error=None if status.get("error") is None else str(status["error"]),
    )


def _why(path: Path, status: Mapping[str, Any]) -> str:
    """Return the status of an :class:`InterruptedRun`, from the status that its process wrote last."""
    last = status.get("status")
    if last == "failed":
        with contextlib.suppress(FileError):
            if (error := read_metrics(path).get("diverged")) is not None and error == status.get("error"):
                return "diverged"
        return "failed"
    with contextlib.suppress(FileError):
        if last == "evaluating" and read_metrics(path).get("interrupted"):
            return "interrupted"  # it was stopped, and killed while it drew its figures
    return "killed" if last in ("training", "evaluating") else "interrupted"


def load_data(config: Mapping[str, Any], data_dir: Path | None, name: str | None = None, model: Model | None = None) -> Splits:
    """Return the data that the run with this config.json was trained on, or the data set ``name``, split in the same way.

    A table has the columns of the ``model``, if that is given. Text is read with the tokenizer of the run, and in windows of
    the same length; without a config.json, with those of the model.
    """
    settings = config.get("data", {})
    requested, reading = settings.get("requested") or "mnist", settings.get("reading")
    stage = None if model is None else model.input_stage
    options = from_json(reading, ReadOptions) if reading is not None and name in (None, requested) else None
    if name in (None, requested) and isinstance(stage, TableStage) and stage.series is None and options is not None:
        classes = None if model is None else model.classes
        return read_known_splits(requested, stage, classes, settings.get("split_seed") or 0, options)
    if config or model is None:
        tokenizer, context = _text_of(config)
    else:
        stage = model.input_stage
        tokenizer, context = (stage.tokenizer, model.input_shape[0]) if isinstance(stage, Tokens) else (None, None)
    seed = settings.get("split_seed") or 0
    splits = data.load(name or requested, data_dir, seed, options, tokenizer=tokenizer, context=context)
    return reconstruction_splits(splits) if settings.get("reconstructs") else splits


def _text_of(config: Mapping[str, Any]) -> tuple[Tokenizer | None, int | None]:
    """Return the tokenizer of a run that was trained on text, and the length of its samples; None where there is none."""
    try:
        (context,) = config["input_shape"]
        stage = from_json(config["input_stage"], Tokens)
        return stage.tokenizer, validate(context, Count, "config.json", "input_shape")
    except (ConfigError, KeyError, TypeError, ValueError):
        return None, None
