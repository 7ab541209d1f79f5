"""Losses: what training makes small.

A loss names the head it may be computed through. Cross-entropy after softmax is computed from the logits z (what is
before the softmax): exactly the same function, without the overflow and the 0/0 of doing it in two steps, and with the
simplest of gradients, δ = a − y. A loss over a batch is Σ wᵢ lᵢ / Σ wᵢ; without sample weights that is the mean.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.config import Config
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.kernels import Kernels
from pellucid.layers import Dropout, Flatten, Layer, Linear, Sigmoid, Softmax
from pellucid.memory import Array, Shape
from pellucid.networks import in_line


class Loss(Config, ABC):
    """The base of all losses. ``head`` is the last layer it is computed through, None if it stands behind anything. A
    batch whose mean loss is above ``limit`` has diverged."""

    head: ClassVar[type[Layer] | None] = None
    limit: ClassVar[float] = 3.4e38  # what float32 holds
    classifies: ClassVar[bool] = False  # targets are classes: labels, or probabilities of them
    independent: ClassVar[bool] = False  # several outputs are several questions, answered independently

    @abstractmethod
    def targets(self, y: Array, shape: Shape) -> Array:
        """``y`` as the loss wants it, for outputs of ``shape``: int64 labels (n), or float32 numbers (n, k).

        Raises DataError for labels out of range, NaN and the like, ShapeError where the shape does not fit.
        """

    @abstractmethod
    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        """Σ wᵢ lᵢ of one shard. ``a`` gets the head's output, ``dz`` the gradient wᵢ·scale·∂lᵢ/∂z; all are (n, k)."""

    def check(self, network: Layer) -> None:
        """Refuses a network whose last layer does not go with the loss (ConfigError with the fix)."""
        kinds = in_line(network)
        activations = [layer for layer in kinds if isinstance(layer, (Softmax, Sigmoid))]
        for one, other in itertools.pairwise(layer for layer in kinds if not isinstance(layer, (Linear, Dropout, Flatten))):
            if isinstance(one, Softmax) and isinstance(other, Softmax):
                raise ConfigError("a Softmax behind a Softmax flattens the probabilities: remove one of them")
        if self.head is None:
            return
        name, head = type(self).__name__, self.head.__name__
        if not kinds or not isinstance(kinds[-1], self.head):
            last = repr(kinds[-1]) if kinds else "nothing"
            if activations and kinds[-1] is activations[-1]:
                fits = {Softmax: "CrossEntropy()", Sigmoid: "BinaryCrossEntropy()"}[type(kinds[-1])]
                raise ConfigError(f"{name} needs {head}() as the last layer; with {last} use loss={fits}")
            raise ConfigError(f"{name} needs {head}() as the last layer, got {last}; put {head}() at the end")


def _numbers(y: Array, what: str) -> Array:
    if y.dtype.kind not in "buif":
        raise DataError(
            f"{what} must be numbers, got {y.dtype}" + ("" if y.dtype.kind not in "OUS" else " (number the classes 0, 1, …)")
        )
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        bad = np.flatnonzero(~np.isfinite(y).reshape(len(y), -1).all(axis=1))
        raise DataError(f"{what} hold NaN or infinity in {len(bad)} samples, first in sample {bad[0]}")
    return y


def _labels(y: Array, k: int) -> Array:
    """Whole numbers (n) as int64, each checked to be one of k classes."""
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        raise DataError(
            f"labels must be whole numbers 0 … {k - 1}, got {y[y != np.floor(y)][0]:g}; for numbers use MeanSquaredError()"
        )
    if len(y) and not (y.min() >= 0 and y.max() < k):
        bad = int(np.flatnonzero((y < 0) | (y >= k))[0])
        raise DataError(f"label {int(y[bad])} in sample {bad} is out of range: {k} outputs take the labels 0 … {k - 1}")
    return np.ascontiguousarray(y, np.int64)


def _per_sample(y: Array, shape: Shape, name: str) -> Array:
    """Numbers (n, k) as float32; (n) is taken for (n, 1)."""
    width = shape[0]
    wide = y.reshape(len(y), 1) if y.ndim == 1 and width == 1 else y
    if wide.shape[1:] != shape:
        raise ShapeError(f"{name}: the network gives {shape} a sample, the targets have {y.shape[1:] or 'one number'}")
    return np.ascontiguousarray(wide, np.float32)


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """l = −Σ_c y_c log ŷ_c behind Softmax, = −log ŷ of the true class; in nats.

    Targets: labels (n), one-hot or soft labels (n, k) whose rows sum to 1. δ = ∂l/∂z = a − y.
    """

    head: ClassVar[type[Layer] | None] = Softmax
    limit: ClassVar[float] = 1e6  # nats: a network this sure, and this wrong, has saturated for good
    classifies: ClassVar[bool] = True

    def targets(self, y: Array, shape: Shape) -> Array:
        y = _numbers(y, "labels")
        if y.ndim == 1 or y.shape[1:] == (1,):
            return _labels(y.reshape(-1), shape[0])
        soft = _per_sample(y, shape, "CrossEntropy")
        if soft.size and (soft.min() < 0 or np.abs(soft.sum(axis=1) - 1).max() > 1e-3):
            bad = int(np.flatnonzero((soft.min(axis=1) < 0) | (np.abs(soft.sum(axis=1) - 1) > 1e-3))[0])
            raise DataError(f"targets of sample {bad} are no distribution: each row must be ≥ 0 and sum to 1; got {soft[bad]}")
        one_hot = bool(((soft == 0) | (soft == 1)).all())
        return soft.argmax(axis=1) if one_hot else soft

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        kernel = kernels.softmax_cross_entropy_labels if target.ndim == 1 else kernels.softmax_cross_entropy
        return float(kernel(z, target, weights, scale, a, dz))


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
        wide = _per_sample(_numbers(y, "labels"), shape, "BinaryCrossEntropy")
        if wide.size and not (wide.min() >= 0 and wide.max() <= 1):
            bad = int(np.flatnonzero((wide < 0).any(axis=1) | (wide > 1).any(axis=1))[0])
            raise DataError(f"label {wide[bad]} in sample {bad} is out of range: BinaryCrossEntropy takes 0 and 1")
        return wide

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        return float(kernels.sigmoid_cross_entropy(z, target, weights, scale, a, dz))


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """l = mean over the outputs of (ŷ − y)², behind any layer. ∂l/∂ŷ = 2 (ŷ − y)/k.

    Targets: numbers (n, k), (n) for one output; whole numbers (n) for several outputs are labels, taken as one-hot.
    """

    def targets(self, y: Array, shape: Shape) -> Array:
        y = _numbers(y, "targets")
        if y.ndim == 1 and shape[0] > 1 and y.dtype.kind in "biu":
            return np.eye(shape[0], dtype=np.float32)[_labels(y, shape[0])]
        return _per_sample(y, shape, "MeanSquaredError")

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        a[...] = z
        return float(kernels.squared_error(z, target, weights, scale, dz))
