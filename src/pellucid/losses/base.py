"""The base of all losses: the targets and last layers that a loss accepts, and its value with its gradient.

A loss may have a ``head``: the last layer that it is computed through. Cross-entropy after softmax is computed from the
logits z, the input of the softmax. This is exactly the same function, but it does not overflow or become 0/0 as two separate
steps can, and its gradient is simple: ∂l/∂z = ŷ − y, where ŷ is the output of the softmax.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pellucid.core.config import Config
from pellucid.core.memory import Array, Shape
from pellucid.kernels import Kernels
from pellucid.layers import Layer


class Loss(Config, ABC):
    """The base of all losses. Its class variables describe which networks it fits and how its outputs are read.

    ``head`` is the last layer that the loss is computed through; None if it needs no particular layer. Without a head,
    ``output_activations`` may restrict the activation at the end: () allows a linear output only, None any output.

    ``classifies`` is True if targets are classes (labels or probabilities); without a head the outputs are then scores.
    ``multi_label`` is True if several outputs are independent yes-or-no answers. A batch whose mean loss is above
    ``divergence_limit`` has diverged.
    """

    head: ClassVar[type[Layer] | None] = None
    output_activations: ClassVar[tuple[type[Layer], ...] | None] = None
    classifies: ClassVar[bool] = False
    multi_label: ClassVar[bool] = False
    divergence_limit: ClassVar[float] = 3.4e38  # the largest value in float32

    @abstractmethod
    def targets(self, y: Array, shape: Shape) -> Array:
        """Return ``y`` as ``compute`` takes it, for outputs of ``shape``: int64 labels (n) or float32 numbers (n, k).

        Raises DataError for invalid values (labels out of range, NaN, ...) and ShapeError for a shape that does not fit.
        """

    @abstractmethod
    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        """Return Σ wᵢ lᵢ of the samples, and write the network's outputs and the gradient.

        ``z`` are the logits, the input of the head; without a head they are the outputs. ``outputs`` is overwritten with the
        output of the head, ``dz`` with the gradient wᵢ · scale · ∂lᵢ/∂z; both are (n, k), as z is.
        """
