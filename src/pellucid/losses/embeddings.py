"""Losses for outputs that are vectors: their directions, and the distances between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Positive
from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.kernels import Kernels
from pellucid.losses.base import Loss
from pellucid.losses.targets import finite_targets, numeric_targets


@dataclass(frozen=True)
class CosineDistance(Loss):
    """l = 1 − ŷ·y/(|ŷ| |y|), one minus the cosine of the angle between the output and the target, after any layer.

    It is 0 for the same direction, 1 for a right angle and 2 for opposite directions; lengths do not matter.
    ∂l/∂ŷ = (ŷ cos/|ŷ| − y/|y|)/|ŷ|. Where one of the two vectors is zero, and thus without a direction, the loss is 1 and the
    gradient 0.

    Targets: vectors (n, k), k ≥ 2. Metrics compare the outputs with the targets, lengths included.
    """

    records: ClassVar[bool] = True

    def check_outputs(self, shape: Shape) -> None:
        if shape[0] < 2:
            raise ConfigError(f"{self} compares directions: it needs at least 2 outputs, got {shape[0]}")

    def targets(self, y: Array, shape: Shape) -> Array:
        return numeric_targets(finite_targets(y), shape, "CosineDistance")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        kernels.copy(z.reshape(-1), outputs.reshape(-1))
        return float(kernels.cosine_distance(z, targets, weights, scale, dz))


@dataclass(frozen=True)
class Triplet(Loss):
    """l = mean over the triplets of an anchor a of max(0, m + |a − p| − |a − n|), after any layer (Schroff, Kalenichenko and
    Philbin, 2015; all triplets of the batch, as in Hermans, Beyer and Leibe, 2017).

    The outputs are embeddings: vectors that are close to each other for samples with the same label. a is the output for a
    sample, the anchor; p that for another sample of the batch with the same label, n that for a sample with another label. The
    loss is 0 where all n are farther from a than all p by the margin m = ``margin``. ∂|a − p|/∂a = (a − p)/|a − p|, and 0
    where a = p.

    Targets: integer labels (n), any integers. Samples of weight 0 are left out; the weight of a sample is its weight as an
    anchor. An anchor without a p or an n in the batch has the loss 0, and so has a batch without triplets: the batch size
    should leave room for several samples of each class.

    The loss depends on which samples share a batch, so values are comparable for the same batch size only. ``evaluate`` and
    validation form triplets within chunks of up to 1,024 consecutive samples (fewer if the network has large layers): shuffle
    data that are sorted by label. ``fit(accumulate=…)`` is refused, because two batches have fewer triplets than their union.
    No metric compares embeddings with labels.
    """

    records: ClassVar[bool] = True
    compares_samples: ClassVar[bool] = True

    margin: Positive = 1.0

    def targets(self, y: Array, shape: Shape) -> Array:
        y = finite_targets(y, "labels")
        if y.ndim != 1 and y.shape[1:] != (1,):
            raise ShapeError(f"Triplet takes one label for each sample, the targets have {y.shape[1:]}")
        if y.dtype.kind == "f" and (y != np.floor(y)).any():
            raise DataError(f"Triplet takes integers as labels, got {y[y != np.floor(y)][0]:g}")
        return np.ascontiguousarray(y.reshape(-1), np.int64)

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        kernels.copy(z.reshape(-1), outputs.reshape(-1))
        return float(kernels.triplet(z, targets, weights, scale, self.margin, dz))
