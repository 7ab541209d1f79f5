"""The base classes of metrics: frozen settings whose ``start`` returns a :class:`MetricState`, which accumulates over batches.

A metric state is updated with outputs (n, k), as ``predict`` returns them, and with targets. The predicted class is the
largest output; a single output predicts class 1 where it is at least ½, otherwise class 0.

For some losses the outputs are converted first: a single score whose sign is the prediction becomes two scores
(:func:`~pellucid.metrics.binary_scores`), the logarithm of a rate becomes the rate (by the loss itself), and k independent
yes-or-no outputs become k samples with one output each (:func:`~pellucid.metrics.flatten_multi_label`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from pellucid.core.config import Config
from pellucid.core.memory import Array
from pellucid.kernels import Kernels

Value = float | Array
Need = Literal["classes", "probabilities", "numbers"]


class MetricState(ABC):
    """The running value of a metric over batches."""

    @abstractmethod
    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        """Add one batch: outputs (n, k), targets (labels (n) or numbers (n, k)) and sample weights (n).

        The arrays are overwritten by the next batch: copy what has to be kept.
        """

    @abstractmethod
    def result(self) -> Value:
        """Return the metric over all batches so far; NaN if there were none."""


class Metric(Config, ABC):
    """The base class of metrics.

    ``name`` is the key in results; the columns of histories are ``train_<name>`` and ``validation_<name>``. ``needs`` states
    what the outputs must be: scores whose largest is the predicted class ("classes"), "probabilities" of classes, or
    "numbers".
    """

    needs: ClassVar[Need] = "classes"

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def start(self, classes: int, kernels: Kernels) -> MetricState:
        """Return a new state. ``classes`` is the number of outputs, or 2 for a single output."""


def lower_is_better(name: str) -> bool:
    """Return whether lower values of that name are better: True for losses and errors, False for all others."""
    return name.endswith(("loss", "error", "mse", "mae"))
