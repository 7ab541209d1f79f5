"""Resuming: the newest good checkpoint of a folder, compared with the training that is to go on, and put into its objects."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.files import TensorFile, check_format
from pellucid.core.named_arrays import unwrapped
from pellucid.core.plain_values import fits, unpacked
from pellucid.core.version import __version__
from pellucid.data.dataset import Dataset, digest
from pellucid.errors import CheckpointError, ConfigError, DataError, FileError
from pellucid.kernels import name_of
from pellucid.training.checkpoint import (
    CHECKPOINT_ARRAYS,
    Progress,
    TrainingRecord,
    checkpoint_files,
    is_table,
    rows_of,
    steps_in_name,
)
from pellucid.training.events import History
from pellucid.training.state import ModelState

# The settings of a model that decide its training. The others are taken from the data, which are compared by their digest.
_COMPARED = ("network", "input_shape", "loss", "optimizer", "metrics", "seed", "loss_weights")

# What the values of a checkpoint are like.
_LIKE = {
    "place": {"epoch": 1, "batch": 0, "learning_rate": 0.0, "ended": None, "seconds": 0.0, "scores": None},
    "scale": 1.0,
    "history": {
        "rows": {"columns": [], "integers": [], "values": None, "present": None},
        "best_epoch": None,
        "forward_passes": 0,
        "stopped": None,
    },
    "memories": [],
    "record": {},
}
_LIKE_SETTINGS = {
    "steps": 0,
    "epochs": 0,
    "training": {"state": None, "options": {}, "data": {}, "kernels": "", "version": ""},
}


@dataclass(frozen=True)
class SavedTraining:
    """A checkpoint that has been read and checked. ``problems`` are lines about newer ones that are damaged."""

    path: Path
    file: TensorFile
    values: Mapping[str, Any]
    problems: Sequence[str] = ()

    @property
    def steps(self) -> int:
        """The number of updates of the model."""
        return int(self.file.settings["steps"])

    @property
    def history(self) -> History:
        """A new history with the rows so far."""
        saved = self.values["history"]
        return History(rows_of(saved["rows"]), saved["best_epoch"], saved["forward_passes"], saved["stopped"])

    @property
    def record(self) -> dict[str, Any]:
        """The plain values of the caller (``control.record``)."""
        return dict(self.values["record"])

    def check(self, record: TrainingRecord) -> None:
        """Raise ConfigError where the model or the options are others, DataError where the data are."""
        before, now = self.file.settings, record.settings()
        for name in _COMPARED:
            self._compare(f"the {name.replace('_', ' ')} of the model", before.get(name), now.get(name))
        saved = before["training"]
        for name in {**saved["options"], **record.options}:
            self._compare(f"fit({name}=…)", saved["options"].get(name), record.options.get(name))
        for name, value in record.data.items():
            if saved["data"].get(name) != value:
                raise DataError(
                    f"{self.path} belongs to a training on other {name} data: give fit the same data in the same order"
                )

    def _compare(self, what: str, before: Any, now: Any) -> None:
        if before != now:
            raise ConfigError(
                f"{self.path} belongs to another training: {what} was {_short(before)} and is {_short(now)}; repeat the "
                "settings, or choose another folder for a new training"
            )

    def restore(self, state: ModelState) -> None:
        """Set the vectors and counters of a model to those of the checkpoint. Raises CheckpointError where they do not fit."""
        arrays, targets = self.file.arrays(), state.saved_arrays(training_state=True)
        own = {name: shape for name, shape in self.file.shapes.items() if not name.startswith(CHECKPOINT_ARRAYS)}
        if own != {name: array.shape for name, array in targets.items()}:
            raise CheckpointError(f"{self.path}: its arrays do not fit the model")
        for name, target in targets.items():
            target[...] = arrays[name]
        state.steps, state.epochs = self.steps, int(self.file.settings["epochs"])
        state.updater.scale = self.values["scale"]

    def begin(self, state: ModelState, folders: Sequence[str | Path]) -> None:
        """Restore the model; delete newer checkpoints, which are damaged, if the training goes on in one of ``folders``."""
        self.restore(state)
        for folder in folders:
            if Path(folder).resolve() == self.path.parent.resolve():
                remove_damaged(folder, self)

    def continue_in(self, progress: Progress) -> None:
        """Put the place, the history, the memories of the policies and the record of the caller into a new training.

        The state of the model is restored when the training begins, by :meth:`begin`.
        """
        at, saved, memories = self.values["place"], self.history, self.values["memories"]
        if len(memories) != len(progress.memories):
            raise CheckpointError(f"{self.path} is of a training with {len(memories)} policies, not {len(progress.memories)}")
        place, history, control = progress.place, progress.history, progress.control
        place.epoch, place.batch = at["epoch"], at["batch"]
        place.learning_rate, place.ended = at["learning_rate"], at["ended"]
        place.saved_scores, place.saved_seconds = at["scores"], at["seconds"]
        history.rows[:], history.best_epoch = saved.rows, saved.best_epoch
        history.forward_passes, history.stopped = saved.forward_passes, saved.stopped
        history.problems.extend([*self.problems, *self._differences(progress.state)])
        for memory, values in zip(progress.memories, memories, strict=True):
            memory.update(values)
        control.learning_rate = self.values["learning_rate"]
        control.record.update(self.record)

    def _differences(self, state: ModelState) -> list[str]:
        """Return lines about what rounds differently now than before the checkpoint."""
        written, now = self.file.settings["training"], {"kernels": name_of(state.kernels), "version": __version__}
        return [
            f"{self.path.name} was written with {what} {written[what]}, and the training goes on with {now[what]}: the "
            "result may differ in rounding"
            for what in now
            if written[what] != now[what]
        ]


def newest(folder: str | Path) -> SavedTraining | None:
    """Return the newest good checkpoint of a folder; None where there is none, or no folder.

    Damaged ones are left out, with a line in ``problems``. Raises CheckpointError where all of them are damaged, and for a file
    that is not damaged but no checkpoint: resuming deletes what is damaged. Raises VersionError for one that a newer version of
    Pellucid has written.
    """
    problems: list[str] = []
    for path in checkpoint_files(folder):
        try:
            file = TensorFile(path)
        except FileError as error:
            problems.append(str(error))
            continue
        check_format(path, file.settings, "checkpoint")
        _check_kind(file)
        try:
            saved = of_file(file)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        if saved.steps != steps_in_name(path):  # otherwise it would hide the checkpoints that the training writes next
            problems.append(f"{path} holds another checkpoint, that after {saved.steps:,} steps")
            continue
        return replace(saved, problems=[f"{problem}; {path.name} is used instead" for problem in problems])
    if problems:
        raise CheckpointError(f"no checkpoint in {folder} can be read: {'; '.join(problems)}")
    _check_place(folder)
    return None


def _check_place(folder: str | Path) -> None:
    """Raise FileError where a folder without checkpoints has a subfolder with some: that of a run, for example."""
    below: list[Path] = []
    with contextlib.suppress(OSError):
        below = [one for one in sorted(Path(folder).iterdir()) if one.is_dir() and checkpoint_files(one)]
    if below:
        raise FileError(f"{folder} holds no checkpoints, but {below[0]} does: resume from that folder")


def of_file(file: TensorFile) -> SavedTraining:
    """Return the checkpoint in a file that has been read. Raises CheckpointError for a model file without a training."""
    path = file.path
    _check_kind(file)
    try:
        arrays = file.arrays()
        values = unpacked(file.settings["training"]["state"], arrays)
        _check_values(values, file.settings)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{path} lacks the state of a training ({type(error).__name__}: {error})") from None
    return SavedTraining(path, file, values)


def _check_kind(file: TensorFile) -> None:
    if "training" not in file.settings:
        raise CheckpointError(f"{file.path} is a model file without the state of a training: Model.load reads it")


def _check_values(values: Any, settings: Mapping[str, Any]) -> None:
    """Raise ValueError where the values of a checkpoint are of another kind than those that are written."""
    wrong = [name for name, like in _LIKE.items() if not fits(values[name], like)]
    wrong += [name for name, like in _LIKE_SETTINGS.items() if not fits(settings[name], like)]
    if not wrong:
        place, history = values["place"], values["history"]
        optional: tuple[tuple[Any, str, Any], ...] = (
            (place, "ended", ""),
            (place, "scores", {}),
            (history, "best_epoch", 0),
            (history, "stopped", ""),
            (values, "learning_rate", 0.0),
        )
        wrong += [name for where, name, like in optional if where[name] is not None and not fits(where[name], like)]
        wrong += ["memories"] * any(not isinstance(one, dict) for one in values["memories"])
        wrong += ["rows"] * (not is_table(history["rows"]))
        wrong += ["epoch"] * (place["epoch"] < 1 or min(settings["steps"], settings["epochs"]) < 0)
        wrong += ["batch"] * (place["batch"] < 0)
    if wrong:
        raise ValueError(f"{wrong[0]} is of another kind")


def remove_damaged(folder: str | Path, good: SavedTraining) -> None:
    """Delete the checkpoints that are newer than the one from which a training resumes: they could not be read."""
    for path in checkpoint_files(folder):
        if path.name == good.path.name:
            return
        with contextlib.suppress(OSError):
            path.unlink()


def data_digest(data: Dataset) -> str:
    """Return the SHA-256 of the samples, targets and weights of a data set."""
    sha = hashlib.sha256(digest(data).encode())
    weights = unwrapped(data.sample_weight)
    parts = weights if isinstance(weights, dict) else {"": weights}
    for name, one in sorted(parts.items()):
        if one is not None:
            sha.update(f"{name}{np.shape(one)}".encode())
            sha.update(np.ascontiguousarray(one).data)
    return sha.hexdigest()


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
