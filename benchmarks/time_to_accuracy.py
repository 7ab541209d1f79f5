"""Time to accuracy on MNIST: ``python -m benchmarks.time_to_accuracy``.

Measured is the time from the start of the process to 97, 98 and 99 % on the test set, with everything that a user waits for:
starting Python, imports, reading the files, training. Several times per epoch the parameters are copied; these checkpoints are
evaluated after the training, outside of the measured time.

All libraries train the same network from the same weights with the same optimizer, batches and learning rates, which were
chosen on validation data. Each run is a process of its own, and the libraries take turns. Compiled kernels are cached, as
they are from the second run on.
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

from benchmarks.data import read_idx
from benchmarks.environment import child_environment, machine
from benchmarks.harness import rotations
from benchmarks.results import OURS
from benchmarks.trainers import TrainingTask
from pellucid.core.config import to_json
from pellucid.data import Dataset
from pellucid.optim import Adam, Clock
from pellucid.optim.schedules import Schedule
from pellucid.runs.presets import PRESETS

LIBRARIES = ("pellucid", "torch", "torch-channels-last", "jax", "keras")
PRESET = "cnn-fast"
LEVELS = (0.97, 0.98, 0.99)
SAMPLES = 55_000  # of the training set; the other 5,000 are for validation
CHECKPOINTS = 4  # per epoch


def rates(optimizer: Adam, epochs: int, batches: int) -> list[float]:
    """Return the learning rate of every step."""
    rate = optimizer.learning_rate
    if not isinstance(rate, Schedule):
        return [rate] * (epochs * batches)
    return [rate.at(Clock.of_update(1, done, batches, epochs)) for done in range(epochs * batches)]


def training_task(
    network: str, optimizer: Adam, epochs: int, batch: int, seed: int, data_dir: str, rows: str, checkpoints: int
) -> TrainingTask:
    """Return a training on those rows of MNIST's training set, with that many checkpoints per epoch."""
    samples = len(np.load(rows, mmap_mode="r"))
    batches = -(-samples // batch)
    steps = [round(batches * k / checkpoints) for k in range(1, epochs * checkpoints + 1)]
    every, betas = rates(optimizer, epochs, batches), [optimizer.beta1, optimizer.beta2]
    return TrainingTask(network, data_dir, rows, seed, batch, epochs, every, betas, to_json(optimizer), steps)


def run(library: str, task: TrainingTask, trained: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Return ``seconds`` and ``core_seconds`` of a training from the start of its process, and its ``checkpoints``.

    A checkpoint is a dictionary of ``epoch``, ``seconds`` and ``accuracy``. ``trained`` is called after the training,
    before the checkpoints are evaluated. Exits with an error message if the process fails.
    """
    command = [sys.executable, "-m", f"benchmarks.trainers.{library.replace('-', '_')}"]
    with tempfile.TemporaryFile("w+") as errors:
        pipe = subprocess.PIPE
        began = time.time()
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=child_environment())
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(asdict(replace(task, began=began))))
        child.stdin.close()
        lines = []
        for line in child.stdout:
            lines.append(line)
            if len(lines) == 1:
                trained()
        if child.wait() or len(lines) < 2:
            errors.seek(0)
            raise SystemExit(f"{library} ended with code {child.returncode}:\n{errors.read()[-2000:]}")
    found: dict[str, Any] = json.loads(lines[0]) | json.loads(lines[-1])
    return found


def training_rows(data_dir: str, folder: str) -> str:
    """Write the indices of the training set among the 60,000 images into a file in ``folder``, and return its path.

    The split is that of ``pellucid.data.mnist``. Exits with an error message if ``data_dir`` does not contain MNIST.
    """
    labels = "train-labels-idx1-ubyte"
    if not any((Path(data_dir) / (labels + end)).exists() for end in ("", ".gz")):
        raise SystemExit(f"--data-dir: {data_dir} contains no {labels} or {labels}.gz")
    y = read_idx(data_dir, labels).astype(np.int64)
    training, _ = Dataset(np.arange(len(y))[:, None], y).split(len(y) - SAMPLES)
    path = Path(folder) / "rows.npy"
    np.save(path, np.asarray(training.x[:, 0], np.int64))
    return str(path)


def seconds_to(level: float, found: dict[str, Any]) -> float | None:
    """Return the seconds to the first checkpoint with that accuracy."""
    return next((one["seconds"] for one in found["checkpoints"] if one["accuracy"] >= level), None)


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return a table of medians over the seeds with ranges in brackets.

    For a level that not every seed reached, it shows the number of seeds that did.
    """

    def cell(runs: list[dict[str, Any]], level: float) -> str:
        times = [seconds for seconds in (seconds_to(level, one) for one in runs) if seconds is not None]
        if len(times) < len(runs):
            return f"{len(times)} of {len(runs)} seeds" + (f", {statistics.median(times):.1f} s" if times else "")
        return f"{statistics.median(times):.1f} s ({min(times):.1f} to {max(times):.1f})"

    head = ["library", *(f"{100 * level:.0f} %" for level in LEVELS), "whole training", "final accuracy (%)"]
    lines = ["| " + " | ".join(head) + " |", "|" + len(head) * "---|"]
    for library, runs in results.items():
        seconds = statistics.median(one["checkpoints"][-1]["seconds"] for one in runs)
        last = sorted(100 * one["checkpoints"][-1]["accuracy"] for one in runs)
        cells = [library, *(cell(runs, level) for level in LEVELS), f"{seconds:.1f} s"]
        cells.append(f"{statistics.median(last):.2f} ({last[0]:.2f} to {last[-1]:.2f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def against_pytorch(results: dict[str, list[dict[str, Any]]]) -> str | None:
    """Return a sentence with the median time to 99 % of PyTorch in its better layout, divided by that of Pellucid.

    None if one of them was not measured or did not get there with every seed.
    """
    level = LEVELS[-1]
    medians: dict[str, float] = {}
    for library, runs in results.items():
        times = [seconds for seconds in (seconds_to(level, one) for one in runs) if seconds is not None]
        if times and len(times) == len(runs):
            medians[library] = statistics.median(times)
    layouts = {library: median for library, median in medians.items() if library.startswith("torch")}
    if OURS not in medians or not layouts:
        return None
    best = min(layouts, key=layouts.__getitem__)
    return f"Time to {100 * level:.0f} %, {best} / {OURS}: {layouts[best] / medians[OURS]:.2f}"


def main() -> None:
    """Train with all libraries and seeds, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_accuracy", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="the number of seeds, from 0 (default: 5)")
    parser.add_argument("--only", default=",".join(LIBRARIES), help=f"the libraries (default: {','.join(LIBRARIES)})")
    parser.add_argument("--data-dir", type=Path, required=True, help="the folder with MNIST's four files")
    parser.add_argument("--out", type=Path, help="write all checkpoints into this JSON file")
    arguments = parser.parse_args()
    libraries = [name for name in arguments.only.split(",") if name]
    unknown = set(libraries) - set(LIBRARIES)
    if unknown:
        parser.error(f"unknown library {', '.join(sorted(unknown))}; choose from {', '.join(LIBRARIES)}")
    results: dict[str, list[dict[str, Any]]] = {library: [] for library in libraries}
    recipe, data_dir = PRESETS[PRESET], str(arguments.data_dir.resolve())
    assert isinstance(recipe.optimizer, Adam)
    assert recipe.fit.batch_size is not None
    with tempfile.TemporaryDirectory() as folder:
        rows = training_rows(data_dir, folder)
        for seed, order in enumerate(rotations(libraries, 1 + arguments.seeds), start=-1):
            for library in order:
                task = training_task(
                    PRESET,
                    recipe.optimizer,
                    recipe.fit.epochs,
                    recipe.fit.batch_size,
                    max(seed, 0),
                    data_dir,
                    rows,
                    CHECKPOINTS,
                )
                found = run(library, task)
                if seed < 0:  # this run compiles the kernels and brings the files into memory
                    continue
                results[library].append(found)
                checkpoints = ", ".join(
                    f"{100 * one['accuracy']:.2f} % at {one['seconds']:.1f} s" for one in found["checkpoints"]
                )
                print(f"{library}, seed {seed}: {checkpoints}", file=sys.stderr, flush=True)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"machine": machine(), "preset": PRESET, "results": results}, indent=2) + "\n")
    print(table(results))
    if sentence := against_pytorch(results):
        print(f"\n{sentence}")


if __name__ == "__main__":
    main()
