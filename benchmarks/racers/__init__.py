"""The libraries that race: each is a program that reads its task as JSON, trains, says when it has, and answers with its
marks: copies of the parameters that were kept on the way and are scored on the test set when the training is over."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.data import Floats, Labels, idx


@dataclass(frozen=True)
class Task:
    """A network of ``networks.NETWORKS``, and everything that makes its training the same in all libraries.

    ``rows`` is a file with the numbers of the training pictures; ``rates`` has the learning rate of every step, and
    ``optimizer`` the same in pellucid's words; ``marks`` are steps, the last of all is one of them; ``began`` is when the
    process was started, which ``race.run`` fills in.
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
    marks: list[int]
    began: float = 0.0

    @classmethod
    def given(cls) -> Task:
        """The one that stands on the standard input."""
        return cls(**json.loads(sys.stdin.read()))

    def pictures(self) -> tuple[tuple[Floats, Labels], tuple[Floats, Labels]]:
        """The training and the test set: (n, 28, 28, 1) from 0 to 1, and the labels."""
        sets = []
        for name, rows in (("train", np.load(self.rows)), ("t10k", slice(None))):
            x = idx(self.data_dir, f"{name}-images-idx3-ubyte")[rows, :, :, None].astype(np.float32)
            x /= 255
            sets.append((x, idx(self.data_dir, f"{name}-labels-idx1-ubyte")[rows].astype(np.int64)))
        return sets[0], sets[1]


class Marks:
    """What was kept on the way. ``after`` each step; then ``score``."""

    def __init__(self, task: Task) -> None:
        self.task, self.kept = task, list[tuple[int, float, Any]]()

    def after(self, step: int, copy: Callable[[], Any]) -> None:
        """Keep what ``copy`` returns, if that step is a mark; when it returns, the step's work must be done."""
        if step not in self.task.marks:
            return
        copied = copy()
        self.kept.append((step, time.time() - self.task.began, copied))
        if step == self.task.marks[-1]:
            print(json.dumps({"seconds": self.kept[-1][1], "core_seconds": time.process_time()}), flush=True)

    def score(self, accuracy: Callable[[Any], float]) -> None:
        """Answer with the accuracy of all that was kept."""
        steps = len(self.task.rates) / self.task.epochs
        marks = [{"epoch": step / steps, "seconds": seconds, "accuracy": accuracy(one)} for step, seconds, one in self.kept]
        print(json.dumps({"marks": marks}))


def shuffled(random: np.random.Generator, samples: int, batch: int) -> list[Any]:
    """The rows of one epoch's batches."""
    order = random.permutation(samples).astype(np.int32)
    return [order[start : start + batch] for start in range(0, samples, batch)]
