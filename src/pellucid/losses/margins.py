"""The hinge loss: the right score is to be ahead by a margin of 1, and what is ahead by that much costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import DataError
from pellucid.kernels import Kernels
from pellucid.layers import Layer, Tanh
from pellucid.losses.base import Loss, finite, labels_of, per_sample


@dataclass(frozen=True)
class Hinge(Loss):
    """The loss of support vector machines, behind a linear output or Tanh. The outputs z are scores: no probabilities.

    - One output (Cortes and Vapnik, 1995): l = max(0, 1 − t z), where t is 1 for yes and −1 for no. Above 0 it says yes.
      ∂l/∂z = −t where l > 0.
    - Several, one for each class (Weston and Watkins, 1999, by k, as PyTorch's ``MultiMarginLoss``; the largest score is the
      guess): l = Σ_{j ≠ y} max(0, 1 + z_j − z_y)/k. ∂l/∂z_j = 1/k where the summand is above 0, ∂l/∂z_y = −Σ_j ∂l/∂z_j.

    Targets: labels (n), or one-hot (n, k); 0 and 1 for one output.
    """

    linear: ClassVar[bool] = True
    unless: ClassVar[tuple[type[Layer], ...]] = (Tanh,)
    classifies: ClassVar[bool] = True

    def targets(self, y: Array, shape: Shape) -> Array:
        y = finite(y, "labels")
        if shape[0] == 1:
            answers = per_sample(y, shape, "Hinge")
            if (wrong := (answers != 0) & (answers != 1)).any():
                bad = int(np.flatnonzero(wrong[:, 0])[0])
                raise DataError(f"label {answers[bad, 0]:g} in sample {bad}: Hinge takes 0 and 1; for −1 and 1 give y > 0")
            return 2 * answers - 1
        if y.ndim == 1 or y.shape[1:] == (1,):
            return labels_of(y.reshape(-1), shape[0])
        one_hot = per_sample(y, shape, "Hinge")
        if not (((one_hot == 0) | (one_hot == 1)).all() and (one_hot.sum(axis=1) == 1).all()):
            raise DataError("Hinge takes labels, or one-hot rows; for soft labels use Softmax() and CrossEntropy()")
        return one_hot.argmax(axis=1)

    def compute(self, z: Array, target: Array, weights: Array, scale: float, a: Array, dz: Array, kernels: Kernels) -> float:
        a[...] = z
        kernel = kernels.hinge_labels if target.ndim == 1 else kernels.hinge
        return float(kernel(z, target, weights, scale, dz))
