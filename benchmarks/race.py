"""Time to accuracy: from the start of the process to 97, 98 and 99 % on MNIST's test set: ``python -m benchmarks.race``.

Everything counts that a user waits for: starting Python, imports, reading the files, training. Several times an epoch
the parameters are kept, and when training is over they are scored on the test set, outside of the time. Racers train the same
network from the same weights with the same optimizer, batches and learning rates, chosen on validation data; each run is a
process of its own, and the racers take turns. Compiled kernels are in their cache, as from the second run on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import idx
from benchmarks.environment import child_environment, machine
from benchmarks.racers import Task
from pellucid.core.config import to_json
from pellucid.data import Dataset
from pellucid.optim import Adam, Clock
from pellucid.optim.schedules import Schedule
from pellucid.runs.presets import PRESETS

RACERS = ("pellucid", "torch", "torch-channels-last", "jax", "keras")
PRESET = "cnn-fast"
LEVELS = (0.97, 0.98, 0.99)
SAMPLES = 55_000  # of the training set; the other 5,000 are for validation
MARKS = 4  # an epoch


def rates(optimizer: Adam, epochs: int, batches: int) -> list[float]:
    """The learning rate of every step."""
    rate = optimizer.learning_rate
    if not isinstance(rate, Schedule):
        return [rate] * (epochs * batches)
    done = [step / batches for step in range(epochs * batches)]
    return [rate.at(Clock(1, one, one / epochs)) for one in done]


def task(network: str, optimizer: Adam, epochs: int, batch: int, seed: int, data_dir: str, rows: str, marks: int) -> Task:
    """A training on those rows of MNIST's training set, with so many marks an epoch."""
    samples = len(np.load(rows, mmap_mode="r"))
    batches = -(-samples // batch)
    steps = [round(batches * k / marks) for k in range(1, epochs * marks + 1)]
    every, betas = rates(optimizer, epochs, batches), [optimizer.beta1, optimizer.beta2]
    return Task(network, data_dir, rows, seed, batch, epochs, every, betas, to_json(optimizer), steps)


def run(racer: str, given: Task, trained: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """One run: ``seconds`` and ``core_seconds`` of the training, from the start of the process on, and ``marks``:
    ``[{"epoch", "seconds", "accuracy"}, …]``. ``trained`` is called when the training is over, before anything is scored."""
    command = [sys.executable, "-m", f"benchmarks.racers.{racer.replace('-', '_')}"]
    with tempfile.TemporaryFile("w+") as errors:
        pipe = subprocess.PIPE
        began = time.time()
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=child_environment())
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(asdict(replace(given, began=began))))
        child.stdin.close()
        lines = []
        for line in child.stdout:
            lines.append(line)
            if len(lines) == 1:
                trained()
        if child.wait() or len(lines) < 2:
            errors.seek(0)
            raise SystemExit(f"{racer} ended with code {child.returncode}:\n{errors.read()[-2000:]}")
    found: dict[str, Any] = json.loads(lines[0]) | json.loads(lines[-1])
    return found


def training_rows(data_dir: str, folder: str) -> str:
    """A file in ``folder`` with the numbers of those of the 60,000 pictures that are the training set: what
    ``pellucid.data.mnist`` leaves of its split."""
    labels = "train-labels-idx1-ubyte"
    if not any((Path(data_dir) / (labels + end)).exists() for end in ("", ".gz")):
        raise SystemExit(f"--data-dir: there is no {labels} or {labels}.gz in {data_dir}")
    y = idx(data_dir, labels).astype(np.int64)
    rest, _ = Dataset(np.arange(len(y))[:, None], y).split(len(y) - SAMPLES)
    path = Path(folder) / "rows.npy"
    np.save(path, np.asarray(rest.x[:, 0], np.int64))
    return str(path)


def reached(found: dict[str, Any], level: float) -> float | None:
    """Seconds to the first mark at that accuracy."""
    return next((mark["seconds"] for mark in found["marks"] if mark["accuracy"] >= level), None)


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Medians over the seeds, ranges in brackets; a level that not every seed reached says how many did."""

    def cell(runs: list[dict[str, Any]], level: float) -> str:
        times = [seconds for seconds in (reached(one, level) for one in runs) if seconds is not None]
        if len(times) < len(runs):
            return f"{len(times)} of {len(runs)} seeds" + (f", {statistics.median(times):.1f} s" if times else "")
        return f"{statistics.median(times):.1f} s ({min(times):.1f} to {max(times):.1f})"

    head = ["racer", *(f"{100 * level:.0f} %" for level in LEVELS), "whole training", "accuracy at its end (%)"]
    lines = ["| " + " | ".join(head) + " |", "|" + len(head) * "---|"]
    for racer, runs in results.items():
        seconds = statistics.median(one["marks"][-1]["seconds"] for one in runs)
        last = sorted(100 * one["marks"][-1]["accuracy"] for one in runs)
        cells = [racer, *(cell(runs, level) for level in LEVELS), f"{seconds:.1f} s"]
        cells.append(f"{statistics.median(last):.2f} ({last[0]:.2f} to {last[-1]:.2f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0 (5)")
    parser.add_argument("--only", default=",".join(RACERS), help=f"racers ({','.join(RACERS)})")
    parser.add_argument("--data-dir", type=Path, required=True, help="the folder with MNIST's four files")
    parser.add_argument("--out", type=Path, help="a JSON file for all marks")
    arguments = parser.parse_args()
    racers = [name for name in arguments.only.split(",") if name]
    unknown = set(racers) - set(RACERS)
    if unknown:
        parser.error(f"there is no racer {', '.join(sorted(unknown))}: choose from {', '.join(RACERS)}")
    results: dict[str, list[dict[str, Any]]] = {racer: [] for racer in racers}
    recipe, data_dir = PRESETS[PRESET], str(arguments.data_dir.resolve())
    assert isinstance(recipe.optimizer, Adam)
    with tempfile.TemporaryDirectory() as folder:
        rows = training_rows(data_dir, folder)
        for seed in (-1, *range(arguments.seeds)):
            for racer in racers:
                found = run(
                    racer, task(PRESET, recipe.optimizer, recipe.epochs, recipe.batch_size, max(seed, 0), data_dir, rows, MARKS)
                )
                if seed < 0:  # kernels are compiled now, and the files in memory
                    continue
                results[racer].append(found)
                marks = ", ".join(f"{100 * one['accuracy']:.2f} % at {one['seconds']:.1f} s" for one in found["marks"])
                print(f"{racer}, seed {seed}: {marks}", file=sys.stderr, flush=True)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"machine": machine(), "preset": PRESET, "results": results}, indent=2) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
