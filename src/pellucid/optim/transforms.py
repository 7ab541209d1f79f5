"""Transforms: what happens to the gradient, or to the weights, before the rule; and constraints: to the weights after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.config import NonNegative, Positive
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.optim.pieces import Constraint, Transform


@dataclass(frozen=True)
class ClipNorm(Transform):
    """g ← g · min(1, limit/‖g‖): keeps the direction, bounds the length of the whole gradient (Pascanu et al., 2013)."""

    limit: Positive

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        norm = math.sqrt(kernels.sum_of_squares(g))
        if norm > self.limit:
            kernels.scale(g, self.limit / norm)


@dataclass(frozen=True)
class ClipValue(Transform):
    """g ← min(max(g, −limit), limit), each number by itself: bounds a step where the loss has a cliff, but turns the
    direction (ClipNorm keeps it)."""

    limit: Positive

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.clip(g, self.limit)


@dataclass(frozen=True)
class L1(Transform):
    """g ← g + λ sign(W): the gradient of the penalty λ Σ|W| (0 at 0), on weights and not on biases. It draws weights that
    are of no use to zero and about it (Tibshirani, 1996). Losses are shown without it."""

    strength: NonNegative
    only_decayed: ClassVar[bool] = True

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.add_penalty(g, theta, self.strength, 0.0)


@dataclass(frozen=True)
class L2(Transform):
    """g ← g + λ W: the gradient of the penalty ½ λ ΣW², on weights and not on biases. Losses are shown without it."""

    strength: NonNegative
    only_decayed: ClassVar[bool] = True

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.add_scaled(g, theta, self.strength)


@dataclass(frozen=True)
class ElasticNet(Transform):
    """g ← g + λ₁ sign(W) + λ₂ W: the gradient of the penalty λ₁ Σ|W| + ½ λ₂ ΣW² (Zou and Hastie, 2005), L1 and L2 in one
    pass, on weights and not on biases. Losses are shown without it."""

    l1: NonNegative
    l2: NonNegative
    only_decayed: ClassVar[bool] = True

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.add_penalty(g, theta, self.l1, self.l2)


@dataclass(frozen=True)
class Decay(Transform):
    """W ← (1 − η λ) W: weight decay that does not pass through the gradient (Loshchilov and Hutter, 2019)."""

    strength: NonNegative
    only_decayed: ClassVar[bool] = True

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.scale(theta, 1 - rate * self.strength)


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """w ← w · min(1, limit/‖w‖) for the weights w into each unit, after the rule: ``Chain(SGD(0.1), MaxNorm(3.0))``
    (Srivastava et al., 2014). These are the columns of W (…, in, out), the norm goes over all axes but the last; slots of a
    single axis are left alone. (ConvTranspose2D keeps W as its convolution has it: there they are the weights out of each
    input channel.)"""

    limit: Positive

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        if theta.ndim > 1:
            kernels.limit_columns(theta.reshape(-1, theta.shape[-1]), self.limit)
