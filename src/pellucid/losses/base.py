"""The base class of losses, which states the targets and the last layers that a loss accepts, its value and its gradient.

A loss may have a ``head``: the last layer of the network, computed together with the loss. Cross-entropy after softmax, for
example, is computed from the logits z, the input of the softmax. The function is the same, but it does not overflow or become
0/0 as two separate steps can, and its gradient is simple: ∂l/∂z = ŷ − y, where ŷ is the output of the softmax.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from pellucid import kernels as kernel_sets
from pellucid.core.config import Config
from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.kernels import Kernels
from pellucid.layers import Layer
from pellucid.losses.targets import targets_at, without_masked


class Loss(Config, ABC):
    """The base class of losses. Its class variables state which networks a loss fits and what the outputs mean.

    ``head`` is the class of the last layer, which is computed together with the loss; None if no particular layer is needed.
    Without a head, ``output_activations`` may restrict the activation at the end: () allows a linear output only, None any
    output.

    ``classifies`` is True if targets are classes (labels or probabilities); without a head the outputs are then scores.
    ``multi_label`` is True if several outputs are independent yes-or-no answers. ``compares_samples`` is True if the loss of a
    sample depends on the other samples of its batch: a batch can then not be computed in parts, and no metric compares an
    output with its target. ``numeric`` is True if several outputs are numbers, never the scores of classes. A batch whose mean
    loss is above ``divergence_limit`` has diverged. ``records`` is True if ``compute`` does nothing but call kernels and return
    the result of the last one (see :mod:`pellucid.training.recording`); a class that redefines ``compute`` states it again.
    ``finds_bad_labels`` is True if ``targets`` leaves labels (n) of int64 as they are, and ``compute`` returns NaN for those
    that are out of range; a class that redefines one of them states it again.
    """

    head: ClassVar[type[Layer] | None] = None
    output_activations: ClassVar[tuple[type[Layer], ...] | None] = None
    classifies: ClassVar[bool] = False
    multi_label: ClassVar[bool] = False
    compares_samples: ClassVar[bool] = False
    numeric: ClassVar[bool] = False
    records: ClassVar[bool] = False
    finds_bad_labels: ClassVar[bool] = False
    divergence_limit: ClassVar[float] = 3.4e38  # the largest value in float32

    def check_outputs(self, shape: Shape) -> None:
        """Raise ConfigError unless the loss takes outputs of ``shape`` for one sample. By default it takes all."""

    def metric_shape(self, shape: Shape) -> Shape:
        """Return the shape of what ``compute`` writes into its ``outputs`` for one sample, by default ``shape`` itself."""
        return shape

    def value_and_gradient(self, z: Array, y: Array, sample_weight: Array | None = None) -> tuple[float, Array]:
        """Return the mean loss Σ w l / Σ w and its gradient with respect to ``z``, in the shape of z.

        ``z`` (n, …, k) are the network's outputs; for a loss with a ``head`` they are the logits, as from
        ``model.forward(x, logits=True)``. The axes between the samples and the answer are positions. ``y`` are targets as for
        ``fit``, ``sample_weight`` (n) or (n, …) the weights. The gradient is in float64 where z is, else in float32.

        Raises ShapeError, DataError and ConfigError for arguments that do not fit the loss.
        """
        outputs, y = np.asarray(z), np.asarray(y)
        if outputs.ndim < 2 or outputs.dtype.kind not in "biuf":
            raise ShapeError(f"z must be numbers (n, k), one row for each sample; got {outputs.dtype} {outputs.shape}")
        outputs = np.ascontiguousarray(outputs, np.float64 if outputs.dtype == np.float64 else np.float32)
        n, positions, shape = len(outputs), outputs.shape[1:-1], outputs.shape[-1:]
        if positions and self.compares_samples:
            raise ConfigError(f"{self} compares samples, so it takes one vector for each, (n, k), not {outputs.shape}")
        if y.shape[: 1 + len(positions)] != (n, *positions):
            raise ShapeError(f"there must be a target for each output: z has the shape {outputs.shape}, y {y.shape}")
        weights = np.ones(n, outputs.dtype) if sample_weight is None else np.asarray(sample_weight, outputs.dtype)
        if weights.shape not in ((n,), (n, *positions)):
            raise ShapeError(
                f"sample_weight must hold one number for each of the {n:,} samples, or outputs; got {weights.shape}"
            )
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise DataError("sample_weight must be finite and not negative")
        self.check_outputs(shape)
        targets = targets_at(self.targets, without_masked(y, weights), positions, shape)
        weights = np.repeat(weights, math.prod(positions)) if weights.ndim == 1 else weights.reshape(-1)
        total = float(np.add.reduce(weights, dtype=np.float64))
        scale = 1 / total if total > 0 else 0.0
        dz = np.empty_like(outputs)
        seen = np.empty((len(weights), *self.metric_shape(shape)), outputs.dtype)
        rows = (len(weights), *shape)
        with np.errstate(all="ignore"):  # an infinite loss is a result, not an error
            value = self.compute(outputs.reshape(rows), targets, weights, scale, seen, dz.reshape(rows), kernel_sets.load())
        return value * scale, dz

    @abstractmethod
    def targets(self, y: Array, shape: Shape) -> Array:
        """Return ``y`` in the form for ``compute``, for outputs of ``shape``: int64 labels (n) or float32 numbers (n, k).

        Raises DataError for invalid values (labels out of range, NaN, ...) and ShapeError for a shape that does not fit.
        """

    @abstractmethod
    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        """Return Σ wᵢ lᵢ over the samples, and write the outputs for the metrics and the gradient.

        ``z`` (n, k) are the logits, the input of the head; without a head they are the network's outputs. ``outputs`` (n,
        *``metric_shape``) is overwritten with the values that metrics compare with the targets: the output of the head, or
        without a head z (the rates eᶻ for :class:`~pellucid.losses.Poisson`, the means for
        :class:`~pellucid.losses.GaussianNLL`). ``dz`` (n, k) is overwritten with wᵢ · scale · ∂lᵢ/∂z. The targets and weights
        are read only.
        """
