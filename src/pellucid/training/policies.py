"""Policies: what wraps the stream of events, to stop early, keep the best or slow down. Each passes every event on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pellucid.core.config import Config, Count, NonNegative, Range
from pellucid.errors import ConfigError, did_you_mean
from pellucid.metrics import falls
from pellucid.training.events import EpochEvent, Event, History
from pellucid.training.parts import Parts


class Policy(Config, ABC):
    """The base of policies. One that ``averages`` puts an average in the parameters' place while they are scored."""

    averages: ClassVar[bool] = False

    @abstractmethod
    def check(self, *, validated: bool) -> None:
        """Refuses, before training begins, what cannot work; ``validated`` says whether there is validation data."""

    @abstractmethod
    def wrap(self, events: Generator[Event, None, None], parts: Parts, history: History) -> Generator[Event, None, None]:
        """The same events; ends earlier where it wants to stop."""


def in_order(policies: Sequence[Policy]) -> None:
    """Refuses an order in which what one policy keeps is not what the other has scored."""
    for k, policy in enumerate(policies):
        if policy.averages and any(isinstance(before, EarlyStopping) for before in policies[:k]):
            raise ConfigError(f"EarlyStopping keeps what was scored, the average: put {type(policy).__name__} before it")
    if sum(policy.averages for policy in policies) > 1:
        raise ConfigError("one average at a time: give fit AverageWeights or StochasticWeightAverage")


def watchable(monitor: str, owner: str, validated: bool) -> None:
    """Refuses to watch the validation set where there is none."""
    if monitor.startswith("validation") and not validated:
        raise ConfigError(f"{owner} watches {monitor!r}: give fit a validation set, or watch train_loss")


def watched(event: EpochEvent, monitor: str, owner: str) -> float:
    """The figure ``monitor`` of that epoch, with a sign that makes better higher."""
    row = event.row()
    if monitor not in row:
        raise ConfigError(f"{owner} watches {monitor!r}, which is not measured: {did_you_mean(monitor, row)}")
    return -row[monitor] if falls(monitor) else row[monitor]


@dataclass(frozen=True)
class EarlyStopping(Policy):
    """Stops when ``monitor`` has not improved by more than ``min_delta`` for ``patience`` epochs, and puts back the
    parameters of the best epoch. Losses and errors are to fall, everything else is to rise. After an interruption the
    parameters are left as they are."""

    patience: Count = 5
    monitor: str = "validation_loss"
    min_delta: NonNegative = 0.0
    restore_best: bool = True

    def check(self, *, validated: bool) -> None:
        watchable(self.monitor, "EarlyStopping", validated)

    def wrap(self, events: Generator[Event, None, None], parts: Parts, history: History) -> Generator[Event, None, None]:
        best, waited = -float("inf"), 0
        kept = (parts.theta.copy(), parts.state.copy())
        for event in events:
            yield event
            if not isinstance(event, EpochEvent):
                continue
            value = watched(event, self.monitor, "EarlyStopping")
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
class ReduceOnPlateau(Policy):
    """Multiplies the learning rate by ``factor`` whenever ``monitor`` has not improved by more than ``min_delta`` for
    ``patience`` epochs (PyTorch waits one more), down to ``lowest``; the wait begins anew each time. Losses and errors are to
    fall, everything else is to rise. A schedule goes on, times the factors so far. The history's ``learning_rate`` shows the
    rate; the factors end with the fit."""

    factor: Annotated[float, Range(0, 1, low_open=True, high_open=True)] = 0.1
    patience: Count = 5
    monitor: str = "validation_loss"
    min_delta: NonNegative = 0.0
    lowest: NonNegative = 0.0

    def check(self, *, validated: bool) -> None:
        watchable(self.monitor, "ReduceOnPlateau", validated)

    def wrap(self, events: Generator[Event, None, None], parts: Parts, history: History) -> Generator[Event, None, None]:
        best, waited, before = -float("inf"), 0, parts.updater.scale
        try:
            for event in events:
                yield event
                if not isinstance(event, EpochEvent):
                    continue
                value = watched(event, self.monitor, "ReduceOnPlateau")
                if value > best + self.min_delta:
                    best, waited = value, 0
                    continue
                waited += 1
                if waited >= self.patience:
                    waited = 0
                    if event.learning_rate > self.lowest:
                        parts.updater.scale *= max(self.factor, self.lowest / event.learning_rate)
        finally:
            parts.updater.scale = before
