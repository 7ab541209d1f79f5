"""Time to accuracy: from the start of the process to 97, 98 and 99 % on MNIST's test set: ``python -m benchmarks.race``.

Everything counts that a user waits for: starting Python, imports, reading the files, training. Several times an epoch
the parameters are kept, and when training is over they are scored on the test set, outside of the time. Racers train the same
network with the same optimizer, batches and learning rates, chosen on validation data; each run is a process of its own, and
the racers take turns. Compiled kernels are in their cache, as from the second run on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.data import idx
from benchmarks.environment import child_environment, machine
from pellucid.data import Dataset
from pellucid.optim import Adam, Clock, OneCycle
from pellucid.presets import PRESETS

RACERS = ("pellucid", "torch", "torch-channels-last")
PRESET = "cnn-fast"
LEVELS = (0.97, 0.98, 0.99)
SAMPLES = 55_000  # of the training set; the other 5,000 are for validation
MARKS = 4  # an epoch


def rates(epochs: int, batches: int) -> list[float]:
    """The learning rate of every step."""
    optimizer = PRESETS[PRESET].optimizer
    assert isinstance(optimizer, Adam)
    assert isinstance(optimizer.learning_rate, OneCycle)
    done = [step / batches for step in range(epochs * batches)]
    return [optimizer.learning_rate.at(Clock(1, one, one / epochs)) for one in done]


def run(racer: str, seed: int, data_dir: str, rows: str) -> dict[str, Any]:
    """The marks of one run: ``[{"epoch", "seconds", "accuracy"}, …]``, and the seconds of the whole training."""
    recipe = PRESETS[PRESET]
    assert isinstance(recipe.optimizer, Adam)
    batches = -(-SAMPLES // recipe.batch_size)
    task = {
        "data_dir": data_dir, "seed": seed, "batch": recipe.batch_size, "samples": SAMPLES, "epochs": recipe.epochs,
        "rates": rates(recipe.epochs, batches), "marks": [round(batches * (k + 1) / MARKS) for k in range(MARKS)],
        "preset": PRESET, "betas": [recipe.optimizer.beta1, recipe.optimizer.beta2], "rows": rows, "began": time.time(),
    }  # fmt: skip
    command = [sys.executable, "-m", f"benchmarks.racers.{racer.replace('-', '_')}"]
    answer = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, env=child_environment())
    if answer.returncode:
        raise SystemExit(f"{racer} ended with code {answer.returncode}:\n{answer.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def training_rows(data_dir: str) -> npt.NDArray[np.int64]:
    """Which of the 60,000 pictures are the training set: those that ``pellucid.data.mnist`` leaves of its split."""
    y = idx(data_dir, "train-labels-idx1-ubyte").astype(np.int64)
    rest, _ = Dataset(np.arange(len(y))[:, None], y).split(len(y) - SAMPLES)
    return np.asarray(rest.x[:, 0], np.int64)


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
    folder, rows = str(arguments.data_dir.resolve()), str(Path(tempfile.mkdtemp()) / "rows.npy")
    np.save(rows, training_rows(folder))
    for racer in racers:  # compiled kernels, and the files in memory, are there before anything counts
        run(racer, 99, folder, rows)
    for seed in range(arguments.seeds):
        for racer in racers:
            results[racer].append(run(racer, seed, folder, rows))
            marks = ", ".join(f"{100 * one['accuracy']:.2f} % at {one['seconds']:.1f} s" for one in results[racer][-1]["marks"])
            print(f"{racer}, seed {seed}: {marks}", file=sys.stderr, flush=True)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"machine": machine(), "preset": PRESET, "results": results}, indent=2) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
