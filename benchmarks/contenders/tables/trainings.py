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
        file, run = Path(folder) / "table.csv", Path(folder) / "run"
        write(columns, chosen.tolist(), file)
        command = [sys.executable, "-m", "pellucid", "train", str(file), "--target", TARGET, "--task", TABLES[table].task]
        command += ["--seed", str(seed), "--out", str(run)]
        done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or done.stdout.strip())
        return {"used_rows": len(chosen), **losses(run)}


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
