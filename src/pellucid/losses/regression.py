"""Losses for regression: distances between numbers, quantiles, and the likelihood of counts and of normal distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import OpenFraction, Positive
from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, ShapeError
from pellucid.kernels import Kernels
from pellucid.layers import Layer
from pellucid.losses.base import Loss
from pellucid.losses.per_output import check_per_output, per_output
from pellucid.losses.targets import InvalidTarget, class_labels, finite_targets, numeric_targets


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
    their unit. It is one number for all outputs, or one for each.
    """

    unit: Positive | tuple[Positive, ...] = 1.0

    def check_outputs(self, shape: Shape) -> None:
        check_per_output(self, "unit", self.unit, shape)

    def targets(self, y: Array, shape: Shape) -> Array:
        return _numbers(y, shape, "MeanSquaredError")

    @property
    def records(self) -> bool:  # type: ignore[override]
        """Whether the error is used as it is, without a factor."""
        return self.unit == 1

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        kernels.copy(z.reshape(-1), outputs.reshape(-1))
        if self.unit == 1:
            return float(kernels.squared_error(z, targets, weights, scale, dz))
        if isinstance(self.unit, tuple):
            factor = np.asarray([1 / unit for unit in self.unit], z.dtype)
            loss = kernels.squared_error(z * factor, targets * factor, weights, scale, dz)
            dz *= factor
            return float(loss)
        return float(kernels.squared_error(z, targets, weights, scale / self.unit**2, dz)) / self.unit**2


@dataclass(frozen=True)
class LogSquaredError(Loss):
    """l = mean over the outputs of ((ln ŷ − ln y)/unit)², for outputs and targets above 0. ∂l/∂ŷ = 2 (ln ŷ − ln y)/(k unit² ŷ).

    Errors count in proportion: 10 % too much is as wrong for a cheap house as for an expensive one. The outputs must be above
    0; :class:`~pellucid.Exp` as the last layer ensures it.

    If ``unit`` is the standard deviation of the logarithms of the targets, a network that always predicts the exponential of
    their mean has a loss of 1. It is one number for all outputs, or one for each.

    Targets: numbers above 0, (n, k), or (n) for one output.
    """

    unit: Positive | tuple[Positive, ...] = 1.0

    def check_outputs(self, shape: Shape) -> None:
        check_per_output(self, "unit", self.unit, shape)

    def targets(self, y: Array, shape: Shape) -> Array:
        numbers = numeric_targets(finite_targets(y), shape, "LogSquaredError")
        if numbers.size and not numbers.min() > 0:
            bad = int(np.flatnonzero((numbers <= 0).any(axis=1))[0])
            raise InvalidTarget(f"LogSquaredError takes numbers above 0; got {numbers[bad].min():g} in {{}}", bad)
        return numbers

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        kernels.copy(z.reshape(-1), outputs.reshape(-1))
        factor = np.asarray(1 / np.asarray(self.unit), z.dtype)
        with np.errstate(divide="ignore", invalid="ignore"):  # of an output that is not positive, the loss is not finite
            loss = kernels.squared_error(np.log(z) * factor, np.log(targets) * factor, weights, scale, dz)
            dz *= factor / z
        return float(loss)


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """l = mean over the outputs of |ŷ − y|, after any layer. ∂l/∂ŷ = sign(ŷ − y)/k, and 0 where they are equal.

    Of all constant outputs, the median of the targets has the lowest loss (for the squared error it is their mean), so a few
    outliers hardly matter.

    Targets: as for :class:`MeanSquaredError`.
    """

    records: ClassVar[bool] = True

    def targets(self, y: Array, shape: Shape) -> Array:
        return _numbers(y, shape, "MeanAbsoluteError")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        kernels.copy(z.reshape(-1), outputs.reshape(-1))
        return float(kernels.absolute_error(z, targets, weights, scale, dz))


@dataclass(frozen=True)
class Huber(Loss):
    """With d = ŷ − y: l = mean over the outputs of d²/2 where |d| ≤ δ, otherwise δ (|d| − δ/2); after any layer (Huber, 1964).

    ∂l/∂ŷ = d/k, limited to ±δ/k: the loss is quadratic for small errors and linear for large ones. ``delta`` is in the targets'
    unit. As in PyTorch, it is half of the squared error for small errors.

    Targets: as for :class:`MeanSquaredError`.
    """

    records: ClassVar[bool] = True

    delta: Positive = 1.0

    def targets(self, y: Array, shape: Shape) -> Array:
        return _numbers(y, shape, "Huber")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        kernels.copy(z.reshape(-1), outputs.reshape(-1))
        return float(kernels.huber(z, targets, weights, scale, self.delta, dz))


@dataclass(frozen=True)
class Poisson(Loss):
    """l = mean over the outputs of eᶻ − y z, after a linear output: the negative log-likelihood of the count y for the rate eᶻ
    (Poisson, 1837), without the constant log y!. ∂l/∂z = (eᶻ − y)/k.

    The output z is the *logarithm* of the rate (PyTorch's ``log_input=True``), so it may be any number. The rates are
    ``np.exp(model.predict(x))``. Metrics compare the rates with the counts.

    Targets: counts (n, k), or (n) for one output, at least 0. They need not be integers (counts per unit of exposure).
    """

    records: ClassVar[bool] = True
    output_activations: ClassVar[tuple[type[Layer], ...] | None] = ()

    def targets(self, y: Array, shape: Shape) -> Array:
        counts = numeric_targets(finite_targets(y), shape, "Poisson")
        if counts.size and counts.min() < 0:
            bad = int(np.flatnonzero((counts < 0).any(axis=1))[0])
            raise InvalidTarget(f"Poisson takes counts, at least 0; got {counts[bad].min():g} in {{}}", bad)
        return counts

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        return float(kernels.poisson(z, targets, weights, scale, outputs, dz))


@dataclass(frozen=True)
class Quantile(Loss):
    """l = mean over the outputs of max(q (y − ŷ), (q − 1) (y − ŷ)), after any layer: the pinball loss (Koenker and Bassett,
    1978).

    Of all constant outputs, the q-quantile of the targets has the lowest loss: a fraction q of them is below it. q = ½ is the
    median, with half the loss of :class:`MeanAbsoluteError`. ∂l/∂ŷ = −q/k where ŷ < y, (1 − q)/k where ŷ > y, and 0 where they
    are equal.

    ``levels`` is q for all outputs, or one q for each output: a network with the outputs of ``Quantile((0.1, 0.5, 0.9))``
    predicts three quantiles of the same target. Nothing forces them to be in order.

    Targets: numbers (n, k). With one level for each output also (n) or (n, 1), the target of all outputs. Metrics compare
    every output with its target.
    """

    records: ClassVar[bool] = True
    numeric: ClassVar[bool] = True

    levels: OpenFraction | tuple[OpenFraction, ...] = 0.5

    def check_outputs(self, shape: Shape) -> None:
        check_per_output(self, "levels", self.levels, shape)

    def targets(self, y: Array, shape: Shape) -> Array:
        y = finite_targets(y)
        if isinstance(self.levels, tuple) and (y.ndim == 1 or y.shape[1:] == (1,)):
            y = np.repeat(y.reshape(-1, 1), shape[0], axis=1)
        return numeric_targets(y, shape, "Quantile")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        kernels.copy(z.reshape(-1), outputs.reshape(-1))
        return float(kernels.pinball(z, targets, weights, scale, per_output(self.levels, z.shape[1]), dz))


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """l = mean over the targets of ((y − μ)²/v + log v + log 2π)/2, after a linear output: the negative log-likelihood of y for
    the normal distribution with mean μ and variance v = eˢ + ε, both predicted by the network (Nix and Weigend, 1994). In nats.

    For k targets the network has 2k outputs: the k means μ, then the k logarithms s of the variances, which may be any
    numbers. ``predict`` returns them in this order; :meth:`distribution` converts them to means and standard deviations.
    Metrics compare the means with the targets.

    ∂l/∂μ = (μ − y)/(v k), ∂l/∂s = (1 − (y − μ)²/v) (eˢ/v)/(2k). ε = ``epsilon``, in the square of the targets' unit, bounds the
    gradient and the loss where the network fits a target exactly.

    A network starts with outputs near 0: a mean of 0 and a standard deviation of 1. Standardize the targets, so that this is a
    sensible start.

    Targets: numbers (n, k); (n) for one target, which has two outputs.
    """

    records: ClassVar[bool] = True
    output_activations: ClassVar[tuple[type[Layer], ...] | None] = ()
    numeric: ClassVar[bool] = True

    epsilon: Positive = 1e-6

    def check_outputs(self, shape: Shape) -> None:
        if shape[0] % 2:
            raise ConfigError(
                f"{self} needs two outputs for each target, a mean and the logarithm of a variance; got {shape[0]} outputs"
            )

    def metric_shape(self, shape: Shape) -> Shape:
        return (shape[0] // 2,)

    def targets(self, y: Array, shape: Shape) -> Array:
        return numeric_targets(finite_targets(y), self.metric_shape(shape), "GaussianNLL")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        return float(kernels.gaussian(z, targets, weights, scale, self.epsilon, outputs, dz))

    def distribution(self, outputs: Array) -> tuple[Array, Array]:
        """Return the means and the standard deviations, each (n, …, k), for outputs (n, …, 2k) of ``predict``.

        Raises ShapeError for outputs of another shape.
        """
        array = np.asarray(outputs)
        if array.ndim < 2 or array.shape[-1] % 2:
            raise ShapeError(f"{self}.distribution takes outputs (n, …, 2k) of predict, got the shape {array.shape}")
        kind = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
        means, logarithms = np.split(array.astype(kind, copy=False), 2, axis=-1)
        with np.errstate(all="ignore"):  # NaN stays NaN, and a variance may be infinite
            return means, np.exp(np.logaddexp(logarithms, np.log(self.epsilon)) / 2, dtype=kind)
