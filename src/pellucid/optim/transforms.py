"""Transforms: what happens to the gradient, or to the weights, before the rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pellucid.config import NonNegative, Positive
from pellucid.kernels import Kernels
from pellucid.memory import Array
from pellucid.optim.pieces import Transform


@dataclass(frozen=True)
class ClipNorm(Transform):
    """g ← g · min(1, limit/‖g‖): keeps the direction, bounds the length of the whole gradient (Pascanu et al., 2013)."""

    limit: Positive

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        norm = math.sqrt(kernels.sum_of_squares(g))
        if norm > self.limit:
            kernels.scale(g, self.limit / norm)


@dataclass(frozen=True)
class L2(Transform):
    """g ← g + λ W: the gradient of the penalty ½ λ ΣW², on weights and not on biases. Losses are shown without it."""

    strength: NonNegative
    only_decayed: ClassVar[bool] = True

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.add_scaled(g, theta, self.strength)


@dataclass(frozen=True)
class Decay(Transform):
    """W ← (1 − η λ) W: weight decay that does not pass through the gradient (Loshchilov and Hutter, 2019)."""

    strength: NonNegative
    only_decayed: ClassVar[bool] = True

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.scale(theta, 1 - rate * self.strength)
