"""One training job: its settings, and what its process has reported so far."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import shlex
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from pellucid.core.json_text import jsonable
from pellucid.data.sources.user_data import ReadOptions
from pellucid.errors import ConfigError, PellucidError
from pellucid.optim import Optimizer, rule_of
from pellucid.optim.schedules import Schedule
from pellucid.runs.folder import HISTORY, InterruptedRun, RunFolder
from pellucid.runs.plan import AUTO, RunPlan, RunSettings
from pellucid.runs.rate_changes import format_rate_changes
from pellucid.runs.resuming import saved_plan

# The two networks for drawings, by the names of their run folders: one is trained quickly, the other is accurate.
PAIR = {
    "draw-mlp": RunSettings(data="drawings", model="draw-mlp", watch=True),
    "draw-cnn": RunSettings(data="drawings", model="draw-cnn", watch=True),
}
FINISHED = ("done", "stopped", "failed")
LOWER = 0.1  # the learning rate after a divergence, relative to the one that diverged


@dataclass
class Job:
    """One training job: a new run, or with ``resumed`` one that goes on in its folder.

    ``state`` is "queued", "starting", "training", "paused", "stopping", "evaluating", or one of FINISHED. ``numbered``: the run
    folder always has a number after the name.
    """

    number: int
    settings: RunSettings
    plan: RunPlan
    name: str
    numbered: bool
    epochs: int
    resumed: bool = False
    state: str = "queued"
    folder: RunFolder | None = None
    channel: Connection | None = None
    process: SpawnProcess | None = None
    progress: dict[str, Any] | None = None  # the last step
    rows: list[dict[str, float | None]] = field(default_factory=list)  # of the history: one for each epoch
    points: list[list[float | None]] = field(default_factory=list)  # of the training curve: [epochs, loss, accuracy]
    findings: list[dict[str, Any]] = field(default_factory=list)  # in the order in which they arose, with their place ``at``
    rate_changes: list[dict[str, Any]] = field(default_factory=list)  # of the learning rate, with their place ``at``
    explosion: list[list[float | None]] = field(default_factory=list)  # [epochs, loss] of the last steps, if it has diverged
    log: list[str] = field(default_factory=list)
    manual_learning_rate: float | None = None
    result: dict[str, Any] | None = None
    network: str | None = None  # the name of the trained network
    error: str | None = None

    @property
    def folder_name(self) -> str | None:
        """The name of the run folder; None before it has one."""
        if self.folder is not None:
            return self.folder.path.name
        return self.name if self.resumed else None

    @property
    def command(self) -> str:
        """The equivalent command. The changes of the learning rate so far are part of it."""
        if self.resumed:
            return shlex.join(["pellucid", "resume", f"runs/{self.name}"])
        settings = self.settings
        if self.rate_changes:
            settings = dataclasses.replace(settings, lr_changes=format_rate_changes(self.rate_changes))
        return command(settings, None if self.numbered else self.name)

    def describe(self) -> dict[str, Any]:
        """Return everything that the page shows, except for the curves and the findings."""
        recipe = self.plan.recipe
        return {
            "job": self.number,
            "state": self.state,
            "name": self.folder_name or self.name,
            "folder": None if self.folder is None else str(self.folder.path),
            "data": self.settings.data,
            "model": self.settings.model,
            "about": recipe.about,
            "epochs": self.epochs,
            "batch_size": recipe.fit.batch_size,
            "optimizer": str(recipe.optimizer),
            "command": self.command,
            "resumed": self.resumed,
            "progress": self.progress,
            "manual_learning_rate": self.manual_learning_rate,
            "rate_changes": self.rate_changes,
            "explosion": self.explosion,
            "log": self.log,
            "result": self.result,
            "network": self.network,
            "error": self.error,
        }


def command(settings: RunSettings, name: str | None = None) -> str:
    """Return the command that makes the same run, in the run folder ``name`` if it is given."""
    network = ["--model", settings.model] if settings.from_run is None else ["--from", settings.from_run]
    words = ["pellucid", "train", settings.data, *network]
    if name is not None:
        words += ["--out", f"runs/{name}"]
    for one in dataclasses.fields(settings):
        value = getattr(settings, one.name)
        if one.name not in ("data", "model", "from_run", "reading") and value != one.default:
            words += [f"--{one.name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return shlex.join([*words, *(reading_flags(settings.reading) if settings.reading is not None else [])])


def reading_flags(reading: ReadOptions) -> list[str]:
    """Return the flags of a command that reads user data with these options."""
    words = []
    for name in reading.changed:
        value = getattr(reading, name)
        if name == "header":
            words.append("--no-header")
        elif name in ("ignore", "categorical"):
            words += [word for column in value for word in (f"--{name}", column)]
        elif isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            parts = value if isinstance(value, tuple) else [value]
            words += [f"--{name}", ("x" if name == "size" else ",").join(map(str, parts))]
    return words


def describe_interrupted(run: InterruptedRun) -> dict[str, Any]:
    """Return what the page shows of a run that was interrupted; of one that has diverged, also the rate for another try."""
    names = "name", "model", "data", "status", "epoch", "epochs", "updated", "error"
    shown = {name: getattr(run, name) for name in names}
    if run.status == "diverged":
        shown["again"] = None
        with contextlib.suppress(PellucidError):
            shown["again"] = learning_rate(settings_for_another_try(run))
    return shown


def settings_for_another_try(run: InterruptedRun) -> RunSettings:
    """Return the settings of a run that has diverged, with a lower learning rate.

    If the rate was changed while the run was trained, they are those without the changes; otherwise the rate is a tenth. Raises
    FileError if the run cannot be read, and ConfigError if its learning rate is not known.
    """
    settings = saved_plan(run.path).settings
    if settings.lr_changes is not None:
        return dataclasses.replace(settings, lr_changes=None)
    if (rate := learning_rate(settings)) is None:
        raise ConfigError(f"{run.name} has no learning rate that could be lower: choose other settings")
    return dataclasses.replace(settings, lr=float(f"{LOWER * rate:.3g}"))


def learning_rate(settings: RunSettings) -> float | None:
    """Return the learning rate of these settings, the peak of a schedule; None if the training finds or needs none."""
    optimizer = RunPlan.of(settings).recipe.optimizer
    return None if settings.lr == AUTO or rule_of(optimizer).full_batch else peak_rate(optimizer)


def peak_rate(optimizer: Optimizer) -> float:
    """Return the learning rate of an optimizer, or the highest one of its schedule."""
    rate = rule_of(optimizer).learning_rate
    return rate.peak if isinstance(rate, Schedule) else rate


def read_rows(folder: Path) -> list[dict[str, float | None]]:
    """Return the rows of the history.csv in a run folder; none if there is no such file, or it cannot be read."""
    try:
        text = (folder / HISTORY).read_text(encoding="utf-8")
        rows = list(csv.DictReader(text.splitlines()))
        return [{name: jsonable(float(value)) if value else None for name, value in row.items()} for row in rows]
    except (OSError, ValueError, TypeError):
        return []
