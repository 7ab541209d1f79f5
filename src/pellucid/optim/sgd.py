"""Stochastic gradient descent, with or without momentum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.config import FractionBelowOne, Positive
from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.optim.chain import Rule
from pellucid.optim.schedules import Schedule


@dataclass(frozen=True)
class SGD(Rule):
    """Stochastic gradient descent: θ ← θ − η g.

    With ``momentum`` μ (Polyak, 1964): v ← μ v + g, θ ← θ − η v. With ``nesterov``: θ ← θ − η (g + μ v).
    """

    records: ClassVar[bool] = True

    learning_rate: Positive | Schedule = 0.01
    momentum: FractionBelowOne = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise ConfigError("SGD(nesterov=True) needs momentum above 0, for example momentum=0.9")

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("v",) if self.momentum else ()

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        if self.momentum:
            kernels.sgd_momentum(theta, g, state[0], rate, self.momentum, self.nesterov)
        else:
            kernels.sgd(theta, g, rate)
