"""Sweeps: the same training over a grid of settings and several seeds, in parallel processes.

Every cell of the grid is one combination of values with one seed. It is an ordinary run, in a folder named after its settings
(``hidden=64,lr=0.1,seed=0``). A cell is done when the ``metrics.json`` in its folder, which is written after the model, is
that of a finished or a diverged training. A sweep that was stopped therefore continues with the other cells: those that were
interrupted go on from their checkpoints, and those that failed for another reason are tried again.

A strategy (:mod:`pellucid.runs.search`) decides which cells are trained: all of them, or a search gives up those that seem
worse before their end. A cell that was given up is a run that was interrupted.

Scores are those of the validation set (the accuracy, or for numbers R²), and settings are chosen by them; no cell uses the
test set. The processes come from joblib, whose Dask backend runs the same sweep on a cluster, which then decides how many
cells run at the same time. On one machine each process gets its own part of the cores, so that the processes do not compete
for them.
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
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.core.config import to_json
from pellucid.core.files import write_text
from pellucid.core.json_text import json_text
from pellucid.core.locks import exclusive_lock
from pellucid.core.system import portable_name
from pellucid.data.sources.registry import SOURCES, checked_name
from pellucid.errors import ConfigError, DataError, FileError, did_you_mean
from pellucid.runs import processes
from pellucid.runs.cells import (
    ACCURACY,
    NAMES as NAMES,
    R_SQUARED as R_SQUARED,
    Curve,
    Outcome,
    Task,
    formatted,
    score_of,
    tidy,
    train_cell,
)
from pellucid.runs.folder import LOCK, METRICS
from pellucid.runs.plan import RunPlan, RunSettings, check_time_budget
from pellucid.runs.resuming import saved_settings
from pellucid.runs.run import Notify
from pellucid.runs.search import Combination, Exhaustive, Standing, Strategy, Trials
from pellucid.training import threads

SETTING_TYPES: dict[str, Callable[[str], Any]] = {
    "augmentation": str,
    "batch_size": int,
    "decay": float,
    "dropout": float,
    "early_stopping": int,
    "epochs": int,
    "hidden": str,
    "limit": int,
    "lr": float,
    "model": str,
    "optimizer": str,
}
MAX_RUNS = 100_000  # of a sweep: each is a training, and the settings of all of them are checked before the first
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


def folder_name(cell: Mapping[str, Any]) -> str:
    """Return the name of a cell's folder, like ``hidden=64,lr=0.1,seed=0``."""
    return portable_name(",".join(f"{name}={value}" for name, value in cell.items()))


def _check_folder_names(cells: Iterable[Cell]) -> None:
    """Raise ConfigError for two cells with the same folder, such as those of ``model=a/b`` and ``model=a:b``.

    Folders whose names differ only in the case of letters are one folder on many file systems.
    """
    cells_by_name: dict[str, Cell] = {}
    for cell in cells:
        other = cells_by_name.setdefault(folder_name(cell).casefold(), cell)
        if other is not cell:
            one, two = (", ".join(f"{name}={value}" for name, value in each.items()) for each in (other, cell))
            names = sorted({folder_name(other), folder_name(cell)})
            same = (
                f"the same folder, {names[0]}" if len(names) == 1 else f"folders that differ only in case, {', '.join(names)}"
            )
            raise ConfigError(
                f"two cells of the grid would have {same}: {one} and {two}; give each value "
                "once, and values that differ only in case or in characters such as / and : to sweeps in other folders (--out)"
            )


@dataclass(frozen=True)
class Summary:
    """The results of one combination of values over its seeds.

    ``scores`` are the validation accuracies of the trained seeds, or for regression their R², which is None where all targets
    are equal; ``diverged`` counts the others that diverged, and ``stopped`` are the scores of those that were stopped before
    their end. ``losses`` are the validation losses of the trained seeds.
    """

    scores: tuple[float | None, ...]
    diverged: int
    seeds: int
    score: str = ACCURACY
    stopped: tuple[float | None, ...] = ()
    losses: tuple[float | None, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all seeds were trained."""
        return len(self.scores) == self.seeds

    @property
    def mean(self) -> float | None:
        """The mean score, or None unless all seeds were trained and have one."""
        return _mean(self.scores) if self.complete else None

    @property
    def standing(self) -> Standing:
        """The standing of the combination: the worst, unless all seeds were trained."""
        losses = [math.inf if loss is None else loss for loss in self.losses]
        return Standing.of(self.mean, statistics.fmean(losses) if losses and self.complete else None)

    def __str__(self) -> str:
        if self.mean is not None:
            known = [value for value in self.scores if value is not None]
            low, high = formatted(min(known), self.score), formatted(max(known), self.score)
            spread = f" ({low.removesuffix(' %')} to {high.removesuffix(' %')})" if self.seeds > 1 else ""
            return f"{formatted(self.mean, self.score)}{spread}"
        if self.complete:
            return f"{NAMES[self.score]} undefined" + ("" if (loss := _mean(self.losses)) is None else f", loss {loss:.4g}")
        parts = []
        if self.scores:
            parts.append(f"{len(self.scores)} of {self.seeds} seeds")
        if self.diverged:
            parts.append(f"{self.diverged} diverged" if self.seeds > 1 else "diverged")
        if self.stopped:
            parts.append(f"stopped at {formatted(_mean(self.stopped), self.score)}")
        return ", ".join(parts) or "not done"


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean, or None if there is none, or a value is missing."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


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
        _check_folder_names(self.cells)
        self.plans = {folder_name(cell): RunPlan.of(dataclasses.replace(self.base, **cell)) for cell in self.cells}
        self.outstanding()  # raises ConfigError for a cell that was trained with other settings
        try:
            holds_files = os.path.exists(self.out) and any(one.name != LOCK for one in self.out.iterdir())
        except OSError as error:
            raise FileError(f"{out}: cannot be read as a folder: {error.strerror}: choose another one with --out") from None
        if holds_files and not os.path.exists(self.out / "sweep.json"):
            raise FileError(f"{out} is not empty and is not a sweep: choose another folder with --out")

    def outstanding(self) -> list[str]:
        """Return the names of the cells that are not done. Raises ConfigError if one was done with other settings."""
        return [name for name, plan in self.plans.items() if self._result(name, plan) is None]

    def run(
        self,
        jobs: int | None = None,
        backend: str = "loky",
        notify: Notify = print,
        *,
        strategy: Strategy | None = None,
        time_budget: float | None = None,
    ) -> None:
        """Train the cells that are not done, and report the end of each to ``notify``.

        The ``strategy`` decides which ones are trained, and for how long; by default all are trained to the end. ``jobs`` cells
        run at the same time; None means one for each core. On Ctrl-C the cells that are done are kept. After ``time_budget``
        seconds, the trainings that run are stopped, with the parameters of an interrupted run; no training begins that would
        probably not end before. The next call goes on with them.

        Raises FileError if another process runs a sweep in the same folder.
        """
        processes.require_joblib()
        strategy = strategy or Exhaustive()
        if jobs is not None and jobs < 1:
            raise ConfigError(f"--jobs must be at least 1, got {jobs}")
        deadline = None if time_budget is None else time.time() + check_time_budget(time_budget)
        self._create_folder()
        busy = f"another sweep is running in {self.out}", "wait until it ends, or choose another --out"
        with exclusive_lock(self.out / LOCK, *busy):
            self._write_record(strategy)
            for name in self.plans.keys() - self.outstanding():
                tidy(self.out / name)
            strategy.search(_Cells(self, jobs, backend, notify, deadline))

    def _create_folder(self) -> None:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot create the folder {self.out}: {error.strerror or error}") from error

    def _write_record(self, strategy: Strategy) -> None:
        """Write sweep.json, which says what the folder contains."""
        fixed = {name: value for name, value in vars(self.base).items() if name not in (*self.grid.values, "seed", "data_dir")}
        fixed["reading"] = to_json(self.base.reading)
        content = {"base": fixed, "grid": self.grid.values, "seeds": self.grid.seeds, "strategy": strategy.name}
        write_text(self.out / "sweep.json", json_text(content))

    def _metrics(self, name: str) -> dict[str, Any] | None:
        """Return the metrics.json of a cell, or None if there is none that can be read."""
        try:
            metrics = json.loads((self.out / name / METRICS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return metrics if isinstance(metrics, dict) else None

    def _result(self, name: str, plan: RunPlan) -> dict[str, Any] | None:
        """Return the metrics.json of a cell that is done, or None. Raises ConfigError if it has other settings."""
        metrics = self._metrics(name)
        if metrics is None or metrics.get("interrupted") or metrics.get("status") == "failed":
            return None
        before, now = metrics.get("settings") or {}, json.loads(json_text(plan.record()))
        for key in now.keys() - plan.chosen_by_data:
            if before.get(key) != now[key]:
                raise self._other_settings(name, key, before.get(key), now[key])
        # The values that the data choose are equal if they were left to the data before, too.
        with contextlib.suppress(FileError):  # there is no config.json, or that of a version without settings
            saved = saved_settings(self.out / name)
            for key in sorted(plan.chosen_by_data & vars(saved).keys()):
                if getattr(saved, key) != getattr(plan.settings, key):
                    raise self._other_settings(name, key, getattr(saved, key), getattr(plan.settings, key))
        return metrics

    def _other_settings(self, name: str, key: str, before: Any, now: Any) -> ConfigError:
        shown = ["the default" if value is None else value for value in (before, now)]
        return ConfigError(f"{self.out / name} was trained with {key}={shown[0]}, not {shown[1]}: choose another --out")

    def standing(self, name: str, share: float = 1.0) -> Standing | None:
        """Return the standing of a cell after a share of its epochs, or None if it is not trained so far."""
        result = self._result(name, self.plans[name])
        if result is not None and result.get("status") == "diverged":
            return Standing(-math.inf, math.inf)
        curve = Curve.of(self.out / name, self.plans[name].settings) if share < 1 else None
        if curve is not None:
            return curve.after(share, ended=result is not None)
        if result is None:
            return None
        return Standing.of(result["validation"][score_of(result)], result["validation"]["loss"])

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each cell that is done or was stopped: its settings, status and scores.

        The scores of a cell that was stopped are those of the parameters that it has kept. Raises DataError unless all cells
        were trained on the same data.
        """
        found = list[tuple[Cell, dict[str, Any]]]()
        for cell in self.cells:
            name = folder_name(cell)
            metrics = self._result(name, self.plans[name])
            if metrics is None and Curve.of(self.out / name, self.plans[name].settings) is not None:
                stopped = self._metrics(name)
                metrics = None if stopped is None or "validation" not in stopped else {**stopped, "status": "stopped"}
            if metrics is not None:
                found.append((cell, metrics))
        score = next((score_of(metrics) for _, metrics in found if "validation" in metrics), ACCURACY)
        rows, digests = list[dict[str, Any]](), set()
        for cell, metrics in found:
            if "data" in metrics:
                digests.add(metrics["data"]["sha256"])
            row = {**cell, "status": metrics.get("status", "done"), "score": score}
            for part in ("validation", "train"):
                row |= {f"{part}_{one}": metrics.get(part, {}).get(one) for one in (score, "loss")}
            size = {"parameters": metrics.get("parameters"), "trained_epochs": metrics.get("epochs")}
            rows.append({**row, **size, "seconds": metrics.get("seconds")})
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
            stopped = tuple(row[f"validation_{score}"] for row in matching if row["status"] == "stopped")
            losses = tuple(row.get("validation_loss") for row in matching if row["status"] == "done")
            diverged = sum(row["status"] == "diverged" for row in matching)
            summaries[combination] = Summary(scores, diverged, self.grid.seeds, score, stopped, losses)
        return summaries

    def score(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Return the score that the cells are compared by: the accuracy, or for regression R²."""
        return next((row["score"] for row in rows if row["status"] != "diverged"), ACCURACY)

    def names(self, combination: Combination) -> list[str]:
        """Return the names of the cells of a combination, one for each seed."""
        values = dict(zip(self.grid.values, combination, strict=True))
        return [folder_name({**values, "seed": seed}) for seed in range(self.grid.seeds)]


class _Cells(Trials):
    """The trials of a sweep: its combinations, trained cell by cell in parallel processes."""

    def __init__(self, sweep: Sweep, jobs: int | None, backend: str, notify: Notify, deadline: float | None):
        self.sweep, self.jobs, self.backend, self.notify, self.deadline = sweep, jobs, backend, notify, deadline
        self._grid = list(itertools.product(*sweep.grid.values.values()))
        results = [sweep._metrics(name) or {} for name in sweep.plans] if deadline is not None else []
        done = [one["seconds"] for one in results if one.get("seconds") and not one.get("interrupted")]
        self._paces = list[float](done)  # seconds for all epochs, of the trainings so far
        self._left_out = False  # whether there was no time for a training

    @property
    def combinations(self) -> Sequence[Combination]:
        return self._grid

    @property
    def out_of_time(self) -> bool:
        return self._left_out or (self.deadline is not None and time.time() >= self.deadline)

    def say(self, line: str) -> None:
        self.notify(line)

    def standing(self, combination: Combination, share: float = 1.0) -> Standing | None:
        standings = [self.sweep.standing(name, share) for name in self.sweep.names(combination)]
        known = [one for one in standings if one is not None]
        return Standing.mean(known) if len(known) == len(standings) else None

    def train(self, combinations: Sequence[Combination], share: float = 1.0) -> None:
        sweep, cores, on_this_machine = self.sweep, threads.available_cores(), self.backend == "loky"
        all_names = [name for combination in combinations for name in sweep.names(combination)]
        names = [name for name in all_names if sweep.standing(name, share) is None]
        if done := len(all_names) - len(names):
            self.notify(f"{done} of {len(all_names)} runs are done already")
        jobs = max(1, min(cores if self.jobs is None else self.jobs, len(names)))
        # A cluster decides how many cells run, and on how many cores.
        thread_limit = max(1, cores // jobs) if on_this_machine else None
        begun, not_run, stopped = dict[str, float](), list[str](), 0

        def tasks() -> Iterator[tuple[Task]]:
            for name in names:
                curve = Curve.of(sweep.out / name, sweep.plans[name].settings)
                begun[name] = 0.0 if curve is None else curve.share
                if begun[name] == 0 and self._would_not_end(share):
                    not_run.append(name)
                    continue
                yield (Task(sweep.plans[name], sweep.out / name, thread_limit, jobs == 1, share, self.deadline),)

        outcomes = processes.map_unordered(
            train_cell, tasks(), jobs if on_this_machine else None, self.backend, ahead=self.deadline is None
        )
        with closing(outcomes):
            for outcome in outcomes:
                if outcome.ending == "not run":
                    not_run.append(outcome.name)
                    continue
                done += 1
                self.notify(f"{done} of {len(all_names)}  {outcome.name}: {outcome.text}")
                if outcome.ending != "not trained" and not os.path.exists(sweep.out / outcome.name / METRICS):
                    raise FileError(
                        f"{outcome.name} was trained, but is not in {sweep.out}: all workers need access to this folder"
                    )
                stopped += not self._see(outcome, share, begun[outcome.name])
        self._left_out = self._left_out or bool(not_run)
        if not_run or (stopped and self.out_of_time):
            kept = f", {stopped} stopped, with the parameters trained so far" if stopped else ""
            self.notify(f"the time budget is used up: {len(not_run)} of {len(all_names)} runs not begun{kept}")

    def _would_not_end(self, share: float) -> bool:
        """Return whether a new training for a share of its epochs would probably not end before the deadline."""
        if self.deadline is None:
            return False
        expected = share * statistics.median(self._paces) if self._paces else 0.0
        return time.time() + expected >= self.deadline

    def _see(self, outcome: Outcome, share: float, begun: float) -> bool:
        """Take over the pace of a training, which had ``begun`` with a share. Returns False if the deadline has stopped it."""
        if self.deadline is None or outcome.ending != "trained":
            return True
        if self.sweep.standing(outcome.name, share) is None:
            return False
        if share > begun:
            self._paces.append(outcome.seconds / (share - begun))
        return True
