"""Checkpoints: the whole state of a training in a file, so that the training can go on after an interruption.

A checkpoint is a model file with the training state (:mod:`pellucid.model.file`), and with all that the training itself
needs: the place in the epoch, the scores so far, the memory of each policy, the history, and records of the options and the
data, which are compared when the training is resumed. ``resuming.py`` reads checkpoints.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.config import Config, Count, Fraction, Positive, to_json
from pellucid.core.files import canonical_json, make_folder, remove_parts, tensor_chunks, write_atomically
from pellucid.core.locks import exclusive_lock, holder, this_process
from pellucid.core.plain_values import packed
from pellucid.core.version import __version__
from pellucid.errors import ConfigError, FileError, LockedError
from pellucid.kernels import name_of
from pellucid.training.events import EpochEvent, Event, History
from pellucid.training.loop import Control, Place
from pellucid.training.policies import Events, Memory, Policy
from pellucid.training.state import ModelState

CHECKPOINT_ARRAYS = "training/"  # begins the names of the arrays that other model files do not have
LOCK = ".lock"  # the file that names the process which writes into a folder
_FILE_NAME = re.compile(r"checkpoint-(\d+)\.pellucid")


@dataclass(frozen=True)
class Checkpoint(Policy):
    """Write checkpoints into ``folder``, from which ``fit(…, resume=folder)`` goes on to the same bits.

    A checkpoint is written at the end of every ``every_epochs`` epochs, after every ``every_steps`` updates, and when
    ``every_seconds`` have passed since the last one; None turns one of the three off. One is also written at the end of the
    last epoch, and when the training is stopped (Ctrl-C, ``control.stop``). So that short epochs are not slowed down, the end
    of an epoch after the first is left out while checkpoints have taken more than the fraction ``cost`` of the time of the
    training.

    The last ``keep`` checkpoints are kept, as ``checkpoint-<steps>.pellucid``. Each is written under another name, flushed to
    disk and renamed, so that an interruption leaves the one before. If a checkpoint cannot be written, for example on a full
    disk, the training goes on, and ``history.problems`` says so.

    A folder is for one training: one that holds checkpoints is refused unless the training resumes from them. The place of
    this policy among others has no effect: checkpoints are written when all of them have handled an event.
    """

    folder: str | Path
    every_epochs: Count | None = 1
    every_steps: Count | None = None
    every_seconds: Positive | None = 60.0
    keep: Count = 2
    cost: Fraction = 0.01

    def __post_init__(self) -> None:
        if isinstance(self.folder, Path):
            object.__setattr__(self, "folder", str(self.folder))
        super().__post_init__()

    def wrap(self, events: Events, state: ModelState, history: History, memory: Memory) -> Events:
        return events  # the training writes the checkpoints itself, inside all policies


def checkpoint_files(folder: str | Path) -> list[Path]:
    """Return the checkpoints in a folder, the newest (that of the most steps) first; none where there is no folder.

    Raises FileError where the folder cannot be read: its checkpoints are not to be overlooked.
    """
    try:
        found = [one for one in Path(folder).iterdir() if steps_in_name(one) >= 0 and one.is_file()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileError(f"{folder}: the folder of checkpoints cannot be read: {error.strerror or error}") from None
    return sorted(found, key=steps_in_name, reverse=True)


def steps_in_name(path: Path) -> int:
    """Return the number of steps in the name of a checkpoint, -1 for another name."""
    found = _FILE_NAME.fullmatch(path.name)
    return int(found[1]) if found else -1


@dataclass(frozen=True)
class TrainingRecord:
    """What a training is, for the comparison with that of a checkpoint.

    ``settings()`` returns the settings of a model file with the training state, ``options`` are those of ``fit``, and ``data``
    are the digests of training and validation data, as plain JSON.
    """

    settings: Callable[[], Mapping[str, Any]]
    options: Mapping[str, Any]
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """The objects of a training that change while it runs. ``memories`` are those of its policies, in their order."""

    state: ModelState
    place: Place
    history: History
    memories: Sequence[Memory]
    control: Control


class CheckpointWriter:
    """Writes the checkpoints of one training of ``epochs`` epochs when they are due; a context manager around the training.

    ``begun`` is the time on the clock ``time.perf_counter`` at which the preparation of checkpoints began: the digests of the
    data are part of their cost.

    Raises ConfigError where the settings have no form for a file, and on entry FileError where a folder cannot be used, and
    LockedError where another process uses it.
    """

    def __init__(self, settings: Sequence[Checkpoint], record: TrainingRecord, progress: Progress, epochs: int, begun: float):
        self.settings, self.record, self.progress, self.epochs = settings, record, progress, epochs
        self._folders = [Path(one.folder).absolute() for one in settings]  # the working folder may change
        self._last = time.perf_counter()
        self._seconds = max(0.0, self._last - begun)  # of this training; it never falls, whatever the clock does
        self._written = [0.0] * len(settings)  # when the last one of each was; 0 before the first
        self._spent = [self._seconds] * len(settings)  # seconds of digests and of writing
        self._problem: str | None = None
        canonical_json(record.settings())

    def __enter__(self) -> CheckpointWriter:
        with contextlib.ExitStack() as held:
            for folder in self._folders:
                make_folder(folder)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise FileError(f"{folder}: checkpoints cannot be written into this folder: it is read-only")
                self._lock(folder, held)
                remove_parts(folder, _FILE_NAME)  # they may be what fills the disk
            self._held = held.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._held.close()

    def _lock(self, folder: Path, held: contextlib.ExitStack) -> None:
        """Keep other processes from writing into a folder. A forgotten training of this process, as in a notebook, may stay."""
        busy, advice = f"{folder}: another training writes its checkpoints here", "wait until it ends, or choose another folder"
        try:
            held.enter_context(exclusive_lock(folder / LOCK, busy, advice))
        except LockedError:
            if holder(folder / LOCK) != this_process():
                raise

    def __call__(self, event: Event, stop: bool) -> None:
        """Write the checkpoints that are due after an event; ``stop`` says that the training ends here."""
        self._read_clock()
        for i, one in enumerate(self.settings):
            if stop or self._is_due(one, i, event):
                self._write(one, i)

    def _read_clock(self) -> None:
        now = time.perf_counter()
        self._seconds += max(0.0, now - self._last)
        self._last = now

    def _is_due(self, one: Checkpoint, i: int, event: Event) -> bool:
        if one.every_seconds is not None and self._seconds - self._written[i] >= one.every_seconds:
            return True
        if not isinstance(event, EpochEvent):
            return one.every_steps is not None and self.progress.state.steps % one.every_steps == 0
        if self.progress.place.epoch > self.epochs:
            return True
        cheap = not self._written[i] or self._spent[i] <= one.cost * self._seconds
        return one.every_epochs is not None and event.epoch % one.every_epochs == 0 and cheap

    def _write(self, one: Checkpoint, i: int) -> None:
        folder, steps, begun = self._folders[i], self.progress.state.steps, self._seconds
        try:
            make_folder(folder)
            write_atomically(folder / f"checkpoint-{steps:09d}.pellucid", self._content())
        except (OSError, MemoryError) as error:  # FileError is an OSError
            why = str(error) or "there is not enough memory"
            self._report(f"the checkpoint after {steps:,} steps could not be written: {why}", folder)
        else:
            self._forget_problem()
            # Only older ones: newer ones are damaged, or of another training, and this one is what counts.
            with contextlib.suppress(OSError):
                for old in [path for path in checkpoint_files(folder) if steps_in_name(path) < steps][one.keep - 1 :]:
                    old.unlink()
        self._read_clock()
        self._written[i] = self._seconds
        self._spent[i] += self._seconds - begun

    def _report(self, problem: str, folder: Path) -> None:
        """Keep the line about the last checkpoint that could not be written."""
        self._forget_problem()
        last = None
        with contextlib.suppress(OSError):
            last = next(iter(checkpoint_files(folder)), None)
        self._problem = f"{problem}; {'there is none before it' if last is None else f'the last one is {last.name}'}"
        self.progress.history.problems.append(self._problem)

    def _forget_problem(self) -> None:
        if self._problem in self.progress.history.problems:
            self.progress.history.problems.remove(self._problem)

    def _content(self) -> list[bytes]:
        progress = self.progress
        state, place, history = progress.state, progress.place, progress.history
        arrays = state.saved_arrays(training_state=True)
        _check_copied([*progress.memories, progress.control.record], state)
        training = {
            "place": {
                "epoch": place.epoch,
                "batch": place.batch,
                "learning_rate": place.learning_rate,
                "ended": place.ended,
                "seconds": place.seconds,
                "scores": None if place.scores is None else place.scores.saved(),
            },
            "scale": state.updater.scale,
            "history": {
                "rows": _table(history.rows),
                "best_epoch": history.best_epoch,
                "forward_passes": history.forward_passes,
                "stopped": history.stopped,
            },
            "memories": [dict(memory) for memory in progress.memories],
            "learning_rate": progress.control.learning_rate,
            "record": progress.control.record,
        }
        settings = {
            **self.record.settings(),
            "training": {
                "state": packed(training, CHECKPOINT_ARRAYS, arrays),
                "options": self.record.options,
                "data": self.record.data,
                "kernels": name_of(state.kernels),
                "version": __version__,
            },
        }
        return tensor_chunks(settings, arrays)


def _check_copied(memories: Sequence[Any], state: ModelState) -> None:
    """Raise ConfigError where a memory holds a vector of the model: after resuming, it would not change with the model."""
    vectors = [state.parameters, state.statistics, *state.updater.state.values()]
    for array in _arrays(memories):
        if any(np.may_share_memory(array, vector) for vector in vectors):
            raise ConfigError(
                "the memory of a policy, or the record of the caller, holds parameters, statistics or vectors of the optimizer "
                "themselves: store a copy, as in memory['best'] = state.parameters.copy()"
            )


def _arrays(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the arrays in a value of lists, tuples and dictionaries."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple, Mapping)):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _arrays(one)


def check_unused(settings: Sequence[Checkpoint], resume: str | Path | None) -> None:
    """Raise FileError where the folder of a new training holds checkpoints, and ConfigError where two policies have one."""
    folders = [Path(one.folder).resolve() for one in settings]
    if len(set(folders)) < len(folders):
        raise ConfigError("two Checkpoint policies have the same folder: give each its own")
    for one, folder in zip(settings, folders, strict=True):
        if checkpoint_files(folder) and (resume is None or Path(resume).resolve() != folder):
            raise FileError(
                f"{one.folder} holds the checkpoints of another training: go on with it, fit(…, resume={one.folder!r}), choose "
                "another folder, or delete this one"
            )


def _table(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the rows of a history as one array: as JSON, those of many epochs would be too long for the head of a file."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    shape = len(rows), len(columns)
    complete = all(len(row) == len(columns) for row in rows)
    return {
        "columns": columns,
        "integers": [name for name in columns if all(isinstance(row.get(name, 0), int) for row in rows)],
        "values": np.array([[row.get(name, math.nan) for name in columns] for row in rows], np.float64).reshape(shape),
        "present": None if complete else np.array([[name in row for name in columns] for row in rows], bool),
    }


def rows_of(table: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return the rows of a history from their table in a checkpoint."""
    columns, integers, values = table["columns"], set(table["integers"]), table["values"]
    present = itertools.repeat([True] * len(columns), len(values)) if table["present"] is None else table["present"].tolist()
    return [
        {name: int(v) if name in integers else v for name, v, has in zip(columns, row, shown, strict=True) if has}
        for row, shown in zip(values.tolist(), present, strict=True)
    ]


def is_table(table: Mapping[str, Any]) -> bool:
    """Return whether a dictionary with the lists ``columns`` and ``integers`` is the table of a history."""
    columns, values, present = table["columns"], table.get("values"), table.get("present")
    if not isinstance(values, np.ndarray) or values.dtype != float or values.ndim != 2 or values.shape[1] != len(columns):
        return False
    if present is None:
        present = np.ones(values.shape, bool)
    if not isinstance(present, np.ndarray) or present.dtype != bool or present.shape != values.shape:
        return False
    if not all(isinstance(name, str) for name in (*columns, *table["integers"])) or len(set(columns)) < len(columns):
        return False
    integers = [i for i, name in enumerate(columns) if name in table["integers"]]
    whole = bool(np.isfinite(values[:, integers][present[:, integers]]).all())
    return whole and (not len(values) or ("epoch" in columns and bool(present[:, columns.index("epoch")].all())))


def recorded_options(options: Any) -> dict[str, Any]:
    """Return the fit options that decide the result, as plain JSON. Values without a JSON form are named by their type."""
    policies = [one for one in options.policies if not isinstance(one, Checkpoint)]
    values = {**vars(options), "policies": policies}
    return {name: _recorded(value) for name, value in values.items() if name != "resume"}


def _recorded(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (list, tuple)):
        return [_recorded(one) for one in value]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if isinstance(value, Mapping):  # pairs: the keys of JSON are strings
        return [[_recorded(key), _recorded(one)] for key, one in value.items()]
    if isinstance(value, Config) or callable(value):
        with contextlib.suppress(ConfigError, TypeError, ValueError):
            return json.loads(canonical_json(to_json(value)))
    return type(value).__name__
