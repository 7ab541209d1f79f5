"""Schedules: learning rates that change during training.

Every argument named ``learning_rate`` takes a number or a schedule. A schedule computes the rate from a :class:`Clock`: from
the number of epochs done (fractions included), or from the progress of this call of ``fit``, 0 to 1. The rate therefore does
not depend on the batch size.

Progress is 0 in the first update of a fit and 1 in the last: a schedule by progress reaches its last rate. If that is 0, the
last update leaves the parameters as they are.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pellucid.core.config import Config, Count, Fraction, NonNegative, Positive, Range
from pellucid.errors import ConfigError

ROUNDING = 1e-9  # epochs, by which a sum of whole epochs and a fraction may be below a milestone such as 1.36


@dataclass(frozen=True)
class Clock:
    """The point of a training run for which a learning rate is computed.

    ``step`` is the number of the update, counted from 1 over all trainings of the model. ``epoch`` is the number of epochs of
    this ``fit`` that are done before the update, fractions included. ``progress`` rises in equal steps from 0 at the first
    update of this ``fit`` to 1 at the last. It is 0 if there is only one update, and outside of ``fit``. ``updates`` is the
    number of updates of this ``fit``, 0 if it is not known. An update from several accumulated batches counts once.
    """

    step: int
    epoch: float = 0.0
    progress: float = 0.0
    updates: int = 0

    @property
    def middle(self) -> float:
        """The progress in the middle of the update: (i − ½)/n for update i of n, so never 0 or 1."""
        return (self.progress * (self.updates - 1) + 0.5) / self.updates if self.updates else self.progress

    @classmethod
    def of_update(cls, step: int, done: int, updates: int, epochs: int) -> Clock:
        """Return the clock of an update of a fit of ``epochs`` epochs with ``updates`` updates each, after ``done`` updates."""
        epoch, total = done // updates + done % updates / updates, updates * epochs
        return cls(step, epoch, done / max(total - 1, 1), total)


class Schedule(Config, ABC):
    """The base class of schedules.

    A subclass defines ``at``. One that also defines ``peak`` and ``scaled_to`` can be given another learning rate.
    """

    if TYPE_CHECKING:  # OneCycle has a field of this name, and a property here would hide it

        @property
        def peak(self) -> float:
            """The highest learning rate."""

    @abstractmethod
    def at(self, clock: Clock) -> float:
        """Return the learning rate at that point of the training."""

    def outside(self, step: int) -> float:
        """Return the learning rate of an update outside of ``fit``, where there are no epochs and there is no progress.

        By default it is that of the first update of a fit.
        """
        return self.at(Clock(step))

    def scaled_to(self, rate: float) -> Schedule:
        """Return the same schedule with ``rate`` as its peak."""
        raise ConfigError(f"{self} cannot take another learning rate: its class defines no scaled_to(rate)")


class _FromStart(Schedule):
    """A schedule whose peak is its start (unless its settings make it rise: ``factor`` above 1, or ``end`` above ``start``)."""

    if TYPE_CHECKING:
        start: float

    @property
    def peak(self) -> float:
        return self.start

    def scaled_to(self, rate: float) -> Schedule:
        return dataclasses.replace(self, start=rate)  # type: ignore[type-var]  # its subclasses are dataclasses


@dataclass(frozen=True)
class StepDecay(_FromStart):
    """η = start · factor^⌊epoch / every⌋: multiplied by ``factor`` after every ``every`` epochs."""

    start: Positive
    factor: Positive = 0.1
    every: Count = 10

    def at(self, clock: Clock) -> float:
        return self.start * self.factor ** (clock.epoch // self.every)


@dataclass(frozen=True)
class MilestoneDecay(_FromStart):
    """η = start · factor^k after k of the ``milestones``: ``MilestoneDecay(0.1, (30, 60))`` divides the rate by ten after 30
    epochs, and again after 60.

    The milestones are numbers of epochs in rising order, and need not be integers. PyTorch calls this schedule MultiStepLR.
    """

    start: Positive
    milestones: tuple[Positive, ...]
    factor: Positive = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_rising(self.milestones, "MilestoneDecay", "milestones")

    def at(self, clock: Clock) -> float:
        return self.start * self.factor ** _reached(self.milestones, clock)


@dataclass(frozen=True)
class PiecewiseConstant(Schedule):
    """η = rates[k] after k of the ``boundaries``: ``PiecewiseConstant((5, 20), (0.01, 0.1, 0.02))`` has the rate 0.01 for 5
    epochs, then 0.1 until 20 epochs are done, then 0.02.

    The boundaries are numbers of epochs in rising order, and need not be integers. There is one rate more than boundaries.
    """

    boundaries: tuple[Positive, ...]
    rates: tuple[Positive, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_rising(self.boundaries, "PiecewiseConstant", "boundaries")
        if len(self.rates) != len(self.boundaries) + 1:
            raise ConfigError(
                f"PiecewiseConstant needs one rate more than boundaries, got {len(self.rates)} rates and "
                f"{len(self.boundaries)} boundaries: add the rate before the first boundary, or that after the last"
            )

    @property
    def peak(self) -> float:
        return max(self.rates)

    def at(self, clock: Clock) -> float:
        return self.rates[_reached(self.boundaries, clock)]

    def scaled_to(self, rate: float) -> PiecewiseConstant:
        peak = self.peak
        return dataclasses.replace(self, rates=tuple(rate if each == peak else each * (rate / peak) for each in self.rates))


@dataclass(frozen=True)
class Exponential(_FromStart):
    """η = start · factor^epoch: multiplied by ``factor`` over each epoch, a little with every step."""

    start: Positive
    factor: Positive = 0.9

    def at(self, clock: Clock) -> float:
        return self.start * self.factor**clock.epoch


@dataclass(frozen=True)
class InverseTime(_FromStart):
    """η = start/(1 + decay · epoch), for which stochastic gradient descent is proved to converge (Robbins and Monro, 1951)."""

    start: Positive
    decay: NonNegative = 1.0

    def at(self, clock: Clock) -> float:
        return self.start / (1 + self.decay * clock.epoch)


@dataclass(frozen=True)
class Polynomial(_FromStart):
    """η = end + (start − end)(1 − progress)^power: a straight line for power 1."""

    start: Positive
    end: NonNegative = 0.0
    power: Positive = 1.0

    def at(self, clock: Clock) -> float:
        return self.end + (self.start - self.end) * max(0.0, 1 - clock.progress) ** self.power


@dataclass(frozen=True)
class Cosine(_FromStart):
    """η = end + ½ (start − end)(1 + cos π·progress): half a cosine from ``start`` to ``end`` (Loshchilov and Hutter, 2017,
    without restarts)."""

    start: Positive
    end: NonNegative = 0.0

    def at(self, clock: Clock) -> float:
        return _half_cosine(self.start, self.end, clock.progress)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """A rise from peak/25 to ``peak`` during the fraction ``warmup`` of the fit, then a fall to peak/250,000, both along half
    a cosine (Smith and Topin, 2018; the factors are PyTorch's)."""

    peak: Positive
    warmup: Fraction = 0.3

    def at(self, clock: Clock) -> float:
        low, end = self.peak / 25, self.peak / 250_000
        if clock.progress < self.warmup:
            return _half_cosine(low, self.peak, clock.progress / self.warmup)
        return _half_cosine(self.peak, end, (clock.progress - self.warmup) / max(1 - self.warmup, 1e-12))

    def scaled_to(self, rate: float) -> OneCycle:
        return dataclasses.replace(self, peak=rate)


@dataclass(frozen=True)
class CosineCycles(Schedule):
    """η = ½ peak (1 − cos 2πc) with c = log₂(1 + (2ᵏ − 1) progress): rises from 0 to ``peak`` and falls to 0 again, k =
    ``cycles`` times, each time for twice as long (Holzmüller, Grinsztajn and Steinwart, 2024: coslog). The progress is that in
    the middle of an update, so that also the first and the last one change the parameters.

    At the end of each cycle the network has settled, so one training tries several lengths: of k cycles the first ends after
    the fraction 1/(2ᵏ − 1). With the parameters of the best epoch (:class:`~pellucid.training.policies.KeepBest`), a table
    that is learned by heart quickly gets the network of a short training, another one that of the whole.
    """

    peak: Positive
    cycles: Count = 4

    def at(self, clock: Clock) -> float:
        done = math.log2(1 + (2**self.cycles - 1) * min(clock.middle, 1.0))
        return _half_cosine(0.0, self.peak, 2 * (done % 1.0))

    def outside(self, step: int) -> float:
        """Return half the peak, the mean: the first update of a fit has a rate near 0."""
        return self.peak / 2

    def scaled_to(self, rate: float) -> CosineCycles:
        return dataclasses.replace(self, peak=rate)


@dataclass(frozen=True)
class WarmRestarts(_FromStart):
    """η = end + ½ (start − end)(1 + cos π·t/T), where t epochs of a period of T epochs are done (SGDR: Loshchilov and Hutter,
    2017).

    Each period begins at ``start`` again. The first period is ``period`` epochs long, each further one ``factor`` times as
    long as the one before. As in the paper, the rate changes with every step, not only with every epoch. The end of the fit
    may cut off the last period.
    """

    start: Positive
    period: Positive = 10.0
    factor: Annotated[float, Range(1)] = 1.0
    end: NonNegative = 0.0

    def at(self, clock: Clock) -> float:
        done, length = clock.epoch, self.period
        if self.factor == 1:
            done %= length
        while done >= length:
            done -= length
            length *= self.factor
        return _half_cosine(self.start, self.end, done / length)


@dataclass(frozen=True)
class WarmUp(Schedule):
    """η = rate · (0.01 + 0.99 · epoch/epochs) during the first ``epochs`` epochs, then ``rate`` (Goyal et al., 2017).

    ``rate`` is a number or a schedule, as in ``WarmUp(Cosine(0.1), 2)``; the schedule runs on the same clock, from the first
    epoch on, and its peak is that of this schedule. ``epochs`` need not be an integer.
    """

    rate: Positive | Schedule
    epochs: Positive = 1.0

    @property
    def peak(self) -> float:
        return self.rate.peak if isinstance(self.rate, Schedule) else self.rate

    def at(self, clock: Clock) -> float:
        return rate_at(self.rate, clock) * min(1.0, 0.01 + 0.99 * clock.epoch / self.epochs)

    def scaled_to(self, rate: float) -> WarmUp:
        return dataclasses.replace(self, rate=scaled(self.rate, rate))


def rate_at(rate: float | Schedule, clock: Clock) -> float:
    """Return the learning rate at that point of the training: the number itself, or the schedule's rate."""
    return rate.at(clock) if isinstance(rate, Schedule) else rate


def scaled(learning_rate: float | Schedule, rate: float) -> float | Schedule:
    """Return ``rate`` in place of a number, or the schedule with ``rate`` as its peak."""
    return learning_rate.scaled_to(rate) if isinstance(learning_rate, Schedule) else rate


def _check_rising(epochs: tuple[float, ...], owner: str, name: str) -> None:
    """Raise ConfigError if there are no epochs, or if one is not greater than the one before."""
    if not epochs or any(later <= earlier for earlier, later in itertools.pairwise(epochs)):
        raise ConfigError(f"{owner}({name}={epochs}): {name} must be one or more numbers of epochs in rising order: (30, 60)")


def _reached(epochs: tuple[float, ...], clock: Clock) -> int:
    """Return how many of the numbers of epochs, in rising order, are done."""
    return bisect.bisect_right(epochs, clock.epoch + ROUNDING)


def _half_cosine(start: float, end: float, t: float) -> float:
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * t))
