"""Averages of the parameters, which are scored and left in their place: they lie flatter, and are often better."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Count, FractionBelowOne
from pellucid.training.events import Event, History, StepEvent
from pellucid.training.parts import Parts
from pellucid.training.policies import Policy


@dataclass(frozen=True)
class AverageWeights(Policy):
    """Scores, and leaves at the end, a running average of the parameters instead of the last ones (Polyak and Juditsky, 1992;
    with this weighting also "EMA"): after each step θ̄ ← d θ̄ + (1 − d) θ, with d = ``decay``, but at first
    (1 + t)/(10 + t), so that the beginning is forgotten. Running statistics are averaged alike. Validation scores are
    those of the average; training goes on with θ. After an interruption the parameters are θ."""

    decay: FractionBelowOne = 0.99
    averages: ClassVar[bool] = True

    def check(self, *, validated: bool) -> None:
        return

    def wrap(self, events: Generator[Event, None, None], parts: Parts, history: History) -> Generator[Event, None, None]:
        steps = 0

        def share(event: StepEvent) -> float:
            nonlocal steps
            steps += 1
            return 1 - min(self.decay, (1 + steps) / (10 + steps))

        return _averaged(events, parts, share)


@dataclass(frozen=True)
class StochasticWeightAverage(Policy):
    """Scores, and leaves at the end, the plain mean of the parameters as they were at the end of epoch ``start`` and of each
    ``every``-th epoch after it ("SWA", Izmailov et al., 2018). Before that, and in a fit that ends sooner, nothing is
    averaged. It wants a rate that stays high, constant or with warm restarts. Running statistics are averaged alike, with
    equal weights (PyTorch's ``update_bn`` takes them anew over the training set instead): each is the mean of its layer's
    inputs under the weights of its epoch. Validation scores are those of the average; training goes on with θ. After an
    interruption the parameters are θ."""

    start: Count = 1
    every: Count = 1
    averages: ClassVar[bool] = True

    def check(self, *, validated: bool) -> None:
        return

    def wrap(self, events: Generator[Event, None, None], parts: Parts, history: History) -> Generator[Event, None, None]:
        def share(event: StepEvent) -> float:
            since = event.epoch - self.start
            if since < 0 or since % self.every or event.batch < event.batches:
                return 0.0
            return 1 / (since // self.every + 1)

        return _averaged(events, parts, share)


def _averaged(
    events: Generator[Event, None, None], parts: Parts, share: Callable[[StepEvent], float]
) -> Generator[Event, None, None]:
    """The same events. After each step the average takes up ``share`` of the parameters; from the first time on it stands in
    their place while an epoch's end is scored, and when all is over."""
    pairs = [(vector, vector.copy(), np.empty_like(vector)) for vector in (parts.theta, parts.state)]
    begun = swapped = False

    def swap() -> None:
        for vector, average, spare in pairs:
            spare[:], vector[:] = vector, average
            average[:] = spare

    try:
        for event in events:
            if isinstance(event, StepEvent):
                rest = share(event)
                if rest > 0:
                    begun = True
                    for vector, average, spare in pairs:
                        np.subtract(vector, average, out=spare)
                        spare *= np.float32(rest)
                        average += spare
            yield event
            if isinstance(event, StepEvent) and event.batch == event.batches and begun:  # what is scored now is the average
                swap()
                swapped = True
            elif swapped:
                swap()
                swapped = False
    finally:
        if swapped:
            swap()
    if begun:
        for vector, average, _ in pairs:
            vector[:] = average
