"""Averages of the parameters over the steps of a training, which often generalize better than the last parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Count, FractionBelowOne
from pellucid.core.memory import Array
from pellucid.training.events import History, StepEvent
from pellucid.training.policies import Events, Memory, Policy
from pellucid.training.state import ModelState

PIECE = 1 << 16  # elements of the vectors that are changed together: a whole vector more would take as much as the parameters


@dataclass(frozen=True)
class AverageWeights(Policy):
    """Evaluate an exponential moving average of the parameters, and keep it at the end (Polyak and Juditsky, 1992; "EMA").

    After each step t, θ̄ ← d θ̄ + (1 − d) θ with d = ``decay``, or d = (1 + t)/(10 + t) while that is smaller, so that the
    initial parameters are forgotten. Running statistics are averaged the same way. Training continues with θ, and
    where it fails, or its generator is closed, the parameters are θ.
    """

    decay: FractionBelowOne = 0.99
    averages: ClassVar[bool] = True

    def wrap(self, events: Events, state: ModelState, history: History, memory: Memory) -> Events:
        memory.setdefault("steps", 0)

        def weight(event: StepEvent) -> float:
            memory["steps"] += 1
            return 1 - min(self.decay, (1 + memory["steps"]) / (10 + memory["steps"]))

        return _averaged(events, state, weight, memory)


@dataclass(frozen=True)
class StochasticWeightAverage(Policy):
    """Evaluate the mean of the parameters of several epochs, and keep it at the end ("SWA", Izmailov et al., 2018).

    The mean is over the parameters at the end of epoch ``start`` and of every ``every``-th epoch after it. In a fit that ends
    before epoch ``start``, nothing is averaged. It works best with a learning rate that stays high: a constant one, or
    warm restarts.

    Running statistics are averaged the same way, with equal weights (PyTorch's ``update_bn`` computes them again over the
    training set instead): those of each epoch belong to the parameters of that epoch.

    Training continues with θ, and where it fails, or its generator is closed, the parameters are θ.
    """

    start: Count = 1
    every: Count = 1
    averages: ClassVar[bool] = True

    def wrap(self, events: Events, state: ModelState, history: History, memory: Memory) -> Events:
        def weight(event: StepEvent) -> float:
            since = event.epoch - self.start
            if since < 0 or since % self.every or event.batch < event.batches:
                return 0.0
            return 1 / (since // self.every + 1)

        return _averaged(events, state, weight, memory)


def _averaged(events: Events, state: ModelState, weight: Callable[[StepEvent], float], memory: Memory) -> Events:
    """Yield the same events, and move the average towards θ by the fraction ``weight(event)`` of the distance in each step.

    After its first update, the average replaces the parameters during the evaluation after each epoch, and at the end.
    ``memory`` holds the averages, which are θ while they are swapped.
    """
    vectors = {"parameters": state.parameters, "statistics": state.statistics}
    averages: dict[str, Array] = memory.setdefault("averages", {name: one.copy() for name, one in vectors.items()})
    pieces = [piece for name, vector in vectors.items() for piece in _pieces(vector, averages[name])]
    memory.setdefault("begun", False)
    memory.setdefault("swapped", False)

    def swap() -> None:
        for vector, average, spare in pieces:
            spare[:], vector[:] = vector, average
            average[:] = spare
        memory["swapped"] = not memory["swapped"]

    try:
        for event in events:
            if isinstance(event, StepEvent):
                fraction = weight(event)
                if fraction > 0:
                    memory["begun"] = True
                    for vector, average, spare in pieces:
                        np.subtract(vector, average, out=spare)
                        spare *= np.float32(fraction)
                        average += spare
            yield event
            evaluation_follows = isinstance(event, StepEvent) and event.batch == event.batches
            if memory["swapped"] != (evaluation_follows and memory["begun"]):
                swap()
    finally:
        if memory["swapped"]:
            swap()
    if memory["begun"]:
        for vector, average, _ in pieces:
            vector[:] = average


def _pieces(vector: Array, average: Array) -> list[tuple[Array, Array, Array]]:
    """Return the pieces of both vectors, each with memory of the same size, which all pieces share."""
    spare = np.empty_like(vector[:PIECE])
    parts = [slice(start, start + PIECE) for start in range(0, len(vector), PIECE)]
    return [(vector[part], average[part], spare[: len(vector[part])]) for part in parts]
