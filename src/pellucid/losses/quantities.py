"""Losses for numbers: how far the outputs are from them, and, of counts, how likely they make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Positive
from pellucid.core.memory import Array, Shape
from pellucid.errors import DataError
from pellucid.kernels import Kernels
from pellucid.losses.base import Loss, finite, labels_of, per_sample


def _numbers(y: Array, shape: Shape, name: str) -> Array:
    """Numbers (n, k); whole numbers (n) for several outputs are labels, taken as one-hot."""
    y = finite(y, "targets")
    if y.ndim == 1 and shape[0] > 1 and y.dtype.kind in "biu":
        return np.eye(shape[0], dtype=np.float32)[labels_of(y, shape[0])]
    return per_sample(y, shape, name)


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """l = mean over the outputs of ((ŷ − y)/unit)², behind any layer. ∂l/∂ŷ = 2 (ŷ − y)/(k unit²).

    Targets: numbers (n, k), (n) for one output; whole numbers (n) for several outputs are labels, taken as one-hot. With the
    targets' standard deviation as the ``unit``, a loss of 1 is as good as saying their mean, whatever they are measured in.
    """

    unit: Positive = 1.0

    def targets(self, y: Array, shape: Shape) -> Array:
        return _numbers(y, shape, "MeanSquaredError")

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        a[...] = z
        return float(kernels.squared_error(z, target, weights, scale / self.unit**2, dz)) / self.unit**2


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """l = mean over the outputs of |ŷ − y|, behind any layer. ∂l/∂ŷ = sign(ŷ − y)/k, and 0 where they are equal.

    What it is smallest for is the median, where the squared error's is the mean: a few wild targets hardly move it.

    Targets: as for :class:`MeanSquaredError`.
    """

    def targets(self, y: Array, shape: Shape) -> Array:
        return _numbers(y, shape, "MeanAbsoluteError")

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        a[...] = z
        return float(kernels.absolute_error(z, target, weights, scale, dz))


@dataclass(frozen=True)
class Huber(Loss):
    """With d = ŷ − y, l = mean over the outputs of d²/2 where |d| ≤ δ, else δ (|d| − δ/2), behind any layer (Huber, 1964).

    ∂l/∂ŷ = d/k, cut off at ±δ/k: squared for small errors, absolute for large ones. ``delta`` is in the targets' unit. (The
    half is PyTorch's, too: for small errors it is half of the squared error.)

    Targets: as for :class:`MeanSquaredError`.
    """

    delta: Positive = 1.0

    def targets(self, y: Array, shape: Shape) -> Array:
        return _numbers(y, shape, "Huber")

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        a[...] = z
        return float(kernels.huber(z, target, weights, scale, self.delta, dz))


@dataclass(frozen=True)
class Poisson(Loss):
    """l = mean over the outputs of eᶻ − y z, behind a linear output: the negative logarithm of the chance of the count y at the
    rate eᶻ (Poisson, 1837), without log y!, which no weight changes. ∂l/∂z = (eᶻ − y)/k.

    The output z is the *logarithm* of the rate (PyTorch's ``log_input=True``), so that a linear layer may give any number:
    ``np.exp(model.predict(x))`` are the rates. Metrics are given the rates, and compare them with the counts.

    Targets: counts, 0 or above, (n, k), or (n) for one output; they need not be whole (counts by a unit of exposure).
    """

    linear: ClassVar[bool] = True

    def targets(self, y: Array, shape: Shape) -> Array:
        counts = per_sample(finite(y, "targets"), shape, "Poisson")
        if counts.size and counts.min() < 0:
            bad = int(np.flatnonzero((counts < 0).any(axis=1))[0])
            raise DataError(f"Poisson takes counts, 0 or above; got {counts[bad].min():g} in sample {bad}")
        return counts

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        return float(kernels.poisson(z, target, weights, scale, a, dz))
