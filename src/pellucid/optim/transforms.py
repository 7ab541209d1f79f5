"""Transforms and constraints: the components of a chain before and after its rule.

Transforms change the gradient or shrink the weights; constraints limit the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import NonNegative, Positive
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.optim.chain import Constraint, Transform

_UNKNOWN = np.zeros(0)


@dataclass(frozen=True)
class ClipNorm(Transform):
    """g ← g · min(1, limit/‖g‖): limits the norm of the whole gradient and keeps its direction (Pascanu et al., 2013)."""

    records: ClassVar[bool] = True
    limit: Positive

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.clip_norm(g, self.limit, _UNKNOWN)

    def clip(self, g: Array, squares: Array, kernels: Kernels) -> None:
        """Clip a gradient whose sum of ``squares`` (1) is known."""
        kernels.clip_norm(g, self.limit, squares)


@dataclass(frozen=True)
class ClipValue(Transform):
    """g ← min(max(g, −limit), limit), element by element: limits the step where the loss is very steep, but changes the
    direction (ClipNorm keeps it)."""

    records: ClassVar[bool] = True
    limit: Positive

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.clip(g, self.limit)


@dataclass(frozen=True)
class L1(Transform):
    """g ← g + λ sign(W): the gradient of the penalty λ Σ|W| (0 at 0), on weights, not on biases. It drives weights that
    contribute little to values near zero (Tibshirani, 1996). Reported losses do not include the penalty."""

    records: ClassVar[bool] = True
    strength: NonNegative
    only_decayed: ClassVar[bool] = True

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.add_penalty(g, theta, self.strength, 0.0)


@dataclass(frozen=True)
class L2(Transform):
    """g ← g + λ W: the gradient of the penalty ½ λ ΣW², on weights, not on biases. Reported losses do not include the
    penalty."""

    records: ClassVar[bool] = True
    strength: NonNegative
    only_decayed: ClassVar[bool] = True

    @property
    def is_penalty(self) -> bool:
        return True

    def penalty(self, W: Array) -> float:
        return 0.5 * self.strength * float(np.square(W, dtype=np.float64).sum())

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.add_scaled(g, theta, self.strength)


@dataclass(frozen=True)
class ElasticNet(Transform):
    """g ← g + λ₁ sign(W) + λ₂ W: the gradient of the penalty λ₁ Σ|W| + ½ λ₂ ΣW² (Zou and Hastie, 2005), on weights, not on
    biases: L1 and L2 in one pass. Reported losses do not include the penalty."""

    records: ClassVar[bool] = True
    l1: NonNegative
    l2: NonNegative
    only_decayed: ClassVar[bool] = True

    @property
    def is_penalty(self) -> bool:
        return self.l1 == 0  # |W| is not smooth at 0

    def penalty(self, W: Array) -> float:
        return 0.5 * self.l2 * float(np.square(W, dtype=np.float64).sum())

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.add_penalty(g, theta, self.l1, self.l2)


@dataclass(frozen=True)
class Decay(Transform):
    """W ← (1 − η λ) W: weight decay that is decoupled from the gradient (Loshchilov and Hutter, 2019)."""

    records: ClassVar[bool] = True
    strength: NonNegative
    only_decayed: ClassVar[bool] = True
    uses_rate: ClassVar[bool] = True

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.scale(theta, 1 - rate * self.strength)


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """w ← w · min(1, limit/‖w‖) for the weights w into each unit, after the rule: ``Chain(SGD(0.1), MaxNorm(3.0))``
    (Srivastava et al., 2014).

    The weights into a unit are one column of W (…, in, out): the norm is taken over all axes but the last. Slots of one axis do
    not change. (ConvTranspose2D stores W as the convolution that it transposes does; there the columns are the weights out of
    each input channel.)
    """

    records: ClassVar[bool] = True
    limit: Positive

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        if theta.ndim > 1:
            kernels.clip_column_norms(theta.reshape(-1, theta.shape[-1]), self.limit)
