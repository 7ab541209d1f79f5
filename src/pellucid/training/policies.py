"""Policies, which wrap the events of a training: to stop it early, keep the best parameters or lower the learning rate.

A policy is a generator around the generator of events: it yields every event, and acts before and after.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.core.config import Config, Count, NonNegative, OpenFraction, Positive
from pellucid.core.plain_values import fits
from pellucid.errors import CheckpointError, ConfigError, did_you_mean
from pellucid.metrics import Metric, lower_is_better
from pellucid.training import ranks
from pellucid.training.events import EpochEvent, Event, History
from pellucid.training.state import ModelState

Events = Generator[Event, None, None]


class Memory(dict[str, Any]):
    """What a policy remembers: a dictionary, empty in a new training, and read from a checkpoint in one that is resumed.

    ``setdefault(name, value)`` declares what it holds: raises CheckpointError where the checkpoint has a value of another kind
    (:func:`~pellucid.core.plain_values.fits`).
    """

    def setdefault(self, name: str, default: Any = None, /) -> Any:
        if name in self and not fits(self[name], default):
            raise CheckpointError(
                f"the checkpoint has {str(self[name])[:60]} as the {name!r} that a policy remembers, instead of a value like "
                f"{str(default)[:60]}: it is damaged, or of another version of this policy; delete it to start anew"
            )
        return super().setdefault(name, default)


class Policy(Config, ABC):
    """The base class of policies.

    ``averages`` is True for a policy that has an average of the parameters evaluated, instead of the parameters themselves.
    """

    averages: ClassVar[bool] = False

    def check(self, *, validated: bool) -> None:
        """Raise ConfigError where the policy cannot work; the default accepts everything.

        ``validated`` is true if there is a validation set.
        """

    @abstractmethod
    def wrap(self, events: Events, state: ModelState, history: History, memory: Memory) -> Events:
        """Yield the same events. A policy stops the training by returning before ``events`` has ended.

        ``history`` is the history so far. ``memory`` is a dictionary for all that the policy has to remember from one event to
        the next: numbers, strings, arrays, and lists and dictionaries of them. It is empty in a new training, and
        ``memory.setdefault(name, value)`` gives it its first values. A checkpoint
        stores it when the policy requests the next event, and a resumed training begins with it. So, what is put into local
        variables is lost. If the training fails or the generator is closed, a ``finally`` block can restore what the policy has
        changed.
        """


def check_order(policies: Sequence[Policy]) -> None:
    """Raise ConfigError where a policy would keep parameters that are not the ones evaluated."""
    for k, policy in enumerate(policies):
        keeper = next((before for before in policies[:k] if isinstance(before, (EarlyStopping, KeepBest))), None)
        if policy.averages and keeper is not None:
            raise ConfigError(
                f"{type(keeper).__name__} must keep the average, which is what is evaluated: put "
                f"{type(policy).__name__} before it"
            )
        if isinstance(policy, TimeBudget) and (keeper is not None or any(before.averages for before in policies[:k])):
            other = keeper or next(before for before in policies[:k] if before.averages)
            raise ConfigError(
                f"{type(other).__name__} must see the end of the training, to set its parameters: put TimeBudget before it"
            )
    if sum(policy.averages for policy in policies) > 1:
        raise ConfigError("only one policy can average: choose AverageWeights or StochasticWeightAverage")


def _check_monitor(policy: Monitoring, validated: bool) -> None:
    """Raise ConfigError where the policy monitors a value of the validation set and there is none."""
    if policy.monitor.startswith("validation") and not validated:
        raise ConfigError(
            f"{type(policy).__name__} monitors {policy.monitor!r}: give fit a validation set, or monitor train_loss"
        )


def check_monitors(policies: Sequence[Policy], columns: Collection[str]) -> None:
    """Raise ConfigError where a policy monitors a value that will not be one of the ``columns`` of the history.

    An entry of a metric whose number of entries is known only after the first batch is checked after the first epoch.
    """
    for policy in policies:
        if isinstance(policy, (EarlyStopping, KeepBest, ReduceOnPlateau)):
            name, _, entry = policy.monitor.rpartition("_")
            if not (entry.isdigit() and name in columns):
                _check_computed(policy, columns)


def _check_computed(policy: Monitoring, columns: Collection[str]) -> None:
    """Raise ConfigError unless the value that the policy monitors is one of the ``columns`` of the history."""
    if policy.monitor not in columns:
        owner, monitor = type(policy).__name__, policy.monitor
        renamed = re.sub("^val_", "validation_", monitor)  # as Keras calls it
        hint = f"did you mean {renamed!r}?" if renamed in columns else did_you_mean(monitor, columns)
        if renamed.startswith("validation_") and not any(column.startswith("validation_") for column in columns):
            hint = "it needs validation data: fit(..., validation=(x, y))"
        raise ConfigError(f"{owner} monitors {monitor!r}, which is not computed: {hint}")


class _Plateau:
    """The number of ``epochs`` since the value that a policy monitors last improved by more than its ``min_delta``.

    The number and the best value are in the ``memory`` of the policy.
    """

    def __init__(self, policy: Monitoring, metrics: Mapping[str, Metric], memory: Memory):
        self.policy, self.memory = policy, memory
        self._lower_is_better = _lower_is_better(policy.monitor, metrics)
        memory.setdefault("epochs", 0)
        memory.setdefault("best", -float("inf"))  # with the sign chosen so that higher is better

    @property
    def epochs(self) -> int:
        """The number of epochs since the last improvement."""
        return int(self.memory["epochs"])

    def restart(self) -> None:
        """Count the epochs from 0 again."""
        self.memory["epochs"] = 0

    def improved(self, event: EpochEvent) -> bool:
        """Count one more epoch, and return whether its value is an improvement. Raises ConfigError for an unknown value."""
        monitor, row = self.policy.monitor, event.row()
        _check_computed(self.policy, row)
        value = -row[monitor] if self._lower_is_better else row[monitor]
        if value > self.memory["best"] + self.policy.min_delta:
            self.memory.update(best=value, epochs=0)
            return True
        self.memory["epochs"] += 1
        return False

    def restore_best(self, state: ModelState, history: History) -> None:
        """Give the model the best parameters. If no epoch has had a value, it keeps the last ones, and ``history`` says so."""
        if self.memory["best"] > -float("inf"):
            state.parameters[:], state.statistics[:] = self.memory["parameters"], self.memory["statistics"]
        elif self.epochs:
            history.problems.append(
                f"{self.policy.monitor} is not a finite number after any epoch, so none is the best one: "
                f"{type(self.policy).__name__} keeps the last parameters"
            )


def _lower_is_better(column: str, metrics: Mapping[str, Metric]) -> bool:
    """Return whether lower values of a column of the history, the value of a metric or an entry of it, are better."""
    name = column.partition("_")[2]  # without "train" or "validation"
    for score, metric in metrics.items():
        entry = name.removeprefix(f"{score}_")
        if name == score or (entry != name and entry.isdigit()):
            return metric.lower_is_better
    return lower_is_better(column)


@dataclass(frozen=True)
class EarlyStopping(Policy):
    """Stop when ``monitor`` has not improved by more than ``min_delta`` for ``patience`` epochs.

    With ``restore_best`` the parameters of the best epoch are restored at the end. Losses, and metrics whose
    ``lower_is_better`` is true, improve when they fall, everything else when it rises. Where
    the training fails, or its generator is closed, or the value is NaN after every epoch, the parameters are the last ones.
    """

    patience: Count = 5
    monitor: str = "validation_loss"
    min_delta: NonNegative = 0.0
    restore_best: bool = True

    def check(self, *, validated: bool) -> None:
        _check_monitor(self, validated)

    def wrap(self, events: Events, state: ModelState, history: History, memory: Memory) -> Events:
        plateau = _Plateau(self, state.scored_metrics(), memory)
        if self.restore_best:
            memory.setdefault("parameters", state.parameters.copy())
            memory.setdefault("statistics", state.statistics.copy())
        for event in events:
            yield event
            if not isinstance(event, EpochEvent):
                continue
            if plateau.improved(event):
                history.best_epoch = event.epoch
                if self.restore_best:
                    memory["parameters"][:], memory["statistics"][:] = state.parameters, state.statistics
            elif plateau.epochs >= self.patience:
                history.stopped = f"{self.monitor} has not improved by more than {self.min_delta:g} for {self.patience} epochs"
                break
        events.close()  # before the best parameters are restored: policies inside this one may also restore some
        if self.restore_best:
            plateau.restore_best(state, history)


@dataclass(frozen=True)
class KeepBest(Policy):
    """Train for all epochs, and restore the parameters of the one with the best ``monitor`` at the end.

    Unlike :class:`EarlyStopping` it lets a schedule reach its end, such as the last of several cycles
    (:class:`~pellucid.optim.CosineCycles`). Losses, and metrics whose ``lower_is_better`` is true, are best where they are
    lowest, everything else where it is highest; of equal epochs the first counts. Where the training fails, or its generator is
    closed, or the value is NaN after every epoch, the parameters are the last ones.
    """

    monitor: str = "validation_loss"
    min_delta: ClassVar[float] = 0.0

    def check(self, *, validated: bool) -> None:
        _check_monitor(self, validated)

    def wrap(self, events: Events, state: ModelState, history: History, memory: Memory) -> Events:
        plateau = _Plateau(self, state.scored_metrics(), memory)
        memory.setdefault("parameters", state.parameters.copy())
        memory.setdefault("statistics", state.statistics.copy())
        for event in events:
            yield event
            if isinstance(event, EpochEvent) and plateau.improved(event):
                history.best_epoch = event.epoch
                memory["parameters"][:], memory["statistics"][:] = state.parameters, state.statistics
        plateau.restore_best(state, history)


@dataclass(frozen=True)
class TimeBudget(Policy):
    """Stop at the end of an epoch, where the next one would end later than ``seconds`` after the start of the training.

    The next epoch, with its validation, is expected to take as long as the last one. At least one epoch is trained, and in a
    training that is resumed the seconds of all its processes count. The number of epochs depends on the speed of the machine,
    so the results of a training that the budget has cut cannot be repeated bit for bit, and a schedule of the learning rate
    does not reach its end. Policies that keep or average parameters come after this one.
    """

    seconds: Positive

    def wrap(self, events: Events, state: ModelState, history: History, memory: Memory) -> Events:
        memory.setdefault("seconds", 0.0)
        last, epoch = time.perf_counter(), -1.0
        for event in events:
            yield event
            now = time.perf_counter()
            memory["seconds"] += now - last
            epoch = 0.0 if epoch < 0 else epoch + now - last  # the first step, which may load the kernels, is no measure
            last = now
            if isinstance(event, EpochEvent):
                is_over, epoch = not event.is_last and memory["seconds"] + epoch > self.seconds, 0.0
                # The clocks of several ranks differ, and all of them must stop after the same epoch.
                if ranks.current().gather(is_over)[0]:
                    count = f"{event.epoch} epoch{'s' * (event.epoch != 1)}"
                    history.stopped = f"the time budget of {self.seconds:g} s has no room for another epoch after {count}"
                    break


@dataclass(frozen=True)
class ReduceOnPlateau(Policy):
    """Multiply the learning rate by ``factor`` when ``monitor`` has not improved for ``patience`` epochs.

    An improvement is a change for the better by more than ``min_delta``; the count of epochs starts again after each reduction
    (PyTorch waits one epoch longer). Losses, and metrics whose ``lower_is_better`` is true, improve when they fall, everything
    else when it rises. A reduction does not take the rate below ``lowest``. A schedule continues, multiplied by the factors so
    far, and may go below it. The column ``learning_rate`` of the history holds the rate of each epoch. The next training starts
    with the full rate again.
    """

    factor: OpenFraction = 0.1
    patience: Count = 5
    monitor: str = "validation_loss"
    min_delta: NonNegative = 0.0
    lowest: NonNegative = 0.0

    def check(self, *, validated: bool) -> None:
        _check_monitor(self, validated)

    def wrap(self, events: Events, state: ModelState, history: History, memory: Memory) -> Events:
        plateau = _Plateau(self, state.scored_metrics(), memory)
        original_scale = memory.setdefault("original_scale", state.updater.scale)
        try:
            for event in events:
                yield event
                if not isinstance(event, EpochEvent):
                    continue
                if not plateau.improved(event) and plateau.epochs >= self.patience:
                    plateau.restart()
                    if event.learning_rate > self.lowest:
                        state.updater.scale *= max(self.factor, self.lowest / event.learning_rate)
        finally:
            state.updater.scale = original_scale


Monitoring = EarlyStopping | KeepBest | ReduceOnPlateau
