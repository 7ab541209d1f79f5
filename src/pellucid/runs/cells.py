"""The cells of a sweep: training one, to its end or for a share of its epochs, and reading how far it is.

A cell that is stopped after a share of its epochs is a run that was interrupted there: it keeps its checkpoint, and goes on
from it to the same results as without the stop. Its score after any share is in its ``history.csv``, so that a search which
continues makes the choices that it would have made without an interruption.
"""

from __future__ import annotations

import contextlib
import csv
import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pellucid.core.files import read_json, write_text
from pellucid.core.json_text import json_text
from pellucid.errors import CheckpointError, ConfigError, DataError, DivergedError, FileError, LockedError, PellucidError
from pellucid.runs.folder import CHECKPOINTS, CONFIG, HISTORY, LOCK, METRICS, RunFolder
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.resuming import is_of, resume, saved_settings
from pellucid.runs.run import run
from pellucid.runs.search import Standing
from pellucid.training import Control, EpochEvent, Event, History, threads

ACCURACY, R_SQUARED = "accuracy", "r2"
NAMES = {ACCURACY: "accuracy", R_SQUARED: "R²"}
Ending = Literal["trained", "failed", "not trained", "not run"]


def score_of(metrics: Mapping[str, Any]) -> str:
    """Return the name of the score of a run: the accuracy, or R² where there is none."""
    return R_SQUARED if metrics["validation"].get(ACCURACY) is None else ACCURACY


def formatted(value: float | None, score: str) -> str:
    """Return a score as text: an accuracy in percent, R² as a number, "undefined" where it is missing or not finite.

    R² is undefined where all targets are equal.
    """
    if value is None or not math.isfinite(value):
        return "undefined"
    return f"{100 * value:.2f} %" if score == ACCURACY else f"{value:.4f}"


@dataclass(frozen=True)
class Outcome:
    """How the training of a cell has ended, with a text for the user.

    "not trained" is a cell that another process trains, "not run" one for which there was no time. ``seconds`` is the time from
    the start of the call to its end.
    """

    name: str
    ending: Ending
    text: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Task:
    """One task for a process: train a cell until a ``share`` of its epochs is done.

    ``deadline`` is the time (of ``time.time``) at which it stops anyway, or None. The process uses at most ``thread_limit``
    cores. It is ``alone`` if no other task is done at the same time.
    """

    plan: RunPlan
    folder: Path
    thread_limit: int | None
    alone: bool
    share: float = 1.0
    deadline: float | None = None


class _Stop:
    """An observer that ends the training of a task after its share of the epochs, or at its deadline.

    ``reason`` says which of them has ended the training: "share", "time", or "" for neither.
    """

    def __init__(self, task: Task):
        self.task, self.reason = task, ""

    def __call__(self, event: Event, control: Control, history: History) -> bool:
        task = self.task
        if task.deadline is not None and time.time() >= task.deadline:
            self.reason = "time"
        elif task.share < 1 and isinstance(event, EpochEvent):
            epochs = planned_epochs(task.folder)  # its data have decided them
            if epochs is not None and epochs_of(task.share, epochs) <= event.epoch < epochs:
                self.reason = "share"
        return not self.reason


def train_cell(task: Task) -> Outcome:
    """Train one cell. It goes on from its checkpoint, if it has one.

    A cell that another process trains, such as one of a sweep that was killed, is left to it. Raises KeyboardInterrupt after
    Ctrl-C.
    """
    start, name = time.perf_counter(), task.folder.name
    if task.deadline is not None and time.time() >= task.deadline:
        return Outcome(name, "not run", "not run: the time budget is used up")
    if task.thread_limit is not None:
        threads.limit_threads(task.thread_limit)
    stop = _Stop(task)
    try:
        metrics = _resume_or_run(task, stop)
    except LockedError as error:
        return Outcome(name, "not trained", f"not trained: {error}")
    except PellucidError as error:
        status = "diverged" if isinstance(error, DivergedError) else "failed"
        task.folder.mkdir(parents=True, exist_ok=True)
        record = {"status": status, "error": str(error), "settings": task.plan.record()}
        write_text(task.folder / METRICS, json_text(record))
        if status == "diverged":  # it would diverge again
            shutil.rmtree(task.folder / CHECKPOINTS, ignore_errors=True)
        return Outcome(name, "failed", "diverged" if status == "diverged" else f"failed: {error}")
    finally:
        threads.limit_threads(None)  # with one job, the cell is trained in the process of the caller
    if metrics["interrupted"] and not stop.reason:
        raise KeyboardInterrupt
    score = score_of(metrics)
    value = metrics["validation"][score]
    text = f"validation {NAMES[score]} {formatted(value, score)}"
    if not math.isfinite(value):
        text += f", loss {metrics['validation']['loss']:.4g}"
    if metrics["interrupted"]:
        text += f" after {metrics['epochs']} of {planned_epochs(task.folder)} epochs"
        if stop.reason == "time":
            text += ", stopped by the time budget"
    return Outcome(name, "trained", f"{text}, {metrics['seconds']:.1f} s", time.perf_counter() - start)


def _resume_or_run(task: Task, stop: _Stop) -> dict[str, Any]:
    """Go on with the cell, if its folder has a checkpoint of a training with these settings; otherwise train it."""

    def notify(text: str) -> None:
        return

    plan, folder = task.plan, task.folder
    observer = None if task.share == 1 and task.deadline is None else stop
    figures = task.share == 1  # a cell that is stopped, and soon goes on, is not worth their time
    if is_of(folder, plan.settings):
        with contextlib.suppress(CheckpointError, ConfigError, DataError):  # then it cannot go on, and starts again
            metrics = resume(
                folder, notify=notify, progress=False, alone=task.alone, plan=plan, observer=observer, figures=figures
            )
            if metrics is not None:
                return metrics
    return run(
        plan,
        folder,
        force=True,
        notify=notify,
        progress=False,
        test=False,
        alone=task.alone,
        observer=observer,
        figures=figures,
    )


def tidy(folder: Path) -> None:
    """Remove what the process of a cell that is done has left if it was killed at its very end."""
    if (folder / CHECKPOINTS).exists() or (folder / LOCK).exists():
        with contextlib.suppress(FileError):  # LockedError: the process is still at it
            cell = RunFolder.of_run(folder)
            with cell.locked():
                cell.remove(CHECKPOINTS)


def epochs_of(share: float, epochs: int) -> int:
    """Return the number of epochs that a share of them is: at least one."""
    return max(1, round(share * epochs))


def planned_epochs(folder: Path) -> int | None:
    """Return the number of epochs of the whole training in a run folder, or None if it is not known."""
    try:
        epochs = read_json(folder / CONFIG)["fit"]["epochs"]
    except (FileError, LookupError, TypeError):
        return None
    return epochs if isinstance(epochs, int) and epochs > 0 else None


@dataclass(frozen=True)
class Curve:
    """The validation scores of a cell after each of its epochs so far, of ``planned`` epochs."""

    scores: tuple[float, ...]
    losses: tuple[float, ...]
    planned: int
    score: str
    keeps_best: bool

    @classmethod
    def of(cls, folder: Path, settings: RunSettings) -> Curve | None:
        """Return the curve of the run with these settings in a folder, or None if there is none, or no epoch of it."""
        planned = planned_epochs(folder)
        try:
            if planned is None or saved_settings(folder) != RunSettings.from_json(settings.to_json(), ""):
                return None
            policies = read_json(folder / CONFIG)["fit"].get("policies") or ()
            with open(folder / HISTORY, encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            score = ACCURACY if f"validation_{ACCURACY}" in rows[0] else R_SQUARED
            columns = ([float(row[f"validation_{one}"]) for row in rows] for one in (score, "loss"))
            scores, losses = (tuple(column) for column in columns)
        except (OSError, FileError, LookupError, TypeError, ValueError, AttributeError):  # also a line that is not complete
            return None
        keeps_best = any(one.get("class") in ("EarlyStopping", "KeepBest") for one in policies)
        return cls(scores, losses, planned, score, keeps_best)

    @property
    def share(self) -> float:
        """The share of the epochs that are done."""
        return len(self.scores) / self.planned

    def after(self, share: float, *, ended: bool = False) -> Standing | None:
        """Return the standing after a share of the epochs, or None if there are not as many yet.

        It is that of the parameters that a training which ends there keeps: those of the epoch with the lowest validation loss,
        or the last ones. A training that has ``ended`` before, as with early stopping, has its last one from then on.
        """
        count = epochs_of(share, self.planned)
        if len(self.scores) < count and not ended:
            return None
        losses = self.losses[:count]
        chosen = len(losses) - 1
        if self.keeps_best:  # an epoch without a number is not the best one
            chosen = min(range(len(losses)), key=lambda i: losses[i] if math.isfinite(losses[i]) else math.inf)
        return Standing.of(self.scores[:count][chosen], losses[chosen])
