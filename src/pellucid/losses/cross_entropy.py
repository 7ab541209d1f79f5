"""Losses for predicted probabilities: cross-entropy for classes and for independent labels, with variants for rare labels, and
the divergence from a target distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import FractionBelowOne, NonNegative, OpenFraction, Positive
from pellucid.core.memory import Array, Shape
from pellucid.errors import DataError
from pellucid.kernels import Kernels
from pellucid.layers import Layer, Sigmoid, Softmax
from pellucid.losses.base import Loss
from pellucid.losses.per_output import check_per_output, per_output
from pellucid.losses.targets import InvalidTarget, class_labels, finite_targets, numeric_targets, probability_targets

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

    records: ClassVar[bool] = True
    finds_bad_labels: ClassVar[bool] = True
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
    """l = −mean over the outputs of w y log ŷ + (1 − y) log(1 − ŷ), after Sigmoid, with w = ``pos_weight``. In nats.

    Targets: 0, 1 or probabilities; (n) for one output, (n, k) for k independent labels. ∂l/∂z = ((1 − y) ŷ − w y (1 − ŷ))/k,
    which is (ŷ − y)/k for w = 1.

    ``pos_weight``, one number or one for each output, makes a missed positive cost w times as much, for rare positives (the
    ratio of negatives to positives balances the two; PyTorch has the same setting). The best logits are larger by log w, so
    that the outputs are no longer the probabilities of the data. It is part of the loss in validation and ``evaluate`` too,
    unlike the weights of ``fit(class_weight=…)``.
    """

    records: ClassVar[bool] = True
    head: ClassVar[type[Layer] | None] = Sigmoid
    divergence_limit: ClassVar[float] = SATURATED
    classifies: ClassVar[bool] = True
    multi_label: ClassVar[bool] = True

    pos_weight: Positive | tuple[Positive, ...] = 1.0

    def check_outputs(self, shape: Shape) -> None:
        check_per_output(self, "pos_weight", self.pos_weight, shape)

    def targets(self, y: Array, shape: Shape) -> Array:
        return _binary_targets(y, shape, "BinaryCrossEntropy")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        if self.pos_weight == 1:
            return float(kernels.sigmoid_cross_entropy(z, targets, weights, scale, outputs, dz))
        positive = per_output(self.pos_weight, z.shape[1])
        return float(kernels.focal_cross_entropy(z, targets, weights, scale, positive, 1.0, 0.0, outputs, dz))


@dataclass(frozen=True)
class BinaryFocalCrossEntropy(Loss):
    """l = −mean over the outputs of α (1 − p)^γ log p, after Sigmoid, with p the probability of the true answer (Lin, Goyal,
    Girshick, He and Dollár, 2017). In nats.

    p is ŷ for the target 1 and 1 − ŷ for the target 0. The factor (1 − p)^γ reduces the loss of samples that are already
    classified well, so that many easy negatives do not outweigh a few positives. γ = ``gamma`` = 0 is the cross-entropy.
    ``alpha`` weights positives by α and negatives by 1 − α (the paper has 0.25 with γ = 2); None weights both by 1.

    Targets: as for :class:`BinaryCrossEntropy`; for a probability y, the mean of the losses for 1 and 0 with the weights y and
    1 − y. ∂l/∂z = −α (1 − p)^γ (1 − p − γ p log p)/k for the target 1; for the target 0 its negative, with 1 − α. The outputs
    rank the samples, but they are not the probabilities of the data.
    """

    records: ClassVar[bool] = True
    head: ClassVar[type[Layer] | None] = Sigmoid
    divergence_limit: ClassVar[float] = SATURATED
    classifies: ClassVar[bool] = True
    multi_label: ClassVar[bool] = True

    gamma: NonNegative = 2.0
    alpha: OpenFraction | None = None

    def targets(self, y: Array, shape: Shape) -> Array:
        return _binary_targets(y, shape, "BinaryFocalCrossEntropy")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        alpha, negative = (1.0, 1.0) if self.alpha is None else (self.alpha, 1 - self.alpha)
        positive = per_output(alpha, z.shape[1])
        return float(kernels.focal_cross_entropy(z, targets, weights, scale, positive, negative, self.gamma, outputs, dz))


def _binary_targets(y: Array, shape: Shape, loss: str) -> Array:
    """Return probabilities (n, k) as float32. Raises DataError unless they are from 0 to 1."""
    rows = numeric_targets(finite_targets(y, "labels"), shape, loss)
    if rows.size and not (rows.min() >= 0 and rows.max() <= 1):
        bad = int(np.flatnonzero((rows < 0).any(axis=1) | (rows > 1).any(axis=1))[0])
        value = next(value for value in rows[bad] if not 0 <= value <= 1)
        hint = "; divide bytes by 255" if y.dtype == np.uint8 else ""
        raise InvalidTarget(f"target {value:g} in {{}} is out of range: {loss} takes values from 0 to 1{hint}", bad)
    return rows


@dataclass(frozen=True)
class KLDivergence(Loss):
    """l = Σ_c y_c (log y_c − log ŷ_c) after Softmax, with 0 log 0 = 0; in nats (Kullback and Leibler, 1951).

    It is the cross-entropy minus the entropy of the targets, so it is 0 where the outputs equal the targets. The gradient is
    that of the cross-entropy: ∂l/∂z = ŷ − y. The sum is over the classes, the mean over the samples (PyTorch's
    ``reduction="batchmean"``).

    Targets: distributions (n, k), for example the probabilities of another network; each row sums to 1.
    """

    records: ClassVar[bool] = True
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
