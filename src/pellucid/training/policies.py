"""Policies: they wrap the stream of training events to stop early, keep the best parameters or lower the learning rate.

Every policy passes all events on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pellucid.core.config import Config, Count, NonNegative, Range
from pellucid.errors import ConfigError, did_you_mean
from pellucid.metrics import lower_is_better
from pellucid.training.events import EpochEvent, Event, History
from pellucid.training.state import ModelState


class Policy(Config, ABC):
    """The base class of policies. One that ``averages`` replaces the parameters by an average while they are evaluated."""

    averages: ClassVar[bool] = False

    @abstractmethod
    def check(self, *, validated: bool) -> None:
        """Raise ConfigError where the policy cannot work; ``validated`` says whether there is validation data."""

    @abstractmethod
    def wrap(self, events: Generator[Event, None, None], state: ModelState, history: History) -> Generator[Event, None, None]:
        """Yield the same events. A policy stops the training by ending before ``events`` does."""


def check_order(policies: Sequence[Policy]) -> None:
    """Raise ConfigError for an order in which one policy keeps other parameters than those that were evaluated."""
    for k, policy in enumerate(policies):
        if policy.averages and any(isinstance(before, EarlyStopping) for before in policies[:k]):
            raise ConfigError(
                f"EarlyStopping must keep the average, which is what is evaluated: put {type(policy).__name__} before it"
            )
    if sum(policy.averages for policy in policies) > 1:
        raise ConfigError("only one policy can average: choose AverageWeights or StochasticWeightAverage")


def check_monitor(monitor: str, owner: str, validated: bool) -> None:
    """Raise ConfigError where ``monitor`` is a value of the validation set and there is none."""
    if monitor.startswith("validation") and not validated:
        raise ConfigError(f"{owner} monitors {monitor!r}: give fit a validation set, or monitor train_loss")


def monitored(event: EpochEvent, monitor: str, owner: str) -> float:
    """Return the value ``monitor`` of an epoch, with its sign chosen so that higher is better."""
    row = event.row()
    if monitor not in row:
        raise ConfigError(f"{owner} monitors {monitor!r}, which is not computed: {did_you_mean(monitor, row)}")
    return -row[monitor] if lower_is_better(monitor) else row[monitor]


@dataclass(frozen=True)
class EarlyStopping(Policy):
    """Stop when ``monitor`` has not improved by more than ``min_delta`` for ``patience`` epochs.

    With ``restore_best`` the parameters of the best epoch are restored at the end. Losses and errors improve when they fall,
    everything else when it rises. After an interruption the parameters are the last ones.
    """

    patience: Count = 5
    monitor: str = "validation_loss"
    min_delta: NonNegative = 0.0
    restore_best: bool = True

    def check(self, *, validated: bool) -> None:
        check_monitor(self.monitor, "EarlyStopping", validated)

    def wrap(self, events: Generator[Event, None, None], state: ModelState, history: History) -> Generator[Event, None, None]:
        best, waited = -float("inf"), 0
        kept = (state.parameters.copy(), state.statistics.copy())
        for event in events:
            yield event
            if not isinstance(event, EpochEvent):
                continue
            value = monitored(event, self.monitor, "EarlyStopping")
            if value > best + self.min_delta:
                best, waited, history.best_epoch = value, 0, event.epoch
                kept[0][:], kept[1][:] = state.parameters, state.statistics
            else:
                waited += 1
                if waited >= self.patience:
                    break
        events.close()  # policies inside restore their parameters first
        if self.restore_best:
            state.parameters[:], state.statistics[:] = kept


@dataclass(frozen=True)
class ReduceOnPlateau(Policy):
    """Multiply the learning rate by ``factor`` when ``monitor`` has not improved for ``patience`` epochs.

    An improvement is a change by more than ``min_delta``; the count of epochs starts again after each reduction (PyTorch
    waits one epoch more). The rate does not fall below ``lowest``. Losses and errors improve when they fall, everything else
    when it rises. A schedule continues, multiplied by the factors so far. The column ``learning_rate`` of the history shows
    the rate; the factors are dropped at the end of the fit.
    """

    factor: Annotated[float, Range(0, 1, low_open=True, high_open=True)] = 0.1
    patience: Count = 5
    monitor: str = "validation_loss"
    min_delta: NonNegative = 0.0
    lowest: NonNegative = 0.0

    def check(self, *, validated: bool) -> None:
        check_monitor(self.monitor, "ReduceOnPlateau", validated)

    def wrap(self, events: Generator[Event, None, None], state: ModelState, history: History) -> Generator[Event, None, None]:
        best, waited, before = -float("inf"), 0, state.updater.scale
        try:
            for event in events:
                yield event
                if not isinstance(event, EpochEvent):
                    continue
                value = monitored(event, self.monitor, "ReduceOnPlateau")
                if value > best + self.min_delta:
                    best, waited = value, 0
                    continue
                waited += 1
                if waited >= self.patience:
                    waited = 0
                    if event.learning_rate > self.lowest:
                        state.updater.scale *= max(self.factor, self.lowest / event.learning_rate)
        finally:
            state.updater.scale = before
