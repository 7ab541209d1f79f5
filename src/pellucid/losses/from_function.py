"""A loss from a function of outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.habits import refuse_signature
from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.kernels import Kernels
from pellucid.losses.base import Loss
from pellucid.losses.targets import finite_targets

LossFunction = Callable[[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """The loss that ``compile(loss=function)`` makes of a function of your own.

    ``function(outputs, targets)`` returns the pair (l, ∂l/∂y): the losses l (n) of the samples, one number each, and the
    gradient (n, k) of each sample's loss with respect to its own outputs. Neither is divided by the number of samples: the mean
    over them, with their weights, is taken afterwards, and samples of weight 0 do not count. The outputs (n, k) are those
    of the last layer, whichever it is. Targets are given to the function as they are, in float32 for fractions and in int64
    for integers. Both arrays are read-only.

    ``check_loss`` of :mod:`pellucid.testing` checks the gradient. A model file names the function by module and name, and
    ``Model.load(path, custom_classes=[function])`` needs it again.
    """

    function: Any

    def __post_init__(self) -> None:
        if not callable(self.function) or isinstance(self.function, (type, Loss)):
            raise ConfigError(f"FunctionLoss(function={self.function!r}): it must be a function of (outputs, targets)")
        refuse_signature("loss", self.function, ("outputs", "targets"))

    def __repr__(self) -> str:
        return self._name

    @property
    def _name(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))

    def targets(self, y: Array, shape: Shape) -> Array:
        y = finite_targets(y)
        return np.ascontiguousarray(y, np.float32 if y.dtype.kind == "f" else np.int64)

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        losses, gradients = self._called(z, targets)
        outputs[...] = z
        counts = weights != 0  # without weight, even an infinite loss is nothing
        np.multiply(gradients, (weights * scale)[:, None], out=dz, casting="unsafe")
        if counts.all():
            return float(np.dot(weights.astype(np.float64), losses))
        dz[~counts] = 0
        return float(np.dot(weights[counts].astype(np.float64), losses[counts]))

    def _called(self, z: Array, targets: Array) -> tuple[Array, Array]:
        """Return the losses (n) and the gradients (n, k) of the function. Raises an error for other results."""
        result = self.function(_read_only(z), _read_only(targets))
        expected = f"{self._name}(outputs, targets) must return a pair, the losses (n) and their gradient (n, k)"
        if not isinstance(result, tuple) or len(result) != 2:
            raise ConfigError(f"{expected}; got {type(result).__name__}")
        if np.iscomplexobj(result[0]) or np.iscomplexobj(result[1]):
            raise DataError(f"{expected}; got complex numbers")
        try:
            losses, gradients = np.asarray(result[0], np.float64), np.asarray(result[1], z.dtype)
        except (TypeError, ValueError) as error:
            raise DataError(f"{expected}: {error}") from None
        n = len(z)
        if losses.shape != (n,):
            hint = ""
            if losses.size == 1:
                hint = "; return the loss of each sample, not their mean, and its gradient, not divided by their number"
            elif losses.shape == z.shape:
                hint = "; take the sum or the mean over the outputs of each sample"
            raise ShapeError(f"{expected}; for {n} samples the losses have the shape {losses.shape}{hint}")
        if gradients.shape != z.shape:
            broadcast = targets.ndim == 1 and gradients.shape == (n, n)
            hint = f"; the targets have the shape {targets.shape}: give the model y[:, None]" if broadcast else ""
            raise ShapeError(f"{expected}; for outputs {z.shape} the gradient has the shape {gradients.shape}{hint}")
        return losses, gradients


def as_loss(loss: Any) -> Any:
    """Return the :class:`FunctionLoss` of a function; anything else is returned unchanged."""
    return FunctionLoss(loss) if callable(loss) and not isinstance(loss, (type, Loss)) else loss


def _read_only(a: Array) -> Array:
    view = a.view()
    view.flags.writeable = False
    return view
