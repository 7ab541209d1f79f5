"""The common first steps of all attribution methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.core.memory import Array
from pellucid.explain.attribution import Attribution
from pellucid.explain.differentiable_model import DifferentiableModel
from pellucid.explain.explained_output import ClassChoice, OutputKind, explained_output
from pellucid.explain.output_position import Position
from pellucid.model.model import Model


class Attributor:
    """The scaled samples ``x``, the ``model`` that computes outputs and gradients, and the output to explain.

    ``explained`` is that output as a function, ``output`` (n) its value at the samples. ``change`` replaces the layers and
    merges of the network, see :class:`~pellucid.explain.differentiable_model.DifferentiableModel`.
    """

    def __init__(
        self,
        model: Model,
        x: Array,
        target: ClassChoice | None,
        against: ClassChoice | None,
        of: OutputKind,
        position: Position | None,
        dtype: Any,
        change: Callable[[Any], Any] | None = None,
    ):
        self.model = DifferentiableModel(model, of, dtype, change, position)
        self.position = position
        self.x = self.model.scaled_samples(x)
        outputs = self.model.outputs(self.x)
        self.explained = explained_output(model, outputs, target, against, of)
        self.output = self.explained.values(outputs)

    def gradient(self) -> Array:
        """Return the gradient (n, *input shape) of the explained output at the samples."""
        return self.model.gradient(self.x, self.explained.coefficients)

    def output_at(self, points: Array) -> Array:
        """Return the explained output (n) of each sample at another point, (n, *input shape)."""
        return self.explained.values(self.model.outputs(points))

    def attribution(self, method: str, values: Array, baseline_output: Array, *, complete: bool) -> Attribution:
        """Return the attribution of the samples with these values."""
        explained = self.explained
        classes = explained.target, explained.against
        return Attribution(method, values, self.output, baseline_output, *classes, complete, self.position)
