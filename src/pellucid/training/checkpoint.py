"""Checkpoints: the whole state of a training in a file, so that the training can go on after an interruption.

A checkpoint is a model file with the training state (:mod:`pellucid.model.file`), and with all that the training itself
needs: the place in the epoch, the scores so far, the memory of each policy, the history, and records of the options and the
data, which are compared when the training is resumed. ``resuming.py`` reads checkpoints.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.core.config import Config, Count, Fraction, Positive, to_json
from pellucid.core.files import tensor_chunks, write_atomically
from pellucid.core.plain_values import packed
from pellucid.core.version import __version__
from pellucid.errors import ConfigError, FileError
from pellucid.kernels import name_of
from pellucid.training.events import EpochEvent, Event, History
from pellucid.training.loop import Control, Place
from pellucid.training.policies import Events, Memory, Policy
from pellucid.training.state import ModelState

CHECKPOINT_ARRAYS = "training/"  # begins the names of the arrays that other model files do not have
_FILE_NAME = re.compile(r"checkpoint-(\d+)\.pellucid")


@dataclass(frozen=True)
class Checkpoint(Policy):
    """Write checkpoints into ``folder``, from which ``fit(…, resume=folder)`` goes on to the same bits.

    A checkpoint is written at the end of every ``every_epochs`` epochs, after every ``every_steps`` updates, and when
    ``every_seconds`` have passed since the last one; None turns one of the three off. One is also written at the end of the
    last epoch, and when the training is stopped (Ctrl-C, ``control.stop``). So that short epochs are not slowed down, the end
    of an epoch is left out while writing has taken more than the fraction ``cost`` of the time of the training.

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
    """Return the checkpoints in a folder, the newest (that of the most steps) first; none where there is no folder."""
    path = Path(folder)
    try:
        names = [(int(found[1]), one) for one in path.iterdir() if (found := _FILE_NAME.fullmatch(one.name))]
    except OSError:
        return []
    return [one for _, one in sorted(names, reverse=True)]


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
    """Writes the checkpoints of one training of ``epochs`` epochs when they are due."""

    def __init__(self, settings: Sequence[Checkpoint], record: TrainingRecord, progress: Progress, epochs: int):
        self.settings, self.record, self.progress, self.epochs = settings, record, progress, epochs
        self._begun = time.perf_counter()
        self._written = [self._begun] * len(settings)  # when the last one of each was
        self._spent = [0.0] * len(settings)  # seconds of writing
        self._problem: str | None = None

    def __call__(self, event: Event, stop: bool) -> None:
        """Write the checkpoints that are due after an event; ``stop`` says that the training ends here."""
        now = time.perf_counter()
        for i, one in enumerate(self.settings):
            if stop or self._is_due(one, i, event, now):
                self._write(one, i, now)

    def _is_due(self, one: Checkpoint, i: int, event: Event, now: float) -> bool:
        if one.every_seconds is not None and now - self._written[i] >= one.every_seconds:
            return True
        if not isinstance(event, EpochEvent):
            return one.every_steps is not None and self.progress.state.steps % one.every_steps == 0
        if self.progress.place.epoch > self.epochs:
            return True
        cheap = self._spent[i] <= one.cost * (now - self._begun)
        return one.every_epochs is not None and event.epoch % one.every_epochs == 0 and cheap

    def _write(self, one: Checkpoint, i: int, now: float) -> None:
        folder = Path(one.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"checkpoint-{self.progress.state.steps:09d}.pellucid"
            write_atomically(path, self._content())
        except OSError as error:  # FileError is one
            self._report(f"the checkpoint after {self.progress.state.steps:,} steps could not be written: {error}", folder)
        else:
            self._forget_problem()
            for old in checkpoint_files(folder)[one.keep :]:
                with contextlib.suppress(OSError):
                    old.unlink()
        self._written[i] = time.perf_counter()
        self._spent[i] += self._written[i] - now

    def _report(self, problem: str, folder: Path) -> None:
        """Keep the line about the last checkpoint that could not be written."""
        self._forget_problem()
        last = next(iter(checkpoint_files(folder)), None)
        self._problem = f"{problem}; {'there is none before it' if last is None else f'the last one is {last.name}'}"
        self.progress.history.problems.append(self._problem)

    def _forget_problem(self) -> None:
        if self._problem in self.progress.history.problems:
            self.progress.history.problems.remove(self._problem)
        self._problem = None

    def _content(self) -> list[bytes]:
        progress = self.progress
        state, place, history = progress.state, progress.place, progress.history
        arrays = state.saved_arrays(training_state=True)
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
                "rows": history.rows,
                "best_epoch": history.best_epoch,
                "forward_passes": history.forward_passes,
                "stopped": history.stopped,
            },
            "memories": list(progress.memories),
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


def check_unused(settings: Sequence[Checkpoint], resume: str | Path | None) -> None:
    """Raise FileError where the folder of a new training holds checkpoints, and ConfigError where two policies have one."""
    folders = [Path(one.folder).absolute() for one in settings]
    if len(set(folders)) < len(folders):
        raise ConfigError("two Checkpoint policies have the same folder: give each its own")
    for one, folder in zip(settings, folders, strict=True):
        if checkpoint_files(folder) and (resume is None or Path(resume).absolute() != folder):
            raise FileError(
                f"{one.folder} holds the checkpoints of another training: go on with it, fit(…, resume={one.folder!r}), choose "
                "another folder, or delete this one"
            )


def recorded_options(options: Any) -> dict[str, Any]:
    """Return the fit options that decide the result, as plain JSON. Values without a JSON form are named by their type."""
    policies = [one for one in options.policies if not isinstance(one, Checkpoint)]
    values = {**vars(options), "policies": policies}
    return {name: _recorded(value) for name, value in values.items() if name != "resume"}


def _recorded(value: Any) -> Any:
    if isinstance(value, Config | list | tuple | Mapping) or callable(value):
        try:
            return to_json(value)
        except ConfigError:
            return type(value).__name__
    return value if value is None or isinstance(value, (bool, int, float, str)) else type(value).__name__
