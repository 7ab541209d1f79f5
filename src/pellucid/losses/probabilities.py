"""Losses behind probabilities: how many nats the truth costs someone who believes what the network says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import FractionBelowOne
from pellucid.core.memory import Array, Shape
from pellucid.errors import DataError
from pellucid.kernels import Kernels
from pellucid.layers import Layer, Sigmoid, Softmax
from pellucid.losses.base import Loss, distributions, finite, labels_of, per_sample


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """l = −Σ_c y_c log ŷ_c behind Softmax, = −log ŷ of the true class; in nats.

    Targets: labels (n), one-hot or soft labels (n, k) whose rows sum to 1. δ = ∂l/∂z = a − y.

    With ``smoothing`` ε, y is replaced by (1 − ε) y + ε/k: a share ε of the certainty is spread over all classes, so that
    logits need not grow without end (Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, 2016; the formula is also PyTorch's). As
    in PyTorch and Keras it belongs to the loss wherever that is computed, validation and ``evaluate`` included, so that
    training and validation can be compared; the metric :class:`~pellucid.metrics.LogLoss` is without it, and compares
    networks that were trained with different ε. Other metrics see the targets as they were given.
    """

    head: ClassVar[type[Layer] | None] = Softmax
    limit: ClassVar[float] = 1e6  # nats: a network this sure, and this wrong, has saturated for good
    classifies: ClassVar[bool] = True

    smoothing: FractionBelowOne = 0.0

    def targets(self, y: Array, shape: Shape) -> Array:
        y = finite(y, "labels")
        if y.ndim == 1 or y.shape[1:] == (1,):
            return labels_of(y.reshape(-1), shape[0])
        soft = distributions(y, shape, "CrossEntropy")
        one_hot = bool(((soft == 0) | (soft == 1)).all())
        return soft.argmax(axis=1) if one_hot else soft

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        kernel = kernels.softmax_cross_entropy_labels if target.ndim == 1 else kernels.softmax_cross_entropy
        return float(kernel(z, target, weights, scale, self.smoothing, a, dz))


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """l = −mean over the outputs of y log ŷ + (1 − y) log(1 − ŷ), behind Sigmoid; in nats.

    Targets: 0, 1 or probabilities, (n) or (n, k) for k questions that are answered independently. δ = (a − y)/k.
    """

    head: ClassVar[type[Layer] | None] = Sigmoid
    limit: ClassVar[float] = 1e6  # nats, as for CrossEntropy
    classifies: ClassVar[bool] = True
    independent: ClassVar[bool] = True

    def targets(self, y: Array, shape: Shape) -> Array:
        wide = per_sample(finite(y, "labels"), shape, "BinaryCrossEntropy")
        if wide.size and not (wide.min() >= 0 and wide.max() <= 1):
            bad = int(np.flatnonzero((wide < 0).any(axis=1) | (wide > 1).any(axis=1))[0])
            raise DataError(f"label {wide[bad]} in sample {bad} is out of range: BinaryCrossEntropy takes 0 and 1")
        return wide

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        return float(kernels.sigmoid_cross_entropy(z, target, weights, scale, a, dz))


@dataclass(frozen=True)
class KLDivergence(Loss):
    """l = Σ_c y_c (log y_c − log ŷ_c) behind Softmax, with 0 log 0 = 0; in nats (Kullback and Leibler, 1951).

    The cross-entropy less the entropy of the targets, so that it is 0 where the network says what they say; δ = a − y all
    the same. Summed over the classes and averaged over the samples, as PyTorch's ``reduction="batchmean"``.

    Targets: distributions (n, k), another network's probabilities for example; their rows sum to 1.
    """

    head: ClassVar[type[Layer] | None] = Softmax
    limit: ClassVar[float] = 1e6  # nats, as for CrossEntropy
    classifies: ClassVar[bool] = True

    def targets(self, y: Array, shape: Shape) -> Array:
        y = finite(y, "targets")
        if y.ndim == 1:
            raise DataError(f"KLDivergence takes distributions, {shape[0]} numbers a sample; for labels use CrossEntropy()")
        return distributions(y, shape, "KLDivergence")

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        return float(kernels.softmax_divergence(z, target, weights, scale, a, dz))
