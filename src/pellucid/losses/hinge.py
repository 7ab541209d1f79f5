"""The hinge loss: the score of the true class should exceed the others by a margin of 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import DataError
from pellucid.kernels import Kernels
from pellucid.layers import Layer, Tanh
from pellucid.losses.base import Loss
from pellucid.losses.targets import InvalidTarget, class_labels, finite_targets, numeric_targets


@dataclass(frozen=True)
class Hinge(Loss):
    """The loss of support vector machines, after a linear output or Tanh. The outputs z are scores, not probabilities.

    - One output (Cortes and Vapnik, 1995): l = max(0, 1 − t z) with t = 1 for class 1 and t = −1 for class 0. The prediction
      is class 1 where z is above 0. ∂l/∂z = −t where l > 0.
    - One output per class (Weston and Watkins, 1999, divided by k as in PyTorch's ``MultiMarginLoss``; the largest score is the
      prediction): l = Σ_{j ≠ y} max(0, 1 + z_j − z_y)/k. ∂l/∂z_j = 1/k where the term is above 0, ∂l/∂z_y = −Σ_{j ≠ y} ∂l/∂z_j.

    Targets: labels (n) or one-hot rows (n, k); 0 and 1 for one output.
    """

    records: ClassVar[bool] = True
    output_activations: ClassVar[tuple[type[Layer], ...] | None] = (Tanh,)
    classifies: ClassVar[bool] = True

    def targets(self, y: Array, shape: Shape) -> Array:
        y = finite_targets(y, "labels")
        if shape[0] == 1:
            binary = numeric_targets(y, shape, "Hinge")
            if (wrong := (binary != 0) & (binary != 1)).any():
                bad = int(np.flatnonzero(wrong[:, 0])[0])
                raise InvalidTarget(f"label {binary[bad, 0]:g} in {{}}: Hinge takes 0 and 1; for −1 and 1 pass y > 0", bad)
            return 2 * binary - 1
        if y.ndim == 1 or y.shape[1:] == (1,):
            return class_labels(y.reshape(-1), shape[0])
        one_hot = numeric_targets(y, shape, "Hinge")
        if not (((one_hot == 0) | (one_hot == 1)).all() and (one_hot.sum(axis=1) == 1).all()):
            raise DataError("Hinge takes labels or one-hot rows; for soft labels use Softmax() and CrossEntropy()")
        return one_hot.argmax(axis=1)

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        kernels.copy(z.reshape(-1), outputs.reshape(-1))
        kernel = kernels.hinge_labels if targets.ndim == 1 else kernels.hinge
        return float(kernel(z, targets, weights, scale, dz))
