"""The output of a network, and the loss and metrics that are computed from it.

The last axis of an output holds the answer: the classes, channels or numbers. The axes before it are *positions*, such as time
steps or pixels; an output that is a vector has one position. Every position of every sample has a target and a weight of its
own. The loss is the mean over all of them,

    C = Σ w l / Σ w,

and so are the metrics. Losses and metrics receive rows (n·P, k): one row for each of the P positions of each of the n samples,
in C order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, ShapeError
from pellucid.kernels import Kernels
from pellucid.layers.activations import Activation
from pellucid.losses import Loss
from pellucid.losses.targets import targets_at, without_masked
from pellucid.metrics import Metric, MetricState


class Reading(Protocol):
    """An execution after a pass, or any object that has the time steps that recurrent layers have read."""

    def steps_read(self, path: str | None) -> Array | None: ...


class Output:
    """An output of the given ``shape`` (of one sample), with its loss.

    - ``positions`` are the axes before the last one, and ``count`` is the number of positions.
    - ``metric_shape`` is the shape of the values for the metrics, which the loss computes from the output.
    - ``head`` is the last activation if the loss is computed together with it, from the logits, else None.
    - ``mask_path`` is the path of the recurrent layer whose steps are the positions and which skips some of them, or None.

    ``advice`` returns what to change in the network if there should be no positions; it is called for error messages.
    """

    def __init__(
        self,
        shape: Shape,
        loss: Loss,
        head: Activation | None,
        kernels: Kernels,
        advice: Callable[[], str],
        mask_path: str | None = None,
    ):
        self.shape, self.loss, self.head, self.kernels = shape, loss, head, kernels
        self.positions, self._answer, self._advice = shape[:-1], shape[-1:], advice
        self.count = math.prod(self.positions)
        self.mask_path = mask_path if self.positions else None
        if self.positions and loss.compares_samples:
            raise ConfigError(
                f"{loss} compares samples, so it needs one vector for each of them, not an output of the shape {shape}: "
                f"{advice()}"
            )
        loss.check_outputs(self._answer)
        self.metric_shape = (*self.positions, *loss.metric_shape(self._answer))

    @property
    def mask_paths(self) -> list[str]:
        """The path of the layer that skips positions, in a list; it is empty if there is none."""
        return [] if self.mask_path is None else [self.mask_path]

    @property
    def compares_samples(self) -> bool:
        """Whether the loss compares the samples of a batch."""
        return self.loss.compares_samples

    @property
    def divergence_limit(self) -> float:
        """The mean loss above which a batch has diverged."""
        return self.loss.divergence_limit

    @property
    def class_count(self) -> int:
        """The number of classes that the output distinguishes; a single number distinguishes two."""
        return max(2, self.metric_shape[-1])

    @property
    def multi_label(self) -> bool:
        """Whether the numbers of an answer are several independent yes-or-no answers."""
        return self.loss.multi_label and self.shape[-1] > 1

    @property
    def interpolates(self) -> bool | None:
        """Whether targets that are maps of pixels are numbers, which have values between two pixels; None without such maps."""
        return not self.loss.classifies if len(self.positions) == 2 else None

    # -- checks of user data --------------------------------------------------------------------------------------

    def targets(self, y: Array, weights: Array | None = None) -> Array:
        """Return the targets in the form for :meth:`compute`: labels (n, *positions) or numbers (n, *positions, k).

        Where the ``weights`` (n) or (n, *positions) are 0, y may have any values, NaN and unknown labels included. Raises
        ShapeError and DataError.
        """
        if weights is not None and not weights.all():
            self.check_weights(weights, len(y))
            y = without_masked(y, weights)
        if not self.positions:
            return self._vector_targets(y)
        rank = len(self.positions)
        if y.shape[1 : rank + 1] != self.positions:
            k, at = self._answer[0], ", ".join(map(str, self.positions))
            numbers = f"(n, {at}, {k})" if k > 1 or not self.loss.classifies else f"(n, {at})"
            expected = f"(n, {at}) or {numbers}" if self.loss.classifies and k > 1 else numbers
            raise ShapeError(
                f"the network has an output of {k} {'number' if k == 1 else 'numbers'} at each of its positions "
                f"{self.positions}, so the targets have the shape {expected}; got {y.shape}. {self._advice_for(y.shape[1:])}"
            )
        rows = targets_at(self.loss.targets, y, self.positions, self._answer)
        return rows.reshape(len(y), *self.positions, *rows.shape[1:])

    def _advice_for(self, shape: Shape) -> str:
        """Return what to do about targets whose shape, that of one sample, does not fit the positions."""
        rank = len(self.positions)
        if len(shape) not in (rank, rank + 1) or shape == self._answer:
            return f"Give a target for each position, or let the network end in a vector: {self._advice()}"
        if sorted(shape[:rank]) == sorted(self.positions):
            return "The axes of the targets are in another order than those of the output"
        return (
            'The numbers of positions differ: convolutions keep them with padding="same", pooling and strides divide them and '
            "UpSample multiplies them; or crop the targets to the output"
        )

    def _vector_targets(self, y: Array) -> Array:
        try:
            return self.loss.targets(y, self.shape)
        except ShapeError as error:
            if y.ndim < 2 or not self.loss.classifies:
                raise
            axes = ", ".join(map(str, y.shape[1:]))
            raise ShapeError(
                f"{error}; for a label at each of the positions ({axes}) the output of the network must have the shape "
                f"({axes}, {self.shape[0]}): return_sequences=True in the last recurrent layer, no Flatten(), no pooling over "
                "all positions"
            ) from None

    def check_weights(self, weights: Array, n: int) -> None:
        """Raise ShapeError unless the weights are (n), or (n, *positions)."""
        if weights.shape == (n,) or weights.shape == (n, *self.positions):
            return
        at = f", or one for each position {self.positions} of each sample" if self.positions else ""
        raise ShapeError(f"sample_weight must hold one number for each of the {n:,} samples{at}; got the shape {weights.shape}")

    # -- computation ----------------------------------------------------------------------------------------------

    def row_weights(self, weights: Array, steps: Array | None = None) -> Array:
        """Return the weight of each row (n·P), for weights (n) or (n, *positions).

        ``steps`` (n, *positions) of bool are the positions that count; the others get the weight 0. None means all.
        """
        if not self.positions:
            return weights
        rows = np.repeat(weights, self.count) if weights.ndim == 1 else weights.reshape(-1)
        return rows if steps is None else rows * steps.reshape(-1)

    def step_weights(self, weights: Array, execution: Reading) -> Array:
        """Return the weight of each row (n·P) after a forward pass; steps that a recurrent layer has skipped do not count."""
        return self.row_weights(weights, execution.steps_read(self.mask_path))

    def total(self, row_weights: Array) -> float:
        """Return Σ w."""
        return float(np.add.reduce(row_weights, dtype=np.float64))

    def combined(self, total: float) -> float:
        """Return the weight of a batch among others whose gradients are averaged: Σ w."""
        return total

    def rows(self, a: Array) -> Array:
        """Return an array (n, *positions, …) as rows (n·P, …)."""
        return a.reshape(-1, *a.shape[1 + len(self.positions) :])

    def compute(
        self,
        z: Array,
        targets: Array,
        row_weights: Array,
        scale: float,
        outputs: Array,
        dz: Array,
        kernels: Kernels | None = None,
    ) -> float:
        """Return Σ w l over all rows, and write the outputs for the metrics and the gradient; see ``Loss.compute``.

        z and dz are (n, *shape), targets as :meth:`targets` returns them, outputs (n, *metric_shape). ``kernels`` are used in
        place of the output's own.
        """
        z, targets, outputs, dz = self.rows(z), self.rows(targets), self.rows(outputs), self.rows(dz)
        return self.loss.compute(z, targets, row_weights, scale, outputs, dz, kernels or self.kernels)

    def mean_loss(
        self, z: Array, targets: Array, row_weights: Array, total: float, outputs: Array, dz: Array
    ) -> tuple[float, float]:
        """Return the mean loss Σ w l / Σ w, or 0 if ``total`` = Σ w is 0; twice, as the total loss and as that of the output.

        The other arguments are those of :meth:`compute`; dz becomes the gradient of the mean loss.
        """
        scale = 1 / total if total > 0 else 0.0
        mean = self.compute(z, targets, row_weights, scale, outputs, dz) * scale
        return mean, mean

    def apply_head(self, z: Array, out: Array, kernels: Kernels | None = None) -> None:
        """Write the head's outputs for the logits z (n, *shape) into ``out``; without a head, z itself.

        ``kernels`` are by default those of the output.
        """
        if self.head is None:
            out[...] = z
        else:
            getattr(kernels or self.kernels, self.head.kernel_name)(z, out=out)

    def start_metric(self, metric: Metric) -> MetricState:
        """Return a new state of the metric for the rows. Raises ConfigError where it cannot be computed."""
        return metric.start_at(self.positions, self._start)

    def _start(self, metric: Metric) -> MetricState:
        if metric.needs == "numbers":
            return metric.start(self.metric_shape[-1], self.kernels)
        if self.multi_label:
            return metric.start_multi_label(self.metric_shape[-1], self.kernels)
        return metric.start(self.class_count, self.kernels)
