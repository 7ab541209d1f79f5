"""Sweeps: the same training over a grid of settings and several seeds, in parallel processes.

Every cell of the grid is a run like any other, in a folder named after its settings (``hidden=64,lr=0.1,seed=0``). A cell is
done when its ``metrics.json`` is there, which is written last: a sweep that was stopped takes up where it was, repeats nothing
and loses nothing. A cell whose training diverges is a result, too, and is kept as one; one that failed for another reason is
tried again the next time.

Scores are those of the validation set, and settings are chosen by them: the cells never look at the test set. The processes
come from joblib, whose Dask backend takes the same sweep to a cluster, which then decides how many run at once. On one machine
each process is told how many threads it may use, so that they do not fight for the cores.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.runs import processes
from pellucid.data.sources.registry import SOURCES
from pellucid.errors import ConfigError, DataError, DivergedError, FileError, PellucidError, did_you_mean
from pellucid.runs.run import Plan, Settings, run
from pellucid.core.files import locked, write_text
from pellucid.runs.folder import readable
from pellucid.training import shards

KINDS: dict[str, Callable[[str], Any]] = {
    "augmentation": str, "batch_size": int, "early_stopping": int, "epochs": int, "hidden": str, "limit": int, "lr": float,
    "model": str, "optimizer": str,
}
Cell = dict[str, Any]


@dataclass(frozen=True)
class Grid:
    """Settings by name, each with the values it takes, and the seeds of every combination."""

    values: Mapping[str, tuple[Any, ...]]
    seeds: int = 1

    @classmethod
    def parse(cls, axes: Iterable[str], seeds: int = 1) -> Grid:
        """From what people write: ``hidden=16,64`` and ``lr=0.01,0.1``; where a value has commas itself, semicolons stand
        between the values: ``augmentation=none;rotation=10,shift=2``. Raises ConfigError."""
        values: dict[str, tuple[Any, ...]] = {}
        for axis in axes:
            name, sign, text = axis.partition("=")
            name = name.strip().replace("-", "_")
            if not sign:
                raise ConfigError(f"--grid {axis!r}: a grid looks like lr=0.01,0.1,1")
            if name not in KINDS:
                raise ConfigError(f"a grid has no setting {name!r}: {did_you_mean(name, KINDS)}")
            if name in values:
                raise ConfigError(f"--grid {name} is given twice: put all its values behind one")
            try:
                between = ";" if ";" in text or "=" in text else ","
                given = [KINDS[name](value.strip()) for value in text.split(between) if value.strip()]
            except ValueError:
                raise ConfigError(f"--grid {axis!r}: these are no values for {name}") from None
            if not given or len(set(given)) < len(given):
                raise ConfigError(f"--grid {axis!r}: wants one or more different values")
            values[name] = tuple(given)
        if not values:
            raise ConfigError("a sweep needs a grid: --grid lr=0.01,0.1,1")
        if seeds < 1:
            raise ConfigError(f"--seeds must be at least 1, got {seeds}")
        return cls(values, seeds)

    def cells(self) -> list[Cell]:
        """All combinations, each with every seed."""
        combinations = itertools.product(*self.values.values())
        return [
            {**dict(zip(self.values, combination, strict=True)), "seed": seed}
            for combination in combinations
            for seed in range(self.seeds)
        ]


def folder_name(cell: Cell) -> str:
    """``hidden=64,lr=0.1,seed=0``."""
    return ",".join(f"{name}={value}" for name, value in cell.items()).replace("/", "_")


@dataclass(frozen=True)
class Summary:
    """One combination of settings over its seeds: the validation accuracies of those that were trained, and how many of
    ``seeds`` diverged. Only where all were trained does the mean stand for the settings."""

    accuracies: tuple[float, ...]
    diverged: int
    seeds: int

    @property
    def mean(self) -> float | None:
        """The mean, where all seeds were trained."""
        return statistics.fmean(self.accuracies) if len(self.accuracies) == self.seeds else None

    def __str__(self) -> str:
        if self.mean is not None:
            spread = f" ({100 * min(self.accuracies):.2f} to {100 * max(self.accuracies):.2f})" if self.seeds > 1 else ""
            return f"{100 * self.mean:.2f} %{spread}"
        ended = [f"{len(self.accuracies)} of {self.seeds} seeds" if self.accuracies else ""]
        ended.append(f"{self.diverged} diverged" if self.diverged and self.seeds > 1 else "diverged" if self.diverged else "")
        return ", ".join(part for part in ended if part) or "not done"


class Sweep:
    """A grid over ``base`` settings, in the folder ``out``. Making it checks every cell, and that no cell was trained there
    with other settings; the grid may grow. Raises ConfigError and FileError."""

    def __init__(self, base: Settings, grid: Grid, out: Path):
        if base.data not in SOURCES:
            raise ConfigError(f"a sweep takes data sets by name: {did_you_mean(base.data, SOURCES)}")
        folder = None if base.data_dir is None else base.data_dir.resolve()  # processes may have other working folders
        self.base, self.grid, self.out = dataclasses.replace(base, data_dir=folder), grid, out.resolve()
        self.cells = grid.cells()
        self.plans = {folder_name(cell): Plan.of(dataclasses.replace(self.base, **cell)) for cell in self.cells}
        if len(self.plans) < len(self.cells):
            raise ConfigError("two cells of the grid have the same name: give each value once")
        self.outstanding()
        if self.out.exists() and any(self.out.iterdir()) and not (self.out / "sweep.json").exists():
            raise FileError(f"{out} is not empty, and holds no sweep: choose another folder with --out")

    def _begin(self) -> None:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot make the folder {self.out}: {error.strerror or error}") from error
        fixed = {name: value for name, value in vars(self.base).items() if name not in (*self.grid.values, "seed", "data_dir")}
        write_text(self.out / "sweep.json", readable({"base": fixed, "grid": self.grid.values, "seeds": self.grid.seeds}))

    def outstanding(self) -> list[str]:
        """The names of the cells that are not done. Raises ConfigError where one was done with other settings."""
        return [name for name, plan in self.plans.items() if self._found(name, plan) is None]

    def _found(self, name: str, plan: Plan) -> dict[str, Any] | None:
        """What a cell that is done has left."""
        try:
            values = json.loads((self.out / name / "metrics.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(values, dict) or values.get("interrupted") or values.get("status") == "failed":
            return None
        before, now = values.get("settings") or {}, json.loads(readable(plan.record()))
        for key in now:
            if before.get(key) != now[key]:
                raise ConfigError(
                    f"{self.out / name} was trained with {key}={before.get(key)}, not {now[key]}: choose another --out"
                )
        return values

    def run(self, jobs: int | None = None, backend: str = "loky", tell: Callable[[str], None] = print) -> None:
        """Trains what is not done, ``jobs`` cells at a time (None: as many as there are cores), and tells of each when it is
        done. Interrupted, it keeps what is done. Raises FileError where another process sweeps in the same folder."""
        processes.required()
        names = self.outstanding()
        if jobs is not None and jobs < 1:
            raise ConfigError(f"--jobs must be at least 1, got {jobs}")
        self._begin()
        here = backend == "loky"  # on a cluster, how many run at once and on what cores is its own business
        at_once = max(1, min(shards.cores() if jobs is None else jobs, len(names)))
        threads = max(1, shards.cores() // at_once) if here else None
        if len(names) < len(self.plans):
            tell(f"{len(self.plans) - len(names)} of {len(self.plans)} runs are done already")
        busy = f"another sweep is at work in {self.out}: wait for it, or choose another --out"
        work = ((self.plans[name], self.out / name, threads, at_once == 1) for name in names)
        done = processes.unordered(train_cell, work, at_once if here else None, backend)
        with locked(self.out / ".lock", busy), closing(done):
            for count, (name, what) in enumerate(done, start=len(self.plans) - len(names) + 1):
                tell(f"{count} of {len(self.plans)}  {name}: {what}")
                if not (self.out / name / "metrics.json").exists():
                    raise FileError(f"{name} was trained, and is not in {self.out}: the workers need the same folder")

    def rows(self) -> list[dict[str, Any]]:
        """One row for each cell that is done: its settings, then how it ended. Raises DataError where not all were trained on
        the same data."""
        found, sums = [], set()
        for cell in self.cells:
            name = folder_name(cell)
            values = self._found(name, self.plans[name])
            if values is None:
                continue
            if "data" in values:
                sums.add(values["data"]["sha256"])
            row = {**cell, "status": values.get("status", "done")}
            for part in ("validation", "train"):
                row |= {f"{part}_{score}": values.get(part, {}).get(score) for score in ("accuracy", "loss")}
            found.append({**row, "parameters": values.get("parameters"), "seconds": values.get("seconds")})
        if len(sums) > 1:
            raise DataError(f"the runs in {self.out} were trained on different data: they do not compare")
        return found

    def write(self) -> list[dict[str, Any]]:
        """Writes results.csv and returns its rows."""
        rows = self.rows()
        text = io.StringIO()
        if rows:
            writer = csv.DictWriter(text, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        write_text(self.out / "results.csv", text.getvalue())
        return rows

    def summaries(self, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], Summary]:
        """By combination of settings, in the order of the grid: what came of its seeds."""
        found: dict[tuple[Any, ...], Summary] = {}
        for combination in itertools.product(*self.grid.values.values()):
            own = [row for row in rows if tuple(row[name] for name in self.grid.values) == combination]
            trained = tuple(row["validation_accuracy"] for row in own if row["status"] == "done")
            found[combination] = Summary(trained, sum(row["status"] == "diverged" for row in own), self.grid.seeds)
        return found


def train_cell(plan: Plan, folder: Path, threads: int | None, alone: bool) -> tuple[str, str]:
    """One cell, in a process of its own: (its name, what came of it)."""
    if threads is not None:
        shards.limit(threads)
    try:
        found = run(plan, folder, force=True, tell=lambda text: None, progress=False, test=False, alone=alone)
    except PellucidError as error:
        status = "diverged" if isinstance(error, DivergedError) else "failed"
        folder.mkdir(parents=True, exist_ok=True)
        ended = {"status": status, "error": str(error), "settings": plan.record()}
        write_text(folder / "metrics.json", readable(ended))
        return folder.name, "diverged" if status == "diverged" else f"failed: {error}"
    finally:
        shards.limit(None)  # one job at a time runs in the caller's own process
    if found["interrupted"]:
        raise KeyboardInterrupt
    return folder.name, f"validation accuracy {100 * found['validation']['accuracy']:.2f} %, {found['seconds']:.1f} s"
