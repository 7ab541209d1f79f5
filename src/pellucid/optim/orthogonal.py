"""A rule that sees weights as matrices, where the others see single numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import FractionBelowOne, Positive
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.optim.pieces import Rule
from pellucid.optim.rules import Epsilon
from pellucid.optim.schedules import Schedule

QUINTIC = (3.4445, -4.7750, 2.0315)  # of Jordan et al.: five rounds bring what lies between 0.0015 and 1 to 0.68 … 1.20
ROUNDS = 5
ADAMS = 0.2  # about the root of the mean square of Adam's steps, in learning rates (Liu et al., 2025)


@dataclass(frozen=True)
class Muon(Rule):
    """Momentum, made orthogonal: a step turns all directions of a weight matrix alike, also those in which gradients are
    small (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024).

    m ← μ m + G        X ← orthogonal(G + μ m)        W ← W − η 0.2 √max(r, c) X

    for weights W of two axes or more as a matrix (r, c): c is the last axis, the outputs, and r all others together. Of
    U Σ Vᵀ, ``orthogonal`` leaves about U Vᵀ: scaled to length 1, then five rounds of X ← 3.4445 X − 4.7750 X A + 2.0315 X A²
    with A = Xᵀ X (or all from the left, where r < c), after which the singular values are 0.68 to 1.20 (those below 0.0015 of
    the length less). The factor is that of Liu et al. ("Muon is scalable for LLM training", 2025): steps are as long as Adam's,
    and so are good learning rates. Biases and all else of one axis follow :class:`~pellucid.optim.Adam`, with ``beta1``,
    ``beta2`` and ``epsilon``.

    A step takes 10 to 15 r c min(r, c) multiply-adds for each matrix beside those of the gradient: small for convolutions, not
    for wide dense layers in small batches.
    """

    learning_rate: Positive | Schedule = 0.001
    momentum: FractionBelowOne = 0.95
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.999
    epsilon: Epsilon = 1e-8
    by_slot: ClassVar[bool] = True

    @property
    def vectors(self) -> tuple[str, ...]:
        return ("m", "v")

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        if theta.ndim < 2:
            kernels.adam(theta, g, *state, rate, self.beta1, self.beta2, self.epsilon, step)
            return
        ahead = np.zeros_like(g)
        kernels.sgd_momentum(ahead.reshape(-1), g.reshape(-1), state[0].reshape(-1), -1.0, self.momentum, True)  # G + μ m
        X = orthogonal(ahead.reshape(-1, ahead.shape[-1]), kernels)
        kernels.add_scaled(theta.reshape(-1), X.reshape(-1), -rate * ADAMS * math.sqrt(max(X.shape)))


def orthogonal(X: Array, kernels: Kernels) -> Array:
    """About U Vᵀ of X = U Σ Vᵀ (r, c), in X's place or in a new array; zeros stay zeros."""
    length = math.sqrt(kernels.sum_of_squares(X.reshape(-1)))
    kernels.scale(X.reshape(-1), 1 / max(length, float(np.finfo(X.dtype).tiny)))
    (r, c), (a, b, d) = X.shape, QUINTIC
    side, new = min(r, c), np.empty_like(X)
    A, P, none = np.empty((side, side), X.dtype), np.empty((side, side), X.dtype), np.zeros(max(r, c), X.dtype)
    for _ in range(ROUNDS):
        if c <= r:
            kernels.affine_backward(X, X, A, np.empty(c, X.dtype))  # A = Xᵀ X
        else:
            kernels.affine_input_gradient(X, X, A)  # A = X Xᵀ
        kernels.affine(A, A, none[:side], P)
        P *= d
        P += b * A
        P.flat[:: side + 1] += a  # P = a I + b A + d A²
        kernels.affine(X, P, none[:c], new) if c <= r else kernels.affine(P, X, none[:c], new)
        X, new = new, X
    return X
