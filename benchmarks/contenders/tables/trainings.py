"""Trainings of the command line on tables and parts of them, with all defaults."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import child_environment
from benchmarks.public_tables import TABLES, Columns, is_missing, load

PACKAGES = ("pellucid", "numba")
TARGET = "the target"


def train(table: str, rows: int | None, seed: int) -> dict[str, Any]:
    """Run ``pellucid train`` on some rows of a table, and return the losses that the run folder states.

    ``best`` is the lowest validation loss of all epochs, ``end`` that of the parameters that are kept. Raises RuntimeError with
    the message if the command fails.
    """
    columns = load(table)
    chosen = np.arange(len(columns))
    if rows is not None and rows < len(columns):
        chosen = np.sort(np.random.default_rng(seed).permutation(len(columns))[:rows])
    with tempfile.TemporaryDirectory() as folder:
        run = _trained(table, columns, chosen.tolist(), Path(folder), "--seed", str(seed))
        return {"used_rows": len(chosen), **losses(run)}


def cover(table: str, seed: int) -> dict[str, Any]:
    """Run ``pellucid train`` on a table with this seed of the split and of the training, and return how often the prediction
    intervals that ``pellucid evaluate`` measures contain the truth.

    ``width`` is the mean width of the intervals of the test part, in standard deviations of its target. Raises RuntimeError
    with the message if the command fails.
    """
    from pellucid.explain.tables import predictions_of
    from pellucid.runs.folder import load_data, open_run
    from pellucid.runs.table_report import measured_intervals

    columns = load(table)
    with tempfile.TemporaryDirectory() as folder:
        seeds = ("--seed", str(seed), "--split-seed", str(seed))
        model, config = open_run(_trained(table, columns, list(range(len(columns))), Path(folder), *seeds))
        splits = load_data(config, None)
        test, held_out = (predictions_of(model, part, function="cover") for part in (splits.test, splits.validation))
        intervals, coverage = measured_intervals(test, held_out)
        width = 2 * float(intervals.half_width(test.outputs).mean() / test.true.std())
    found = {"covered": coverage.fraction, "expected": coverage.expected, "deviation": coverage.deviation}
    return {"test_rows": coverage.n, "bins": len(intervals.counts), "width": width, **found}


def _trained(table: str, columns: Columns, rows: list[int], folder: Path, *options: str) -> Path:
    """Write these rows of a table, train on them, and return the run folder. Raises RuntimeError."""
    file, run = folder / "table.csv", folder / "run"
    write(columns, rows, file)
    command = [sys.executable, "-m", "pellucid", "train", str(file), "--target", TARGET, "--task", TABLES[table].task]
    command += [*options, "--out", str(run)]
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or done.stdout.strip())
    return run


def losses(run: Path) -> dict[str, Any]:
    """Return the epochs and the validation losses of a run folder."""
    with (run / "history.csv").open(newline="") as file:
        epochs = [float(row["validation_loss"]) for row in csv.DictReader(file)]
    end = json.loads((run / "metrics.json").read_text())["validation"]["loss"]
    return {"epochs": len(epochs), "best_epoch": 1 + int(np.argmin(epochs)), "best": min(epochs), "end": float(end)}


def write(columns: Columns, rows: list[int], path: Path) -> None:
    """Write these rows into a CSV file; a missing value is an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*columns.inputs, TARGET])
        for row in rows:
            cells = [values[row] for values in columns.inputs.values()]
            target = columns.target[row]
            label = columns.classes[target] if columns.classes else target
            writer.writerow([*("" if is_missing(cell) else cell for cell in cells), label])
