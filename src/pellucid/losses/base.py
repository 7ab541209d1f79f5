"""What a loss is: which targets it takes, behind which last layer it may stand, and its value with its gradient.

A loss names the head it may be computed through. Cross-entropy after softmax is computed from the logits z (what is
before the softmax): exactly the same function, without the overflow and the 0/0 of doing it in two steps, and with the
simplest of gradients, δ = a − y. A loss that stands behind a plain number, a score or a logarithm, says so too.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.kernels import Kernels
from pellucid.layers import Dropout, Flatten, Identity, Layer, LogSoftmax, Sigmoid, Softmax
from pellucid.layers.activations import Activation
from pellucid.networks import in_line

FITS: dict[type[Layer], str] = {Softmax: "CrossEntropy()", Sigmoid: "BinaryCrossEntropy()"}


class Loss(Config, ABC):
    """The base of all losses. ``head`` is the last layer it is computed through, None if it needs none. A batch whose mean
    loss is above ``limit`` has diverged."""

    head: ClassVar[type[Layer] | None] = None
    linear: ClassVar[bool] = False  # no activation may stand at the end, but those in ``unless``
    unless: ClassVar[tuple[type[Layer], ...]] = ()
    limit: ClassVar[float] = 3.4e38  # what float32 holds
    classifies: ClassVar[bool] = (
        False  # targets are classes: labels, or probabilities of them; without a head, outputs are scores
    )
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
        for one, other in itertools.pairwise(layer for layer in kinds if not isinstance(layer, (Identity, Dropout, Flatten))):
            if isinstance(one, Softmax) and isinstance(other, Softmax):
                raise ConfigError("a Softmax behind a Softmax flattens the probabilities: remove one of them")
        if self.linear:
            self._check_linear(kinds)
        if self.head is None:
            return
        name, head = type(self).__name__, self.head.__name__
        if not kinds or not isinstance(kinds[-1], self.head):
            last = repr(kinds[-1]) if kinds else "nothing"
            if activations and kinds[-1] is activations[-1]:
                raise ConfigError(f"{name} needs {head}() as the last layer; with {last} use loss={FITS[type(kinds[-1])]}")
            where = "in its place" if kinds and isinstance(kinds[-1], LogSoftmax) else "at the end"
            raise ConfigError(f"{name} needs {head}() as the last layer, got {last}; put {head}() {where}")

    def _check_linear(self, kinds: tuple[Layer, ...]) -> None:
        last = next((layer for layer in reversed(kinds) if not isinstance(layer, (Identity, Dropout, Flatten))), None)
        if isinstance(last, Activation) and not isinstance(last, self.unless):
            wants = " or ".join(["a linear output", *(f"{kind.__name__}()" for kind in self.unless)])
            other = f", or use loss={FITS[type(last)]}" if type(last) in FITS else ""
            raise ConfigError(f"{type(self).__name__} wants {wants} at the end, got {last}: leave it out{other}")


def finite(y: Array, what: str) -> Array:
    """``y``, which must be numbers, none of them NaN or infinite."""
    if y.dtype.kind not in "buif":
        raise DataError(
            f"{what} must be numbers, got {y.dtype}" + ("" if y.dtype.kind not in "OUS" else " (number the classes 0, 1, …)")
        )
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        bad = np.flatnonzero(~np.isfinite(y).reshape(len(y), -1).all(axis=1))
        raise DataError(f"{what} hold NaN or infinity in {len(bad)} samples, first in sample {bad[0]}")
    return y


def labels_of(y: Array, k: int) -> Array:
    """Whole numbers (n) as int64, each checked to be one of k classes."""
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        raise DataError(
            f"labels must be whole numbers 0 … {k - 1}, got {y[y != np.floor(y)][0]:g}; for numbers use MeanSquaredError()"
        )
    if len(y) and not (y.min() >= 0 and y.max() < k):
        bad = int(np.flatnonzero((y < 0) | (y >= k))[0])
        raise DataError(f"label {int(y[bad])} in sample {bad} is out of range: {k} outputs take the labels 0 … {k - 1}")
    return np.ascontiguousarray(y, np.int64)


def per_sample(y: Array, shape: Shape, name: str) -> Array:
    """Numbers (n, k) as float32; (n) is taken for (n, 1)."""
    width = shape[0]
    wide = y.reshape(len(y), 1) if y.ndim == 1 and width == 1 else y
    if wide.shape[1:] != shape:
        raise ShapeError(f"{name}: the network gives {shape} a sample, the targets have {y.shape[1:] or 'one number'}")
    return np.ascontiguousarray(wide, np.float32)


def distributions(y: Array, shape: Shape, name: str) -> Array:
    """Rows (n, k) as float32, each checked to be ≥ 0 and to sum to 1."""
    soft = per_sample(y, shape, name)
    if soft.size and (soft.min() < 0 or np.abs(soft.sum(axis=1) - 1).max() > 1e-3):
        bad = int(np.flatnonzero((soft.min(axis=1) < 0) | (np.abs(soft.sum(axis=1) - 1) > 1e-3))[0])
        raise DataError(f"targets of sample {bad} are no distribution: each row must be ≥ 0 and sum to 1; got {soft[bad]}")
    return soft
