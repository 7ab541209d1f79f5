"""One training job: its settings, and what its process has reported so far."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from pellucid.runs.folder import RunFolder
from pellucid.runs.plan import RunPlan, RunSettings

# The two networks for drawings, by the names of their run folders: one is trained quickly, the other is accurate.
PAIR = {
    "draw-mlp": RunSettings(data="drawings", model="mlp", epochs=6, augmentation="affine", optimizer="adam"),
    "draw-cnn": RunSettings(data="drawings", model="cnn-best", epochs=12),
}
FINISHED = ("done", "stopped", "failed")
MIN_OVERFITTING_EPOCHS = 2  # without a lower validation loss; fewer may be an accident


@dataclass
class Job:
    """One training job.

    ``state`` is "queued", "starting", "training", "paused", "stopping", "evaluating", or one of FINISHED. ``numbered``: the run
    folder always has a number after the name.
    """

    number: int
    settings: RunSettings
    plan: RunPlan
    name: str
    numbered: bool
    state: str = "queued"
    folder: RunFolder | None = None
    channel: Connection | None = None
    process: SpawnProcess | None = None
    progress: dict[str, Any] | None = None  # the last step
    rows: list[dict[str, float]] = field(default_factory=list)  # of the history: one for each epoch
    points: list[list[float]] = field(default_factory=list)  # of the training curve: [epochs, loss, accuracy]
    log: list[str] = field(default_factory=list)
    manual_learning_rate: float | None = None
    result: dict[str, Any] | None = None
    network: str | None = None  # the name of the trained network
    error: str | None = None

    def describe(self) -> dict[str, Any]:
        """Return everything that the page shows, except for the curves."""
        recipe = self.plan.recipe
        return {
            "job": self.number,
            "state": self.state,
            "name": self.name if self.folder is None else self.folder.path.name,
            "folder": None if self.folder is None else str(self.folder.path),
            "data": self.settings.data,
            "model": self.settings.model,
            "about": recipe.about,
            "epochs": recipe.fit.epochs,
            "batch_size": recipe.fit.batch_size,
            "optimizer": str(recipe.optimizer),
            "command": command(self.settings, None if self.numbered else self.name),
            "progress": self.progress,
            "manual_learning_rate": self.manual_learning_rate,
            "overfitting_epoch": overfitting_epoch(self.rows),
            "log": self.log,
            "result": self.result,
            "network": self.network,
            "error": self.error,
        }


def overfitting_epoch(rows: Sequence[Mapping[str, float | None]]) -> int | None:
    """Return the epoch at which overfitting starts, or None.

    It is the epoch of the lowest validation loss, if at least MIN_OVERFITTING_EPOCHS came after it in which the training loss
    decreased further.
    """
    losses = [(loss, i) for i, row in enumerate(rows) if (loss := row.get("validation_loss")) is not None]
    if not losses:
        return None
    _, best = min(losses)
    before, after = rows[best].get("train_loss"), rows[-1].get("train_loss")
    if len(rows) - 1 - best < MIN_OVERFITTING_EPOCHS or before is None or after is None or after >= before:
        return None
    return int(rows[best]["epoch"] or 0)


def command(settings: RunSettings, name: str | None = None) -> str:
    """Return the command that makes the same run, in the run folder ``name`` if it is given."""
    words = ["pellucid", "train", settings.data, "--model", settings.model]
    if name is not None:
        words += ["--out", f"runs/{name}"]
    for one in dataclasses.fields(settings):
        value = getattr(settings, one.name)
        if one.name not in ("data", "model") and value != one.default:
            words += [f"--{one.name.replace('_', '-')}", str(value)]
    return shlex.join(words)
