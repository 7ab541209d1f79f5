"""Losses for regression: distances between numbers, and the likelihood of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Positive
from pellucid.core.memory import Array, Shape
from pellucid.errors import DataError
from pellucid.kernels import Kernels
from pellucid.layers import Layer
from pellucid.losses.base import Loss
from pellucid.losses.targets import class_labels, finite_targets, numeric_targets


def _numbers(y: Array, shape: Shape, loss: str) -> Array:
    """Return numbers (n, k). For several outputs, integers (n) are labels and become one-hot rows."""
    y = finite_targets(y)
    if y.ndim == 1 and shape[0] > 1 and y.dtype.kind in "biu":
        return np.eye(shape[0], dtype=np.float32)[class_labels(y, shape[0])]
    return numeric_targets(y, shape, loss)


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """l = mean over the outputs of ((ŷ − y)/unit)², after any layer. ∂l/∂ŷ = 2 (ŷ − y)/(k unit²).

    Targets: numbers (n, k); (n) for one output. For several outputs, integers (n) are labels and become one-hot rows.

    If ``unit`` is the standard deviation of the targets, a network that always predicts their mean has a loss of 1, whatever
    their unit.
    """

    unit: Positive = 1.0

    def targets(self, y: Array, shape: Shape) -> Array:
        return _numbers(y, shape, "MeanSquaredError")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        outputs[...] = z
        return float(kernels.squared_error(z, targets, weights, scale / self.unit**2, dz)) / self.unit**2


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """l = mean over the outputs of |ŷ − y|, after any layer. ∂l/∂ŷ = sign(ŷ − y)/k, and 0 where they are equal.

    Of all constant outputs, the median of the targets has the lowest loss (for the squared error it is their mean), so a few
    outliers hardly matter.

    Targets: as for :class:`MeanSquaredError`.
    """

    def targets(self, y: Array, shape: Shape) -> Array:
        return _numbers(y, shape, "MeanAbsoluteError")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        outputs[...] = z
        return float(kernels.absolute_error(z, targets, weights, scale, dz))


@dataclass(frozen=True)
class Huber(Loss):
    """With d = ŷ − y: l = mean over the outputs of d²/2 where |d| ≤ δ, otherwise δ (|d| − δ/2); after any layer (Huber, 1964).

    ∂l/∂ŷ = d/k, limited to ±δ/k: the loss is quadratic for small errors and linear for large ones. ``delta`` is in the targets'
    unit. As in PyTorch, it is half of the squared error for small errors.

    Targets: as for :class:`MeanSquaredError`.
    """

    delta: Positive = 1.0

    def targets(self, y: Array, shape: Shape) -> Array:
        return _numbers(y, shape, "Huber")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        outputs[...] = z
        return float(kernels.huber(z, targets, weights, scale, self.delta, dz))


@dataclass(frozen=True)
class Poisson(Loss):
    """l = mean over the outputs of eᶻ − y z, after a linear output: the negative log-likelihood of the count y for the rate eᶻ
    (Poisson, 1837), without the constant log y!. ∂l/∂z = (eᶻ − y)/k.

    The output z is the *logarithm* of the rate (PyTorch's ``log_input=True``), so it may be any number. The rates are
    ``np.exp(model.predict(x))``. Metrics compare the rates with the counts.

    Targets: counts (n, k), or (n) for one output, at least 0. They need not be integers (counts per unit of exposure).
    """

    output_activations: ClassVar[tuple[type[Layer], ...] | None] = ()

    def targets(self, y: Array, shape: Shape) -> Array:
        counts = numeric_targets(finite_targets(y), shape, "Poisson")
        if counts.size and counts.min() < 0:
            bad = int(np.flatnonzero((counts < 0).any(axis=1))[0])
            raise DataError(f"Poisson takes counts, at least 0; got {counts[bad].min():g} in sample {bad}")
        return counts

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        return float(kernels.poisson(z, targets, weights, scale, outputs, dz))
