"""Learning rates that change while training goes on.

Wherever a learning rate is asked for, a number or a schedule may stand. Schedules are functions of the clock: epochs
done (with fractions), or the progress of this call of ``fit`` from 0 to 1; what they return does not depend on the
batch size.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from pellucid.config import Config, Count, Fraction, NonNegative, Positive


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
class Constant(Schedule):
    """η: the same as writing the number itself."""

    rate: Positive

    def at(self, clock: Clock) -> float:
        return self.rate


@dataclass(frozen=True)
class StepDecay(Schedule):
    """η = start · factor^⌊epoch / every⌋: multiplied by ``factor`` every so many epochs."""

    start: Positive
    factor: Positive = 0.1
    every: Count = 10

    def at(self, clock: Clock) -> float:
        return self.start * self.factor ** (clock.epoch // self.every)


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


def _half_cosine(start: float, end: float, t: float) -> float:
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * t))


def rate_at(rate: float | Schedule, clock: Clock) -> float:
    """The number itself, or what the schedule says."""
    return rate.at(clock) if isinstance(rate, Schedule) else rate
