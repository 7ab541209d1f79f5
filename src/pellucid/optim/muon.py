"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import FractionBelowOne, Positive
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.optim.adam import Epsilon
from pellucid.optim.chain import Rule
from pellucid.optim.schedules import Schedule

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan et al.: five rounds map singular values of 0.0015 … 1 to 0.68 … 1.20
ROUNDS = 5
ADAM_RMS = 0.2  # about the root mean square of Adam's steps, in units of the learning rate (Liu et al., 2025)


@dataclass(frozen=True)
class Muon(Rule):
    """Momentum made orthogonal: a step has the same size in all directions of a weight matrix, even where gradients are small
    (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024).

    m ← μ m + G        X ← orthogonal(G + μ m)        W ← W − η 0.2 √max(r, c) X

    Weights W of two or more axes are taken as a matrix (r, c): c is the last axis, the outputs; r is all other axes together.
    From U Σ Vᵀ, ``orthogonal`` computes approximately U Vᵀ: it scales the matrix to Frobenius norm 1, then makes five rounds of
    X ← 3.4445 X − 4.7750 X A + 2.0315 X A² with A = Xᵀ X (or from the left with A = X Xᵀ, if r < c). The singular values are
    then 0.68 to 1.20 (smaller, if they were below 0.0015 of the norm). The factor 0.2 √max(r, c) is that of Liu et al. ("Muon
    is scalable for LLM training", 2025): steps are as long as Adam's, so the same learning rates are good. Biases and other
    slots of one axis are updated by :class:`~pellucid.optim.Adam`, with ``beta1``, ``beta2`` and ``epsilon``.

    For each matrix a step takes 10 to 15 r c min(r, c) multiply-adds in addition to those of the gradient. This is small for
    convolutions, but not for wide dense layers in small batches.
    """

    learning_rate: Positive | Schedule = 0.001
    momentum: FractionBelowOne = 0.95
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.999
    epsilon: Epsilon = 1e-8
    by_slot: ClassVar[bool] = True

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("m", "v")

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        if theta.ndim < 2:
            m, v = state
            kernels.adam(theta, g, m, v, rate, self.beta1, self.beta2, self.epsilon, step)
            return
        direction = np.zeros_like(g)  # a step of rate −1 from 0 leaves G + μ m in it
        kernels.sgd_momentum(direction.reshape(-1), g.reshape(-1), state[0].reshape(-1), -1.0, self.momentum, True)
        X = orthogonal(direction.reshape(-1, direction.shape[-1]), kernels)
        kernels.add_scaled(theta.reshape(-1), X.reshape(-1), -rate * ADAM_RMS * math.sqrt(max(X.shape)))


def orthogonal(X: Array, kernels: Kernels) -> Array:
    """Return approximately U Vᵀ of X = U Σ Vᵀ (r, c); a matrix of zeros stays zero. X is overwritten."""
    norm = math.sqrt(kernels.sum_of_squares(X.reshape(-1)))
    kernels.scale(X.reshape(-1), 1 / max(norm, float(np.finfo(X.dtype).tiny)))
    (r, c), (a, b, d) = X.shape, COEFFICIENTS
    k, product = min(r, c), np.empty_like(X)
    A, P = np.empty((k, k), X.dtype), np.empty((k, k), X.dtype)
    # The kernels are those of a dense layer, which has a bias.
    bias, bias_gradient = np.zeros(max(r, c), X.dtype), np.empty(c, X.dtype)
    for _ in range(ROUNDS):
        if c <= r:
            kernels.affine_backward(X, X, A, bias_gradient)  # A = Xᵀ X
        else:
            kernels.affine_input_gradient(X, X, A)  # A = X Xᵀ
        kernels.affine(A, A, bias[:k], P)
        P *= d
        P += b * A
        P.flat[:: k + 1] += a  # P = a I + b A + d A²
        if c <= r:
            kernels.affine(X, P, bias[:c], product)
        else:
            kernels.affine(P, X, bias[:c], product)
        X, product = product, X
    return X
