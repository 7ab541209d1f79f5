"""Sweeps: the same training over a grid of settings and several seeds, in parallel processes.

Every cell of the grid is a run like any other, in a folder named after its settings (``hidden=64,lr=0.1,seed=0``). A cell is
done when its ``metrics.json`` is there, which is written last: a sweep that was stopped takes up where it was, repeats nothing
and loses nothing. Cells whose training diverges are results, too, and are kept as such.

The table has validation scores: settings are chosen by these; the test scores lie in the runs' folders for those who have
chosen. The processes come from joblib, whose Dask backend takes the same sweep to a cluster (``jobs`` is then the cluster's
business). Each process is told how many threads it may use, so that they do not fight for the cores.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import ConfigError, DivergedError, FileError, did_you_mean
from pellucid.experiment import Plan, Settings, run
from pellucid.files import read_json, write_text
from pellucid.runs import readable, results
from pellucid.training import shards

KINDS: dict[str, Callable[[str], Any]] = {
    "augmentation": str, "batch_size": int, "early_stopping": int, "epochs": int, "hidden": str, "limit": int, "lr": float,
    "model": str, "optimizer": str,
}  # fmt: skip
Cell = dict[str, Any]


@dataclass(frozen=True)
class Grid:
    """Settings by name, each with the values it takes, and the seeds of every combination."""

    values: Mapping[str, tuple[Any, ...]]
    seeds: int = 1

    @classmethod
    def parse(cls, axes: Iterable[str], seeds: int = 1) -> Grid:
        """From what people write: ``hidden=16,64`` and ``lr=0.01,0.1``. Raises ConfigError."""
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
                given = [KINDS[name](value.strip()) for value in text.split(",") if value.strip()]
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


class Sweep:
    """A grid over ``base`` settings, in the folder ``out``.

    Making it checks every cell, and that a folder with an earlier sweep holds one of the same base settings; the grid may
    grow. Raises ConfigError and FileError.
    """

    def __init__(self, base: Settings, grid: Grid, out: Path):
        self.base, self.grid, self.out = base, grid, out
        self.cells = grid.cells()
        self.plans = {folder_name(cell): Plan.of(dataclasses.replace(base, **cell)) for cell in self.cells}
        if len(self.plans) < len(self.cells):
            raise ConfigError("two cells of the grid have the same name: give each value once")
        self._remember()

    def _remember(self) -> None:
        fixed = {name: value for name, value in vars(self.base).items() if name not in (*self.grid.values, "seed", "data_dir")}
        path = self.out / "sweep.json"
        if path.exists():
            before = read_json(path)
            known = before.get("base", {}) if isinstance(before, dict) else {}
            for name in sorted(fixed.keys() | known.keys()):
                if name in fixed and name in known and fixed[name] != known[name]:
                    raise ConfigError(
                        f"{self.out} holds a sweep with {name}={known[name]}, not {fixed[name]}: choose another --out"
                    )
        elif self.out.exists() and any(self.out.iterdir()):
            raise FileError(f"{self.out} is not empty, and holds no sweep: choose another --out")
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot make the folder {self.out}: {error.strerror or error}") from error
        write_text(path, readable({"base": fixed, "grid": self.grid.values, "seeds": self.grid.seeds}))

    def outstanding(self) -> list[str]:
        """The names of the cells that are not done."""
        return [name for name in self.plans if not _done(self.out / name)]

    def run(self, jobs: int | None = None, backend: str = "loky", tell: Callable[[str], None] = print) -> None:
        """Trains what is not done, ``jobs`` cells at a time (None: as many as there are cores), and tells of each when it is
        done. Interrupted, it keeps what is done."""
        try:
            import joblib
        except ImportError:
            raise ConfigError("a sweep needs joblib: pip install 'pellucid[sweep]'") from None
        names = self.outstanding()
        if jobs is not None and jobs < 1:
            raise ConfigError(f"--jobs must be at least 1, got {jobs}")
        at_once = max(1, min(shards.cores() if jobs is None else jobs, len(names)))
        threads = max(1, shards.cores() // at_once)
        if len(names) < len(self.plans):
            tell(f"{len(self.plans) - len(names)} of {len(self.plans)} runs are done already")
        with joblib.parallel_config(backend=backend):
            parallel = joblib.Parallel(n_jobs=at_once, return_as="generator_unordered", pre_dispatch="all", batch_size=1)
            work = (joblib.delayed(train_cell)(self.plans[name], self.out / name, threads) for name in names)
            for count, (name, what) in enumerate(parallel(work), start=len(self.plans) - len(names) + 1):
                tell(f"{count} of {len(self.plans)}  {name}: {what}")

    def rows(self) -> list[dict[str, Any]]:
        """One row for each cell that is done: its settings, then how it ended."""
        found = []
        for cell in self.cells:
            folder = self.out / folder_name(cell)
            if not _done(folder):
                continue
            values = results(folder)
            row = {**cell, "status": values.get("status", "done")}
            for part in ("validation", "train"):
                row |= {f"{part}_{name}": values.get(part, {}).get(name) for name in ("accuracy", "loss")}
            found.append({**row, "parameters": values.get("parameters"), "seconds": values.get("seconds")})
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

    def means(self, rows: Sequence[Mapping[str, Any]], value: str = "validation_accuracy") -> dict[tuple[Any, ...], float]:
        """By combination of settings: the mean of ``value`` over the seeds that are done; NaN where none of them trained."""
        found: dict[tuple[Any, ...], list[float]] = {}
        for row in rows:
            given = found.setdefault(tuple(row[name] for name in self.grid.values), [])
            if row[value] is not None:
                given.append(row[value])
        return {combination: float(np.mean(given)) if given else np.nan for combination, given in found.items()}


def _done(folder: Path) -> bool:
    try:
        values = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and not values.get("interrupted", False)


def train_cell(plan: Plan, folder: Path, threads: int) -> tuple[str, str]:
    """One cell, in a process of its own: (its name, what came of it)."""
    shards.limit(threads)
    try:
        found = run(plan, folder, force=True, tell=lambda text: None, progress=False)
    except DivergedError as error:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "metrics.json", readable({"status": "diverged", "error": str(error)}))
        return folder.name, "diverged"
    if found["interrupted"]:
        raise KeyboardInterrupt
    return folder.name, f"validation accuracy {100 * found['validation']['accuracy']:.2f} %, {found['seconds']:.1f} s"
