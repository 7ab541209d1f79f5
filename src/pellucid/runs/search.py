"""Strategies of a sweep: which of its combinations are trained, and for which share of their epochs.

:class:`Exhaustive` trains all of them to the end. :class:`Halving` trains all for a small share of the epochs, keeps the best
third, trains those on, and so on (Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter
optimization", 2016; with a factor of 3 as in Li et al., "Hyperband", 2017). ``optuna_search.py`` has that of Optuna.

A strategy decides by the validation scores of :class:`Trials` alone, in the order of the combinations, and only when all cells
of a round are trained. So the same command makes the same choices, however many processes train, and also if it was
interrupted: except where a time budget has cut the search.
"""

from __future__ import annotations

import fractions
import math
import statistics
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from pellucid.core.config import Count, validate
from pellucid.errors import ConfigError

Combination = tuple[Any, ...]  # one value of each setting


class Standing(NamedTuple):
    """The validation score of a training, or the mean of several, and the loss, which decides between equal scores.

    A score that is missing, such as R² where all targets of the validation set are equal, is −∞, and the loss alone decides.
    One that has diverged has no loss either.
    """

    score: float
    loss: float

    @property
    def key(self) -> tuple[float, float]:
        """What standings are sorted by, the best one first."""
        return -self.score, self.loss

    @property
    def is_known(self) -> bool:
        """Whether there is a score or at least a loss."""
        return self.score > -math.inf or self.loss < math.inf

    @property
    def value(self) -> float:
        """One number, which is higher for a better training of the same sweep: the score, or without it the negative loss."""
        return self.score if self.score > -math.inf else -self.loss

    @classmethod
    def of(cls, score: float | None, loss: float | None) -> Standing:
        """Return the standing of a training; numbers that are missing or not finite are the worst."""
        finite = score is not None and math.isfinite(score)
        return cls(score if finite and score is not None else -math.inf, math.inf if loss is None or math.isnan(loss) else loss)

    @classmethod
    def mean(cls, standings: Sequence[Standing]) -> Standing:
        return cls(statistics.fmean(one.score for one in standings), statistics.fmean(one.loss for one in standings))


class Trials(ABC):
    """The combinations of a sweep, as a strategy trains and compares them."""

    @property
    @abstractmethod
    def combinations(self) -> Sequence[Combination]:
        """The combinations, in the order of the grid."""

    @property
    @abstractmethod
    def out_of_time(self) -> bool:
        """Whether the time budget is used up, or has no room for a training that was asked for."""

    @abstractmethod
    def train(self, combinations: Sequence[Combination], share: float = 1.0) -> None:
        """Train these combinations, with all seeds, until a ``share`` of their epochs is done.

        A training that was stopped before goes on from there.
        """

    @abstractmethod
    def standing(self, combination: Combination, share: float = 1.0) -> Standing | None:
        """Return the mean over the seeds after a share of the epochs, or None if one of them is missing."""

    @abstractmethod
    def say(self, line: str) -> None:
        """Show a line to the user."""


class Strategy(ABC):
    """The base class of strategies."""

    name: ClassVar[str]

    @abstractmethod
    def search(self, trials: Trials) -> None:
        """Train those combinations that the strategy chooses."""


@dataclass(frozen=True)
class Exhaustive(Strategy):
    """Train all combinations to the end."""

    name: ClassVar[str] = "grid"

    def search(self, trials: Trials) -> None:
        trials.train(trials.combinations)


@dataclass(frozen=True)
class Halving(Strategy):
    """Successive halving: train all combinations for a small share of their epochs, and of each rung the best 1/``factor`` on.

    The last rung, which is trained to the end, has ``keep`` combinations. The shares are such that each rung trains for
    ``factor`` times as long as the one before, and for at least one epoch. A training goes on from its checkpoint with the
    schedule of its whole training, so that a winner is the same network as without halving; what a rung compares is therefore
    the beginning of the schedule, and settings that learn fast at first have an advantage there.
    """

    name: ClassVar[str] = "halving"

    keep: int = 1
    factor: int = 3

    def __post_init__(self) -> None:
        for name in ("keep", "factor"):
            object.__setattr__(self, name, validate(getattr(self, name), Count, "Halving", name))
        if self.factor < 2:
            raise ConfigError(f"Halving(factor={self.factor}): of each rung the best 1/factor go on, so it is at least 2")

    def rungs(self, combinations: int) -> list[tuple[int, float]]:
        """Return the number of combinations of each rung, and the share of their epochs that is done at its end."""
        counts = [combinations]
        while counts[-1] > self.keep:
            counts.append(max(self.keep, counts[-1] // self.factor))
        return [(count, self.factor ** float(i - len(counts) + 1)) for i, count in enumerate(counts)]

    def search(self, trials: Trials) -> None:
        rungs, left = self.rungs(len(trials.combinations)), list(trials.combinations)
        for number, (count, share) in enumerate(rungs, start=1):
            if number > 1:
                left = best(trials, left, rungs[number - 2][1])[:count]
            if not left:
                trials.say("no combination is left: all of them have failed or diverged")
                return
            part = "to the end" if share == 1 else f"for {fractions.Fraction(share).limit_denominator(10**6)} of the epochs"
            trials.say(f"rung {number} of {len(rungs)}: {len(left)} combination{'s' * (len(left) > 1)} {part}")
            trials.train(left, share)
            if trials.out_of_time:
                return


def best(trials: Trials, combinations: Sequence[Combination], share: float) -> list[Combination]:
    """Return the combinations that have a score or a loss after a share of their epochs, the best one first.

    Of those with equal scores and losses, the first of the grid is first. Those that have diverged are left out.
    """
    standings = {one: trials.standing(one, share) for one in combinations}
    known = [(standing.key, one) for one, standing in standings.items() if standing is not None and standing.is_known]
    return [one for _, one in sorted(known, key=lambda pair: pair[0])]
