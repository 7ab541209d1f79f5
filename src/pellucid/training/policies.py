"""Policies: what wraps the stream of events, to stop early or to keep the best. Each passes every event on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.config import Config, Count, FractionBelowOne, NonNegative
from pellucid.errors import ConfigError, did_you_mean
from pellucid.training.events import EpochEvent, Event, History, StepEvent
from pellucid.training.parts import Parts


class Policy(Config, ABC):
    """The base of policies."""

    @abstractmethod
    def check(self, *, validated: bool) -> None:
        """Refuses, before training begins, what cannot work; ``validated`` says whether there is validation data."""

    @abstractmethod
    def wrap(self, events: Generator[Event, None, None], parts: Parts, history: History) -> Generator[Event, None, None]:
        """The same events; ends earlier where it wants to stop."""


def in_order(policies: Sequence[Policy]) -> None:
    """Refuses an order in which what one policy keeps is not what the other has scored."""
    kinds = [type(policy) for policy in policies]
    if AverageWeights in kinds and EarlyStopping in kinds[: kinds.index(AverageWeights)]:
        raise ConfigError("EarlyStopping keeps what was scored, the average: put AverageWeights before it")


@dataclass(frozen=True)
class EarlyStopping(Policy):
    """Stops when ``monitor`` has not improved by more than ``min_delta`` for ``patience`` epochs, and puts back the
    parameters of the best epoch. Losses are to fall, everything else is to rise. After an interruption the
    parameters are left as they are."""

    patience: Count = 5
    monitor: str = "validation_loss"
    min_delta: NonNegative = 0.0
    restore_best: bool = True

    def check(self, *, validated: bool) -> None:
        if self.monitor.startswith("validation") and not validated:
            raise ConfigError(f"EarlyStopping watches {self.monitor!r}: give fit a validation set, or watch train_loss")

    def wrap(self, events: Generator[Event, None, None], parts: Parts, history: History) -> Generator[Event, None, None]:
        sign = -1.0 if self.monitor.endswith("loss") else 1.0
        best, waited = -float("inf"), 0
        kept = (parts.theta.copy(), parts.state.copy())
        for event in events:
            yield event
            if not isinstance(event, EpochEvent):
                continue
            row = event.row()
            if self.monitor not in row:
                known = did_you_mean(self.monitor, row)
                raise ConfigError(f"EarlyStopping watches {self.monitor!r}, which is not measured: {known}")
            value = sign * row[self.monitor]
            if value > best + self.min_delta:
                best, waited, history.best_epoch = value, 0, event.epoch
                kept[0][:], kept[1][:] = parts.theta, parts.state
            else:
                waited += 1
                if waited >= self.patience:
                    break
        events.close()  # what is inside puts its parameters in order first
        if self.restore_best:
            parts.theta[:], parts.state[:] = kept


@dataclass(frozen=True)
class AverageWeights(Policy):
    """Scores, and leaves at the end, a running average of the parameters instead of the last ones (Polyak and Juditsky, 1992;
    with this weighting also "EMA"): after each step θ̄ ← d θ̄ + (1 − d) θ, with d = ``decay``, but at first
    (1 + t)/(10 + t), so that the beginning is forgotten. Running statistics are averaged alike. Validation scores are
    those of the average; training goes on with θ. After an interruption the parameters are θ."""

    decay: FractionBelowOne = 0.99

    def check(self, *, validated: bool) -> None:
        return

    def wrap(self, events: Generator[Event, None, None], parts: Parts, history: History) -> Generator[Event, None, None]:
        pairs = [(vector, vector.copy(), np.empty_like(vector)) for vector in (parts.theta, parts.state)]
        steps, swapped = 0, False

        def swap() -> None:
            for vector, average, spare in pairs:
                spare[:], vector[:] = vector, average
                average[:] = spare

        try:
            for event in events:
                if isinstance(event, StepEvent):
                    steps += 1
                    rest = 1 - min(self.decay, (1 + steps) / (10 + steps))
                    for vector, average, spare in pairs:
                        np.subtract(vector, average, out=spare)
                        spare *= np.float32(rest)
                        average += spare
                yield event
                if isinstance(event, StepEvent) and event.batch == event.batches:  # what is scored now is the average
                    swap()
                    swapped = True
                elif swapped:
                    swap()
                    swapped = False
        finally:
            if swapped:
                swap()
        for vector, average, _ in pairs:
            vector[:] = average
