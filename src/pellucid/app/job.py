"""One training that was asked for on the page: what was asked, and all that it has told so far."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from pellucid.runs.folder import RunFolder
from pellucid.runs.run import Plan, Settings

# The pair that is trained where there is no run yet, by the names of their folders: one is quick, the other reads well.
PAIR = {
    "draw-mlp": Settings(data="drawings", model="mlp", epochs=6, augmentation="affine", optimizer="adam"),
    "draw-cnn": Settings(data="drawings", model="cnn-best", epochs=12),
}
OVER = ("done", "stopped", "failed")
PATIENCE = 2  # epochs without a lower validation loss that are no accident


@dataclass
class Job:
    """One training: what was asked, and all that it told. ``state`` is "queued", "starting", "training", "paused", "stopping",
    "scoring", or one of OVER."""

    number: int
    settings: Settings
    plan: Plan
    name: str  # of the run folder
    numbered: bool  # whether that name always ends in a number
    state: str = "queued"
    folder: RunFolder | None = None
    channel: Connection | None = None
    process: SpawnProcess | None = None
    now: dict[str, Any] | None = None  # the last step
    rows: list[dict[str, float]] = field(default_factory=list)  # epochs
    points: list[list[float]] = field(default_factory=list)  # within epochs: [epochs done, loss, accuracy]
    lines: list[str] = field(default_factory=list)
    steered: float | None = None  # the learning rate that was set by hand
    result: dict[str, Any] | None = None
    network: str | None = None  # its name among the networks
    error: str | None = None

    def described(self) -> dict[str, Any]:
        """All but the curves."""
        recipe, own = self.plan.recipe, None if self.numbered else self.name
        return {
            "job": self.number, "state": self.state, "name": self.name if self.folder is None else self.folder.path.name,
            "folder": None if self.folder is None else str(self.folder.path), "data": self.settings.data,
            "model": self.settings.model, "about": recipe.about, "epochs": recipe.epochs, "batch_size": recipe.batch_size,
            "optimizer": str(recipe.optimizer), "command": command(self.settings, own), "now": self.now,
            "steered": self.steered, "onset": onset(self.rows), "lines": self.lines, "result": self.result,
            "network": self.network, "error": self.error,
        }  # fmt: skip


def onset(rows: Sequence[Mapping[str, float | None]]) -> int | None:
    """The epoch at which overfitting begins: that of the lowest validation loss, if for PATIENCE epochs or more none was lower
    while the training loss went on falling. None: there is no such epoch."""
    losses = [row.get("validation_loss") for row in rows]
    known = [(loss, i) for i, loss in enumerate(losses) if loss is not None]
    if not known:
        return None
    _, best = min(known)
    before, after = rows[best].get("train_loss"), rows[-1].get("train_loss")
    if len(rows) - 1 - best < PATIENCE or before is None or after is None or after >= before:
        return None
    return int(rows[best]["epoch"] or 0)


def command(settings: Settings, name: str | None = None) -> str:
    """What to type for the same run, in the folder of that ``name``, if it has one of its own."""
    words = ["pellucid", "train", settings.data, "--model", settings.model]
    if name is not None:
        words += ["--out", f"runs/{name}"]
    for one in dataclasses.fields(settings):
        value = getattr(settings, one.name)
        if one.name not in ("data", "model") and value != one.default:
            words += [f"--{one.name.replace('_', '-')}", str(value)]
    return shlex.join(words)
