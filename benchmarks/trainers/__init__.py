"""Trainers: one program per library, which trains a network and reports its accuracy over time.

A trainer reads a ``TrainingTask`` as JSON from standard input. At some steps it copies the parameters; these checkpoints
are evaluated on the test set after the training. It prints a line when the training ends, and a line with the accuracies.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.data import Floats, Labels, read_idx


@dataclass(frozen=True)
class TrainingTask:
    """A network of ``networks.NETWORKS``, and all settings that make its training the same in all libraries.

    ``rows`` is a file with the indices of the training images. ``rates`` has the learning rate of every step, and
    ``optimizer`` is the JSON form of Pellucid's optimizer. ``checkpoints`` are the steps after which the parameters are
    copied; the last step is one of them. ``began`` is the time at which the process was started, set by
    ``time_to_accuracy.run``.
    """

    network: str
    data_dir: str
    rows: str
    seed: int
    batch: int
    epochs: int
    rates: list[float]
    betas: list[float]
    optimizer: Any
    checkpoints: list[int]
    began: float = 0.0

    @classmethod
    def from_stdin(cls) -> TrainingTask:
        """Return the task on the standard input."""
        return cls(**json.loads(sys.stdin.read()))

    def datasets(self) -> tuple[tuple[Floats, Labels], tuple[Floats, Labels]]:
        """Return the training set and the test set: images (n, 28, 28, 1) from 0 to 1, and labels."""
        sets = []
        for name, rows in (("train", np.load(self.rows)), ("t10k", slice(None))):
            x = read_idx(self.data_dir, f"{name}-images-idx3-ubyte")[rows, :, :, None].astype(np.float32)
            x /= 255
            sets.append((x, read_idx(self.data_dir, f"{name}-labels-idx1-ubyte")[rows].astype(np.int64)))
        return sets[0], sets[1]


class Checkpoints:
    """The parameters at some steps of a training. Call ``after_step`` after each step, then ``report_accuracies``."""

    def __init__(self, task: TrainingTask) -> None:
        self.task, self.kept = task, list[tuple[int, float, Any]]()

    def after_step(self, step: int, copy: Callable[[], Any]) -> None:
        """Keep what ``copy`` returns if the step has a checkpoint. ``copy`` must wait until the work of the step is done."""
        if step not in self.task.checkpoints:
            return
        parameters = copy()
        self.kept.append((step, time.time() - self.task.began, parameters))
        if step == self.task.checkpoints[-1]:
            print(json.dumps({"seconds": self.kept[-1][1], "core_seconds": time.process_time()}), flush=True)

    def report_accuracies(self, accuracy: Callable[[Any], float]) -> None:
        """Print the accuracy of each checkpoint; ``accuracy`` computes it from the parameters."""
        steps = len(self.task.rates) / self.task.epochs
        checkpoints = [
            {"epoch": step / steps, "seconds": seconds, "accuracy": accuracy(parameters)}
            for step, seconds, parameters in self.kept
        ]
        print(json.dumps({"checkpoints": checkpoints}))


def shuffled_batches(random: np.random.Generator, samples: int, batch: int) -> list[Any]:
    """Return the rows of each batch of one epoch, in random order."""
    order = random.permutation(samples).astype(np.int32)
    return [order[start : start + batch] for start in range(0, samples, batch)]
