"""Rprop: steps from the signs of the gradients, for training on the full batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pellucid.core.config import OpenFraction, Positive, Range
from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.optim.chain import Rule
from pellucid.optim.schedules import Schedule

MAX_FACTOR = 1e30  # of Δ over the learning rate: finite in float32 for any rate


@dataclass(frozen=True)
class Rprop(Rule):
    """A step length for each parameter, which grows while the sign of its gradient stays and shrinks where the sign changes
    (Riedmiller and Braun, 1993; in the form iRprop− of Igel and Hüsken, 2000, as in PyTorch).

    s = sign(g) · (sign of the last gradient)        Δ ← Δ · increase if s > 0,  Δ · decrease if s < 0

    θ ← θ − Δ sign(g);  if s < 0, θ stays and this gradient counts as 0 in the next step

    Δ begins at the learning rate and stays between ``shortest`` and ``longest``. A schedule multiplies all Δ, also those that
    have grown or shrunk; the bounds apply to the product.

    The size of the gradient has no effect, so its sign must be right: give the whole training set as one batch. On small
    batches, signs change at random and the steps shrink to ``shortest``.
    """

    learning_rate: Positive | Schedule = 0.01
    decrease: OpenFraction = 0.5
    increase: Annotated[float, Range(1, low_open=True)] = 1.2
    shortest: Positive = 1e-6
    longest: Positive = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shortest > self.longest:
            raise ConfigError(f"Rprop(shortest={self.shortest:g}, longest={self.longest:g}): shortest must not exceed longest")

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("sign", "factor")  # of the last gradient; Δ in units of the learning rate

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        if rate == 0:  # as at the end of a schedule
            return
        sign, factor = state
        low, high = min(self.shortest / rate, MAX_FACTOR), min(self.longest / rate, MAX_FACTOR)
        kernels.rprop(theta, g, sign, factor, rate, self.decrease, self.increase, low, high)
