"""Losses for predicted probabilities: cross-entropy for classes and for independent labels, and the divergence from a target
distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import FractionBelowOne
from pellucid.core.memory import Array, Shape
from pellucid.errors import DataError
from pellucid.kernels import Kernels
from pellucid.layers import Layer, Sigmoid, Softmax
from pellucid.losses.base import Loss
from pellucid.losses.targets import class_labels, finite_targets, numeric_targets, probability_targets

SATURATED = 1e6  # nats: a network whose mean loss is larger is certain of wrong classes, and its gradients no longer help


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """l = −Σ_c y_c log ŷ_c after Softmax; for a label, −log ŷ of the true class. In nats.

    Targets: labels (n), or one-hot rows or soft labels (n, k), whose rows sum to 1. ∂l/∂z = ŷ − y.

    ``smoothing`` ε replaces y by (1 − ε) y + ε/k, so that the best logits are finite (label smoothing: Szegedy, Vanhoucke,
    Ioffe, Shlens and Wojna, 2016; PyTorch has the same formula). As in PyTorch and Keras it is part of the loss in validation
    and ``evaluate`` too, so that training and validation losses are comparable. Metrics see the targets without smoothing:
    to compare networks trained with different ε, use the metric :class:`~pellucid.metrics.LogLoss`.
    """

    head: ClassVar[type[Layer] | None] = Softmax
    divergence_limit: ClassVar[float] = SATURATED
    classifies: ClassVar[bool] = True

    smoothing: FractionBelowOne = 0.0

    def targets(self, y: Array, shape: Shape) -> Array:
        y = finite_targets(y, "labels")
        if y.ndim == 1 or y.shape[1:] == (1,):
            return class_labels(y.reshape(-1), shape[0])
        rows = probability_targets(y, shape, "CrossEntropy")
        one_hot = bool(((rows == 0) | (rows == 1)).all())
        return rows.argmax(axis=1) if one_hot else rows

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        kernel = kernels.softmax_cross_entropy_labels if targets.ndim == 1 else kernels.softmax_cross_entropy
        return float(kernel(z, targets, weights, scale, self.smoothing, outputs, dz))


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """l = −mean over the outputs of y log ŷ + (1 − y) log(1 − ŷ), after Sigmoid. In nats.

    Targets: 0, 1 or probabilities; (n) for one output, (n, k) for k independent labels. ∂l/∂z = (ŷ − y)/k.
    """

    head: ClassVar[type[Layer] | None] = Sigmoid
    divergence_limit: ClassVar[float] = SATURATED
    classifies: ClassVar[bool] = True
    multi_label: ClassVar[bool] = True

    def targets(self, y: Array, shape: Shape) -> Array:
        rows = numeric_targets(finite_targets(y, "labels"), shape, "BinaryCrossEntropy")
        if rows.size and not (rows.min() >= 0 and rows.max() <= 1):
            bad = int(np.flatnonzero((rows < 0).any(axis=1) | (rows > 1).any(axis=1))[0])
            raise DataError(f"label {rows[bad]} in sample {bad} is out of range: BinaryCrossEntropy takes values from 0 to 1")
        return rows

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        return float(kernels.sigmoid_cross_entropy(z, targets, weights, scale, outputs, dz))


@dataclass(frozen=True)
class KLDivergence(Loss):
    """l = Σ_c y_c (log y_c − log ŷ_c) after Softmax, with 0 log 0 = 0; in nats (Kullback and Leibler, 1951).

    It is the cross-entropy minus the entropy of the targets, so it is 0 where the outputs equal the targets. The gradient is
    that of the cross-entropy: ∂l/∂z = ŷ − y. The sum is over the classes, the mean over the samples (PyTorch's
    ``reduction="batchmean"``).

    Targets: distributions (n, k), for example the probabilities of another network; each row sums to 1.
    """

    head: ClassVar[type[Layer] | None] = Softmax
    divergence_limit: ClassVar[float] = SATURATED
    classifies: ClassVar[bool] = True

    def targets(self, y: Array, shape: Shape) -> Array:
        y = finite_targets(y)
        if y.ndim == 1:
            raise DataError(f"KLDivergence takes distributions, {shape[0]} numbers per sample; for labels use CrossEntropy()")
        return probability_targets(y, shape, "KLDivergence")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        return float(kernels.softmax_divergence(z, targets, weights, scale, outputs, dz))
