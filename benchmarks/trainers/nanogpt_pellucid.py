"""Pellucid with ``train_on_batch``: the training of ``benchmarks.nanogpt``."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.contenders.transformer.pellucid import build_model
from benchmarks.nanogpt import SIZE, consecutive_windows, drawn_windows, rate, read_tokens
from pellucid.optim import Clock
from pellucid.optim.schedules import Schedule


@dataclass(frozen=True)
class NanoGPTRate(Schedule):
    """The learning rate of ``benchmarks.nanogpt``, by the number of the step."""

    highest: float
    steps: int

    def at(self, clock: Clock) -> float:
        return rate(clock.step - 1, self.highest, self.steps)


def main() -> None:
    """Train, and print the loss on the validation part and the seconds of the training."""
    task = json.loads(sys.argv[1])
    train, validation = read_tokens(task["data_dir"])
    rates = NanoGPTRate(task["rate"], task["steps"])
    build_model(SIZE, 0, rates).train_on_batch(*drawn_windows(train, np.random.default_rng(0)))  # compiles
    model, rng = build_model(SIZE, task["seed"], rates), np.random.default_rng(task["seed"])
    began = time.perf_counter()
    for _ in range(task["steps"]):
        model.train_on_batch(*drawn_windows(train, rng))
    seconds = time.perf_counter() - began
    x, y = consecutive_windows(validation)
    print(json.dumps({"loss": model.evaluate(x, y)["loss"], "seconds": seconds}))


if __name__ == "__main__":
    main()
