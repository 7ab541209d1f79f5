"""The absence of a loss: networks such as the generator of a GAN have none of their own."""

from __future__ import annotations

from typing import ClassVar

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.layers import Layer, Sigmoid, Softmax
from pellucid.losses.base import Loss


class NoLoss(Loss):
    """The loss of a model that was compiled with ``loss=None``: there is none to compute. Model files store null.

    Such a model predicts, and is trained in a loop with ``forward`` and ``update``. A last layer of the classes ``heads``
    counts as a head, so that its input, the logits, can be used there too.
    """

    heads: ClassVar[tuple[type[Layer], ...]] = (Softmax, Sigmoid)

    def value_and_gradient(self, z: Array, y: Array, sample_weight: Array | None = None) -> tuple[float, Array]:
        raise no_loss("value_and_gradient")

    def targets(self, y: Array, shape: Shape) -> Array:
        raise no_loss("evaluate")

    def compute(
        self, z: Array, targets: Array, weights: Array, scale: float, outputs: Array, dz: Array, kernels: Kernels
    ) -> float:
        raise no_loss("evaluate")

    def __repr__(self) -> str:
        return "None"


NO_LOSS = NoLoss()


def no_loss(method: str) -> ConfigError:
    """Return the error of a method that needs the loss which a model does not have."""
    return ConfigError(
        f"{method}: this model was compiled with loss=None, so there is nothing to minimize or to measure: give a loss, as in "
        "compile(loss=MeanSquaredError()), or write the loop with forward(…) and update(…)"
    )
