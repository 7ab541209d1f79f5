"""Policies: what wraps the stream of events, to stop early or to keep the best. Each passes every event on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from pellucid.config import Config, Count, NonNegative
from pellucid.errors import ConfigError, did_you_mean
from pellucid.training.events import EpochEvent, Event, History
from pellucid.training.parts import Parts


class Policy(Config, ABC):
    """The base of policies."""

    @abstractmethod
    def check(self, *, validated: bool) -> None:
        """Refuses, before training begins, what cannot work; ``validated`` says whether there is validation data."""

    @abstractmethod
    def wrap(self, events: Iterator[Event], parts: Parts, history: History) -> Iterator[Event]:
        """The same events; ends earlier where it wants to stop."""


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

    def wrap(self, events: Iterator[Event], parts: Parts, history: History) -> Iterator[Event]:
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
        if self.restore_best:
            parts.theta[:], parts.state[:] = kept
