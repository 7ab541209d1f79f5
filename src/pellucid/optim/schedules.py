"""Learning rates that change while training goes on.

Wherever a learning rate is asked for, a number or a schedule may stand. Schedules are functions of the clock: epochs
done (with fractions), or the progress of this call of ``fit`` from 0 to 1; what they return does not depend on the
batch size.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated

from pellucid.core.config import Config, Count, Fraction, NonNegative, Positive, Range


@dataclass(frozen=True)
class Clock:
    """When a step happens: ``step`` counts all updates of the model from 1, ``epoch`` the epochs of this fit that are
    done, with fractions, ``progress`` goes from 0 to 1 over this fit."""

    step: int
    epoch: float = 0.0
    progress: float = 0.0


class Schedule(Config, ABC):
    """The base of all schedules."""

    @abstractmethod
    def at(self, clock: Clock) -> float:
        """The learning rate at that time."""


@dataclass(frozen=True)
class StepDecay(Schedule):
    """η = start · factor^⌊epoch / every⌋: multiplied by ``factor`` every so many epochs."""

    start: Positive
    factor: Positive = 0.1
    every: Count = 10

    def at(self, clock: Clock) -> float:
        return self.start * self.factor ** (clock.epoch // self.every)


@dataclass(frozen=True)
class Exponential(Schedule):
    """η = start · factor^epoch: multiplied by ``factor`` with every epoch, a little with every step."""

    start: Positive
    factor: Positive = 0.9

    def at(self, clock: Clock) -> float:
        return self.start * self.factor**clock.epoch


@dataclass(frozen=True)
class InverseTime(Schedule):
    """η = start/(1 + decay · epoch), under which stochastic descent is shown to converge (Robbins and Monro, 1951)."""

    start: Positive
    decay: NonNegative = 1.0

    def at(self, clock: Clock) -> float:
        return self.start / (1 + self.decay * clock.epoch)


@dataclass(frozen=True)
class Polynomial(Schedule):
    """η = end + (start − end)(1 − progress)^power: a straight line with power 1."""

    start: Positive
    end: NonNegative = 0.0
    power: Positive = 1.0

    def at(self, clock: Clock) -> float:
        return self.end + (self.start - self.end) * max(0.0, 1 - clock.progress) ** self.power


@dataclass(frozen=True)
class Cosine(Schedule):
    """η = end + ½ (start − end)(1 + cos π·progress): half a cosine down (Loshchilov and Hutter, 2017, no restarts)."""

    start: Positive
    end: NonNegative = 0.0

    def at(self, clock: Clock) -> float:
        return _half_cosine(self.start, self.end, clock.progress)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from peak/25 to ``peak`` during the share ``warmup`` of the fit, then down to peak/250,000, both along half a
    cosine (Smith and Topin, 2018; the factors are PyTorch's)."""

    peak: Positive
    warmup: Fraction = 0.3

    def at(self, clock: Clock) -> float:
        low, end = self.peak / 25, self.peak / 250_000
        if clock.progress < self.warmup:
            return _half_cosine(low, self.peak, clock.progress / self.warmup)
        return _half_cosine(self.peak, end, (clock.progress - self.warmup) / max(1 - self.warmup, 1e-12))


@dataclass(frozen=True)
class WarmRestarts(Schedule):
    """η = end + ½ (start − end)(1 + cos π·t/T) in each period, then from the start again (SGDR: Loshchilov and Hutter, 2017):
    t epochs of its T are done. The first period is ``period`` epochs long, each further one ``factor`` times longer. As in
    the paper, the rate follows the steps, not only the epochs; the last period ends with the fit, or is cut off by it."""

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
    """η = rate · (0.01 + 0.99 · epoch/epochs) during the first ``epochs`` (parts of one, too), then ``rate``, a number or a
    schedule: WarmUp(Cosine(0.1), 2). A schedule runs from the beginning, on the same clock (Goyal et al., 2017)."""

    rate: Positive | Schedule
    epochs: Positive = 1.0

    def at(self, clock: Clock) -> float:
        return rate_at(self.rate, clock) * min(1.0, 0.01 + 0.99 * clock.epoch / self.epochs)


def _half_cosine(start: float, end: float, t: float) -> float:
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * t))


def rate_at(rate: float | Schedule, clock: Clock) -> float:
    """The number itself, or what the schedule says."""
    return rate.at(clock) if isinstance(rate, Schedule) else rate
