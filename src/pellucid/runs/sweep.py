"""Sweeps: the same training over a grid of settings and several seeds, in parallel processes.

Every cell of the grid is one combination of values with one seed. It is an ordinary run, in a folder named after its settings
(``hidden=64,lr=0.1,seed=0``). A cell is done when the ``metrics.json`` in its folder, which is written after the model, is that
of a finished or a diverged training. A sweep that was stopped therefore continues with the other cells: those that were
interrupted go on from their checkpoints, and those that failed for another reason are tried again.

Scores are those of the validation set (the accuracy, or for numbers R²), and settings are chosen by them; no cell uses the test
set. The processes come from
joblib, whose Dask backend runs the same sweep on a cluster, which then decides how many cells run at the same time. On one
machine each process gets its own part of the cores, so that the processes do not compete for them.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import math
import os
import shutil
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.core.config import to_json
from pellucid.core.files import write_text
from pellucid.core.json_text import json_text
from pellucid.core.locks import exclusive_lock
from pellucid.data.sources.registry import SOURCES, checked_name
from pellucid.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    FileError,
    LockedError,
    PellucidError,
    did_you_mean,
)
from pellucid.runs import processes
from pellucid.runs.folder import CHECKPOINTS, LOCK, METRICS, RunFolder
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.resuming import is_of, resume
from pellucid.runs.run import Notify, run
from pellucid.training import threads

SETTING_TYPES: dict[str, Callable[[str], Any]] = {
    "augmentation": str,
    "batch_size": int,
    "early_stopping": int,
    "epochs": int,
    "hidden": str,
    "limit": int,
    "lr": float,
    "model": str,
    "optimizer": str,
}
MAX_RUNS = 100_000  # of a sweep: each is a training, and the settings of all of them are checked before the first
ACCURACY, R_SQUARED = "accuracy", "r2"
NAMES = {ACCURACY: "accuracy", R_SQUARED: "R²"}
IN_USE = "not trained"  # begins the outcome of a cell that another process trains
Cell = dict[str, Any]  # one value for each setting of the grid, and a seed


@dataclass(frozen=True)
class Grid:
    """The values of each setting, by its name, and the number of seeds for every combination of values."""

    values: Mapping[str, tuple[Any, ...]]
    seeds: int = 1

    @classmethod
    def parse(cls, axes: Iterable[str], seeds: int = 1) -> Grid:
        """Return the grid of axes like ``hidden=16,64`` and ``lr=0.01,0.1``.

        Values that contain commas or equal signs are separated by semicolons, as in
        ``augmentation=none;rotation=10,shift=2``. Raises ConfigError.
        """
        values: dict[str, tuple[Any, ...]] = {}
        for axis in axes:
            name, sign, text = axis.partition("=")
            name = name.strip().replace("-", "_")
            if not sign:
                raise ConfigError(f"--grid {axis!r}: a grid looks like lr=0.01,0.1,1")
            if name not in SETTING_TYPES:
                raise ConfigError(f"a grid has no setting {name!r}: {did_you_mean(name, SETTING_TYPES)}")
            if name in values:
                raise ConfigError(f"--grid {name} is given twice: put all its values into one --grid")
            try:
                separator = ";" if ";" in text or "=" in text else ","
                parsed = [SETTING_TYPES[name](value.strip()) for value in text.split(separator) if value.strip()]
            except ValueError:
                raise ConfigError(f"--grid {axis!r}: these are not values of {name}") from None
            if not parsed or len(set(parsed)) < len(parsed):
                raise ConfigError(f"--grid {axis!r}: expected one or more different values")
            values[name] = tuple(parsed)
        if not values:
            raise ConfigError("a sweep needs a grid: --grid lr=0.01,0.1,1")
        if seeds < 1:
            raise ConfigError(f"--seeds must be at least 1, got {seeds:,}")
        runs = seeds * math.prod(map(len, values.values()))
        if runs > MAX_RUNS:
            raise ConfigError(f"this sweep has {runs:,} runs; at most {MAX_RUNS:,} are possible: use fewer values or --seeds")
        return cls(values, seeds)

    def cells(self) -> list[Cell]:
        """Return all combinations of values, each with every seed."""
        return [
            {**dict(zip(self.values, combination, strict=True)), "seed": seed}
            for combination in itertools.product(*self.values.values())
            for seed in range(self.seeds)
        ]


def score_of(metrics: Mapping[str, Any]) -> str:
    """Return the name of the score of a run that is done: the accuracy, or R² where there is none."""
    return R_SQUARED if metrics["validation"].get(ACCURACY) is None else ACCURACY


def formatted(value: float, score: str) -> str:
    """Return a score as text: an accuracy in percent, R² as a number."""
    return f"{100 * value:.2f} %" if score == ACCURACY else f"{value:.4f}"


def folder_name(cell: Cell) -> str:
    """Return the name of a cell's folder, like ``hidden=64,lr=0.1,seed=0``."""
    return ",".join(f"{name}={value}" for name, value in cell.items()).replace("/", "_")


@dataclass(frozen=True)
class Summary:
    """The results of one combination of values over its seeds.

    ``scores`` are the validation accuracies of the trained seeds, or for regression their R²; ``diverged`` counts the others
    that diverged.
    """

    scores: tuple[float, ...]
    diverged: int
    seeds: int
    score: str = ACCURACY

    @property
    def mean(self) -> float | None:
        """The mean score, or None unless all seeds were trained."""
        return statistics.fmean(self.scores) if len(self.scores) == self.seeds else None

    def __str__(self) -> str:
        if self.mean is not None:
            low, high = formatted(min(self.scores), self.score), formatted(max(self.scores), self.score)
            spread = f" ({low.removesuffix(' %')} to {high.removesuffix(' %')})" if self.seeds > 1 else ""
            return f"{formatted(self.mean, self.score)}{spread}"
        parts = []
        if self.scores:
            parts.append(f"{len(self.scores)} of {self.seeds} seeds")
        if self.diverged:
            parts.append(f"{self.diverged} diverged" if self.seeds > 1 else "diverged")
        return ", ".join(parts) or "not done"


class Sweep:
    """A grid over the ``base`` settings, in the folder ``out``.

    Raises ConfigError for settings that are not allowed, and if a cell in the folder was trained with other settings (the grid
    may grow between two sweeps). Raises FileError if the folder contains something else.
    """

    def __init__(self, base: RunSettings, grid: Grid, out: Path):
        data_dir = None if base.data_dir is None else base.data_dir.resolve()  # processes may have another working directory
        data = base.data if checked_name(base.data, base.reading) in SOURCES else os.path.abspath(base.data)
        self.base, self.grid, self.out = dataclasses.replace(base, data=data, data_dir=data_dir), grid, out.resolve()
        self.cells = grid.cells()
        self.plans = {folder_name(cell): RunPlan.of(dataclasses.replace(self.base, **cell)) for cell in self.cells}
        if len(self.plans) < len(self.cells):
            raise ConfigError("two cells of the grid have the same name: give each value once")
        self.outstanding()  # raises ConfigError for a cell that was trained with other settings
        try:
            holds_files = os.path.exists(self.out) and any(self.out.iterdir())
        except OSError as error:
            raise FileError(f"{out}: cannot be read as a folder: {error.strerror}: choose another one with --out") from None
        if holds_files and not os.path.exists(self.out / "sweep.json"):
            raise FileError(f"{out} is not empty and is not a sweep: choose another folder with --out")

    def outstanding(self) -> list[str]:
        """Return the names of the cells that are not done. Raises ConfigError if one was done with other settings."""
        return [name for name, plan in self.plans.items() if self._result(name, plan) is None]

    def run(self, jobs: int | None = None, backend: str = "loky", notify: Notify = print) -> None:
        """Train the cells that are not done, and report the end of each to ``notify``.

        ``jobs`` cells run at the same time; None means one for each core. On Ctrl-C the cells that are done are kept. Raises
        FileError if another process runs a sweep in the same folder.
        """
        processes.require_joblib()
        names = self.outstanding()
        if jobs is not None and jobs < 1:
            raise ConfigError(f"--jobs must be at least 1, got {jobs}")
        self._create_folder()
        cores = threads.available_cores()
        jobs = max(1, min(cores if jobs is None else jobs, len(names)))
        on_this_machine = backend == "loky"  # a cluster decides how many cells run, and on how many cores
        thread_limit = max(1, cores // jobs) if on_this_machine else None
        done = len(self.plans) - len(names)
        if done:
            notify(f"{done} of {len(self.plans)} runs are done already")
        busy = f"another sweep is running in {self.out}", "wait until it ends, or choose another --out"
        arguments = ((self.plans[name], self.out / name, thread_limit, jobs == 1) for name in names)
        outcomes = processes.map_unordered(train_cell, arguments, jobs if on_this_machine else None, backend)
        with exclusive_lock(self.out / ".lock", *busy), closing(outcomes):
            for name in self.plans.keys() - names:
                _tidy(self.out / name)
            for count, (name, outcome) in enumerate(outcomes, start=done + 1):
                notify(f"{count} of {len(self.plans)}  {name}: {outcome}")
                if not outcome.startswith(IN_USE) and not os.path.exists(self.out / name / METRICS):
                    raise FileError(f"{name} was trained, but is not in {self.out}: all workers need access to this folder")

    def _create_folder(self) -> None:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot create the folder {self.out}: {error.strerror or error}") from error
        fixed = {name: value for name, value in vars(self.base).items() if name not in (*self.grid.values, "seed", "data_dir")}
        fixed["reading"] = to_json(self.base.reading)
        write_text(self.out / "sweep.json", json_text({"base": fixed, "grid": self.grid.values, "seeds": self.grid.seeds}))

    def _result(self, name: str, plan: RunPlan) -> dict[str, Any] | None:
        """Return the metrics.json of a cell that is done, or None. Raises ConfigError if it has other settings."""
        try:
            metrics = json.loads((self.out / name / METRICS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(metrics, dict) or metrics.get("interrupted") or metrics.get("status") == "failed":
            return None
        before, now = metrics.get("settings") or {}, json.loads(json_text(plan.record()))
        for key in now:
            if before.get(key) != now[key]:
                raise ConfigError(
                    f"{self.out / name} was trained with {key}={before.get(key)}, not {now[key]}: choose another --out"
                )
        return metrics

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each cell that is done: its settings, status and scores.

        Raises DataError unless all cells were trained on the same data.
        """
        done = [(cell, self._result(name, self.plans[name])) for cell in self.cells for name in [folder_name(cell)]]
        found = [(cell, metrics) for cell, metrics in done if metrics is not None]
        score = next((score_of(metrics) for _, metrics in found if "validation" in metrics), ACCURACY)
        rows, digests = list[dict[str, Any]](), set()
        for cell, metrics in found:
            if "data" in metrics:
                digests.add(metrics["data"]["sha256"])
            row = {**cell, "status": metrics.get("status", "done"), "score": score}
            for part in ("validation", "train"):
                row |= {f"{part}_{one}": metrics.get(part, {}).get(one) for one in (score, "loss")}
            rows.append({**row, "parameters": metrics.get("parameters"), "seconds": metrics.get("seconds")})
        if len(digests) > 1:
            raise DataError(f"the runs in {self.out} were trained on different data and cannot be compared")
        return rows

    def write(self) -> list[dict[str, Any]]:
        """Write results.csv and return its rows."""
        rows = self.rows()
        text = io.StringIO()
        if rows:
            writer = csv.DictWriter(text, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        write_text(self.out / "results.csv", text.getvalue())
        return rows

    def summaries(self, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], Summary]:
        """Return the summary of each combination of values, in the order of the grid."""
        summaries: dict[tuple[Any, ...], Summary] = {}
        score = self.score(rows)
        for combination in itertools.product(*self.grid.values.values()):
            matching = [row for row in rows if tuple(row[name] for name in self.grid.values) == combination]
            scores = tuple(row[f"validation_{score}"] for row in matching if row["status"] == "done")
            diverged = sum(row["status"] == "diverged" for row in matching)
            summaries[combination] = Summary(scores, diverged, self.grid.seeds, score)
        return summaries

    def score(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Return the score that the cells are compared by: the accuracy, or for regression R²."""
        return next((row["score"] for row in rows if row["status"] == "done"), ACCURACY)


def _tidy(folder: Path) -> None:
    """Remove what the process of a cell that is done has left if it was killed at its very end."""
    if (folder / CHECKPOINTS).exists() or (folder / LOCK).exists():
        with contextlib.suppress(FileError):  # LockedError: the process is still at it
            cell = RunFolder.of_run(folder)
            with cell.locked():
                cell.remove(CHECKPOINTS)


def train_cell(plan: RunPlan, folder: Path, thread_limit: int | None, alone: bool) -> tuple[str, str]:
    """Train one cell, in a process that uses at most ``thread_limit`` cores. Return its name and its outcome in words.

    A cell that was interrupted goes on from its checkpoint. One that another process trains, such as one of a sweep that was
    killed, is left to it.
    """
    if thread_limit is not None:
        threads.limit_threads(thread_limit)
    try:
        metrics = _resume_or_run(plan, folder, alone)
    except LockedError as error:
        return folder.name, f"{IN_USE}: {error}"
    except PellucidError as error:
        status = "diverged" if isinstance(error, DivergedError) else "failed"
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / METRICS, json_text({"status": status, "error": str(error), "settings": plan.record()}))
        if status == "diverged":  # it would diverge again
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        return folder.name, "diverged" if status == "diverged" else f"failed: {error}"
    finally:
        threads.limit_threads(None)  # with one job, the cell is trained in the process of the caller
    if metrics["interrupted"]:
        raise KeyboardInterrupt
    score = score_of(metrics)
    value = formatted(metrics["validation"][score], score)
    return folder.name, f"validation {NAMES[score]} {value}, {metrics['seconds']:.1f} s"


def _resume_or_run(plan: RunPlan, folder: Path, alone: bool) -> dict[str, Any]:
    """Go on with the cell, if its folder has a checkpoint of a training with these settings; otherwise train it."""

    def notify(text: str) -> None:
        return

    if is_of(folder, plan.settings):
        with contextlib.suppress(CheckpointError, ConfigError, DataError):  # then it cannot go on, and starts again
            metrics = resume(folder, notify=notify, progress=False, alone=alone, plan=plan)
            if metrics is not None:
                return metrics
    return run(plan, folder, force=True, notify=notify, progress=False, test=False, alone=alone)
